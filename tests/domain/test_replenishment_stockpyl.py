"""When to order and how much, against stockpyl: Snyder and Shen's own code for their book."""

import math
import statistics
import warnings
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockkeeper.domain.replenishment import (
    LeadTime,
    Usage,
    economic_order_quantity,
    reorder_point,
    safety_stock,
    whole_units,
)

with warnings.catch_warnings():
    # Its docstrings have escapes that Python doesn't know, which it says when it compiles them.
    warnings.simplefilter("ignore")
    from stockpyl.eoq import economic_order_quantity as stockpyl_eoq
    from stockpyl.newsvendor import newsvendor_normal
    from stockpyl.rq import r_q_eoqss_approximation

HUNDREDS = settings(max_examples=300)

units_a_day = st.floats(0.01, 10_000)
deviations = st.floats(0.01, 5_000)
days = st.floats(0.1, 200)
levels = st.floats(0.5, 0.9999)
money = st.floats(0.01, 100_000)
holding_costs = st.floats(0.001, 1_000)


def close(value: float) -> Any:
    """The same but for the last digits of a float."""
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def test_the_products_example_is_394_for_stockpyl_too() -> None:
    point, _ = r_q_eoqss_approximation(1, 0.95 / 0.05, 50, 50, 10, 7)
    assert point == pytest.approx(393.5187, abs=0.0001)
    assert reorder_point(Usage(90, 50, 10), LeadTime(7), 0.95) == whole_units(point) == 394


@HUNDREDS
@given(units_a_day, money, holding_costs)
def test_the_order_quantity_is_stockpyls(demand: float, order_cost: float, holding_cost: float) -> None:
    """The quantity with the least cost of ordering and holding per unit of time, equation 3.4 of the book.

    Its fixed cost K per order is our order cost; with the year for its unit of time, its demand rate is our annual
    demand, and its holding cost h per item and unit of time is ours per unit and year.
    """
    expected, _ = stockpyl_eoq(fixed_cost=order_cost, holding_cost=holding_cost, demand_rate=demand)
    assert economic_order_quantity(demand, order_cost, holding_cost) == close(expected)


@HUNDREDS
@given(units_a_day, deviations, days, levels, money, holding_costs)
def test_point_and_quantity_are_stockpyls(
    mean: float, deviation: float, lead_time: float, level: float, order_cost: float, holding_cost: float
) -> None:
    """`r_q_eoqss_approximation` is our policy: continuous review, an (r, Q) of EOQ and safety stock (equation 5.21).

    Its r is a quantile of the demand over the lead time, which is normal with L times the mean and sqrt(L) times the
    deviation: the one at p / (h + p). Which quantile it is is the probability that the demand over a lead time stays
    within r, and that is what we call the service level; so a stockout cost p of h x level / (1 - level) asks for the
    same r. Its unit of time is the day here. Its h is ours over 365 then, which leaves Q as it is.
    """
    per_day = holding_cost / 365
    point, quantity = r_q_eoqss_approximation(
        per_day, per_day * level / (1 - level), order_cost, mean, deviation, lead_time
    )
    usage = Usage(90, mean, deviation)
    ours = mean * lead_time + safety_stock(usage, LeadTime(lead_time), level)
    assert ours == close(point)
    assert reorder_point(usage, LeadTime(lead_time), level) == whole_units(point)
    assert economic_order_quantity(usage.annual, order_cost, holding_cost) == close(quantity)


@HUNDREDS
@given(units_a_day, deviations, st.integers(1, 200), levels)
def test_the_point_is_stockpyls_base_stock_level(mean: float, deviation: float, lead_time: int, level: float) -> None:
    """A base-stock level is what is to be covered until whatever is ordered next has come, as a reorder point is.

    Where stock is reviewed once a period, that is the lead time and the period until the next review:
    `newsvendor_normal` plans for lead_time + 1 periods. We look at every change, so that nothing but the lead time has
    to be covered: our L is its lead_time of L - 1. The critical ratio p / (h + p) is the service level.
    """
    expected, _ = newsvendor_normal(1, level / (1 - level), mean, deviation, lead_time=lead_time - 1)
    usage = Usage(90, mean, deviation)
    assert mean * lead_time + safety_stock(usage, LeadTime(lead_time), level) == close(expected)


def _over_the_lead_time(daily: Sequence[int], lead_times: Sequence[int]) -> tuple[Fraction, Fraction]:
    """Mean and variance of what is asked for over a lead time, exact, by going through everything that may happen.

    Each day's demand is one of these with the same probability, whatever the other days', and so is the lead time.
    """
    chances: Counter[int] = Counter()
    total: Counter[int] = Counter({0: 1})
    for length in range(1, max(lead_times) + 1):
        longer: Counter[int] = Counter()
        for units, ways in total.items():
            for each in daily:
                longer[units + each] += ways
        total = longer
        # As many ways for each length, so that no length weighs more for having more days.
        weight = lead_times.count(length) * len(daily) ** (max(lead_times) - length)
        for units, ways in total.items():
            chances[units] += ways * weight
    ways = sum(chances.values())
    mean = Fraction(sum(units * each for units, each in chances.items()), ways)
    return mean, Fraction(sum(units**2 * each for units, each in chances.items()), ways) - mean**2


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=4),
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.floats(0.55, 0.999),
)
def test_with_a_varying_lead_time_the_point_is_still_the_quantile_of_what_is_asked_for(
    daily: list[int], lead_times: list[int], level: float
) -> None:
    """Mean and deviation of the demand over the lead time are found by counting here, and not by a formula.

    stockpyl's newsvendor takes them as those of its one period.
    """
    mean, variance = _over_the_lead_time(daily, lead_times)
    usage = Usage(90, statistics.mean(daily), statistics.pstdev(daily))
    lead_time = LeadTime(statistics.mean(lead_times), statistics.pstdev(lead_times))
    ours = usage.daily_mean * lead_time.days + safety_stock(usage, lead_time, level)
    if variance == 0:
        assert ours == close(float(mean))
        return
    expected, _ = newsvendor_normal(1, level / (1 - level), float(mean), math.sqrt(variance))
    assert ours == close(expected)
