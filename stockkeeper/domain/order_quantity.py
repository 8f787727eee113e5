"""Quantities of an order: price breaks of a supplier, and the least value of an order that it accepts.

Price breaks are all-units discounts: from a number of units on, every unit of the line costs less. The sources are
Silver, Pyke and Thomas, *Inventory and Production Management in Supply Chains* (4th edition, 2017), section 4.5, and
Nahmias and Olsen, *Production and Operations Analysis* (7th edition, 2015), section 4.7.

Units throughout: stock in units, demand in units per year unless said otherwise, money in whatever currency the unit
costs are in. Money on orders is exact (`Decimal`); costs that are compared with each other are floats.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.replenishment import DAYS_A_YEAR, MOST_UNITS, Terms, economic_order_quantity

MOST_DAYS_AHEAD = DAYS_A_YEAR
"""No line is raised beyond the demand of so many days to reach the supplier's least order value."""
_HALVINGS = 60


@dataclass(frozen=True)
class PriceBreak:
    """From so many units on a line, each of its units costs this.

    Attributes:
        quantity: Units; at least 2.
        unit_cost: Money.
    """

    quantity: int
    unit_cost: Decimal


def require_breaks(breaks: Sequence[PriceBreak]) -> None:
    """Check that price breaks are in rising order of their quantities.

    The costs needn't fall: a supplier may sell whole pallets dearer than loose cartons.

    Raises:
        InvalidRequest: They aren't, or one of them begins below 2 units or has a negative cost.
    """
    before = 1
    for each in breaks:
        if each.quantity <= before:
            raise InvalidRequest("price breaks: the units must rise, and begin with 2 or more")
        if each.unit_cost < 0:
            raise InvalidRequest("price breaks: a unit cost must not be negative")
        before = each.quantity


def unit_cost_of(units: int, unit_cost: Decimal, breaks: Sequence[PriceBreak]) -> Decimal:
    """The cost of each unit of a line with so many units.

    Args:
        units: Units of the line.
        unit_cost: The cost below the first break.
        breaks: In rising order.
    """
    reached = [each.unit_cost for each in breaks if each.quantity <= units]
    return reached[-1] if reached else unit_cost


def yearly_cost(
    units: int, annual_demand: float, order_cost: float, holding_cost_rate: float, unit_cost: float
) -> float:
    """Money a year for the goods, for ordering them, and for holding them: D · c + S · D / Q + r · c · Q / 2."""
    ordering = order_cost * annual_demand / units
    return unit_cost * annual_demand + ordering + holding_cost_rate * unit_cost * units / 2


@dataclass(frozen=True)
class EconomicQuantity:
    """The quantity for which goods, ordering and holding cost least.

    Attributes:
        economic: The EOQ at the unit cost of ``orderable``; units, not rounded.
        orderable: Units, as the supplier sells them.
        unit_cost: The cost of each of them; money.
    """

    economic: float
    orderable: int
    unit_cost: Decimal


def economic_quantity(
    annual_demand: float,
    order_cost: float,
    holding_cost_rate: float,
    unit_cost: Decimal,
    terms: Terms,
    *,
    breaks: Sequence[PriceBreak] = (),
    at_least: int = 0,
) -> EconomicQuantity:
    """The EOQ, and the whole packs that are ordered for it.

    Without price breaks the EOQ is rounded up to packs. With them, each price is taken as far as its quantities go: its
    own EOQ, or the nearest quantity that has the price, in the whole packs on either side; and of all these the one
    that costs least in a year, and the smaller of two that cost the same. That is the least of all quantities, because
    at one price the yearly cost falls up to the EOQ and rises after it.

    Args:
        annual_demand: D, units per year.
        order_cost: S, money per order.
        holding_cost_rate: r, money per year for each unit of money that lies on the shelf.
        unit_cost: c below the first break; money.
        terms: Quantities that the supplier sells.
        breaks: In rising order.
        at_least: Units that an order has at least, such as the reorder point; counts with price breaks only. (Without
            them the order itself is raised, and the plan keeps the EOQ.)
    """

    def economic(cost: Decimal) -> float:
        return economic_order_quantity(annual_demand, order_cost, holding_cost_rate * float(cost))

    if not breaks:
        eoq = economic(unit_cost)
        return EconomicQuantity(eoq, terms.orderable(eoq), unit_cost)
    found = [
        (yearly_cost(units, annual_demand, order_cost, holding_cost_rate, float(cost)), units, cost)
        for first, last, cost in _ranges(unit_cost, breaks, terms, at_least)
        for units in _packs_around(economic(cost), first, last, terms.pack_size)
    ]
    if not found:
        units = terms.orderable(at_least)
        cost = unit_cost_of(units, unit_cost, breaks)
    else:
        _, units, cost = min(found, key=lambda each: each[:2])
    return EconomicQuantity(economic(cost), units, cost)


def _ranges(
    unit_cost: Decimal, breaks: Sequence[PriceBreak], terms: Terms, at_least: int
) -> Iterator[tuple[int, int, Decimal]]:
    """For each price the fewest and the most units that have it and that the supplier sells."""
    least = terms.orderable(at_least)
    begins = [PriceBreak(1, unit_cost), *breaks]
    ends = [each.quantity - 1 for each in breaks]
    for begin, end in zip(begins, [*ends, MOST_UNITS], strict=True):
        first = max(least, _up(begin.quantity, terms.pack_size))
        last = _down(end, terms.pack_size)
        if first <= last:
            yield first, last, begin.unit_cost


def _packs_around(units: float, first: int, last: int, pack: int) -> tuple[int, int]:
    below = _down(int(min(units, MOST_UNITS)), pack)
    return min(max(below, first), last), min(max(below + pack, first), last)


def _up(units: int, pack: int) -> int:
    return -(-units // pack) * pack


def _down(units: int, pack: int) -> int:
    return units // pack * pack


def at_no_more(units: int, unit_cost: Decimal, breaks: Sequence[PriceBreak], terms: Terms) -> int:
    """The units that a line gets for the money of so many: more, where more of them cost no more altogether.

    At 3.10, and 2.90 from 100 on, 96 units cost 297.60 and 100 cost 290.00.

    Args:
        units: Units that are needed, as the supplier sells them.
        unit_cost: The cost below the first break.
        breaks: In rising order.
        terms: Quantities that the supplier sells.
    """
    best, cheapest = units, units * unit_cost_of(units, unit_cost, breaks)
    for each in breaks:
        more = terms.orderable(each.quantity)
        if more > units and (cost := more * unit_cost_of(more, unit_cost, breaks)) <= cheapest:
            best, cheapest = more, cost
    return best


@dataclass(frozen=True)
class RaisableLine:
    """A line of an order that may get more units, so that the order reaches the supplier's least value.

    Attributes:
        units: Units that it has.
        position: Units of the item that are available, on order and on their way.
        daily_mean: Units per day; 0: it can't be raised.
        unit_cost: The cost below the first break; money.
        terms: Quantities that the supplier sells.
        breaks: In rising order.
    """

    units: int
    position: int
    daily_mean: float
    unit_cost: Decimal
    terms: Terms
    breaks: tuple[PriceBreak, ...] = ()

    def lasting(self, days: float) -> int:
        """Its units if the item is to last so many days; never fewer than it has."""
        if self.daily_mean <= 0:
            return self.units
        missing = math.ceil(self.daily_mean * days) - self.position
        return max(self.units, self.terms.orderable(missing)) if missing > self.units else self.units

    def lasts(self, units: int) -> float:
        """Days for which the item lasts with so many units of the line."""
        return (self.position + units) / self.daily_mean

    def cost(self, units: int) -> Decimal:
        """The cost of so many units of the line."""
        return units * unit_cost_of(units, self.unit_cost, self.breaks)


def raised_to_value(lines: Sequence[RaisableLine], least_value: Decimal) -> list[int] | None:
    """The units of each line, so that the order is worth what the supplier accepts.

    Packs are added one after the other to the line that would run out first, so that all lines last about equally long
    in the end: an equal time supply (Silver, Pyke and Thomas, 11.3.3). No line is raised beyond a year's demand.

    Args:
        lines: The lines.
        least_value: Money.

    Returns:
        The units, line by line; None: the value can't be reached.
    """

    def worth(units: Sequence[int]) -> Decimal:
        return sum((line.cost(each) for line, each in zip(lines, units, strict=True)), Decimal())

    units = [line.units for line in lines]
    if worth(units) >= least_value:
        return units
    enough = float(MOST_DAYS_AHEAD)
    if worth([line.lasting(enough) for line in lines]) < least_value:
        return None
    # All lines together last longer and longer; halved until no further pack of any line lies between.
    short = 0.0
    for _ in range(_HALVINGS):
        middle = (short + enough) / 2
        if worth([line.lasting(middle) for line in lines]) < least_value:
            short = middle
        else:
            enough = middle
    units, longest = [line.lasting(short) for line in lines], [line.lasting(enough) for line in lines]
    # Lines that run out on the same day are raised in their order, and only as many as are needed.
    for place in sorted(range(len(lines)), key=lambda place: (_runs_out(lines[place], units[place]), place)):
        if worth(units) >= least_value:
            break
        units[place] = longest[place]
    return units


def _runs_out(line: RaisableLine, units: int) -> float:
    return line.lasts(units) if line.daily_mean > 0 else float("inf")
