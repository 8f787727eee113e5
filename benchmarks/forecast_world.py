"""Items of `benchmarks.forecast`: three years of history with trend, with season, and with neither; all by chance."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.back_test_world import ORDER_COST, SEED, Tried, World
from benchmarks.replenishment_world import Day
from stockkeeper.domain.demand_forecast import NEEDED_WEEKS
from stockkeeper.domain.replenishment import LeadTime

Floats = NDArray[np.float64]

ITEMS = 60
HISTORY_DAYS, TEST_DAYS = 7 * NEEDED_WEEKS, 2 * 364
LEAD_TIMES = 7, 14, 28
_YEAR = 365.25
_LUMPINESS = 4.0
"""Shape of the gamma distribution by which a day's mean varies: days are negative binomial."""


def _steady(chance: np.random.Generator, days: Floats) -> Floats:
    return np.ones_like(days)


def _trend(chance: np.random.Generator, days: Floats) -> Floats:
    """Halved or doubled within a year and a half, at most."""
    found: Floats = np.exp(chance.uniform(-0.5, 0.5) * (days - HISTORY_DAYS) / _YEAR)
    return found


def _season(chance: np.random.Generator, days: Floats) -> Floats:
    """One wave a year, of a fifth to three fifths, anywhere in the year."""
    found: Floats = 1 + chance.uniform(0.2, 0.6) * np.sin(2 * np.pi * (days / _YEAR + chance.random()))
    return found


def _peak(chance: np.random.Generator, days: Floats) -> Floats:
    """Six weeks of two to four times the usual demand, each year at the same time; no wave fits it well."""
    away = np.abs((days / _YEAR + chance.random()) % 1 - 0.5) * _YEAR
    return np.where(away < 21, chance.uniform(2, 4), 1.0)


def _both(chance: np.random.Generator, days: Floats) -> Floats:
    return _trend(chance, days) * _season(chance, days)


def _steps(chance: np.random.Generator, days: Floats) -> Floats:
    """Halved or doubled from one day to the next, twice in five years: no forecast knows that."""
    found = np.ones_like(days)
    for _ in range(2):
        found[chance.integers(0, len(days)) :] *= chance.choice([0.5, 2.0])
    return found


def _walk(chance: np.random.Generator, days: Floats) -> Floats:
    """A little more or less from each day to the next, without an aim."""
    found: Floats = np.exp(np.cumsum(chance.normal(0, 0.015, len(days))))
    return found


def _promotions(chance: np.random.Generator, days: Floats) -> Floats:
    """Ten weeks of two to five times the demand, at any time."""
    found = np.ones_like(days)
    for begins in chance.integers(0, len(days) - 7, 10):
        found[begins : begins + 7] *= chance.uniform(2, 5)
    return found


KINDS: dict[str, Callable[[np.random.Generator, Floats], Floats]] = {
    "steady": _steady,
    "trend": _trend,
    "season": _season,
    "trend and season": _both,
    "a peak each year": _peak,
    "steps": _steps,
    "random walk": _walk,
    "promotions": _promotions,
}


def of_kind(name: str) -> World:
    """Sixty items of one kind, one unit a customer, with a tested time of two years."""
    items = []
    for number in range(ITEMS):
        chance = np.random.default_rng([SEED, *name.encode(), number])
        days = np.arange(HISTORY_DAYS + TEST_DAYS, dtype=np.float64)
        mean = np.exp(chance.uniform(np.log(0.5), np.log(10)))
        means = mean * KINDS[name](chance, days) * chance.gamma(_LUMPINESS, 1 / _LUMPINESS, len(days))
        customers: list[Day] = [
            [(moment, 1) for moment in sorted(chance.random(count).tolist())]
            for count in chance.poisson(means).tolist()
        ]
        lead_time = LEAD_TIMES[number % len(LEAD_TIMES)]
        items.append(Tried(customers, LeadTime(lead_time), [lead_time], round(float(chance.uniform(5, 40)), 2)))
    return World(name, items, HISTORY_DAYS, ORDER_COST)


def daily_of(world: World) -> Floats:
    """Units that customers want, by item and day."""
    return np.array([[float(sum(units for _, units in day)) for day in item.customers] for item in world.items])
