"""What is learned from a warehouse's past: nothing without proof, and what is learned does what it says."""

import math

import numpy as np
import pytest

from stockkeeper.domain.demand_class import PlanMethod
from stockkeeper.domain.hindsight import NO_HINDSIGHT, Hindsight, Spread, usual_spread
from stockkeeper.domain.lead_time_demand import Floats, Supply
from stockkeeper.domain.look_back import WIDENINGS, days_of_past, demand_of_days, look_back
from stockkeeper.domain.planning import plan_points

DAYS, ITEMS = 60, 200
LEVEL = 0.95


def supply_of(items: int = ITEMS, quantity: float = 20) -> Supply:
    return Supply(np.full(items, 7.0), np.zeros(items), np.full(items, quantity))


def known(items: int = ITEMS, days: float = 2 * DAYS) -> Floats:
    return np.full(items, float(days))


def steady(mean: float = 3.0) -> Floats:
    """Poisson demand that stays as it is, for twice as many days as planning looks at."""
    return np.random.default_rng(3).poisson(mean, (ITEMS, 2 * DAYS)).astype(np.float64)


def test_steady_demand_changes_no_plan_of_the_shop() -> None:
    found = look_back(steady(), known(), supply_of(), LEVEL, DAYS)
    assert found.widening == 1
    assert found.items == ITEMS
    assert found.reached > LEVEL - 0.02


@pytest.mark.parametrize("quantity", [3.0, 7.0, 20.0, 50.0, 130.0])
def test_where_all_goods_came_in_time_the_part_is_one_and_not_a_hair_more(quantity: float) -> None:
    """The sums differ by rounding, to either side; the database takes no part above one."""
    found = look_back(np.ones((ITEMS, 2 * DAYS)), known(), supply_of(quantity=quantity), LEVEL, DAYS)
    assert found.reached == pytest.approx(1.0)
    assert found.reached <= 1.0


def test_demand_that_strays_from_its_level_widens_plans() -> None:
    """Every week has a level of its own, between a third and three times the usual one."""
    chance = np.random.default_rng(3)
    weeks = np.exp(chance.uniform(-math.log(3), math.log(3), (ITEMS, 2 * DAYS // 5)))
    daily = chance.poisson(3 * weeks.repeat(5, axis=1)).astype(np.float64)
    found = look_back(daily, known(), supply_of(), LEVEL, DAYS)
    assert found.reached < 0.93
    assert 1 < found.widening <= WIDENINGS[-1]


def test_what_lies_further_back_counts_too() -> None:
    """Steady for as long as planning looks at, and straying in the year before."""
    chance = np.random.default_rng(3)
    weeks = np.exp(chance.uniform(-math.log(3), math.log(3), (ITEMS, 4 * DAYS // 5)))
    stray = chance.poisson(3 * weeks.repeat(5, axis=1)).astype(np.float64)
    recent = look_back(steady(), known(), supply_of(), LEVEL, DAYS)
    daily = np.concatenate([stray, steady()], 1)
    found = look_back(daily, known(days=6 * DAYS), supply_of(), LEVEL, DAYS)
    assert found.reached < recent.reached
    assert found.widening > recent.widening == 1


def test_an_item_isnt_looked_at_on_days_before_it_was_known() -> None:
    """With the days before taken for days without demand, growth would be seen that there wasn't."""
    unknown = np.zeros((ITEMS, 26 * 7))
    daily = np.concatenate([unknown, steady()], 1)
    assert look_back(daily, known(), supply_of(), LEVEL, DAYS) == look_back(steady(), known(), supply_of(), LEVEL, DAYS)
    assert look_back(daily, known(days=26 * 7 + 2 * DAYS), supply_of(), LEVEL, DAYS).reached < LEVEL - 0.02


@pytest.mark.parametrize(("history_days", "days"), [(90, 365), (182, 365), (365, 730)])
def test_a_year_is_looked_back_on_or_twice_what_planning_looks_at(history_days: int, days: int) -> None:
    assert days_of_past(history_days) == days


@pytest.mark.parametrize("daily", [steady()[:, 1:], steady()[:0], steady()[:3]], ids=["days", "none", "items"])
def test_too_little_of_a_past_says_nothing(daily: Floats) -> None:
    found = look_back(daily, known(len(daily)), supply_of(len(daily)), LEVEL, DAYS)
    assert (found.spread, found.widening, found.reached) == (None, 1.0, 1.0)


def test_the_usual_variance_is_met_on_average() -> None:
    demand = demand_of_days(steady()[:, DAYS:] * np.arange(1, ITEMS + 1)[:, None])
    usual = usual_spread(demand, 30)
    assert usual is not None
    ratio = demand.variance / demand.mean
    weighted = (demand.busy_days * usual.variance(demand.mean) / demand.mean).sum() / (demand.busy_days * ratio).sum()
    assert weighted == pytest.approx(1)
    assert usual_spread(demand.only(np.arange(ITEMS) < 99), 30) is None


def test_the_usual_variance_counts_for_so_many_days_with_demand() -> None:
    """Variance is twice the mean as a rule: an item with 10 such days, 4 units a day, has (10 · own + 30 · 8) / 40."""
    demand = demand_of_days(np.array([[8.0] * 10 + [0.0] * 10]))
    shared = Spread(math.log(2), 0, 0, 0.1, 100, 30).shared(demand)
    own = demand.variance[0]
    assert own == pytest.approx(16 * 20 / 19)
    assert shared.variance[0] == pytest.approx((10 * own + 30 * 8) / 40)
    assert (shared.mean[0], shared.busy_days[0]) == (4, 10)


def test_beyond_the_means_that_were_measured_the_ratio_stays() -> None:
    spread = Spread(0, 1, 0, 1, 4, 30)
    assert spread.variance(np.array([0.5, 2, 8])).tolist() == pytest.approx([0.5, 4, 32])


def test_a_plan_says_what_it_took_from_the_past() -> None:
    demand, supply = demand_of_days(np.array([[8.0] * 10 + [0.0] * 10, [0.0] * 20])), supply_of(2)
    alone = plan_points(demand, supply, level=LEVEL)
    wide = plan_points(demand, supply, level=LEVEL, hindsight=Hindsight(None, 1.5))
    assert wide.widening == [1.5, 1.5]
    assert wide.outgoing_deviation[0] == pytest.approx(1.5 * alone.outgoing_deviation[0])
    assert wide.factor[0] == pytest.approx(alone.factor[0])
    assert wide.reorder_point[0] > alone.reorder_point[0]
    assert wide.usual_deviation == alone.usual_deviation == [None, None]
    shared = plan_points(demand, supply, level=LEVEL, hindsight=Hindsight(Spread(math.log(2), 0, 0, 0.1, 100, 30)))
    assert shared.usual_deviation == [pytest.approx(math.sqrt(8)), None]
    assert shared.usual_days == [30, None]
    assert shared.reorder_point[0] < alone.reorder_point[0]
    assert shared.demand_class == alone.demand_class


def test_the_seeds_formula_takes_nothing_from_the_past() -> None:
    demand, supply = demand_of_days(np.full((1, 35), 50.0)), supply_of(1)
    seed = plan_points(demand, supply, level=LEVEL, method=PlanMethod.SEED, hindsight=Hindsight(None, 1.5))
    assert seed == plan_points(demand, supply, level=LEVEL, method=PlanMethod.SEED, hindsight=NO_HINDSIGHT)
