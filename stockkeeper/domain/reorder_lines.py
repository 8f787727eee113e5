"""The lines of an order that a reorder run drafts: how many units of each item, at what cost, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.joint_order import can_order_point, order_up_to
from stockkeeper.domain.order_quantity import PriceBreak, RaisableLine, at_no_more, raised_to_value, unit_cost_of
from stockkeeper.domain.perishing import most_to_sell_in_time
from stockkeeper.domain.reorder import OpenOrder, PlannedNumbers, Position, quantity_for, reason_for
from stockkeeper.domain.replenishment import Terms


@dataclass(frozen=True)
class JointLevel:
    """An item's part in the joint orders of its supplier.

    Attributes:
        cycle_days: From one joint order to the next.
        days: Until the item is ordered again: a multiple of the cycle.
        daily_mean: Units per day.
    """

    cycle_days: float
    days: float
    daily_mean: float

    def can_order_point(self, point: int) -> int:
        """Units below which the item joins an order."""
        return can_order_point(point, self.daily_mean, self.cycle_days)

    def order_up_to(self, point: int) -> int:
        """Units that the item has with the order."""
        return order_up_to(point, self.daily_mean, self.days)


@dataclass(frozen=True)
class WantedLine:
    """An item that goes on the order.

    Attributes:
        product_id: The product.
        position: Its inventory position.
        point: Its reorder point.
        reorder_quantity: The planned quantity; None: none is known.
        unit_cost: The supplier's, below the first price break; money.
        terms: Quantities that the supplier sells.
        breaks: The supplier's price breaks, in rising order.
        planned: The numbers behind its plan, if it has one.
        open_orders: Open orders that don't cover it.
        joint: Its part in joint orders; None: it is ordered by itself.
        joins: Whether it isn't below its point, and joins an order for others.
        sell_days: Days on which goods can be sold that have just come, before they expire; None: not known.
    """

    product_id: int
    position: Position
    point: int
    reorder_quantity: int | None
    unit_cost: Decimal
    terms: Terms
    breaks: tuple[PriceBreak, ...] = ()
    planned: PlannedNumbers | None = None
    open_orders: Sequence[OpenOrder] = ()
    joint: JointLevel | None = None
    joins: bool = False
    sell_days: int | None = None

    @property
    def is_planned(self) -> bool:
        """Whether its point is its plan's; otherwise a person decides, and nothing is added to the quantity."""
        return self.planned is not None and self.planned.decides(self.point)


@dataclass(frozen=True)
class DraftedLine:
    """A line of the order: units, the cost of each, and the reason in numbers."""

    product_id: int
    units: int
    unit_cost: Decimal
    note: str


def lines_of(wanted: Sequence[WantedLine], minimum_order_value: Decimal | None = None) -> list[DraftedLine]:
    """The lines of an order, in the order of the items.

    Args:
        wanted: The items.
        minimum_order_value: Money that the supplier wants an order to be worth at least; None: any.

    Raises:
        InvalidState: The order isn't worth that, and wouldn't be with a year's demand of its planned items.
    """
    units, why = [], []
    for line in wanted:
        each, reasons = _units_of(line)
        units.append(each)
        why.append(reasons)
    if minimum_order_value is not None:
        raised = _raised(wanted, units, minimum_order_value)
        for reasons, before, after in zip(why, units, raised, strict=True):
            if after > before:
                reasons.append(f"raised from {before} for the minimum order value {_money(minimum_order_value)}")
        units = raised
    return [_drafted(line, each, reasons) for line, each, reasons in zip(wanted, units, why, strict=True)]


def _units_of(line: WantedLine) -> tuple[int, list[str]]:
    reasons = []
    if line.joint is not None and line.is_planned:
        up_to = line.joint.order_up_to(line.point)
        if line.joins:
            reasons.append(f"joins the order: below {line.joint.can_order_point(line.point)}")
        reasons.append(f"joint orders every {line.joint.cycle_days:.1f} days: up to {up_to}")
        units = line.terms.orderable(up_to - line.position.units)
    else:
        units = quantity_for(line.position, line.point, line.reorder_quantity, line.terms, is_planned=line.is_planned)
    if line.is_planned and (more := at_no_more(units, line.unit_cost, line.breaks, line.terms)) > units:
        reasons.append(f"{more} cost no more than {units}")
        units = more
    if line.is_planned and (most := _most_in_time(line)) is not None and most < units:
        reasons.append(f"no more than is sold before it expires: {line.sell_days} days")
        units = most
    return units, reasons


def _most_in_time(line: WantedLine) -> int | None:
    """The most units that are all expected to be sold before they expire, as its supplier sells them; None: any."""
    if line.sell_days is None or line.planned is None:
        return None
    plan = line.planned
    most = most_to_sell_in_time(line.position.units, plan.daily_mean, plan.lead_time_days, line.sell_days)
    return line.terms.at_most(most)


def _raised(wanted: Sequence[WantedLine], units: Sequence[int], least: Decimal) -> list[int]:
    lines = [
        RaisableLine(
            units=each,
            position=line.position.units,
            daily_mean=line.planned.daily_mean if line.planned is not None and line.is_planned else 0.0,
            unit_cost=line.unit_cost,
            terms=line.terms,
            breaks=line.breaks,
        )
        for line, each in zip(wanted, units, strict=True)
    ]
    raised = raised_to_value(lines, least)
    if raised is None:
        worth = sum((line.cost(line.units) for line in lines), Decimal())
        raise InvalidState(
            f"the order would be worth {_money(worth)}, less than the supplier's minimum of {_money(least)}, which a "
            "year's demand of its planned items doesn't reach: order by hand, with other items or more of them"
        )
    return raised


def _drafted(line: WantedLine, units: int, reasons: list[str]) -> DraftedLine:
    unit_cost = unit_cost_of(units, line.unit_cost, line.breaks)
    if reached := [each for each in line.breaks if each.quantity <= units]:
        reasons.append(f"{_money(unit_cost)} each from {reached[-1].quantity} on")
    note = reason_for(line.position, line.point, line.terms, line.planned, line.open_orders, more=reasons)
    return DraftedLine(line.product_id, units, unit_cost, note)


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}" if amount == round(amount, 2) else f"{amount.normalize():,f}"
