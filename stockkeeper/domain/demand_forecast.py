"""Trend and season: how much of its mean demand an item is expected to have while an order is on its way.

A line and two waves of a year are fitted to the item's weeks, and kept as far as they are more than chance. Whether
they say anything is asked of the item's own past: a forecast counts only where, over the last year, forecasts made from
the weeks before have come clearly nearer to what happened than the mean has. Everywhere else the mean stays.

What it gives is a factor on the mean that planning takes, so that a person can do the rest of the plan again.

NumPy is needed here, as in `stockkeeper.domain.lead_time_demand`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from stockkeeper.domain.lead_time_demand import Demand, Flags, Floats

HELD_OUT_WEEKS = 52
"""Weeks of the past on which forecasts are tried: the last year."""
SEASON_WEEKS = 104
"""Weeks that a season is fitted to at least: in one year, it can't be told from what happened once."""
NEEDED_WEEKS = SEASON_WEEKS + HELD_OUT_WEEKS
TREND_WEEKS = 52
"""Weeks that a trend without a season is fitted to: the last ones."""
TRIED_EVERY_WEEKS = 2
FITTED_EVERY_WEEKS = 13
"""While forecasts are tried; between, only the level is taken anew."""
MOST_WEEKS = 13
"""Ahead, for which a forecast is tried; it counts for longer lead times as well."""
STANDARD_ERRORS = 2.33
"""By which a forecast has to be better than the mean: by chance alone, one in a hundred is."""
LEAST_GAIN = 0.05
"""Part of the mean's squared error that it has to save at least."""
INDEX_BOUNDS = 0.2, 5.0
"""Parts of the usual demand beyond which no fit is believed."""
A_WEEK = 7
_YEAR = 365.25 / A_WEEK
_WAVES = 2
_TINY = 1e-12


class ForecastKind(StrEnum):
    """What a forecast follows."""

    TREND = "trend"
    """A line through the last year."""
    SEASON = "season"
    """The same waves each year."""
    TREND_AND_SEASON = "trend_and_season"
    """Both."""


@dataclass(frozen=True)
class Forecast:
    """Forecasts of items; an entry for each item.

    Attributes:
        kind: What it follows; None: the mean stays.
        factor: Demand expected over the lead time, as a part of the mean's.
        error: Squared error of the forecasts that were tried, as a part of the mean's; 1 where the mean stays.
    """

    kind: list[ForecastKind | None]
    factor: Floats
    error: Floats


@dataclass(frozen=True)
class Shape:
    """Demand over time, in parts of its level: 1 + slope · (t - center) + waves. An entry for each item.

    Attributes:
        center: Week at which the line is 1.
        slope: A week.
        waves: By item: cosine and sine of one wave a year, and of two.
    """

    center: float
    slope: Floats
    waves: Floats

    def over(self, begins: float, weeks: Floats) -> Floats:
        """Its mean from a week on, for so many weeks: exactly, a wave's mean is that of its middle, damped."""
        middle = begins + weeks / 2
        index = 1 + self.slope * (middle - self.center)
        for wave in range(_WAVES):
            frequency = 2 * np.pi * (wave + 1) / _YEAR
            damped = np.sinc(frequency * weeks / 2 / np.pi)
            cosine, sine = self.waves[:, 2 * wave], self.waves[:, 2 * wave + 1]
            index = index + damped * (cosine * np.cos(frequency * middle) + sine * np.sin(frequency * middle))
        clipped: Floats = np.clip(index, *INDEX_BOUNDS)
        return clipped


def forecast(weekly: Floats, level_weeks: int, lead_time_days: Floats) -> Forecast:
    """Forecasts of items, each where its own past says that it is better than the mean.

    Args:
        weekly: Units by item and week, the last week ending yesterday; at least `NEEDED_WEEKS` of them.
        level_weeks: Weeks whose mean planning takes, and on which the level of a forecast is measured.
        lead_time_days: Of each item.
    """
    items, length = weekly.shape
    if length < NEEDED_WEEKS:
        raise ValueError(f"{length} weeks: a forecast needs {NEEDED_WEEKS}")
    level_weeks = min(max(level_weeks, 1), SEASON_WEEKS)
    ahead = np.clip(np.round(lead_time_days / A_WEEK), 1, MOST_WEEKS).astype(int)
    mean = weekly[:, -level_weeks:].mean(1)
    origins = range(length - HELD_OUT_WEEKS, length - 1, TRIED_EVERY_WEEKS)
    happened, is_known = _happened(weekly, origins, ahead)
    tried = is_known.sum(1)
    # What overlaps isn't tried twice: there are as many standard errors as there are weeks apart.
    apart = np.maximum(tried * np.minimum(1, TRIED_EVERY_WEEKS / ahead), 1)
    means = np.stack([weekly[:, origin - level_weeks : origin].mean(1) for origin in origins], 1)
    of_mean = (means - happened) ** 2
    error_of_mean = (of_mean * is_known).sum(1) / tried
    kinds: list[ForecastKind | None] = [None] * items
    factor, error, surest = np.ones(items), np.ones(items), np.full(items, STANDARD_ERRORS)
    for kind in ForecastKind:
        of_kind = (_tried(weekly, kind, origins, level_weeks, ahead) - happened) ** 2
        saved = (of_mean - of_kind) * is_known
        mean_saved = saved.sum(1) / tried
        spread = ((saved - mean_saved[:, None]) ** 2 * is_known).sum(1) / np.maximum(tried - 1, 1)
        sure = mean_saved / np.sqrt(np.maximum(spread / apart, _TINY))
        wins = (sure > surest) & (mean_saved > LEAST_GAIN * error_of_mean) & (mean > 0)
        if wins.any():
            chosen = weekly[wins]
            expected = ahead_of(chosen, fit(chosen, length, kind), length, level_weeks, lead_time_days[wins] / A_WEEK)
            factor[wins] = expected / mean[wins]
            # All of the error may be saved, and a hair more, as floats have it.
            error[wins] = np.maximum(1 - mean_saved[wins] / error_of_mean[wins], 0.0)
            surest = np.where(wins, sure, surest)
            kinds = [kind if wins[item] else before for item, before in enumerate(kinds)]
    return Forecast(kinds, factor, error)


def weeks_of(length: int, weeks_ago: Sequence[int], units: Sequence[float], days_left_out: Sequence[int]) -> Floats:
    """Units of each week, the last one last, from those weeks that have any.

    A week of which some days don't count has what its other days would make of seven; one of which none counts, what
    the weeks around it have.

    Args:
        length: Number of weeks.
        weeks_ago: Weeks with units or with days that don't count; 0 is the last one.
        units: Of its days that count.
        days_left_out: Of its seven days, those that don't.
    """
    found = np.zeros(length)
    unknown = np.zeros(length, dtype=bool)
    for ago, of_week, left_out in zip(weeks_ago, units, days_left_out, strict=True):
        week = length - 1 - ago
        if left_out < A_WEEK:
            found[week] = of_week * A_WEEK / (A_WEEK - left_out)
        else:
            unknown[week] = True
    if unknown.any() and not unknown.all():
        weeks = np.arange(length)
        found[unknown] = np.interp(weeks[unknown], weeks[~unknown], found[~unknown])
    return found


def forecasted(demand: Demand, factor: Floats) -> Demand:
    """The demand of items as it would be with these parts of its mean.

    What customers want grows with the factor, chance (Poisson) with its root: with v the variance and d the mean of a
    day, the new variance is f · d + f² · (v - d), and f · v where demand is steadier than that.

    Args:
        demand: Of the items.
        factor: 1: as it is.
    """
    mean, variance = demand.mean, daily_deviation(demand) ** 2
    variance = factor * np.minimum(variance, mean) + factor**2 * np.maximum(variance - mean, 0.0)
    units = factor * demand.units
    squares = variance * np.maximum(demand.days - 1, 1) + units**2 / demand.days
    squares = np.where(factor == 1, demand.squares, squares)
    return Demand(demand.days, demand.busy_days, units, squares)


def daily_deviation(demand: Demand) -> Floats:
    """Sample standard deviation of the units of a day; 0 if there is only one day."""
    squares = np.maximum(demand.squares - demand.units**2 / demand.days, 0.0)
    deviation: Floats = np.sqrt(squares / np.maximum(demand.days - 1, 1))
    return deviation


def _happened(
    weekly: Floats, origins: range, ahead: "np.ndarray[tuple[int], np.dtype[np.int_]]"
) -> tuple[Floats, Flags]:
    """Units a week after each origin, over the weeks ahead of each item, and whether these are over."""
    items, length = weekly.shape
    until = np.concatenate([np.zeros((items, 1)), weekly.cumsum(1)], 1)
    begins = np.array(origins)
    ends = np.minimum(begins + ahead[:, None], length)
    row = np.arange(items)[:, None]
    units: Floats = (until[row, ends] - until[:, begins]) / (ends - begins)
    return units, begins + ahead[:, None] <= length


def _tried(
    weekly: Floats,
    kind: ForecastKind,
    origins: range,
    level_weeks: int,
    ahead: "np.ndarray[tuple[int], np.dtype[np.int_]]",
) -> Floats:
    """Forecasts at each origin, from the weeks before it alone: units a week over the weeks ahead."""
    found = []
    fits = [*range(origins.start, weekly.shape[1], FITTED_EVERY_WEEKS), weekly.shape[1]]
    for fitted, until in pairwise(fits):
        shape = fit(weekly, fitted, kind)
        found += [
            ahead_of(weekly, shape, origin, level_weeks, ahead.astype(float))
            for origin in origins
            if fitted <= origin < until
        ]
    return np.stack(found, 1)


def ahead_of(weekly: Floats, shape: Shape, origin: int, level_weeks: int, weeks: Floats) -> Floats:
    """Units a week from an origin on: the level of the last weeks, the shape taken out, times the shape ahead."""
    one = np.ones(len(weekly))
    level = np.mean([weekly[:, week] / shape.over(week, one) for week in range(origin - level_weeks, origin)], 0)
    expected: Floats = level * shape.over(origin, weeks)
    return expected


def fit(weekly: Floats, until: int, kind: ForecastKind) -> Shape:
    """Least squares, on parts of the mean; line and waves are each shrunk by what chance would have made of them.

    The part that stays is 1 - 1/F, with F the test's of that line or these waves (the positive-part rule of James and
    Stein); the variance of F counts that a week resembles the one before.
    """
    begins = max(until - TREND_WEEKS, 0) if kind is ForecastKind.TREND else 0
    weeks = np.arange(begins, until) + 0.5
    center = float(weeks.mean())
    columns = [np.ones(len(weeks)), weeks - center]
    if kind is not ForecastKind.TREND:
        for wave in range(_WAVES):
            frequency = 2 * np.pi * (wave + 1) / _YEAR
            columns += [np.cos(frequency * weeks), np.sin(frequency * weeks)]
    design = np.stack(columns, 1)
    inverse = np.linalg.inv(design.T @ design)
    part = weekly[:, begins:until]
    part = part / np.maximum(part.mean(1, keepdims=True), _TINY)
    found = part @ design @ inverse
    left = part - found @ design.T
    squares = np.maximum((left**2).sum(1), _TINY)
    alike = np.clip((left[:, 1:] * left[:, :-1]).sum(1) / squares, 0, 0.9)
    variance = squares / (len(weeks) - design.shape[1]) * (1 + alike) / (1 - alike)

    def kept(which: slice) -> Floats:
        values = found[:, which]
        test = np.einsum("ni,ij,nj->n", values, np.linalg.inv(inverse[which, which]), values)
        test = np.maximum(test / values.shape[1] / variance, _TINY)
        shrunk: Floats = values * np.clip(1 - 1 / test, 0, 1)[:, None]
        return shrunk

    none = np.zeros(len(weekly))
    slope = none if kind is ForecastKind.SEASON else kept(slice(1, 2))[:, 0]
    waves = np.zeros((len(weekly), 2 * _WAVES)) if kind is ForecastKind.TREND else kept(slice(2, None))
    return Shape(center, slope, waves)
