"""Items of `benchmarks.back_test`, with every customer they will ever have: simulated classes of demand.

All of it is chance from a seed, and the same for every method that is tried.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from benchmarks import replenishment_world
from benchmarks.replenishment_world import LUMPY, POISSON, Day
from stockkeeper.domain.replenishment import LeadTime, Terms

SEED = 17
ITEMS = 200
A_WEEK = 7
HISTORY_DAYS = 365
TEST_DAYS = 1095
ORDER_COST = 10.0
"""Of the classes: small, so that there are many cycles."""


@dataclass(frozen=True)
class Tried:
    """One item with its customers.

    Attributes:
        customers: Day by day, when they come, as a part of the day, and the units that they want.
        lead_time: The supplier's, as planning knows it.
        lead_times: Order after order, in truth; repeated from the beginning when there are no more.
        unit_cost: Money.
        terms: Quantities that the supplier sells.
        daily_mean: Units a day in truth, where it is known.
    """

    customers: list[Day]
    lead_time: LeadTime
    lead_times: list[float]
    unit_cost: float
    terms: Terms = field(default_factory=Terms)
    daily_mean: float | None = None


@dataclass(frozen=True)
class World:
    """Items that are tried together.

    Attributes:
        name: What their demand is like.
        items: They.
        history_days: Days before the first one that is tried.
        order_cost: Money per order.
        planned_from_days: Days that planning looks at, if not all of the history's number.
    """

    name: str
    items: list[Tried]
    history_days: int = HISTORY_DAYS
    order_cost: float = 50.0
    planned_from_days: int | None = None


def _between(random: Random, least: float, most: float) -> float:
    """As likely to double as to halve."""
    return math.exp(random.uniform(math.log(least), math.log(most)))


def _poisson(random: Random, mean: float) -> Iterator[Day]:
    while True:
        day: Day = []
        moment = random.expovariate(mean)
        while moment < 1:
            day.append((moment, 1))
            moment += random.expovariate(mean)
        yield day


def _one_customer(random: Random, part_of_days: float, size: Callable[[], int]) -> Iterator[Day]:
    while True:
        yield [(random.random(), size())] if random.random() < part_of_days else []


def _geometric(random: Random, mean: float) -> int:
    return 1 + int(math.log(1 - random.random()) / math.log(1 - 1 / mean))


def _smooth(random: Random) -> Iterator[Day]:
    return _poisson(random, _between(random, 2, 30))


def _intermittent(random: Random) -> Iterator[Day]:
    usual = random.randint(1, 4)
    part = random.uniform(0.1, 0.5)
    return _one_customer(random, part, lambda: max(1, usual + random.choice((-1, 0, 0, 1)) * (usual > 1)))


def _erratic(random: Random) -> Iterator[Day]:
    mean, variation = _between(random, 4, 30), random.uniform(0.8, 1.3)
    spread = math.sqrt(math.log(1 + variation**2))
    center = math.log(mean) - spread**2 / 2
    part = random.uniform(0.8, 1.0)
    return _one_customer(random, part, lambda: max(1, round(random.lognormvariate(center, spread))))


def _lumpy(random: Random) -> Iterator[Day]:
    mean, part = _between(random, 3, 40), random.uniform(0.1, 0.5)
    return _one_customer(random, part, lambda: _geometric(random, mean))


CLASSES: dict[str, Callable[[Random], Iterator[Day]]] = {
    "smooth": _smooth,
    "intermittent": _intermittent,
    "erratic": _erratic,
    "lumpy": _lumpy,
}


def of_class(name: str) -> World:
    """Two hundred items of a class, with a year of history, a lead time of a week, and three years that are tried."""
    items = []
    for number in range(ITEMS):
        random = Random(f"{SEED}/{name}/{number}")
        customers = list(islice(CLASSES[name](random), HISTORY_DAYS + TEST_DAYS))
        items.append(Tried(customers, LeadTime(A_WEEK), [A_WEEK], round(_between(random, 1, 60), 2)))
    return World(name, items, order_cost=ORDER_COST)


SIMULATION_HISTORY_DAYS, SIMULATION_TEST_DAYS = 90, 10 * 365


def of_simulation_name(kind: str, *, varying: bool) -> str:
    """As tables have it."""
    return f"the simulation's, {kind}, lead times {'vary' if varying else 'fixed'}"


def of_simulation(kind: str, *, varying: bool) -> World:
    """The fifty items of `benchmarks.replenishment_simulation`: ninety days of history, suppliers near and far."""
    items = []
    for item in replenishment_world.items():
        seed = f"{SEED}/simulation"
        customers = list(
            islice(replenishment_world.demand(item, kind, seed), SIMULATION_HISTORY_DAYS + SIMULATION_TEST_DAYS)
        )
        lead_times = replenishment_world.lead_times(item, seed, varying=varying)
        items.append(
            Tried(
                customers,
                item.lead_time if varying else LeadTime(item.lead_time.days),
                list(islice(lead_times, 1000)),
                item.unit_cost,
                item.terms,
                item.daily_mean,
            )
        )
    return World(of_simulation_name(kind, varying=varying), items, SIMULATION_HISTORY_DAYS)


def simulated() -> Iterator[World]:
    """Each simulated world."""
    for name in CLASSES:
        yield of_class(name)
    for kind in (POISSON, LUMPY):
        for varying in (False, True):
            yield of_simulation(kind, varying=varying)


SLOW_ITEMS, SLOW_TEST_DAYS = 20, 10 * 365


def slow_poisson() -> World:
    """Items whose exact optimum can be computed within a minute: half a unit to three a day, small orders."""
    items = []
    for number in range(SLOW_ITEMS):
        random = Random(f"{SEED}/exact/{number}")
        mean = round(_between(random, 0.5, 3), 2)
        customers = list(islice(_poisson(random, mean), HISTORY_DAYS + SLOW_TEST_DAYS))
        cost = round(_between(random, 10, 40), 2)
        items.append(Tried(customers, LeadTime(A_WEEK), [A_WEEK], cost, daily_mean=mean))
    return World("Poisson, compared with the exact optimum", items, order_cost=ORDER_COST)
