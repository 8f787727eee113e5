"""When to order and how much: the formulas by themselves."""

import math
import statistics
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockkeeper.contracts.messages import MAX_UNITS
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.replenishment import (
    MOST_UNITS,
    LeadTime,
    Plan,
    Policy,
    Terms,
    Usage,
    economic_order_quantity,
    lead_time_from,
    order_quantity,
    plan_item,
    reorder_point,
    safety_stock,
    service_factor,
    usage_from_sums,
    usage_of,
    whole_units,
    without_bulk,
)

HUNDREDS = settings(max_examples=300)
SEED = Usage(days=90, daily_mean=50, daily_deviation=10)
A_WEEK = LeadTime(7)

units_a_day = st.floats(0.01, 10_000)
money = st.floats(0.01, 100_000)


def close(value: float) -> Any:
    """The same but for the last digits of a float."""
    return pytest.approx(value, rel=1e-9, abs=1e-9)


# The product's example.


def test_fifty_a_day_over_seven_days_with_a_deviation_of_ten_is_394() -> None:
    assert safety_stock(SEED, A_WEEK, 0.95) == pytest.approx(43.5187, abs=0.0001)
    assert reorder_point(SEED, A_WEEK, 0.95) == 394


def test_a_plan_has_every_number_that_it_comes_from() -> None:
    # A holding cost of 10 per unit and year: sqrt(2 x 18,250 x 50 / 10) = 427.2.
    policy = Policy(service_level=0.95, order_cost=50, holding_cost_rate=0.25)
    assert plan_item(SEED, A_WEEK, 40, Terms(minimum_order_quantity=100, pack_size=12), policy) == Plan(
        usage=SEED,
        lead_time=A_WEEK,
        service_level=0.95,
        safety_stock=close(1.6448536269514722 * 10 * math.sqrt(7)),
        economic_order_quantity=close(math.sqrt(182_500)),
        reorder_point=394,
        reorder_quantity=432,
    )


# The service level.


def test_the_service_factor_is_1_645_at_95_percent() -> None:
    assert service_factor(0.95) == pytest.approx(1.645, abs=0.0005)


@pytest.mark.parametrize(
    ("level", "factor"), [(0.5, 0), (0.8413447460685429, 1), (0.9, 1.2815515655), (0.99, 2.3263478740)]
)
def test_the_service_factor_is_the_normal_distributions(level: float, factor: float) -> None:
    assert service_factor(level) == close(factor)


@pytest.mark.parametrize("level", [0.5, 0.4999, 0.05, 1e-300])
def test_nobody_plans_for_running_out(level: float) -> None:
    assert service_factor(level) == 0
    assert safety_stock(SEED, A_WEEK, level) == 0
    assert reorder_point(SEED, A_WEEK, level) == 350


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.1, math.inf, -math.inf, math.nan])
def test_a_service_level_is_between_0_and_1(level: float) -> None:
    with pytest.raises(InvalidRequest, match=r"^service_level: must be between 0 and 1$"):
        service_factor(level)
    with pytest.raises(InvalidRequest):
        reorder_point(SEED, A_WEEK, level)


# Safety stock.


def test_a_lead_time_that_varies_needs_more_safety_stock() -> None:
    factor = service_factor(0.95)
    assert safety_stock(SEED, LeadTime(7, None), 0.95) == close(factor * math.sqrt(7 * 10**2))
    assert safety_stock(SEED, LeadTime(7, 0.0), 0.95) == close(factor * math.sqrt(7 * 10**2))
    assert safety_stock(SEED, LeadTime(7, 2.0), 0.95) == close(factor * math.sqrt(7 * 10**2 + (50 * 2) ** 2))
    # 1.645 x sqrt(700 + 10,000) is 170.1.
    assert reorder_point(SEED, LeadTime(7, 2.0), 0.95) == 521


def test_a_lead_time_that_varies_matters_also_where_usage_does_not() -> None:
    steady = Usage(days=90, daily_mean=50, daily_deviation=0)
    assert safety_stock(steady, LeadTime(7, 2.0), 0.95) == close(service_factor(0.95) * 100)
    assert safety_stock(steady, A_WEEK, 0.95) == 0
    assert reorder_point(steady, A_WEEK, 0.95) == 350


def test_without_demand_nothing_is_kept() -> None:
    nothing = usage_of([0] * 90)
    assert nothing == Usage(days=90, daily_mean=0, daily_deviation=0)
    assert nothing.annual == 0
    assert safety_stock(nothing, LeadTime(7, 2.0), 0.95) == 0
    policy = Policy(service_level=0.95, order_cost=50, holding_cost_rate=0.25)
    plan = plan_item(nothing, LeadTime(7, 2.0), 40, Terms(minimum_order_quantity=5, pack_size=2), policy)
    assert (plan.reorder_point, plan.economic_order_quantity, plan.reorder_quantity) == (0, 0, 6)


def test_what_comes_at_once_needs_no_more_than_one() -> None:
    assert safety_stock(SEED, LeadTime(0), 0.95) == 0
    assert reorder_point(SEED, LeadTime(0), 0.95) == 1
    # Unless "at once" is only an average.
    assert reorder_point(SEED, LeadTime(0, 1.0), 0.95) == 83


def test_one_day_of_history_has_no_deviation() -> None:
    assert usage_of([7]) == Usage(days=1, daily_mean=7, daily_deviation=0)
    assert reorder_point(usage_of([7]), LeadTime(3), 0.95) == 21


# Usage.


def test_usage_is_the_samples_mean_and_deviation() -> None:
    assert usage_of([40, 50, 60]) == Usage(days=3, daily_mean=50, daily_deviation=10)
    assert usage_of([0, 0, 0, 4]) == Usage(days=4, daily_mean=1, daily_deviation=2)
    assert usage_of([40, 50, 60]).annual == 50 * 365


@HUNDREDS
@given(st.lists(st.integers(0, 1_000_000), min_size=2, max_size=120))
def test_usage_is_what_the_standard_library_says(daily: list[int]) -> None:
    usage = usage_from_sums(len(daily), sum(daily), sum(each * each for each in daily))
    assert usage == usage_of(daily)
    assert usage.days == len(daily)
    assert usage.daily_mean == pytest.approx(statistics.mean(daily), rel=1e-14, abs=0)
    assert usage.daily_deviation == pytest.approx(statistics.stdev(daily), rel=1e-14, abs=0)


@HUNDREDS
@given(st.integers(0, 10**12), st.integers(1, 3_660))
def test_the_same_number_every_day_has_no_deviation_at_all(units: int, count: int) -> None:
    """With floats the difference of two huge sums would leave something over."""
    assert usage_from_sums(count, units * count, units * units * count) == Usage(count, float(units), 0)


@pytest.mark.parametrize(
    ("count", "total", "squares"),
    [(0, 0, 0), (-1, 0, 0), (2, -1, 1), (2, 3, 4), (1, 3, 8), (5, 0, -1)],
    ids=["no days", "fewer than none", "negative", "too few squares", "not its square", "negative squares"],
)
def test_no_days_could_have_such_sums(count: int, total: int, squares: int) -> None:
    with pytest.raises(InvalidRequest, match=f"^no usage: {count} days, {total} units, {squares} units squared$"):
        usage_from_sums(count, total, squares)


def test_without_days_there_is_no_usage() -> None:
    with pytest.raises(InvalidRequest):
        usage_of([])


# The order quantity.


@pytest.mark.parametrize(
    ("demand", "order_cost", "holding_cost", "quantity"),
    [
        (18_250, 50, 10, math.sqrt(182_500)),
        (1_300, 8, 0.225, 304.0467800264368),  # Snyder and Shen's example 3.1.
        (2, 1, 1, 2),
        (0, 50, 10, 0),
        (18_250, 0, 10, 0),
        (18_250, 50, 0, 18_250),
        (0, 50, 0, 0),
        (18_250, 0, 0, 18_250),
        (0, 0, 0, 0),
    ],
)
def test_the_economic_order_quantity(demand: float, order_cost: float, holding_cost: float, quantity: float) -> None:
    assert economic_order_quantity(demand, order_cost, holding_cost) == close(quantity)


@pytest.mark.parametrize("values", [(-1, 50, 10), (1, -50, 10), (1, 50, -10)])
def test_nothing_of_it_is_negative(values: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidRequest, match=r"^annual demand, order cost and holding cost must not be negative$"):
        economic_order_quantity(*values)


@pytest.mark.parametrize(
    ("unit_cost", "rate", "order_cost", "quantity"),
    [(0, 0.25, 50, 18_250), (40, 0, 50, 18_250), (40, 0.25, 0, 1)],
    ids=["goods for nothing", "room for nothing", "orders for nothing"],
)
def test_what_costs_nothing_still_has_a_plan(unit_cost: float, rate: float, order_cost: float, quantity: int) -> None:
    policy = Policy(service_level=0.95, order_cost=order_cost, holding_cost_rate=rate)
    plan = plan_item(SEED, A_WEEK, unit_cost, Terms(), policy)
    assert (plan.reorder_point, plan.reorder_quantity) == (394, quantity)


@HUNDREDS
@given(units_a_day, money, st.floats(0.001, 1_000), st.floats(0.1, 10))
def test_no_other_quantity_costs_less(demand: float, order_cost: float, holding_cost: float, part: float) -> None:
    def cost(quantity: float) -> float:
        return demand / quantity * order_cost + quantity / 2 * holding_cost

    best = economic_order_quantity(demand, order_cost, holding_cost)
    assert cost(best) <= cost(best * part) * (1 + 1e-12)


# Whole units, and what suppliers sell.


@pytest.mark.parametrize(
    ("whole", "units"),
    [
        *((0, units) for units in (-0.5, 0, 1e-12)),
        (1, 0.001),
        (2, 1.000001),
        *((3, units) for units in (2.9999999999999996, 0.1 * 3 * 10)),
        *((350, units) for units in (349.99999999999994, 350.00000000000006)),
        *((394, units) for units in (393.001, 393.5, 394)),
        (1_000_000, 999_999.5),
        (1_000_001, 1_000_000.1),
    ],
)
def test_units_are_rounded_up_but_noise_is_not_a_unit(whole: int, units: float) -> None:
    assert whole_units(units) == whole


@HUNDREDS
@given(st.integers(1, 1_000_000), st.integers(-100, 100), st.floats(0.002, 0.998))
def test_a_part_of_a_unit_is_a_unit_and_the_last_digits_of_a_float_are_not(units: int, last: int, part: float) -> None:
    assert whole_units(units + last * math.ulp(units)) == units
    assert whole_units(units + part) == units + 1


terms = st.builds(Terms, st.integers(1, 50_000), st.integers(1, 1_000))


@HUNDREDS
@given(st.integers(0, 8_000_000), terms)
def test_what_is_ordered_is_at_least_the_minimum_in_whole_packs_and_never_a_pack_too_many(
    eighths: int, sold: Terms
) -> None:
    wanted = max(Fraction(eighths, 8), Fraction(sold.minimum_order_quantity), Fraction(1))
    quantity = sold.orderable(eighths / 8)
    assert quantity % sold.pack_size == 0
    assert wanted <= quantity < wanted + sold.pack_size


@pytest.mark.parametrize(
    ("sold", "units", "quantity"),
    [
        (Terms(1, 1), 0, 1),
        *((Terms(1, 12), units, 12) for units in (0, 12, 12.0000000000001)),
        (Terms(1, 12), 12.1, 24),
        (Terms(30, 12), 13, 36),
        (Terms(36, 12), 13, 36),
        (Terms(30, 12), 100, 108),
    ],
)
def test_what_may_be_ordered(sold: Terms, units: float, quantity: int) -> None:
    assert sold.orderable(units) == quantity


@pytest.mark.parametrize("units", [MOST_UNITS + 1, 1e12, 1e300, math.inf])
def test_no_line_of_an_order_has_more_than_it_may(units: float) -> None:
    """Goods that cost next to nothing to hold have an order quantity without bound; they are ordered all the same."""
    assert MOST_UNITS == MAX_UNITS
    assert Terms().orderable(units) == MOST_UNITS
    assert Terms(pack_size=600_000_000).orderable(units) == 600_000_000
    assert Terms(pack_size=7).orderable(units) == 999_999_994
    assert Terms(MOST_UNITS, MOST_UNITS).orderable(units) == MOST_UNITS


@HUNDREDS
@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(0, 100_000), terms)
def test_an_order_brings_the_position_back_to_the_point_at_least(
    planned: int, point: int, position: int, sold: Terms
) -> None:
    quantity = order_quantity(planned, point, position, sold)
    assert position + quantity >= point
    assert quantity >= planned
    assert quantity == sold.orderable(quantity)
    # And it is no more than one of the two, or the supplier, asks for.
    assert quantity < max(planned, point - position, sold.minimum_order_quantity) + sold.pack_size


@pytest.mark.parametrize(
    ("planned", "point", "position", "quantity"),
    [(100, 394, 390, 100), (100, 394, 294, 100), (100, 394, 293, 101), (100, 394, 0, 394), (0, 394, 393, 1)],
)
def test_the_planned_quantity_is_ordered_unless_it_is_too_little(
    planned: int, point: int, position: int, quantity: int
) -> None:
    assert order_quantity(planned, point, position, Terms()) == quantity


# Lead times.

AGREED = LeadTime(10, 1.5)


@pytest.mark.parametrize(
    ("orders", "measured_days", "deviation", "lead_time"),
    [
        (0, None, None, AGREED),
        (1, 5.0, None, AGREED),
        (2, 5.0, 2.0, AGREED),
        (3, 5.0, 2.0, LeadTime(5, 2)),
        (100, 5.0, 0.0, LeadTime(5, 0)),
        # A mean may be nothing at all, and that was measured, too.
        (3, 0.0, 0.0, LeadTime(0, 0)),
        (3, 5.0, None, LeadTime(5, None)),
        (3, None, None, AGREED),
    ],
)
def test_a_lead_time_is_the_measured_one_from_the_third_order_on(
    orders: int, measured_days: float | None, deviation: float | None, lead_time: LeadTime
) -> None:
    assert lead_time_from(AGREED, orders, measured_days, deviation) == lead_time


@pytest.mark.parametrize("lead_time_days", [0.0, 0.001, 7.0])
def test_an_item_with_any_demand_has_a_point_of_at_least_one(lead_time_days: float) -> None:
    usage = usage_of([*[0] * 89, 1])
    assert reorder_point(usage, LeadTime(lead_time_days), 0.95) >= 1
    assert reorder_point(usage, LeadTime(0), 0.95) == 1
    assert reorder_point(usage_of([0] * 90), LeadTime(lead_time_days), 0.95) == 0


@pytest.mark.parametrize(
    ("daily", "factor", "left"),
    [
        ([4, 0, 6, 5, 5, 500, 0, 4], 10, [4, 0, 6, 5, 5, 0, 4]),
        # At the factor times the median it is usual; above it isn't.
        ([5, 5, 5, 5, 50, 51], 10, [5, 5, 5, 5, 50]),
        ([5, 5, 5, 5, 51], 1, [5, 5, 5, 5]),
        # Days without demand don't say what is usual.
        ([0] * 20 + [3, 30, 3, 30, 3], 10, [0] * 20 + [3, 30, 3, 30, 3]),
        # Four days with demand are too few to say.
        ([1, 1, 1, 1_000, 0], 2, [1, 1, 1, 1_000, 0]),
        ([], 2, []),
    ],
)
def test_days_of_one_off_bulk_orders_are_left_out(daily: list[int], factor: float, left: list[int]) -> None:
    assert without_bulk(daily, factor) == left


@pytest.mark.parametrize(
    ("terms", "units", "ordered"),
    [(Terms(), 7, 7), (Terms(), 0, 1), (Terms(1, 6), 17, 12), (Terms(10, 6), 11, 12), (Terms(10, 6), 18, 18)],
)
def test_what_may_be_ordered_at_most_is_whole_packs_and_the_minimum(terms: Terms, units: int, ordered: int) -> None:
    assert terms.at_most(units) == ordered
