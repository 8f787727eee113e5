"""Trend and season: what is forecast, when the mean stays, and that nothing is known before it has happened."""

import numpy as np
import pytest

from stockkeeper.domain.demand_forecast import (
    A_WEEK,
    HELD_OUT_WEEKS,
    NEEDED_WEEKS,
    STANDARD_ERRORS,
    TRIED_EVERY_WEEKS,
    ForecastKind,
    Shape,
    ahead_of,
    daily_deviation,
    fit,
    forecast,
    forecasted,
    weeks_of,
)
from stockkeeper.domain.lead_time_demand import Demand, Floats

WEEKS = np.arange(NEEDED_WEEKS) + 0.5
A_YEAR = 365.25 / A_WEEK
QUARTER = 13
"""Weeks: the mean that planning takes from ninety days."""


def array(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)


def noisy(mean: Floats, items: int, seed: int = 1) -> Floats:
    """Weeks of items whose demand is Poisson."""
    return np.random.default_rng(seed).poisson(mean, (items, len(mean))).astype(np.float64)


def season(part: float, at: float = 0.0) -> Floats:
    """Weeks of a hundred units, with one wave a year."""
    units: Floats = 100 * (1 + part * np.sin(2 * np.pi * (WEEKS / A_YEAR + at)))
    return units


# What is forecast.


def test_a_season_is_followed_where_the_mean_of_a_quarter_lags_behind() -> None:
    weekly = noisy(season(0.5), 20)
    found = forecast(weekly, QUARTER, np.full(20, 14.0))
    assert set(found.kind) <= {ForecastKind.SEASON, ForecastKind.TREND_AND_SEASON}
    # The three years end where the wave goes up: two weeks on average at 106 of a hundred, after a quarter at 82.
    expected = 100 * (1 + 0.5 * np.sin(2 * np.pi * (NEEDED_WEEKS + 1) / A_YEAR)) / weekly[:, -QUARTER:].mean(1)
    assert found.factor == pytest.approx(expected, rel=0.1)
    assert (found.error < 0.3).all()


def test_a_trend_is_followed_without_a_season() -> None:
    weekly = noisy(400 * np.exp((WEEKS - NEEDED_WEEKS) / 104), 20)
    found = forecast(weekly, QUARTER, np.full(20, 28.0))
    assert found.kind.count(None) <= 2
    # From the middle of the last quarter to that of the lead time are 8.5 weeks, in which demand grows by 8 %.
    followed = found.factor[[kind is not None for kind in found.kind]]
    assert followed == pytest.approx(np.exp(8.5 / 104), rel=0.05)


def test_the_mean_stays_where_demand_is_steady_and_where_there_is_none() -> None:
    weekly = noisy(np.full(NEEDED_WEEKS, 20.0), 400)
    weekly[0] = 0
    found = forecast(weekly, QUARTER, np.full(400, 14.0))
    # By chance, one in a hundred for each of the three kinds.
    assert sum(kind is not None for kind in found.kind) <= 12
    assert found.kind[0] is None
    stays = np.array([kind is None for kind in found.kind])
    assert (found.factor[stays] == 1).all()
    assert (found.error[stays] == 1).all()


def test_a_peak_that_came_once_is_no_season() -> None:
    mean = np.full(NEEDED_WEEKS, 50.0)
    mean[90:98] = 300
    found = forecast(noisy(mean, 50), QUARTER, np.full(50, 14.0))
    assert sum(kind is not None for kind in found.kind) <= 1


@pytest.mark.parametrize("kind", ForecastKind)
def test_a_forecast_that_is_tried_knows_nothing_of_what_comes_after(kind: ForecastKind) -> None:
    weekly = noisy(season(0.4), 3)
    origin = NEEDED_WEEKS - HELD_OUT_WEEKS
    other = weekly.copy()
    other[:, origin:] = 7_777
    weeks = array(1, 4, 13)
    found = [ahead_of(each, fit(each, origin, kind), origin, QUARTER, weeks).tolist() for each in (weekly, other)]
    assert found[0] == found[1]


def test_each_item_is_forecast_as_if_it_were_alone() -> None:
    weekly = np.concatenate([noisy(season(0.5), 2), noisy(np.full(NEEDED_WEEKS, 20.0), 2), noisy(season(0.3, 0.5), 2)])
    days = array(3, 200, 14, 14, 70, 7)
    together = forecast(weekly, QUARTER, days)
    for item in range(6):
        alone = forecast(weekly[[item]], QUARTER, days[[item]])
        assert alone.kind[0] == together.kind[item]
        assert alone.factor[0] == pytest.approx(together.factor[item])
        assert alone.error[0] == pytest.approx(together.error[item])


def test_fewer_than_three_years_are_refused() -> None:
    with pytest.raises(ValueError, match=f"{NEEDED_WEEKS - 1} weeks: a forecast needs {NEEDED_WEEKS}"):
        forecast(np.ones((1, NEEDED_WEEKS - 1)), QUARTER, array(7))


def test_what_is_tried_is_the_last_year_every_other_week_by_more_than_two_standard_errors() -> None:
    assert (NEEDED_WEEKS, HELD_OUT_WEEKS, TRIED_EVERY_WEEKS, STANDARD_ERRORS) == (156, 52, 2, 2.33)


def test_the_mean_of_a_wave_over_weeks_is_that_of_its_moments() -> None:
    shape = Shape(10.0, array(0.002), np.array([[0.1, 0.3, -0.2, 0.05]]))
    for begins, weeks in ((0.0, 1.0), (30.0, 9.0), (156.0, 40.0)):
        moments = begins + weeks * (np.arange(10_000) + 0.5) / 10_000
        of_moments = [float(shape.over(moment, array(0))[0]) for moment in moments[::10]]
        assert float(shape.over(begins, array(weeks))[0]) == pytest.approx(np.mean(of_moments), abs=0.001)


# What planning makes of it.


def test_more_demand_is_more_of_the_customers_and_more_of_what_they_want() -> None:
    # Ten a day with a variance of 30: 10 by chance, and 20 because demand differs. Twice of it: 20, and 80.
    demand = Demand(array(90), array(90), array(900), array(9_000 + 89 * 30))
    twice = forecasted(demand, array(2))
    assert twice.mean.tolist() == [20]
    assert daily_deviation(twice)[0] ** 2 == pytest.approx(100)
    assert (twice.days.tolist(), twice.busy_days.tolist()) == ([90], [90])


def test_demand_that_is_steadier_than_chance_stays_so() -> None:
    demand = Demand(array(90), array(90), array(900), array(9_000 + 89 * 4))
    assert daily_deviation(forecasted(demand, array(0.5)))[0] ** 2 == pytest.approx(2)


def test_a_factor_of_one_changes_nothing() -> None:
    demand = Demand(array(90, 1), array(31, 1), array(123, 7), array(999, 49))
    same = forecasted(demand, array(1, 1))
    assert [each.tolist() for each in vars(same).values()] == [each.tolist() for each in vars(demand).values()]


def test_weeks_are_told_by_those_that_have_any() -> None:
    # Three weeks ago: 10 units in five days of seven. Last week nothing counts, and it lies at the end.
    assert weeks_of(5, [3, 1, 0], [10, 30, 0], [2, 0, 7]).tolist() == [0, 14, 0, 30, 30]
    assert weeks_of(5, [4, 3, 2], [8, 0, 16], [0, 7, 0]).tolist() == [8, 12, 16, 0, 0]
    assert weeks_of(3, [], [], []).tolist() == [0, 0, 0]
    assert weeks_of(2, [0, 1], [0, 0], [7, 7]).tolist() == [0, 0]
