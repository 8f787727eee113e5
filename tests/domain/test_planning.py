"""Reorder points of many items: what the distribution is, what it promises, and what the seed's formula gives."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockkeeper.domain.demand_class import DemandClass, PlanMethod, ServiceMeasure
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lead_time_demand import Demand, Outgoing, Supply, order_ratio, outgoing
from stockkeeper.domain.planning import Planned, classes_of, expectations, plan_points
from stockkeeper.domain.replenishment import LeadTime, reorder_point, safety_stock, usage_of

UNKNOWN = math.nan
FOR_EVER = 1_000_000
"""Days of history after which nothing is uncertain any more."""


def demand_of(*of_items: Sequence[int]) -> Demand:
    """Of items, from the units of each day."""
    sums = [(len(days), sum(u > 0 for u in days), sum(days), sum(u * u for u in days)) for days in of_items]
    return Demand(*np.array(sums, float).T)


def steady(days: float, mean: float, variance: float) -> Demand:
    """Of one item with demand every day, of this mean and this variance."""
    squares = days * mean**2 + (days - 1) * variance
    return Demand(*(np.array([float(each)]) for each in (days, days, days * mean, squares)))


def supply_of(items: int, days: float = 7, deviation: float = UNKNOWN, quantity: float = 1) -> Supply:
    """The same for all items."""
    return Supply(*(np.full(items, float(each)) for each in (days, deviation, quantity)))


def one(planned: Planned) -> dict[str, Any]:
    """The numbers of the only item."""
    return {name: values[0] for name, values in vars(planned).items()}


SEED_WEEK = [44] * 5 + [60, 70]
SEED_DAYS = SEED_WEEK * 5


# The seed's formula.


def test_the_seeds_example_is_394_by_the_seeds_formula_and_says_what_it_will_reach() -> None:
    found = one(plan_points(demand_of(SEED_DAYS), supply_of(1), level=0.95, method=PlanMethod.SEED))
    assert (found["method"], found["demand_class"]) == (PlanMethod.SEED, DemandClass.SMOOTH)
    assert found["reorder_point"] == 394
    assert found["safety_stock"] == safety_stock(usage_of(SEED_DAYS), LeadTime(7), 0.95)
    assert found["expected_cycle_service"] == pytest.approx(0.9145, abs=0.0001)


days_of_an_item = st.lists(st.integers(0, 2_000), min_size=1, max_size=60)


@settings(max_examples=60)
@given(
    st.lists(days_of_an_item, min_size=1, max_size=6),
    st.integers(0, 40),
    st.sampled_from([UNKNOWN, 0.0, 0.5, 3.0]),
    st.floats(0.3, 0.999),
)
def test_the_seeds_numbers_are_those_of_each_item_by_itself(
    of_items: list[list[int]], lead: int, deviation: float, level: float
) -> None:
    planned = plan_points(
        demand_of(*of_items), supply_of(len(of_items), lead, deviation), level=level, method=PlanMethod.SEED
    )
    lead_time = LeadTime(lead, None if math.isnan(deviation) else deviation)
    usages = [usage_of(days) for days in of_items]
    assert planned.reorder_point == [reorder_point(usage, lead_time, level) for usage in usages]
    assert planned.safety_stock == [
        safety_stock(usage, lead_time, level) if usage.daily_mean else 0.0 for usage in usages
    ]


# Classes.


def test_demand_is_classed_by_its_intervals_and_the_variation_of_its_sizes() -> None:
    smooth, erratic, intermittent, lumpy, none = [5] * 8, [1, 9] * 4, [5, 0, 0, 5, 0, 0], [1, 0, 0, 9, 0, 0], [0, 0]
    assert classes_of(demand_of(smooth, erratic, intermittent, lumpy, none)) == [
        DemandClass.SMOOTH,
        DemandClass.ERRATIC,
        DemandClass.INTERMITTENT,
        DemandClass.LUMPY,
        None,
    ]


def test_the_cuts_are_1_32_days_and_0_49() -> None:
    def of(days: float, busy: float, variation: float) -> DemandClass | None:
        # Sample variance over squared mean of the busy days; ten units on each on average.
        squares = busy * 100 + (busy - 1) * variation * 100
        sums = (days, busy, busy * 10, squares)
        return classes_of(Demand(*(np.array([float(each)]) for each in sums)))[0]

    assert of(131, 100, 0.48) is DemandClass.SMOOTH
    assert of(133, 100, 0.48) is DemandClass.INTERMITTENT
    assert of(131, 100, 0.50) is DemandClass.ERRATIC
    assert of(132, 100, 0.50) is DemandClass.LUMPY


# The distribution.


def _outgoing(mean: float, deviation: float, skewness: float) -> Outgoing:
    return Outgoing(*(np.array([float(each)]) for each in (1.0, mean, deviation, skewness)))


def test_without_skewness_the_factor_is_z() -> None:
    leaving = _outgoing(100, 20, 0)
    assert leaving.factor(0.95)[0] == pytest.approx(1.6448536)
    assert leaving.within(np.array([132.897]))[0] == pytest.approx(0.95, abs=1e-6)
    # The standard normal loss at 1 is 0.08332 (Silver, Pyke and Thomas, table II.1).
    assert leaving.beyond(np.array([120.0]))[0] == pytest.approx(20 * 0.08332, abs=1e-4)


def test_with_a_skewness_of_two_it_is_exponential() -> None:
    leaving = _outgoing(10, 10, 2)
    assert leaving.factor(0.95)[0] == pytest.approx(-math.log(0.05) - 1)
    assert leaving.within(np.array([20.0]))[0] == pytest.approx(1 - math.exp(-2))
    assert leaving.beyond(np.array([20.0]))[0] == pytest.approx(10 * math.exp(-2))
    assert leaving.beyond(np.array([0.0]))[0] == pytest.approx(10)


def test_frequency_factors_are_those_of_the_tables() -> None:
    # Pearson's type III, probability of 5 % beyond: US Geological Survey, Bulletin 17B, appendix 3.
    table = {0.5: 1.77428, 1.0: 1.87683, 1.5: 1.95083, 3.0: 2.00335}
    found = {skewness: float(_outgoing(0, 1, skewness).factor(0.95)[0]) for skewness in table}
    assert found == pytest.approx(table, abs=2e-5)


@pytest.mark.parametrize("mean", [0.2, 1, 5, 30])
def test_poisson_demand_of_single_units_has_the_exact_point(mean: float) -> None:
    # Over a week; one customer takes one unit, so the order goes out one below the point.
    over = 7 * mean
    chances = [math.exp(-over)]
    while len(chances) < 400:
        chances.append(chances[-1] * over / len(chances))
    cumulated = np.cumsum(chances)
    busy = FOR_EVER * (1 - math.exp(-mean))
    squares = FOR_EVER * (mean + mean**2)
    demand = Demand(*(np.array([float(each)]) for each in (FOR_EVER, busy, FOR_EVER * mean, squares)))
    found = one(plan_points(demand, supply_of(1), level=0.95))
    exact = int(np.searchsorted(cumulated, 0.95)) + 1
    assert found["undershoot"] == pytest.approx(1, abs=1e-6)
    assert found["reorder_point"] in (exact - 1, exact)
    assert found["expected_cycle_service"] == pytest.approx(cumulated[found["reorder_point"] - 1], abs=0.015)
    assert cumulated[found["reorder_point"] - 1] >= 0.92


def test_the_undershoot_is_half_of_an_orders_units() -> None:
    # Ten units on one day in a hundred: the point is passed at any of them, 1 to 10 below it; on average 5.5 below,
    # but for the half of a day's demand by which the lead time is shorter.
    found = outgoing(demand_of(([10] + [0] * 99) * 20), supply_of(1), 0.95).undershoot[0]
    assert found == pytest.approx(5.5 - 0.05, abs=0.005)


def test_single_units_pass_the_point_by_one() -> None:
    assert outgoing(demand_of([1, 0, 0, 0] * 20), supply_of(1), 0.95).undershoot[0] == 1


def test_smooth_demand_is_that_of_many_customers_and_other_demand_of_one_a_day() -> None:
    smooth, lumpy = [40, 60] * 30, [40, 60, 0, 0] * 15
    # Of many: variance over mean, 101.69 / 50. Of one a day: the mean square over the mean, 2600 / 50.
    assert order_ratio(demand_of(smooth, lumpy)).tolist() == [pytest.approx(6000 / 59 / 50), 52]


def test_a_lead_time_that_varies_widens_by_the_units_of_its_deviation() -> None:
    demand = steady(FOR_EVER, 50, 100)
    fixed, varying = (outgoing(demand, supply_of(1, 7, deviation), 0.95) for deviation in (UNKNOWN, 2))
    assert fixed.deviation[0] == pytest.approx(math.sqrt(700), rel=1e-3)
    assert varying.deviation[0] == pytest.approx(math.sqrt(700 + 100**2), rel=1e-4)
    assert varying.mean[0] == fixed.mean[0]


def test_fewer_days_of_history_are_less_certain() -> None:
    points = [plan_points(steady(days, 50, 100), supply_of(1), level=0.95).reorder_point[0] for days in (7, 35, 365)]
    assert points == sorted(points, reverse=True)
    assert len({*points}) == 3
    # The mean of n days is known to s / √n: over a week 49 · 100 / 35 of variance, at least.
    assert outgoing(steady(35, 50, 100), supply_of(1), 0.5).deviation[0] ** 2 >= 700 + 140


# What is planned.


def test_a_plan_can_be_recomputed_from_its_numbers() -> None:
    found = one(plan_points(demand_of([0, 3, 0, 12, 1, 0] * 15), supply_of(1), level=0.95))
    assert found["method"] is PlanMethod.GAMMA
    exact = found["outgoing_mean"] + found["factor"] * found["outgoing_deviation"]
    assert found["reorder_point"] in (math.floor(exact), math.ceil(exact))
    assert found["outgoing_mean"] == pytest.approx(240 / 90 * 7 + found["undershoot"] - 0.5)
    assert found["safety_stock"] == pytest.approx(found["reorder_point"] - 240 / 90 * 7)


def test_steady_demand_of_many_customers_is_normal() -> None:
    found = one(plan_points(steady(FOR_EVER, 5_000, 5_000), supply_of(1), level=0.95))
    assert found["method"] is PlanMethod.NORMAL
    assert found["factor"] == pytest.approx(1.6448536)
    assert found["reorder_point"] == 35_308  # 35,000 + 1.6449 · √35,000 + 1 - 1/2 is 35,308.2


def test_a_point_has_no_more_than_one_and_a_half_times_the_risk() -> None:
    # Two units a quarter: a point of 1 has 5 % of risk and more, one of 2 next to none.
    rare = demand_of(*([1] * sold + [0] * (90 - sold) for sold in range(1, 30)))
    for level in (0.9, 0.95, 0.99):
        planned = plan_points(rare, supply_of(29), level=level)
        assert min(planned.expected_cycle_service) >= 1 - 1.5 * (1 - level)


def test_without_demand_nothing_is_ordered() -> None:
    found = one(plan_points(demand_of([0] * 30), supply_of(1), level=0.95))
    assert (found["reorder_point"], found["demand_class"], found["method"]) == (0, None, None)
    assert (found["expected_cycle_service"], found["expected_fill_rate"], found["safety_stock"]) == (1.0, 1.0, 0.0)


def test_goods_that_come_at_once_need_a_point_of_at_least_one() -> None:
    assert plan_points(demand_of([1] * 30), supply_of(1, 0), level=0.95).reorder_point == [1]


def test_items_are_planned_as_if_each_were_alone() -> None:
    of_items = [SEED_DAYS, [0] * 20, [0, 0, 7, 0, 1], [1], [30, 1, 90, 2] * 9]
    for measure in ServiceMeasure:
        together = plan_points(demand_of(*of_items), supply_of(5, quantity=40), level=0.95, measure=measure)
        alone = [
            plan_points(demand_of(each), supply_of(1, quantity=40), level=0.95, measure=measure) for each in of_items
        ]
        for name, values in vars(together).items():
            assert values == [getattr(each, name)[0] for each in alone]


@settings(max_examples=40)
@given(
    st.lists(days_of_an_item, min_size=1, max_size=6),
    st.floats(0, 60),
    st.sampled_from([UNKNOWN, 0.0, 0.5, 30.0]),
)
def test_whatever_the_demand_numbers_are_finite_and_more_service_takes_no_lower_point(
    of_items: list[list[int]], lead: float, deviation: float
) -> None:
    demand, supply = demand_of(*of_items), supply_of(len(of_items), lead, deviation, 24)
    for measure in ServiceMeasure:
        planned = [plan_points(demand, supply, level=level, measure=measure) for level in (0.5, 0.9, 0.99)]
        for plan in planned:
            numbers = [
                plan.safety_stock,
                plan.outgoing_mean,
                plan.outgoing_deviation,
                plan.outgoing_skewness,
                plan.factor,
            ]
            assert np.isfinite(np.array(numbers)).all()
            assert all(0 <= part <= 1 for part in plan.expected_cycle_service + plan.expected_fill_rate)
            assert all((point >= 1) == any(days) for point, days in zip(plan.reorder_point, of_items, strict=True))
        for less, more in pairwise(planned):
            assert all(low <= high for low, high in zip(less.reorder_point, more.reorder_point, strict=True))


# Fill rate.


def test_a_fill_rate_is_the_part_of_the_units_that_is_sold() -> None:
    # Poisson demand of one a day over a week; eight units an order: what is refused is the demand beyond point - 1.
    mean, point = 7, 8
    chances = [math.exp(-mean) * mean**units / math.factorial(units) for units in range(60)]
    refused = sum(chance * max(units - (point - 1), 0) for units, chance in enumerate(chances))
    demand = Demand(*(np.array([float(each)]) for each in (FOR_EVER, FOR_EVER * 0.632, FOR_EVER, FOR_EVER * 2.0)))
    cycle, fill = expectations(demand, supply_of(1, quantity=8), np.array([float(point)]), 0.95)
    assert fill[0] == pytest.approx(8 / (8 + refused), abs=0.006)
    assert cycle[0] == pytest.approx(sum(chances[:point]), abs=0.01)


def test_asked_for_a_fill_rate_the_point_is_the_one_that_comes_nearest() -> None:
    demand = demand_of([0, 3, 0, 12, 1, 0] * 15)
    supply = supply_of(1, quantity=100)
    found = one(plan_points(demand, supply, level=0.98, measure=ServiceMeasure.FILL))
    point = float(found["reorder_point"])
    fills = [expectations(demand, supply, np.array([point + more]), 0.98)[1][0] for more in (-1.0, 0.0, 1.0)]
    assert found["expected_fill_rate"] == fills[1]
    assert abs(fills[1] - 0.98) <= min(abs(fills[0] - 0.98), abs(fills[2] - 0.98))


def test_larger_orders_need_a_lower_point_for_the_same_fill_rate() -> None:
    demand = demand_of([0, 3, 0, 12, 1, 0] * 15)
    small, large = (
        plan_points(demand, supply_of(1, quantity=quantity), level=0.98, measure=ServiceMeasure.FILL).reorder_point[0]
        for quantity in (30, 300)
    )
    assert large < small


# What may not be asked for.


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.1, UNKNOWN])
def test_a_level_is_between_0_and_1(level: float) -> None:
    with pytest.raises(InvalidRequest, match="must be between 0 and 1"):
        plan_points(demand_of([1]), supply_of(1), level=level)


def test_a_method_is_the_seeds_or_left_to_planning_and_the_seeds_knows_no_fill_rate() -> None:
    for method, measure in (
        (PlanMethod.GAMMA, ServiceMeasure.CYCLE),
        (PlanMethod.NORMAL, ServiceMeasure.CYCLE),
        (PlanMethod.SEED, ServiceMeasure.FILL),
    ):
        with pytest.raises(InvalidRequest, match="must be null, or seed"):
            plan_points(demand_of([1]), supply_of(1), level=0.95, method=method, measure=measure)


def test_a_fill_rate_that_no_number_of_units_reaches_ends_in_the_highest_point() -> None:
    """A search without an end would hold the worker's thread, and the whole planning run, for ever."""
    never = Demand(*(np.array([value]) for value in (1.0, 1.0, 1e9, 1e18)))
    far = Supply(np.array([999_999.999]), np.array([999_999.999]), np.array([1.0]))
    planned = plan_points(never, far, level=1 - 1e-15, measure=ServiceMeasure.FILL)
    [point], [reached] = planned.reorder_point, planned.expected_fill_rate
    assert 10**15 < point <= 2**62
    assert 1 - 1e-9 < reached <= 1
