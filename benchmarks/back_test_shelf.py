"""Items rolled day by day through the product's own planning and ordering, with all their customers.

An order goes out at the customer who takes an item below its point, and no other one until it has come. Customers who
want more than there is get nothing, go elsewhere, and leave no trace in the history that planning reads. Items are
planned anew once a week.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.back_test_world import Tried, World
from database.hindsight import COUNTS_FOR
from stockkeeper.domain.lead_time_demand import Demand, Floats, Supply
from stockkeeper.domain.look_back import days_of_past
from stockkeeper.domain.refused_demand import with_refused
from stockkeeper.domain.reorder import Position, quantity_for
from stockkeeper.domain.replenishment import DAYS_A_YEAR, economic_order_quantity

HOLDING_COST_RATE = 0.25
PLANNED_EVERY_DAYS = 7
LOOKED_BACK_EVERY_DAYS = COUNTS_FOR.days


@dataclass(frozen=True)
class Known(Demand):
    """What planning may know of items: its sums, and for methods that need them the units of each day.

    Attributes:
        daily: By item and day.
        past: By item and day, as many days as are looked back on, as far as there are so many.
        with_refused: By item and day, those that were refused with them.
        of_one_a_day: Supply of the items if their mean were one unit a day.
        looks_back: Whether the past is looked back on anew; otherwise what was found before still counts.
    """

    daily: Floats
    past: Floats
    with_refused: Floats
    of_one_a_day: Supply
    looks_back: bool


Rule = Callable[[Known, Supply], list[int]]
"""Points of items: the method that is tried."""


@dataclass
class Outcome:
    """Of an item, or of many of them.

    Attributes:
        days: Days of items.
        cycles: From one delivery to the next.
        short_cycles: Those in which a customer was refused.
        orders: That went out.
        wanted: Units.
        sold: Units.
        refused_unordered: Units refused while no order was on its way: more than there was, and that no less than the
            point.
        stock: Units on the shelf times the days that they were there.
        value: The same in money.
    """

    days: float = 0
    cycles: int = 0
    short_cycles: int = 0
    orders: int = 0
    wanted: int = 0
    sold: int = 0
    refused_unordered: int = 0
    stock: float = 0
    value: float = 0

    def add(self, other: "Outcome") -> None:
        """Add that of another item."""
        for name, units in vars(other).items():
            setattr(self, name, getattr(self, name) + units)

    @property
    def service(self) -> float:
        """Part of the cycles in which no customer was refused."""
        return 1 - self.short_cycles / max(self.cycles, 1)

    @property
    def fill_rate(self) -> float:
        """Part of the units wanted that was sold."""
        return self.sold / max(self.wanted, 1)

    @property
    def average_stock(self) -> float:
        """Units of an item on the shelf."""
        return self.stock / self.days

    @property
    def orders_a_year(self) -> float:
        """Orders of an item."""
        return self.orders / self.days * DAYS_A_YEAR


class Shelf:
    """One item while it is tried."""

    def __init__(self, item: Tried) -> None:
        self.item = item
        self.outcome = Outcome()
        self.point = self.quantity = 0
        self.fixed_quantity: int | None = None
        self._on_hand = self._on_order = 0
        self._due: float | None = None
        self._since = 0.0
        self._is_short = False
        self._next_lead_time = 0

    def begin(self, day: int, share: float) -> None:
        """Begin with the stock at the point and a part of an order above it, as a shelf is found on any day."""
        self._on_hand = self.point + int(share * max(self.quantity, self.point))
        self._since = float(day)

    def sell(self, day: int) -> tuple[int, int]:
        """The customers of a day; the units sold and the units refused."""
        sold = refused = 0
        for moment, units in self.item.customers[day]:
            now = day + moment
            if self._due is not None and self._due <= now:
                self._receive(self._due)
            self.outcome.wanted += units
            if units <= self._on_hand:
                self._pass(now)
                self._on_hand -= units
                sold += units
            else:
                self._is_short = True
                refused += units
                self.outcome.refused_unordered += units if self._due is None else 0
            if self._on_hand < self.point:
                self._review(now)
        if self._due is not None and self._due <= day + 1:
            self._receive(self._due)
        self._pass(day + 1)
        self.outcome.days += 1
        self.outcome.sold += sold
        return sold, refused

    def look(self, now: float) -> None:
        """After a plan, which may have a higher point."""
        if self._on_hand < self.point:
            self._review(now)

    def _pass(self, now: float) -> None:
        held = self._on_hand * (now - self._since)
        self.outcome.stock += held
        self.outcome.value += held * self.item.unit_cost
        self._since = now

    def _receive(self, now: float) -> None:
        self._pass(now)
        self._on_hand += self._on_order
        self._on_order, self._due = 0, None
        self.outcome.cycles += 1
        self.outcome.short_cycles += self._is_short
        self._is_short = False
        self.look(now)

    def _review(self, now: float) -> None:
        position = Position(self._on_hand, self._on_order)
        if self._due is not None or not position.needs_order(self.point):
            return
        self._on_order = self.fixed_quantity or quantity_for(
            position, self.point, self.quantity, self.item.terms, is_planned=True
        )
        lead_times = self.item.lead_times
        self._due = now + lead_times[self._next_lead_time % len(lead_times)]
        self._next_lead_time += 1
        self.outcome.orders += 1


class History:
    """What the ledger has of the items: units of each day."""

    def __init__(self, world: World, days: int) -> None:
        self._of_one_a_day = _supply(world, [1.0] * len(world.items))
        self._units, self._refused = (np.zeros((len(world.items), days)) for _ in range(2))
        self._kept = world.planned_from_days or world.history_days
        self._begins = world.history_days

    def write(self, item: int, day: int, units: int, refused: int = 0) -> None:
        """A day of an item: units sold, and units refused."""
        self._units[item, day], self._refused[item, day] = units, refused

    def before(self, day: int) -> Known:
        """The days of history before this one."""
        units = self._units[:, max(day - self._kept, 0) : day]
        return Known(
            daily=units,
            with_refused=with_refused(units, self._refused[:, max(day - self._kept, 0) : day]),
            past=self._units[:, max(day - days_of_past(self._kept), 0) : day],
            of_one_a_day=self._of_one_a_day,
            looks_back=(day - self._begins) % LOOKED_BACK_EVERY_DAYS == 0,
            days=np.full(len(units), float(units.shape[1])),
            busy_days=(units > 0).sum(axis=1).astype(float),
            units=units.sum(axis=1),
            squares=(units**2).sum(axis=1),
        )


def _supply(world: World, means: Sequence[float]) -> Supply:
    quantities = [
        item.terms.orderable(
            economic_order_quantity(mean * DAYS_A_YEAR, world.order_cost, HOLDING_COST_RATE * item.unit_cost)
        )
        for item, mean in zip(world.items, means, strict=True)
    ]
    return Supply(
        lead_time_days=np.array([item.lead_time.days for item in world.items], float),
        lead_time_deviation_days=np.array([item.lead_time.deviation_days or 0 for item in world.items], float),
        order_quantity=np.array(quantities, float),
    )


def _first_days(world: World, history: History) -> None:
    for number, item in enumerate(world.items):
        for day, customers in enumerate(item.customers[: world.history_days]):
            history.write(number, day, sum(units for _, units in customers))


def roll(world: World, rule: Rule, quantities: Sequence[int] | None = None) -> list[Outcome]:
    """Outcome of each item in the days after its history.

    Args:
        world: The items.
        rule: Their points.
        quantities: What an order brings, whatever the point; None: what the plan says, and no less than the point.
    """
    days = len(world.items[0].customers)
    history = History(world, days)
    _first_days(world, history)
    shelves = [Shelf(item) for item in world.items]
    for shelf, fixed in zip(shelves, quantities or (), strict=False):
        shelf.fixed_quantity = fixed
    for day in range(world.history_days, days):
        if (day - world.history_days) % PLANNED_EVERY_DAYS == 0:
            demand = history.before(day)
            supply = _supply(world, demand.mean.tolist())
            for shelf, point, quantity in zip(
                shelves, rule(demand, supply), supply.order_quantity.tolist(), strict=True
            ):
                shelf.point, shelf.quantity = point, int(quantity)
            for number, shelf in enumerate(shelves):
                if day == world.history_days:
                    shelf.begin(day, number / len(shelves))
                shelf.look(day)
        for number, shelf in enumerate(shelves):
            history.write(number, day, *shelf.sell(day))
    return [shelf.outcome for shelf in shelves]


def together(each: Iterable[Outcome]) -> Outcome:
    """Outcome of all of them."""
    everything = Outcome()
    for outcome in each:
        everything.add(outcome)
    return everything
