"""A year of orders to suppliers with terms of their own: joint orders, review days, least values, price breaks.

The items of `benchmarks.replenishment_world` are shared out among suppliers. Customers come one after the other, and
after each the product's own code decides: `Position.needs_order`, `joint_cycle`, and `lines_of`, which makes the lines
of an order. Unless it is by class, planning knows the true usage, so that the policies are compared and not the
estimates.

`python -m benchmarks.replenishment_quantities` prints the tables of docs/benchmarks/quantities.md. All chance comes
from one seed, so that the figures are the same each time.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from benchmarks.replenishment_world import POISSON, SEED, Item, demand, items
from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.joint_order import JointItem, joint_cycle
from stockkeeper.domain.lead_time_demand import Demand, Supply
from stockkeeper.domain.order_quantity import PriceBreak, economic_quantity, yearly_cost
from stockkeeper.domain.planning import plan_points
from stockkeeper.domain.reorder import PlannedNumbers, Position
from stockkeeper.domain.reorder_lines import JointLevel, WantedLine, lines_of
from stockkeeper.domain.replenishment import LeadTime, Plan, Policy, plan_item
from stockkeeper.domain.review_days import NO_WAIT, ReviewDays, is_review_day, review_wait, with_wait

POLICY = Policy(service_level=0.95, order_cost=50.0, holding_cost_rate=0.25)
HISTORY_DAYS = 90
DAYS = 365
WARM_UP = 90
FIRST_DAY = date(2026, 1, 5)
"""A Monday."""


@dataclass(frozen=True)
class Supplier:
    """Terms of a supplier.

    Attributes:
        joint_orders: Items near their point join an order.
        line_cost: Money for each line of an order.
        review_days: Weekdays on which orders go out.
        wait_is_planned: Planning knows of the review days.
        minimum_order_value: Money.
        reach: Which part of a cycle an item lasts for that joins an order; 1 in the product.
        own_quantity: The cycle is the item's own EOQ's, rather than that of all together.
        by_class: Points are planned by the distribution that fits, from a year of history, as a planning run does
            unless it is asked for the seed's formula.
    """

    joint_orders: bool = False
    line_cost: float = 0.0
    review_days: ReviewDays = ()
    wait_is_planned: bool = True
    minimum_order_value: Decimal | None = None
    reach: float = 1.0
    own_quantity: bool = False
    by_class: bool = False


@dataclass
class Outcome:
    """A year of one supplier, or of many.

    Attributes:
        orders: That went out.
        lines: On them.
        small: Orders of less than the minimum value.
        refused: Mornings on which an order wasn't worth it, and couldn't be made so.
        holding: Money for holding what lay on the shelves.
        stock: Units on the shelves in the evening, added up.
        cycles: From one delivery of an item to the next.
        short_cycles: Those in which a customer was refused.
        wanted: Units.
        sold: Units.
    """

    orders: int = 0
    lines: int = 0
    small: int = 0
    refused: int = 0
    holding: float = 0.0
    stock: int = 0
    cycles: int = 0
    short_cycles: int = 0
    wanted: int = 0
    sold: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))

    def cost(self, line_cost: float) -> float:
        """Money for orders, lines and holding."""
        return self.orders * POLICY.order_cost + self.lines * line_cost + self.holding

    @property
    def service_level(self) -> float:
        """Part of the cycles without a refused customer."""
        return 1 - self.short_cycles / self.cycles


@dataclass
class _Shelf:
    item: Item
    plan: Plan
    on_hand: int
    on_order: int = 0
    due: float = math.inf
    is_short: bool = False

    @property
    def position(self) -> Position:
        return Position(self.on_hand, self.on_order)

    @property
    def planned(self) -> PlannedNumbers:
        plan = self.plan
        return PlannedNumbers(
            days=plan.usage.days,
            daily_mean=plan.usage.daily_mean,
            daily_deviation=plan.usage.daily_deviation,
            lead_time_days=plan.lead_time.days,
            lead_time_deviation_days=plan.lead_time.deviation_days,
            service_level=plan.service_level,
            safety_stock=plan.safety_stock,
            economic_order_quantity=plan.economic_order_quantity,
            reorder_point=plan.reorder_point,
        )


class Shop:
    """The items of one supplier in one year."""

    def __init__(self, of: Sequence[Item], supplier: Supplier, kind: str, seed: str) -> None:
        self._supplier = supplier
        wait = review_wait(supplier.review_days) if supplier.wait_is_planned else NO_WAIT
        self._customers = [demand(item, kind, seed) for item in of]
        self._shelves = []
        for item in of:
            lead_time = with_wait(LeadTime(item.lead_time.days), wait)
            plan = plan_item(item.usage(kind, HISTORY_DAYS), lead_time, item.unit_cost, item.terms, POLICY)
            self._shelves.append(_Shelf(item, plan, plan.reorder_point + plan.reorder_quantity))
        if supplier.by_class:
            self._plan_by_class(kind, f"{seed}/history")
        cycle = joint_cycle(
            POLICY.order_cost,
            [JointItem(item.daily_mean, POLICY.holding_cost_rate * item.unit_cost, supplier.line_cost) for item in of],
        )
        self._levels = [
            self._level(shelf, cycle.days, multiple)
            for shelf, multiple in zip(self._shelves, cycle.multiples, strict=True)
        ]
        self.year = Outcome()

    def _plan_by_class(self, kind: str, seed: str) -> None:
        days = [
            [sum(units for _, units in next(customers)) for _ in range(DAYS)]
            for customers in (demand(shelf.item, kind, seed) for shelf in self._shelves)
        ]
        plans = [shelf.plan for shelf in self._shelves]
        planned = plan_points(
            Demand(
                days=np.full(len(days), float(DAYS)),
                busy_days=np.array([float(sum(units > 0 for units in each)) for each in days]),
                units=np.array([float(sum(each)) for each in days]),
                squares=np.array([float(sum(units * units for units in each)) for each in days]),
            ),
            Supply(
                lead_time_days=np.array([plan.lead_time.days for plan in plans]),
                lead_time_deviation_days=np.array([plan.lead_time.deviation_days or math.nan for plan in plans]),
                order_quantity=np.array([float(plan.reorder_quantity) for plan in plans]),
            ),
            level=POLICY.service_level,
        )
        for shelf, point in zip(self._shelves, planned.reorder_point, strict=True):
            shelf.plan = replace(shelf.plan, reorder_point=point)
            shelf.on_hand = point + shelf.plan.reorder_quantity

    def _level(self, shelf: _Shelf, cycle_days: float, multiple: int) -> JointLevel | None:
        supplier, daily = self._supplier, shelf.item.daily_mean
        if not supplier.joint_orders:
            return None
        if supplier.own_quantity:
            cycle_days, multiple = shelf.plan.economic_order_quantity / daily, 1
        return JointLevel(supplier.reach * cycle_days, multiple * cycle_days, daily)

    def live(self) -> Outcome:
        """The year, after some months in which the orders find their rhythm."""
        for day in range(WARM_UP + DAYS):
            if day == WARM_UP:
                self.year = Outcome()
            self._order(day, day)
            arrivals = [
                (moment, place, units)
                for place, customers in enumerate(self._customers)
                for moment, units in next(customers)
            ]
            for moment, place, units in sorted(arrivals):
                self._sell(self._shelves[place], day + moment, units)
                if self._shelves[place].position.needs_order(self._shelves[place].plan.reorder_point):
                    self._order(day + moment, day)
            for shelf in self._shelves:
                self._receive(shelf, day + 1)
                self.year.stock += shelf.on_hand
                self.year.holding += shelf.on_hand * POLICY.holding_cost_rate * shelf.item.unit_cost / 365
        return self.year

    def _sell(self, shelf: _Shelf, now: float, units: int) -> None:
        self._receive(shelf, now)
        self.year.wanted += units
        if units <= shelf.on_hand:
            shelf.on_hand -= units
            self.year.sold += units
        else:
            shelf.is_short = True

    def _receive(self, shelf: _Shelf, now: float) -> None:
        if shelf.due <= now:
            shelf.on_hand += shelf.on_order
            shelf.on_order, shelf.due = 0, math.inf
            self.year.cycles += 1
            self.year.short_cycles += shelf.is_short
            shelf.is_short = False

    def _order(self, now: float, day: int) -> None:
        """Order what is below its point: the run at once does it after a customer, the hourly run in the morning."""
        if not is_review_day(self._supplier.review_days, FIRST_DAY + timedelta(days=day)):
            return
        needing = [
            place for place, shelf in enumerate(self._shelves) if shelf.position.needs_order(shelf.plan.reorder_point)
        ]
        if not needing:
            return
        places = sorted([*needing, *self._joining()])
        wanted = [self._wanted(place, joins=place not in needing) for place in places]
        try:
            lines = lines_of(wanted, self._supplier.minimum_order_value)
        except InvalidState:
            # The reorder run drafts nothing; the simulation has no buyer who orders by hand.
            self.year.refused += now == day
            return
        for place, line in zip(places, lines, strict=True):
            shelf = self._shelves[place]
            shelf.on_order, shelf.due = line.units, now + shelf.item.lead_time.days
        self.year.orders += 1
        self.year.lines += len(lines)
        self.year.small += sum(line.units * line.unit_cost for line in lines) < LEAST_VALUE

    def _joining(self) -> list[int]:
        return [
            place
            for place, (shelf, level) in enumerate(zip(self._shelves, self._levels, strict=True))
            if level is not None
            and not shelf.on_order
            and shelf.plan.reorder_point <= shelf.on_hand < level.can_order_point(shelf.plan.reorder_point)
        ]

    def _wanted(self, place: int, *, joins: bool) -> WantedLine:
        shelf = self._shelves[place]
        return WantedLine(
            product_id=place,
            position=shelf.position,
            point=shelf.plan.reorder_point,
            reorder_quantity=shelf.plan.reorder_quantity,
            unit_cost=Decimal(str(shelf.item.unit_cost)),
            terms=shelf.item.terms,
            planned=shelf.planned,
            joint=self._levels[place],
            joins=joins,
        )


LEAST_VALUE = Decimal(2_000)
"""Money; one in twelve of the orders by EOQ is worth less."""


def suppliers(size: int) -> list[list[Item]]:
    """The fifty items, shared out among suppliers of so many items each, those with like lead times together."""
    everything = sorted(items(), key=lambda item: item.lead_time.days)
    return [everything[first : first + size] for first in range(0, len(everything) - size + 1, size)]


def replay(size: int, supplier: Supplier, years: int, kind: str = POISSON) -> Outcome:
    """Outcome of all suppliers of so many items each."""
    together = Outcome()
    for number, of in enumerate(suppliers(size)):
        for year in range(years):
            together += Shop(of, supplier, kind, f"{SEED}/{year}/{number}").live()
    return together


def joint_bound(size: int, line_cost: float) -> float:
    """Money a year by Silver's rule if demand were known and steady, with safety stock as planned."""
    total = 0.0
    for of in suppliers(size):
        joint = [JointItem(item.daily_mean, POLICY.holding_cost_rate * item.unit_cost, line_cost) for item in of]
        cycle = joint_cycle(POLICY.order_cost, joint)
        years = cycle.days / 365
        total += (POLICY.order_cost + sum(line_cost / each for each in cycle.multiples)) / years
        for item, each, multiple in zip(of, joint, cycle.multiples, strict=True):
            fixed = LeadTime(item.lead_time.days)
            plan = plan_item(item.usage(POISSON, HISTORY_DAYS), fixed, item.unit_cost, item.terms, POLICY)
            total += each.holding * multiple * years / 2 + plan.safety_stock * each.holding_cost
    return total


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def joint_table(years: int) -> str:
    """Cost without joint orders and with them, side by side."""
    lines = [
        _line(
            *("items of a supplier", "cost of a line", "cost a year", "saved", "cost if demand were known"),
            *("orders a year", "lines an order", "average stock", "service"),
        ),
        "|" + "---:|" * 9,
    ]
    for size in (5, 10, 25):
        for line_cost in (0.0, 5.0, 20.0):
            each, together = (
                replay(size, Supplier(joint_orders=joint_orders, line_cost=line_cost), years)
                for joint_orders in (False, True)
            )
            costs = [year.cost(line_cost) / years for year in (each, together)]
            lines.append(
                _line(
                    *(str(size), f"{line_cost:.0f}", f"{costs[0]:,.0f} → {costs[1]:,.0f}"),
                    *(f"{1 - costs[1] / costs[0]:.0%}", f"{joint_bound(size, line_cost):,.0f}"),
                    f"{each.orders / years:.0f} → {together.orders / years:.0f}",
                    f"{each.lines / each.orders:.1f} → {together.lines / together.orders:.1f}",
                    f"{each.stock / years / DAYS / 50:.0f} → {together.stock / years / DAYS / 50:.0f}",
                    f"{each.service_level:.1%} → {together.service_level:.1%}",
                )
            )
    return "\n".join(lines)


TRIED: dict[str, Supplier] = {
    "no joint orders": Supplier(),
    "joint cycle, joins within 1/4 of it": Supplier(joint_orders=True, reach=0.25),
    "within 1/2": Supplier(joint_orders=True, reach=0.5),
    "within 3/4": Supplier(joint_orders=True, reach=0.75),
    "within the cycle: as it is": Supplier(joint_orders=True),
    "within 1 1/2": Supplier(joint_orders=True, reach=1.5),
    "own EOQ, joins within half of it": Supplier(joint_orders=True, own_quantity=True, reach=0.5),
    "own EOQ, joins within a quarter of it": Supplier(joint_orders=True, own_quantity=True, reach=0.25),
}


def tried_table(years: int) -> str:
    """Cost by other can-order points and quantities."""
    lines = [
        _line("suppliers of ten items", *(f"cost a year, {cost} a line" for cost in (0, 5, 20))),
        "|---|" + "---:|" * 3,
    ]
    for title, supplier in TRIED.items():
        costs = [
            replay(10, replace(supplier, line_cost=line_cost), years).cost(line_cost) / years
            for line_cost in (0.0, 5.0, 20.0)
        ]
        lines.append(_line(title, *(f"{cost:,.0f}" for cost in costs)))
    return "\n".join(lines)


REVIEWS: dict[str, Supplier] = {
    "any day": Supplier(),
    "tue": Supplier(review_days=("tue",)),
    "tue, not planned with": Supplier(review_days=("tue",), wait_is_planned=False),
    "tue,fri": Supplier(review_days=("tue", "fri")),
    "tue,fri, not planned with": Supplier(review_days=("tue", "fri"), wait_is_planned=False),
    "mon,tue,wed,thu,fri": Supplier(review_days=("mon", "tue", "wed", "thu", "fri")),
}


def review_table(years: int) -> str:
    """Service reached with review days, planned with and not."""
    lines = [
        _line(
            *("orders go out on", "orders a year", "the seed's formula: reached", "fill rate", "average stock"),
            *("by class: reached", "fill rate", "average stock"),
        ),
        "|---|" + "---:|" * 7,
    ]
    for title, supplier in REVIEWS.items():
        cells = []
        for by_class in (False, True):
            year = replay(5, replace(supplier, by_class=by_class), years)
            cells += [
                *(f"{year.service_level:.1%}", f"{year.sold / year.wanted:.1%}"),
                f"{year.stock / years / DAYS / 50:.0f}",
            ]
        lines.append(_line(title, f"{year.orders / years:.0f}", *cells))
    return "\n".join(lines)


def value_table(years: int) -> str:
    """Orders of less than the supplier's least value, and what it costs to raise them."""
    lines = [
        _line(
            *("", "orders a year", f"of less than {LEAST_VALUE:,}", "days without an order that was needed"),
            *("average stock", "service", "cost a year"),
        ),
        "|---|" + "---:|" * 6,
    ]
    for title, supplier in {
        "no minimum": Supplier(),
        f"a minimum of {LEAST_VALUE:,}": Supplier(minimum_order_value=LEAST_VALUE),
        f"a minimum of {LEAST_VALUE:,}, joint orders": Supplier(minimum_order_value=LEAST_VALUE, joint_orders=True),
    }.items():
        year = replay(5, supplier, years)
        lines.append(
            _line(
                *(title, f"{year.orders / years:.0f}", f"{year.small / years:.0f}", f"{year.refused / years:.0f}"),
                *(f"{year.stock / years / DAYS / 50:.0f}", f"{year.service_level:.1%}"),
                f"{year.cost(0) / years:,.0f}",
            )
        )
    return "\n".join(lines)


DISCOUNTS = {"3 % from 2 EOQ on": ((2, 3),), "3 % from 2, 6 % from 5 EOQ on": ((2, 3), (5, 6))}


def price_table() -> str:
    """Money a year for goods, orders and holding: by EOQ alone, with the price breaks, and the least of all packs."""
    lines = [
        _line("price breaks", "by EOQ alone", "with the price breaks", "saved", "least of all quantities"),
        "|---|---:|---:|---:|---:|",
    ]
    for title, discounts in DISCOUNTS.items():
        by_eoq = ours = least = 0.0
        for item in items():
            annual, cost = item.daily_mean * 365, Decimal(str(item.unit_cost))
            terms = item.terms
            plain = economic_quantity(annual, POLICY.order_cost, POLICY.holding_cost_rate, cost, terms)
            breaks = tuple(
                PriceBreak(math.ceil(plain.economic * times) + 1, cost * (100 - percent) / 100)
                for times, percent in discounts
            )
            best = economic_quantity(annual, POLICY.order_cost, POLICY.holding_cost_rate, cost, terms, breaks=breaks)

            def money(units: int, cost: Decimal = cost, breaks: Sequence[PriceBreak] = breaks) -> float:
                each = [each.unit_cost for each in breaks if each.quantity <= units]
                price = float(each[-1] if each else cost)
                return yearly_cost(units, annual, POLICY.order_cost, POLICY.holding_cost_rate, price)  # noqa: B023

            by_eoq += money(plain.orderable)
            ours += money(best.orderable)
            first = terms.orderable(1)
            least += min(money(units) for units in range(first, best.orderable * 3 + first, terms.pack_size))
        lines.append(_line(title, f"{by_eoq:,.0f}", f"{ours:,.0f}", f"{1 - ours / by_eoq:.1%}", f"{least:,.0f}"))
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=2)
    years = parser.parse_args().years
    for table in (joint_table, tried_table, review_table, value_table):
        print(table(years), end="\n\n")
    print(price_table())


if __name__ == "__main__":
    main()
