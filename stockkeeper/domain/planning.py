"""Reorder points of many items at once, and what each of them is expected to reach.

A point is found from a level of service by the distribution of the units that leave until the goods are there
(`stockkeeper.domain.lead_time_demand`), or by the seed's formula (`stockkeeper.domain.replenishment`). Whatever it was
found by, and also if a person has set it, that distribution says what it is expected to reach.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stockkeeper.domain.demand_class import INTERVAL_CUT, SIZE_CUT, DemandClass, PlanMethod, ServiceMeasure
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.hindsight import NO_HINDSIGHT, Hindsight
from stockkeeper.domain.lead_time_demand import Demand, Flags, Floats, Outgoing, Supply, outgoing
from stockkeeper.domain.replenishment import LeadTime, Usage, reorder_point, safety_stock

RISK_ALLOWED = 1.5
"""A point may have so many times the risk that was asked for, if the next unit would be further from it."""
_MOST_UNITS = 2.0**62
_STEPS = 64
"""From one unit to as many as a point can have, or back, by doubling and halving."""
_ALMOST = 1e-9


@dataclass(frozen=True)
class Planned:
    """Points of items, and the numbers that they come from; an entry for each item. Units, and parts of one.

    Attributes:
        demand_class: How demand comes; None: there was none.
        method: How the point was found; None: there was no demand, and the point is 0.
        reorder_point: Units available below which an order has to go out.
        safety_stock: By the seed's formula as it is, not rounded; otherwise the point less the mean demand over the
            lead time.
        undershoot: Units that an item is below its point when the order goes out, on average.
        outgoing_mean: Units that leave from the point until the goods are there, the undershoot with them, on average;
            less a half, because a point is whole.
        outgoing_deviation: Their standard deviation, the uncertainty of few days of history with it.
        outgoing_skewness: Their skewness; 0: normal.
        factor: Deviations that the point is above the mean, before it was made whole.
        expected_cycle_service: Part of the cycles in which no customer is refused.
        expected_fill_rate: Part of the units wanted that is sold.
        usual_deviation: Of a day's demand, that items of this mean have in the warehouse; None: it doesn't count.
        usual_days: Days with demand that it counts for, beside the item's own.
        widening: Factor on the deviation of what leaves, from the warehouse's past.
    """

    demand_class: list[DemandClass | None]
    method: list[PlanMethod | None]
    reorder_point: list[int]
    safety_stock: list[float]
    undershoot: list[float]
    outgoing_mean: list[float]
    outgoing_deviation: list[float]
    outgoing_skewness: list[float]
    factor: list[float]
    expected_cycle_service: list[float]
    expected_fill_rate: list[float]
    usual_deviation: list[float | None]
    usual_days: list[float | None]
    widening: list[float]


def plan_points(
    demand: Demand,
    supply: Supply,
    *,
    level: float,
    measure: ServiceMeasure = ServiceMeasure.CYCLE,
    method: PlanMethod | None = None,
    hindsight: Hindsight = NO_HINDSIGHT,
) -> Planned:
    """Points of items for this level of service.

    A point is made whole towards the unit that is expected to come nearer to the level, and upwards if the other had
    more than one and a half times the risk asked for. Always upwards, small numbers would reach 97 % for 95. With any
    demand it is at least 1.

    Args:
        demand: Of the items.
        supply: Of the same items.
        level: Part of the cycles or of the units, above 0 and below 1.
        measure: Which of both.
        method: SEED: by the seed's formula for all; it knows cycles only. None: by the distribution that fits.
        hindsight: What the past of their warehouse says. The seed's formula takes nothing from it.

    Raises:
        InvalidRequest: The level isn't between 0 and 1, or the method isn't one that may be asked for.
    """
    if not 0 < level < 1:
        raise InvalidRequest("service_level: must be between 0 and 1")
    if method not in (None, PlanMethod.SEED) or (method and measure is ServiceMeasure.FILL):
        raise InvalidRequest("method: must be null, or seed for a level of cycles")
    wanted = demand.units > 0
    some, supplied = demand.only(wanted), supply.only(wanted)
    learned = NO_HINDSIGHT if method is PlanMethod.SEED else hindsight
    usual: list[float | None] = [None] * len(wanted)
    shared = some
    if learned.spread is not None:
        shared = learned.spread.shared(some)
        deviations = np.sqrt(learned.spread.variance(some.mean)).tolist()
        for item, deviation in zip(np.flatnonzero(wanted).tolist(), deviations, strict=True):
            usual[item] = deviation
    leaving = outgoing(shared, supplied, level).widened(learned.widening)
    over_the_lead_time = some.mean * supplied.lead_time_days
    if method is PlanMethod.SEED:
        safety, points = _by_seed(some, supplied, level)
        exact = over_the_lead_time + safety
    elif measure is ServiceMeasure.CYCLE:
        exact = leaving.mean + leaving.factor(level) * leaving.deviation
        points = whole_points(leaving, level)
        safety = points - over_the_lead_time
    else:
        exact = _least(leaving, lambda units: _fill(leaving, supplied, units) >= level)
        points = _whole(exact, level, lambda units: _fill(leaving, supplied, units))
        safety = points - over_the_lead_time
    words: list[PlanMethod | None] = [None] * len(wanted)
    for item, is_skewed in zip(np.flatnonzero(wanted).tolist(), (leaving.skewness > 0).tolist(), strict=True):
        words[item] = method or (PlanMethod.GAMMA if is_skewed else PlanMethod.NORMAL)

    def every(values: Floats, without: float = 0.0) -> list[float]:
        spread = np.full(len(wanted), without)
        spread[wanted] = values
        listed: list[float] = spread.tolist()
        return listed

    return Planned(
        demand_class=classes_of(demand),
        method=words,
        reorder_point=[int(point) for point in every(points)],
        safety_stock=every(safety),
        undershoot=every(leaving.undershoot),
        outgoing_mean=every(leaving.mean),
        outgoing_deviation=every(leaving.deviation),
        outgoing_skewness=every(leaving.skewness),
        factor=every((exact - leaving.mean) / leaving.deviation),
        expected_cycle_service=every(leaving.within(points), 1.0),
        expected_fill_rate=every(_fill(leaving, supplied, points), 1.0),
        usual_deviation=usual,
        usual_days=[None if each is None or learned.spread is None else learned.spread.days for each in usual],
        widening=[learned.widening] * len(wanted),
    )


def expectations(demand: Demand, supply: Supply, points: Floats, level: float) -> tuple[list[float], list[float]]:
    """What these points are expected to reach, whoever set them: the parts of the cycles, and of the units.

    Args:
        demand: Of items that have any.
        supply: Of the same items.
        points: Their reorder points.
        level: The level of service for which the uncertainty counts.
    """
    leaving = outgoing(demand, supply, level)
    return leaving.within(points).tolist(), _fill(leaving, supply, points).tolist()


def classes_of(demand: Demand) -> list[DemandClass | None]:
    """How the demand of each item comes; None: there was none."""
    is_rare, varies = demand.interval >= INTERVAL_CUT, demand.size_variation >= SIZE_CUT
    words = [DemandClass.SMOOTH, DemandClass.ERRATIC, DemandClass.INTERMITTENT, DemandClass.LUMPY, None]
    return [words[number] for number in np.where(demand.units > 0, 2 * is_rare + varies, 4).tolist()]


def _by_seed(demand: Demand, supply: Supply, level: float) -> tuple[Floats, Floats]:
    """Safety stock and point by the seed's formula, item by item."""
    spread = np.maximum(demand.squares * demand.days - demand.units**2, 0.0)
    deviation = np.sqrt(spread / np.maximum(demand.days * (demand.days - 1), 1.0))
    both = []
    for days, mean, of_days, lead_days, varies in zip(
        *(each.tolist() for each in (demand.days, demand.mean, deviation)),
        *(each.tolist() for each in (supply.lead_time_days, np.nan_to_num(supply.lead_time_deviation_days))),
        strict=True,
    ):
        usage, lead_time = Usage(int(days), mean, of_days), LeadTime(lead_days, varies)
        both.append((safety_stock(usage, lead_time, level), reorder_point(usage, lead_time, level)))
    safety, points = np.array(both, dtype=np.float64).reshape(-1, 2).T
    return safety, points


def whole_points(leaving: Outgoing, level: float) -> Floats:
    """Points that are expected to come nearest to this level of cycles."""
    return _whole(leaving.mean + leaving.factor(level) * leaving.deviation, level, leaving.within)


def _whole(exact: Floats, level: float, reached: Callable[[Floats], Floats]) -> Floats:
    """Whole points from exact ones: the unit that comes nearer to the level, without much more risk."""
    above = np.clip(np.ceil(exact - _ALMOST * np.maximum(np.abs(exact), 1)), 1, _MOST_UNITS)
    below = np.maximum(above - 1, 1)
    by_below = reached(below)
    is_nearer = level - by_below <= reached(above) - level
    return np.where(is_nearer & (1 - by_below <= RISK_ALLOWED * (1 - level)), below, above)


def _fill(leaving: Outgoing, supply: Supply, points: Floats) -> Floats:
    """Part of the units wanted that is sold, with these points.

    1 less what is refused in a cycle, as a part of what is wanted in it. Refused is what leaves beyond the point
    (Silver, Pyke and Thomas, 6.7.6) and, because a customer's order is refused as a whole, what is left on the shelf
    then: as much as it would have been below the point. An order brings its quantity and no less than the point.
    """
    brings = np.maximum(supply.order_quantity, points)
    left = (1 - leaving.within(points)) * (leaving.undershoot - 1)
    # An undershoot of one unit may be a hair less, as floats have it.
    refused: Floats = np.maximum(leaving.beyond(points - 0.5) + left, 0.0)
    return brings / (brings + refused)


def _least(leaving: Outgoing, enough: Callable[[Floats], Flags]) -> Floats:
    """The fewest whole units that are enough, found by halving; where no number is, as many as a point can have."""
    low = np.zeros_like(leaving.mean)
    high = np.minimum(np.ceil(leaving.mean + 2 * leaving.deviation), _MOST_UNITS)
    for _ in range(_STEPS):
        if (reached := enough(high)).all():
            break
        high = np.where(reached, high, np.minimum(2 * high, _MOST_UNITS))
    for _ in range(_STEPS):
        if (high - low <= 1).all():
            break
        middle = np.floor((low + high) / 2)
        reached = enough(middle)
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high
