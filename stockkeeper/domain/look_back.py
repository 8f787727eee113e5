"""Looking back: items of a warehouse are planned as they would have been in the past, and compared with what happened.

On days of the past, once a week, each item is planned from the days before alone, and what left afterwards until goods
would have been there is compared with its point. Nothing counts without proof: the usual variance has to foretell
better than the item's own, and the level has to be missed by more than chance.
"""

from dataclasses import replace

import numpy as np

from stockkeeper.domain.hindsight import NO_HINDSIGHT, Hindsight, usual_spread
from stockkeeper.domain.lead_time_demand import Demand, Flags, Floats, Supply, outgoing
from stockkeeper.domain.planning import whole_points
from stockkeeper.domain.replenishment import DAYS_A_YEAR

MOST_ITEMS = 1_500
"""Of a warehouse that are looked at: every second, third and so on, if it has more."""
LEAST_BUSY_DAYS = 5
"""With demand before a day of the past, without which an item isn't looked at on it: it was just coming into use."""
LOOKED_AT_EVERY_DAYS = 7
SPREAD_DAYS = (0.0, 30.0)
"""Days with demand that the usual variance may count for; 0: each item for itself."""
WIDENINGS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)
WORST_MISS = 30.0
"""Squared deviations that a miss counts at most; one promotion would decide for the whole warehouse otherwise."""
SURE = 2.0
"""Standard errors by which the level asked for has to be missed, before anything is widened."""
LEAST_ORDERS = 100
"""Of the past, that are needed to say anything."""
_PARTS = (0.125, 0.375, 0.625, 0.875)


def demand_of_days(daily: Floats) -> Demand:
    """The sums of days; an item in each row."""
    return Demand(
        days=np.full(len(daily), float(daily.shape[1])),
        busy_days=(daily > 0).sum(1).astype(float),
        units=daily.sum(1),
        squares=(daily**2).sum(1),
    )


def days_of_past(history_days: int) -> int:
    """Days that are looked back on at most: a year, and twice as many as planning looks at, if that is more.

    What is learned from a single quarter is that quarter's, and changes with each next one; that change costs stock.
    """
    return max(2 * history_days, DAYS_A_YEAR)


def look_back(daily: Floats, known_days: Floats, supply: Supply, level: float, history_days: int) -> Hindsight:
    """Learn from the past of a warehouse's items.

    Args:
        daily: Units by item and day, the last day yesterday; at least twice as many days as planning looks at, or
            nothing can be learned.
        known_days: How many of these days each item is known for; on those before it isn't looked at.
        supply: Of the same items. Their lead times are taken as always the same: only the demand is looked at. The
            quantities are those of a mean of one unit a day: an economic quantity grows with the root of the mean.
        level: Part of the cycles.
        history_days: Days that planning looks at.
    """
    length = daily.shape[1]
    if length < 2 * history_days or not len(daily):
        return NO_HINDSIGHT
    supply = replace(supply, lead_time_deviation_days=np.zeros(len(daily)))
    begins = range(history_days, length, LOOKED_AT_EVERY_DAYS)
    since = length - known_days
    spread_days = _spread_days(daily, since, supply, begins, history_days)
    orders, lasted = _windows(daily, since, supply, level, begins, history_days, spread_days)
    total = float(orders.sum())
    spread = usual_spread(demand_of_days(daily[:, length - history_days :]), spread_days) if spread_days else None
    items = int((orders > 0).sum())
    if total < LEAST_ORDERS:
        return Hindsight(spread, items=items, orders=total)
    # Two sums of floats: where all has lasted, the one may exceed the other by a hair.
    reached = np.minimum(lasted.sum(0) / total, 1.0)
    error = np.sqrt(((lasted[:, 0] - reached[0] * orders) ** 2).sum()) / total
    falls_short = reached[0] + SURE * error < level
    widening = float(np.interp(level, np.maximum.accumulate(reached), WIDENINGS)) if falls_short else 1.0
    return Hindsight(spread, widening, items, total, float(reached[0]))


def _spread_days(daily: Floats, since: Floats, supply: Supply, begins: range, history_days: int) -> float:
    """Days with demand that the usual variance should count for.

    By the quasi-likelihood of the demand over lead times of the past (Patton, "Volatility forecast comparison using
    imperfect volatility proxies", Journal of Econometrics 160, 2011): ln V + (happened - expected)² / V.
    """
    length = daily.shape[1]
    until = np.concatenate([np.zeros((len(daily), 1)), daily.cumsum(1)], 1)
    row = np.arange(len(daily))
    lead = np.maximum(np.round(supply.lead_time_days), 1).astype(int)
    lost = np.zeros((len(daily), len(SPREAD_DAYS)))
    for day in begins:
        before = demand_of_days(daily[:, day - history_days : day])
        known = _is_looked_at(before, since, day) & (day + lead <= length) & (before.variance > 0)
        spread = usual_spread(before, 0.0)
        if spread is None or not known.any():
            continue
        happened = until[row, np.minimum(day + lead, length)] - until[:, day]
        missed = (happened - before.mean * lead)[known] ** 2
        for number, days in enumerate(SPREAD_DAYS):
            variance = replace(spread, days=days).shared(before).variance[known] if days else before.variance[known]
            expected = variance * lead[known] * (1 + lead[known] / history_days)
            lost[known, number] += np.log(expected) + np.minimum(missed / expected, WORST_MISS)
    best = int(lost.sum(0).argmin())
    saved = lost[:, 0] - lost[:, best]
    is_sure = saved.sum() > np.sqrt((saved**2).sum())
    return SPREAD_DAYS[best] if is_sure else 0.0


def _is_looked_at(before: Demand, since: Floats, day: int) -> Flags:
    """Whether items are looked at on a day of the past, by the days that would have been planned from."""
    return (before.busy_days >= LEAST_BUSY_DAYS) & (since <= day - before.days)


def _windows(
    daily: Floats, since: Floats, supply: Supply, level: float, begins: range, history_days: int, spread_days: float
) -> tuple[Floats, Floats]:
    """Orders of each item that would have gone out, and by each widening those whose goods would have come in time.

    On a day with x units an order of Q goes out with the chance x / Q, and the point is passed at any of these units
    alike. A plan that raises the point passes it in the same way. What is left of that day, and as many days as the
    lead time has, has to last. Of smooth demand the rest of the first day and the part of the last one are a day
    together; of any other demand, a day's is one customer's, who comes on the last one before the goods or after them.
    """
    items, length = daily.shape
    orders, lasted = np.zeros(items), np.zeros((items, len(WIDENINGS)))
    until = np.concatenate([np.zeros((items, 1)), daily.cumsum(1)], 1)
    span = np.maximum(supply.lead_time_days - 0.5, 0)
    full = np.floor(span).astype(int)
    after = span - full
    points = np.zeros((items, len(WIDENINGS)))
    for day in range(begins.start, length):
        if day in begins:
            before = demand_of_days(daily[:, day - history_days : day])
            used = _is_looked_at(before, since, day)
            some = before.only(used)
            spread = usual_spread(before, spread_days) if spread_days else None
            leaving = outgoing(some if spread is None else spread.shared(some), supply.only(used), level)
            were, points = points, np.zeros((items, len(WIDENINGS)))
            points[used] = np.stack([whole_points(leaving.widened(each), level) for each in WIDENINGS], 1)
            quantity = np.maximum(supply.order_quantity * np.sqrt(before.mean), np.maximum(points[:, 0], 1))
            rise = np.where(were[:, 0] > 0, np.maximum(points[:, 0] - were[:, 0], 0), 0)
        for units, raised in ((rise, True), (daily[:, day] * used, False)):
            # After a plan the whole of its day is still to come.
            begin = day if raised else day + 1
            ends = begin + full
            which = np.flatnonzero((units > 0) & (ends < length))
            if not len(which):
                continue
            chance = np.minimum(units / quantity, 1)[which]
            some_units, most = units[which], np.minimum(quantity, units)[which]
            between = until[which, ends[which]] - until[which, begin]
            last, smooth = daily[which, ends[which]], before.is_smooth[which]
            enough = np.zeros((len(which), len(WIDENINGS)))
            for part in _PARTS:
                below = np.ceil(some_units - most * (1 - part))
                for comes, likely in ((0.0, 1 - after[which]), (1.0, after[which])):
                    leaves = below + between + np.where(smooth, 0.5 if raised else 1 - part, comes) * last
                    enough += (leaves[:, None] <= points[which]) * np.where(smooth, 0.5, likely)[:, None]
            orders[which] += chance
            lasted[which] += enough * (chance / len(_PARTS))[:, None]
        rise = np.zeros(items)
    return orders, lasted
