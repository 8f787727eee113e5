"""When to order and how much, against stockpyl: Snyder and Shen's own code for their book, as it answered once.

`stockpyl_record` asks it, and keeps what it answers beside this file.
"""

import json
import statistics
from typing import Any

import pytest

from stockkeeper.domain.replenishment import (
    LeadTime,
    Usage,
    economic_order_quantity,
    reorder_point,
    safety_stock,
    whole_units,
)
from tests.domain.stockpyl_record import QUESTIONS, RECORDED, Row

ANSWERS = json.loads(RECORDED.read_text())


def answers(name: str) -> list[Row]:
    """What it answered, to so many questions."""
    rows: list[Row] = ANSWERS[name]
    assert len(rows) == QUESTIONS
    return rows


def close(value: float) -> Any:
    """The same but for the last digits of a float."""
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def test_the_products_example_is_394_for_stockpyl_too() -> None:
    [example] = ANSWERS["example"]
    point = example["point"]
    assert point == pytest.approx(393.5187, abs=0.0001)
    assert reorder_point(Usage(90, 50, 10), LeadTime(7), 0.95) == whole_units(point) == 394


def test_the_order_quantity_is_stockpyls() -> None:
    """The quantity with the least cost of ordering and holding per unit of time, equation 3.4 of the book.

    Its fixed cost K per order is our order cost; with the year for its unit of time, its demand rate is our annual
    demand, and its holding cost h per item and unit of time is ours per unit and year.
    """
    for row in answers("economic_order_quantity"):
        ours = economic_order_quantity(row["demand"], row["order_cost"], row["holding_cost"])
        assert ours == close(row["quantity"]), row


def test_point_and_quantity_are_stockpyls() -> None:
    """`r_q_eoqss_approximation` is our policy: continuous review, an (r, Q) of EOQ and safety stock (equation 5.21).

    Its r is a quantile of the demand over the lead time, which is normal with L times the mean and sqrt(L) times the
    deviation: the one at p / (h + p). Which quantile it is is the probability that the demand over a lead time stays
    within r, and that is what we call the service level; so a stockout cost p of h x level / (1 - level) asks for the
    same r. Its unit of time is the day here. Its h is ours over 365 then, which leaves Q as it is.
    """
    for row in answers("r_q_eoqss_approximation"):
        usage, lead_time = Usage(90, row["mean"], row["deviation"]), LeadTime(row["lead_time"])
        ours = row["mean"] * row["lead_time"] + safety_stock(usage, lead_time, row["level"])
        assert ours == close(row["point"]), row
        assert reorder_point(usage, lead_time, row["level"]) == whole_units(row["point"]), row
        quantity = economic_order_quantity(usage.annual, row["order_cost"], row["holding_cost"])
        assert quantity == close(row["quantity"]), row


def test_the_point_is_stockpyls_base_stock_level() -> None:
    """A base-stock level is what is to be covered until whatever is ordered next has come, as a reorder point is.

    Where stock is reviewed once a period, that is the lead time and the period until the next review:
    `newsvendor_normal` plans for lead_time + 1 periods. We look at every change, so that nothing but the lead time has
    to be covered: our L is its lead_time of L - 1. The critical ratio p / (h + p) is the service level.
    """
    for row in answers("newsvendor_normal"):
        usage = Usage(90, row["mean"], row["deviation"])
        ours = row["mean"] * row["lead_time"] + safety_stock(usage, LeadTime(row["lead_time"]), row["level"])
        assert ours == close(row["point"]), row


def test_with_a_varying_lead_time_the_point_is_still_the_quantile_of_what_is_asked_for() -> None:
    """Mean and deviation of the demand over the lead time were found by counting, and not by a formula.

    stockpyl's newsvendor takes them as those of its one period.
    """
    for row in answers("newsvendor_normal, demand counted"):
        daily, lead_times = row["daily"], row["lead_times"]
        usage = Usage(90, statistics.mean(daily), statistics.pstdev(daily))
        lead_time = LeadTime(statistics.mean(lead_times), statistics.pstdev(lead_times))
        ours = usage.daily_mean * lead_time.days + safety_stock(usage, lead_time, row["level"])
        assert ours == close(row["point"]), row
