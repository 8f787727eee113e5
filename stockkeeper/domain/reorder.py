"""Reordering: the decision whether an item needs an order, and its reason in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from stockkeeper.domain.demand_class import PlanMethod, ServiceMeasure
from stockkeeper.domain.replenishment import Terms, order_quantity


class ReorderStatus(StrEnum):
    """Status of a reorder run."""

    RUNNING = "RUNNING"
    DONE = "DONE"


_COUNTED = 1e15
_NUMBER_SHOWN = 24
MISSING_TO_ORDERED = 10
"""How many times the units on order may be missing; with more the order is too small to matter."""
MOST_OF_A_REASON = 500
"""Characters of the reason of a line; the contract's remarks have no more."""
ORDERS_SHOWN_A_LINE = 2
"""Open orders that the reason of a line names; it counts the others."""


@dataclass(frozen=True)
class OpenOrder:
    """Open purchase order that owes an item.

    Attributes:
        po_number: Its number.
        units: Units that it still owes.
        expected: The day on which it is expected; None: not known.
        is_in_time: Whether it comes no later than a new order would, and isn't overdue by as much.
    """

    po_number: str
    units: int
    expected: date | None
    is_in_time: bool


@dataclass(frozen=True)
class Position:
    """Inventory position of an item, in units.

    Attributes:
        available: On hand and not reserved.
        on_order: Owed by suppliers on open purchase orders that come in time, drafts among them.
        in_transit: On its way here from other warehouses.
        to_expire: Of the available units, those that are expected to expire before they can be sold
            (`stockkeeper.domain.perishing`).
    """

    available: int
    on_order: int = 0
    in_transit: int = 0
    to_expire: int = 0

    @property
    def to_sell(self) -> int:
        """Available units without those that will expire."""
        return self.available - self.to_expire

    @property
    def units(self) -> int:
        """The inventory position: all of them but those that will expire."""
        return self.to_sell + self.on_order + self.in_transit

    def needs_order(self, point: int) -> bool:
        """Whether an order has to go out: below the point, and neither transfers nor open orders cover the item.

        An order covers it if it brings at least a tenth of the units that are missing to the point. A person who
        ordered less than all of them knows why, and the run would order every hour against that decision; but one unit
        of four hundred is a draft that was forgotten, or a mistake.
        """
        missing = point - self.to_sell - self.in_transit
        return self.to_sell < point and missing > self.on_order * MISSING_TO_ORDERED


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
    service_measure: str = ServiceMeasure.CYCLE
    method: str | None = PlanMethod.SEED
    demand_class: str | None = None
    expected_cycle_service: float | None = None
    expected_fill_rate: float | None = None

    @property
    def basis(self) -> str:
        """The level that was planned for; and of a distribution which one, and what it is expected to reach."""
        by_fill_rate = self.service_measure == ServiceMeasure.FILL
        level = f"{'fill rate' if by_fill_rate else 'service level'} {self.service_level:g}"
        if self.method == PlanMethod.SEED or self.expected_cycle_service is None or self.expected_fill_rate is None:
            return level
        return (
            f"{level}; {self.demand_class}, {self.method}: expected {100 * self.expected_cycle_service:.1f} % of "
            f"cycles, {100 * self.expected_fill_rate:.1f} % of units"
        )

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


def reason_for(
    position: Position,
    point: int,
    terms: Terms,
    planned: PlannedNumbers | None,
    open_orders: Sequence[OpenOrder] = (),
    *,
    more: Sequence[str] = (),
) -> str:
    """Reason of an order of an item, as numbers that a person can check; with the open orders that don't cover it.

    The audit reads those orders there (`database.audit_rules.purchase_order`): without them, and without the number of
    those that aren't named, it takes the new order for one too many. So they stand last, and are never left out.

    Args:
        position: The item's position.
        point: Its reorder point.
        terms: Quantities that the supplier sells.
        planned: The numbers behind its plan, if it has one.
        open_orders: Open orders that don't cover it.
        more: Why the quantity is another one than the planned, a few words each; as many as there is room for.
    """
    shown = "".join(
        f"; {each.po_number[:_NUMBER_SHOWN]} brings {each.units}"
        f"{'' if each.expected is None else f' on {each.expected}'}: too {'few' if each.is_in_time else 'late'}"
        for each in open_orders[:ORDERS_SHOWN_A_LINE]
    )
    others = len(open_orders) - ORDERS_SHOWN_A_LINE
    shown += f"; and {others} more" if others > 0 else ""
    reason = _numbers(position, point, terms, planned)
    for each in more:
        if len(reason) + len(each) + len(shown) + 2 <= MOST_OF_A_REASON:
            reason += f"; {each}"
    return reason + shown


def _numbers(position: Position, point: int, terms: Terms, planned: PlannedNumbers | None) -> str:
    expire = f" ({position.to_expire} of them will expire unsold)" if position.to_expire else ""
    has = f"available {position.available}{expire}, on order {position.on_order}, in transit {position.in_transit}"
    sold = f"minimum {terms.minimum_order_quantity}, pack {terms.pack_size}"
    if planned is None or not planned.decides(point):
        return f"point {point} (set by hand); {has}; {sold}"
    varies = "" if not planned.lead_time_deviation_days else f" (deviation {_number(planned.lead_time_deviation_days)})"
    return (
        f"point {point} = usage {_number(planned.daily_mean)}/day x lead time {_number(planned.lead_time_days)} days"
        f"{varies} + safety stock {_number(planned.safety_stock)} (deviation {_number(planned.daily_deviation)} over "
        f"{planned.days} days, {planned.basis}); {has}; "
        f"EOQ {_number(planned.economic_order_quantity)}, {sold}"
        + ("; no less than the point" if planned.economic_order_quantity < point else "")
    )


def _number(value: float) -> str:
    # A float this large isn't exact to the unit: its digits mean nothing, and there may be hundreds of them.
    return f"{value:.2f}".rstrip("0").rstrip(".") if value < _COUNTED else f"{value:g}"
