"""Methods that `benchmarks.back_test` compares: ours, the seed's formula, and what peers do."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.back_test_shelf import HOLDING_COST_RATE, Known, Rule
from benchmarks.back_test_world import World
from stockkeeper.domain.demand_class import PlanMethod, ServiceMeasure
from stockkeeper.domain.hindsight import NO_HINDSIGHT
from stockkeeper.domain.lead_time_demand import Demand, Floats, Outgoing, Supply, outgoing
from stockkeeper.domain.look_back import MOST_ITEMS, demand_of_days, look_back
from stockkeeper.domain.planning import plan_points
from stockkeeper.domain.replenishment import DAYS_A_YEAR

Swept = Callable[[float], Rule]
"""A method, by the level that it is asked for."""


def ours(level: float) -> Rule:
    """The distribution that fits, with what the past of all items says."""
    learned = NO_HINDSIGHT

    def points(demand: Known, supply: Supply) -> list[int]:
        nonlocal learned
        if demand.looks_back:
            looked_at = np.zeros(len(demand.past), dtype=bool)
            looked_at[:: -(-len(looked_at) // MOST_ITEMS)] = True
            past = demand.past[looked_at]
            known_days = np.full(len(past), float(past.shape[1]))
            learned = look_back(past, known_days, demand.of_one_a_day.only(looked_at), level, demand.daily.shape[1])
        return plan_points(demand, supply, level=level, hindsight=learned).reorder_point

    return points


def alone(level: float) -> Rule:
    """The distribution that fits each item by itself."""
    return lambda demand, supply: plan_points(demand, supply, level=level).reorder_point


def ours_for_fill(level: float) -> Rule:
    """Asked for a fill rate; each item by itself, from what was sold and what was refused."""
    return lambda demand, supply: (
        plan_points(demand_of_days(demand.with_refused), supply, level=level, measure=ServiceMeasure.FILL).reorder_point
    )


def ours_for_fill_from_sales(level: float) -> Rule:
    """The same, from what was sold alone."""
    return lambda demand, supply: plan_points(demand, supply, level=level, measure=ServiceMeasure.FILL).reorder_point


def seed(level: float) -> Rule:
    """The seed's formula."""
    return lambda demand, supply: plan_points(demand, supply, level=level, method=PlanMethod.SEED).reorder_point


def times(factor: float) -> Rule:
    """The mean demand over the lead time, times a factor: "two lead times of stock"."""

    def points(demand: Known, supply: Supply) -> list[int]:
        found: list[int] = np.ceil(factor * demand.mean * supply.lead_time_days).astype(int).tolist()
        return found

    return points


def others(level: float) -> dict[str, Rule]:
    """What lost: other distributions of the same units, and ours without one of its parts; each item by itself."""

    def by(change: Callable[[Known, Supply, Outgoing], Floats]) -> Rule:
        def points(demand: Known, supply: Supply) -> list[int]:
            found = np.ceil(change(demand, supply, outgoing(demand, supply, level)))
            return [int(point) for point in np.where(demand.units > 0, np.maximum(found, 1), 0).tolist()]

        return points

    def quantile(leaving: Outgoing) -> Floats:
        return leaving.mean + leaving.factor(level) * leaving.deviation

    def negative_binomial(demand: Known, supply: Supply, leaving: Outgoing) -> Floats:
        from scipy.stats import nbinom  # noqa: PLC0415 - takes a second, which each process of the tests would spend

        # Of the units but the undershoot's first, by mean and variance; Poisson where it isn't wider than that.
        mean = leaving.mean - 0.5
        part = np.minimum(mean / np.maximum(leaving.deviation**2, mean * 1.0001), 1 - 1e-9)
        return np.asarray(nbinom.ppf(level, mean * part / (1 - part), part)) + 1

    return {
        "ours": alone(level),
        "normal": by(lambda demand, supply, leaving: quantile(replace(leaving, skewness=0 * leaving.skewness))),
        "gamma by mean and deviation": by(
            lambda demand, supply, leaving: quantile(
                replace(leaving, skewness=2 * leaving.deviation / np.maximum(leaving.mean, 0.5))
            )
        ),
        "negative binomial": by(negative_binomial),
        "the item's own days, resampled": lambda demand, supply: _resampled(demand, supply, level),
        "ours, always rounded up": by(lambda demand, supply, leaving: quantile(leaving)),
        "ours, few days as if for ever": by(
            lambda demand, supply, leaving: quantile(outgoing(_for_ever(demand), supply, level))
        ),
        "ours, without the undershoot": by(
            lambda demand, supply, leaving: quantile(replace(leaving, mean=demand.mean * supply.lead_time_days + 0.5))
        ),
    }


_DAYS_FOR_EVER = 1_000.0


def _for_ever(demand: Known) -> Demand:
    """The same demand for a thousand times as many days."""
    sums = (demand.days, demand.busy_days, demand.units, demand.squares)
    return Demand(*(_DAYS_FOR_EVER * each for each in sums))


RESAMPLES = 500


def _resampled(demand: Known, supply: Supply, level: float) -> list[int]:
    """Lead times put together of the item's own days, drawn at random, with the undershoot of one of its busy days.

    Willemain, Smart and Schwarz, "A new approach to forecasting intermittent demand for service parts inventories",
    International Journal of Forecasting 20, 2004; without their Markov chain, because the days here don't depend on
    each other, and without their jitter.
    """
    chance = np.random.default_rng(1)
    points = []
    for days, lead in zip(demand.daily, supply.lead_time_days.tolist(), strict=True):
        busy = days[days > 0]
        if not len(busy):
            points.append(0)
            continue
        leaves = chance.choice(days, (RESAMPLES, max(round(lead), 1))).sum(axis=1)
        passing = chance.choice(busy, RESAMPLES, p=busy / busy.sum())
        leaves = leaves + np.floor(chance.random(RESAMPLES) * passing)
        points.append(int(np.quantile(leaves, level, method="higher")) + 1)
    return points


def exact(world: World, level: float) -> list[tuple[int, int]]:
    """Point and quantity of each item by stockpyl's exact optimum of (r, Q) with Poisson demand of the true mean.

    It knows a cost of units that are missing, and no level of service: the least cost, within a percent, at which its
    r is enough for that part of the cycles. Its order goes out at r, ours below the point: r + 1.
    """
    from scipy.stats import poisson  # noqa: PLC0415 - see above
    from stockpyl.rq import r_q_poisson_exact  # noqa: PLC0415 - a peer of the benchmarks

    found = []
    for item in world.items:
        mean, days = item.daily_mean or 0.0, item.lead_time.days
        holding = HOLDING_COST_RATE * item.unit_cost / DAYS_A_YEAR
        enough = int(poisson.ppf(level, mean * days))
        low, high = holding, holding * 10_000
        best: Any = r_q_poisson_exact(holding, high, world.order_cost, mean, days)
        while high / low > 1.01:
            middle = math.sqrt(low * high)
            answer = r_q_poisson_exact(holding, middle, world.order_cost, mean, days)
            if answer[0] >= enough:
                high, best = middle, answer
            else:
                low = middle
        found.append((int(best[0]) + 1, int(best[1])))
    return found
