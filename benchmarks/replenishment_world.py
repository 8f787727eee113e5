"""The world that `benchmarks.replenishment_simulation` puts around planning: items, customers and suppliers.

All of it is chance from a seed, and the same for every scenario.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from stockkeeper.domain.replenishment import LeadTime, Terms, Usage

ITEMS = 50
SEED = 5
POISSON, LUMPY = KINDS = ("Poisson", "lumpy")

Day = list[tuple[float, int]]
"""A day's customers, in order: when they come, as a part of the day, and the units that they want."""


@dataclass(frozen=True)
class Item:
    """The kinds of items to order.

    Attributes:
        number: Which of the fifty.
        daily_mean: Units a day, in truth.
        busy_days: The part of the days with an order, where demand is lumpy.
        lead_time: The supplier's, in truth.
        unit_cost: Money.
        terms: Quantities that the supplier sells.
    """

    number: int
    daily_mean: float
    busy_days: float
    lead_time: LeadTime
    unit_cost: float
    terms: Terms

    def usage(self, kind: str, days: int) -> Usage:
        """The true usage, unknown to planning, as if measured over this number of days."""
        if kind == POISSON:
            return Usage(days, self.daily_mean, math.sqrt(self.daily_mean))
        size = self.daily_mean / self.busy_days
        mean_square = self.busy_days * (2 * size**2 - size)  # Sizes are geometric.
        return Usage(days, self.daily_mean, math.sqrt(mean_square - self.daily_mean**2))


def items() -> list[Item]:
    """As a shop has them: many sell little and a few a lot; suppliers near and far; cheap goods and dear ones."""
    random = Random(f"{SEED}/items")
    made = []
    for number in range(ITEMS):
        lead_time_days = random.randint(2, 21)
        made.append(
            Item(
                number=number,
                daily_mean=round(math.exp(random.uniform(math.log(1), math.log(40))), 2),
                busy_days=random.uniform(0.1, 0.5),
                lead_time=LeadTime(lead_time_days, round(0.3 * lead_time_days, 1)),
                unit_cost=round(math.exp(random.uniform(math.log(1), math.log(60))), 2),
                terms=random.choice([Terms(), Terms(10, 5), Terms(24, 12)]),
            )
        )
    return made


def demand(item: Item, kind: str, seed: str) -> Iterator[Day]:
    """Day after day, the same for every scenario."""
    random = Random(f"{seed}/{kind}/{item.number}")
    while True:
        day: Day = []
        if kind == POISSON:
            # Customers take one unit each and come independently of each other.
            moment = random.expovariate(item.daily_mean)
            while moment < 1:
                day.append((moment, 1))
                moment += random.expovariate(item.daily_mean)
        elif random.random() < item.busy_days:
            # The size is geometric: each unit is the last one with the same chance, at most one half here.
            last = item.busy_days / item.daily_mean
            day.append((random.random(), 1 + int(math.log(1 - random.random()) / math.log(1 - last))))
        yield day


def lead_times(item: Item, seed: str, *, varying: bool) -> Iterator[float]:
    """Order after order; those that vary do so by the gamma distribution, which is never negative."""
    random = Random(f"{seed}/lead times/{item.number}")
    mean, deviation = item.lead_time.days, item.lead_time.deviation_days or 0.0
    while True:
        yield random.gammavariate((mean / deviation) ** 2, deviation**2 / mean) if varying else mean
