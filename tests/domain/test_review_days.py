"""Review days of a supplier: how they are written, the next one, and how long an item waits for it."""

import itertools
from datetime import date, timedelta
from math import sqrt

import pytest

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.replenishment import LeadTime, Usage, reorder_point
from stockkeeper.domain.review_days import (
    NO_WAIT,
    WEEKDAYS,
    ReviewDays,
    is_review_day,
    next_review,
    review_days_of,
    review_wait,
    with_wait,
    written,
)

MONDAY = date(2026, 11, 30)
ALL = [days for count in range(1, 8) for days in itertools.combinations(WEEKDAYS, count)]
"""Every choice of weekdays."""


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("", ()),
        ("tue", ("tue",)),
        (" Fri, TUE ", ("tue", "fri")),
        ("Tuesdays", ("tue",)),
        ("Saturday and Monday", ("mon", "sat")),
        ("tue;tue/wed", ("tue", "wed")),
    ],
)
def test_weekdays_are_read_as_people_write_them(text: str, days: ReviewDays) -> None:
    assert review_days_of(text) == days
    assert review_days_of(written(days)) == days


@pytest.mark.parametrize("text", ["tu", "2", "tue-fri", "every day", "tues"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="must be weekdays, such as tue or tue,fri"):
        review_days_of(text)


def test_orders_go_out_on_review_days_and_on_any_day_without_them() -> None:
    week = [MONDAY + timedelta(days=ahead) for ahead in range(7)]
    assert [is_review_day(("tue", "sun"), day) for day in week] == [False, True, False, False, False, False, True]
    assert [next_review(("tue", "sun"), day) for day in week] == [week[1]] * 2 + [week[6]] * 5
    assert all(is_review_day((), day) and next_review((), day) == day for day in week)


def test_who_takes_orders_on_tuesdays_is_waited_for_two_and_a_half_days() -> None:
    """None of seven days' items wait 0; the others 1/2, 3/2, ... 11/2 days on average: 18/7."""
    wait = review_wait(("tue",))
    assert wait.days == pytest.approx(18 / 7)
    # The squares are n² - n + 1/3: 72/7.
    assert wait.deviation_days == pytest.approx(sqrt(72 / 7 - (18 / 7) ** 2))
    assert review_wait(()) == review_wait(WEEKDAYS) == NO_WAIT


def test_the_wait_is_that_of_every_moment_of_the_week() -> None:
    for days in ALL:
        mean, deviation = _of_every_hour(days)
        wait = review_wait(days)
        assert wait.days == pytest.approx(mean, abs=1e-12)
        assert (wait.deviation_days or 0.0) == pytest.approx(deviation, abs=1e-9), days


def _of_every_hour(days: ReviewDays) -> tuple[float, float]:
    """Mean and deviation of the wait, from the middle of each hour of the week to the next review."""
    hours = 24
    waits = []
    for weekday, hour in itertools.product(range(7), range(hours)):
        fell = weekday + (hour + 0.5) / hours
        begins = next(day for day in range(14) if WEEKDAYS[day % 7] in days and day + 1 > fell)
        waits.append(max(begins - fell, 0.0))
    mean = sum(waits) / len(waits)
    # It falls at any time of the hour, which adds a twelfth of the hour's square where there is a wait.
    within = sum(each > 0 for each in waits) / len(waits) / hours**2 / 12
    return mean, sqrt(max(sum(each * each for each in waits) / len(waits) + within - mean * mean, 0.0))


def test_the_wait_is_added_to_the_lead_time() -> None:
    wait = review_wait(("tue",))
    assert with_wait(LeadTime(7), NO_WAIT) == LeadTime(7)
    assert with_wait(LeadTime(7, 2), NO_WAIT) == LeadTime(7, 2)
    fixed, varying = with_wait(LeadTime(7), wait), with_wait(LeadTime(7, 2), wait)
    assert fixed.days == varying.days == pytest.approx(7 + 18 / 7)
    assert fixed.deviation_days == pytest.approx(wait.deviation_days)
    assert varying.deviation_days == pytest.approx(sqrt(4 + (wait.deviation_days or 0) ** 2))
    # 50 a day with a deviation of 10 over 9.57 days, which vary by 1.92: 478.6 + 165.7 units.
    assert reorder_point(Usage(90, 50, 10), LeadTime(7), 0.95) == 394
    assert reorder_point(Usage(90, 50, 10), fixed, 0.95) == 645
