"""Reordering: the decision whether an item needs an order, and its reason in numbers."""

from dataclasses import dataclass
from enum import StrEnum

from stockkeeper.domain.replenishment import Terms, order_quantity


class ReorderStatus(StrEnum):
    """Status of a reorder run."""

    RUNNING = "RUNNING"
    DONE = "DONE"


_COUNTED = 1e15


@dataclass(frozen=True)
class Position:
    """Inventory position of an item, in units.

    Attributes:
        available: On hand and not reserved.
        on_order: Owed by suppliers on open purchase orders, drafts among them.
        in_transit: On its way here from other warehouses.
    """

    available: int
    on_order: int = 0
    in_transit: int = 0

    @property
    def units(self) -> int:
        """All of them: the inventory position."""
        return self.available + self.on_order + self.in_transit

    def needs_order(self, point: int) -> bool:
        """Whether an order has to go out: below the point, and no open order has the item on it.

        An order that is open covers the item however large it is: a person who ordered less knows why, and the run
        would order every hour against that decision.
        """
        return self.available < point and self.on_order == 0 and self.units < point


@dataclass(frozen=True)
class PlannedNumbers:
    """The numbers behind an item's planned reorder point; units, and days."""

    days: int
    daily_mean: float
    daily_deviation: float
    lead_time_days: float
    lead_time_deviation_days: float | None
    service_level: float
    safety_stock: float
    economic_order_quantity: float
    reorder_point: int

    def decides(self, point: int) -> bool:
        """Whether the item's reorder point is still this plan's."""
        return self.reorder_point == point


def quantity_for(
    position: Position, point: int, reorder_quantity: int | None, terms: Terms, *, is_planned: bool = False
) -> int:
    """Units to order. An item without a planned quantity is brought back to its point.

    A planned quantity is raised to the point. One open order at a time has to last for a lead time, and the point is
    the most that a lead time takes: after a smaller order the item would be below its point again at once, and the next
    order late from the start. A quantity set by hand is kept even if it does that.
    """
    at_least = point if is_planned else 0
    return order_quantity(max(reorder_quantity or 0, at_least), point, position.units, terms)


def reason_for(position: Position, point: int, terms: Terms, planned: PlannedNumbers | None) -> str:
    """Reason of an order of an item, as numbers that a person can check."""
    has = f"available {position.available}, on order {position.on_order}, in transit {position.in_transit}"
    sold = f"minimum {terms.minimum_order_quantity}, pack {terms.pack_size}"
    if planned is None or not planned.decides(point):
        return f"point {point} (set by hand); {has}; {sold}"
    varies = "" if not planned.lead_time_deviation_days else f" (deviation {_number(planned.lead_time_deviation_days)})"
    return (
        f"point {point} = usage {_number(planned.daily_mean)}/day x lead time {_number(planned.lead_time_days)} days"
        f"{varies} + safety stock {_number(planned.safety_stock)} (deviation {_number(planned.daily_deviation)} over "
        f"{planned.days} days, service level {planned.service_level:g}); {has}; "
        f"EOQ {_number(planned.economic_order_quantity)}, {sold}"
        + ("; no less than the point" if planned.economic_order_quantity < point else "")
    )


def _number(value: float) -> str:
    # A float this large isn't exact to the unit: its digits mean nothing, and there may be hundreds of them.
    return f"{value:.2f}".rstrip("0").rstrip(".") if value < _COUNTED else f"{value:g}"
