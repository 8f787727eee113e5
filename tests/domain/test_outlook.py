"""The next weeks of an item: what is expected to be there, and the day by which to order."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from stockkeeper.domain.outlook import Arrival, DayAhead, Outlook, outlook
from stockkeeper.domain.perishing import LotAhead, waste_of
from stockkeeper.domain.replenishment import service_factor
from stockkeeper.domain.review_days import ReviewDays

TODAY = date(2026, 11, 30)
Z = service_factor(0.95)


def close(value: float) -> Any:
    """The same but for the last digits of a float."""
    return pytest.approx(value)


def day(number: int) -> date:
    return TODAY + timedelta(days=number)


def ahead(
    available: int,
    point: int,
    *arrivals: Arrival,
    mean: float = 10,
    deviation: float = 4,
    days: int = 9,
    review_days: ReviewDays = (),
    lots: Sequence[LotAhead] = (),
) -> Outlook:
    return outlook(
        TODAY,
        available,
        point,
        arrivals,
        daily_mean=mean,
        daily_deviation=deviation,
        days=days,
        confidence=0.95,
        review_days=review_days,
        wasted=waste_of(lots, lambda number: mean * number),
        lead_time_days=3.5,
    )


def test_units_leave_by_the_mean_and_the_band_widens_by_the_root_of_the_days() -> None:
    found = ahead(100, 20).days
    assert [(each.day, each.expected) for each in found[:3]] == [(day(0), 100), (day(1), 90), (day(2), 80)]
    assert found[0] == DayAhead(day(0), 100, 100, 100)
    # After four days twice the deviation of one; and no more than there is now.
    assert found[4] == DayAhead(day(4), 60, close(60 - 8 * Z), close(60 + 8 * Z))
    assert found[1].high == close(90 + 4 * Z)
    assert found[9].low == 0


def test_what_expires_unsold_is_gone_with_its_last_day_and_no_order_counts_on_it_a_lead_time_before() -> None:
    """Of fifty units twenty are sold in two days, and thirty of the next sixty in three more."""
    lots = [LotAhead(50, 2), LotAhead(60, 5)]
    found = ahead(200, 90, lots=lots)
    assert [each.expected for each in found.days] == [200, 190, 150, 140, 130, 90, 80, 70, 60, 50]
    # Without what ends within three and a half days: 170 today, then 160, 150 - 30 = 120, and 110.
    assert ahead(200, 120, lots=lots).falls_below == day(3)
    assert ahead(200, 130, lots=lots).falls_below == day(2)
    assert ahead(200, 160, lots=lots).falls_below == day(2)
    assert ahead(200, 170, lots=lots).falls_below == day(1)
    assert ahead(200, 171, lots=lots).falls_below == day(0)
    assert ahead(200, 171).falls_below == day(3)


def test_what_nobody_wants_falls_below_its_point_when_it_expires() -> None:
    found = ahead(50, 20, mean=0, deviation=0, lots=[LotAhead(40, 6)])
    assert (found.falls_below, [each.expected for each in found.days[5:8]]) == (day(3), [50, 10, 10])


def test_no_more_is_above_the_band_than_there_is() -> None:
    assert ahead(100, 20, deviation=40).days[1] == DayAhead(day(1), 90, close(90 - 40 * Z), 100)


def test_what_is_on_its_way_comes_on_its_day() -> None:
    on_time, no_day = Arrival("PO-1", 50, day(3)), Arrival("T-1", 500, None)
    assert [each.expected for each in ahead(40, 0, on_time, no_day, days=5).days] == [40, 30, 20, 60, 50, 40]


def test_who_finds_nothing_on_the_shelf_is_not_served_from_what_comes_later() -> None:
    found = ahead(15, 5, Arrival("PO-1", 50, day(4)), days=6)
    assert [each.expected for each in found.days] == [15, 5, 0, 0, 40, 30, 20]
    # Nothing leaves on the third day, half as much on the second; so 10 are left on the seventh, 0 on the eighth.
    assert (found.runs_out, found.order_by) == (day(2), day(8))


def test_what_comes_too_late_is_in_the_position_and_not_on_the_shelf() -> None:
    # 100 and 10 are 3 days above the point of 85; that the 10 come in a month changes nothing.
    assert ahead(100, 85, Arrival("PO-1", 10, day(30))).order_by == day(3)
    assert ahead(100, 85, Arrival("PO-1", 10, None)).order_by == day(3)


def test_what_is_overdue_comes_from_tomorrow_on() -> None:
    overdue = Arrival("PO-1", 50, day(-7))
    assert [each.expected for each in ahead(40, 0, overdue, days=2).days] == [40, 80, 70]


@pytest.mark.parametrize(
    ("available", "on_order", "order_by"),
    [
        (19, 0, 0),
        (20, 0, 1),  # 10 left tomorrow, and 20 is the point.
        (29, 0, 1),
        (30, 0, 2),  # 20 left tomorrow, which isn't below it.
        (100, 0, 9),
        # What is on order is ordered already.
        (19, 1, 1),
        # Nobody is served on the first day, and a hundred come on the second.
        (0, 100, 10),
    ],
)
def test_it_is_ordered_on_the_day_on_which_the_position_falls_below_the_point(
    available: int, on_order: int, order_by: int
) -> None:
    arrivals = [Arrival("PO-1", on_order, day(2))] if on_order else []
    found = ahead(available, 20, *arrivals)
    assert (found.falls_below, found.order_by) == (day(order_by), day(order_by))


@pytest.mark.parametrize(
    ("available", "review_days", "falls_below", "order_by"),
    [
        # The day zero is a Monday.
        (100, ("wed",), 9, 9),
        (100, ("tue", "fri"), 9, 8),
        (100, ("thu",), 9, 3),
        (80, ("tue", "sun"), 7, 6),
        (80, ("mon",), 7, 7),
        (70, ("mon",), 6, 0),
        # The last one has passed.
        (60, ("sun",), 5, 6),
        (30, ("fri",), 2, 4),
        (19, ("mon",), 0, 0),
        (19, ("tue", "sun"), 0, 1),
        (19, ("sun",), 0, 6),
    ],
)
def test_an_order_goes_out_on_the_last_review_day_or_on_the_next_one_where_that_has_passed(
    available: int, review_days: ReviewDays, falls_below: int, order_by: int
) -> None:
    found = ahead(available, 20, review_days=review_days)
    assert (found.falls_below, found.order_by) == (day(falls_below), day(order_by))


@pytest.mark.parametrize(("available", "mean"), [(20, 0.0), (10_000, 1.0)], ids=["no demand", "in more than ten years"])
def test_there_is_no_day_where_none_can_be_foreseen(available: int, mean: float) -> None:
    assert ahead(available, 20, mean=mean).order_by is None
    assert ahead(19, 20, mean=mean).order_by == TODAY


def test_the_day_on_which_nothing_is_left() -> None:
    assert ahead(30, 20).runs_out == day(3)
    assert ahead(31, 20).runs_out == day(4)
    assert ahead(30, 20, Arrival("PO-1", 5, day(3))).runs_out == day(4)
    assert ahead(1_000, 20).runs_out is None
    assert ahead(0, 0, mean=0).runs_out is None
