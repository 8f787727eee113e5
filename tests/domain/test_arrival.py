"""When goods on their way come: by the books' tables, and by numbers that a person can work out."""

import math
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockkeeper.domain.arrival import (
    DayBasis,
    DeliveryTime,
    NotCounted,
    OwedDelivery,
    _upper,
    arrival_if_ordered,
    arrival_of_transfer,
    delivery_time_from,
)
from stockkeeper.domain.replenishment import LeadTime

TODAY = date(2026, 6, 10)
WEEK = DeliveryTime(7)
VARIED = DeliveryTime(7, 2, 10)


def in_days(days: int) -> date:
    return TODAY + timedelta(days=days)


# Abramowitz and Stegun, *Handbook of Mathematical Functions*, table 26.10.
@pytest.mark.parametrize(
    ("freedom", "tail", "value"),
    [
        *((1, 0.025, 12.706), (1, 0.1, 3.078), (2, 0.05, 2.920), (2, 0.005, 9.925), (3, 0.01, 4.541)),
        *((4, 0.05, 2.132), (9, 0.05, 1.833), (10, 0.1, 1.372), (29, 0.025, 2.045), (30, 0.01, 2.457)),
        *((120, 0.05, 1.658), (300, 0.05, 1.645), (9, 0.95, -1.833), (5, 0.5, 0.0)),
    ],
)
def test_student_is_the_one_of_the_tables(freedom: int, tail: float, value: float) -> None:
    assert round(_upper(freedom, tail), 3) == value


def test_ten_measured_orders_are_promised_with_by_their_prediction_interval() -> None:
    # v² = ln(1 + (2/7)²), m = ln 7 - v²/2, exp(m + 1.833 v sqrt(1.1)).
    variance = math.log(1 + 4 / 49)
    by_hand = math.exp(math.log(7) - variance / 2 + 1.8331 * math.sqrt(variance * 1.1))
    assert VARIED.within(0.95) == pytest.approx(by_hand, rel=1e-4)
    assert round(by_hand, 2) == 11.53
    # With three of them less is known, and as agreed nothing of it is uncertain.
    assert [round(DeliveryTime(7, 2, orders).within(0.95) or 0, 2) for orders in (3, 0)] == [17.31, 10.67]
    assert [DeliveryTime(7, deviation, 5).within(0.999) for deviation in (None, 0.0)] == [7, 7]
    assert DeliveryTime(0, 2, 5).within(0.95) == 0
    # A confidence of next to nothing is one, whatever a float makes of 1 less it.
    assert [DeliveryTime(7, 2, orders).within(1e-300) for orders in (0, 5)] == [
        DeliveryTime(7, 2, orders).within(1e-12) for orders in (0, 5)
    ]


@settings(max_examples=60)
@given(
    st.sampled_from([0, 3, 4, 30]),
    st.floats(0.5, 60),
    st.floats(0.05, 1.5),
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
)
def test_of_goods_that_are_late_only_later_deliveries_count(
    orders: int, days: float, variation: float, waited: float, confidence: float
) -> None:
    time = DeliveryTime(days, days * variation, orders)
    until = time.within(waited)
    assert until is not None
    by = time.within(confidence, waited=until)
    # Of the rest of all deliveries, the same part.
    assert by == pytest.approx(time.within(1 - (1 - waited) * (1 - confidence)), rel=1e-6)
    assert by is not None
    assert by > until


def test_measured_lead_times_count_from_three_orders_on_as_in_planning() -> None:
    agreed = LeadTime(7, 1)
    assert delivery_time_from(agreed, 2, 9.5, 3.0) == DeliveryTime(7, 1, 0)
    assert delivery_time_from(agreed, 3, 9.5, 3.0) == DeliveryTime(9.5, 3.0, 3)
    assert delivery_time_from(agreed, 0, None, None) == DeliveryTime(7, 1, 0)


def _owed(
    ordered: int,
    expected: int | None = None,
    *,
    time: DeliveryTime | None = WEEK,
    is_confirmed: bool = False,
    longest: float = 0,
    approval_days: int = 0,
) -> OwedDelivery:
    return OwedDelivery(
        in_days(ordered), None if expected is None else in_days(expected), is_confirmed, time, longest, approval_days
    )


@pytest.mark.parametrize(
    ("owed", "days", "basis"),
    [
        (_owed(0), 7, DayBasis.AGREED),
        (_owed(-3), 4, DayBasis.AGREED),
        (_owed(0, time=DeliveryTime(6.4)), 7, DayBasis.AGREED),
        # A day that somebody expects counts for more than what was agreed,
        (_owed(0, 3), 3, DayBasis.EXPECTED),
        (_owed(0, 9), 9, DayBasis.EXPECTED),
        (_owed(0, 9, approval_days=2), 11, DayBasis.EXPECTED),
        (_owed(0, 9, approval_days=2, is_confirmed=True), 9, DayBasis.CONFIRMED),
        # what was measured for more than a day that the supplier hasn't confirmed,
        (_owed(0, 3, time=DeliveryTime(7, 0, 3)), 7, DayBasis.MEASURED),
        (_owed(0, 9, time=DeliveryTime(7, 0, 3)), 9, DayBasis.EXPECTED),
        # and the supplier's word for most, with the deviation around it.
        (_owed(0, 3, time=DeliveryTime(7, 0, 3), is_confirmed=True), 3, DayBasis.CONFIRMED),
        (_owed(0, time=VARIED), 12, DayBasis.MEASURED),
        (_owed(0, 30, time=VARIED, is_confirmed=True), 35, DayBasis.CONFIRMED),
        (_owed(0, 5, time=None), 5, DayBasis.EXPECTED),
        # Nine days without the goods: 15.81 days from the order.
        (_owed(-9, time=VARIED), 7, DayBasis.MEASURED),
        (_owed(-7), 0, DayBasis.AGREED),
        # As late as a new order: the last day on which the order still covers.
        (_owed(-8), 6, DayBasis.AGREED),
        (_owed(-14), 0, DayBasis.AGREED),
        (_owed(-15, longest=10), 2, DayBasis.AGREED),
        (_owed(-20, -7), 0, DayBasis.EXPECTED),
        (_owed(-12, time=DeliveryTime(7, 0.01, 30)), 2, DayBasis.MEASURED),
    ],
)
def test_goods_that_are_owed_come_by_the_best_known_day(owed: OwedDelivery, days: int, basis: DayBasis) -> None:
    assert owed.arrival(TODAY, 0.95) == (in_days(days), basis)


@pytest.mark.parametrize(
    ("owed", "why"),
    [
        (_owed(-15), NotCounted.OVERDUE),
        (_owed(-20, -8), NotCounted.OVERDUE),
        (_owed(-15, time=VARIED), NotCounted.OVERDUE),
        (_owed(-1, -1, time=None), NotCounted.OVERDUE),
        (_owed(0, time=None), NotCounted.NO_DAY),
    ],
)
def test_goods_that_a_new_order_would_have_brought_by_now_are_not_counted_on(
    owed: OwedDelivery, why: NotCounted
) -> None:
    assert owed.arrival(TODAY, 0.95) == why


@pytest.mark.parametrize(
    ("due", "hours", "arrival"),
    [
        (2, 48.0, in_days(2)),
        (0, 1.0, in_days(0)),
        (-1, 48.0, in_days(1)),
        (-1, 5.0, in_days(0)),
        (-2, 5.0, NotCounted.OVERDUE),
        (None, None, NotCounted.NO_DAY),
    ],
)
def test_a_transfer_comes_when_it_is_due(due: int | None, hours: float | None, arrival: date | NotCounted) -> None:
    found = arrival_of_transfer(None if due is None else in_days(due), hours, TODAY)
    assert found == (arrival if isinstance(arrival, NotCounted) else (arrival, DayBasis.DUE))


def test_what_is_ordered_today_comes_after_the_lead_time() -> None:
    assert [arrival_if_ordered(TODAY, WEEK, 0.95), arrival_if_ordered(TODAY, VARIED, 0.95)] == [in_days(7), in_days(12)]
    # A day that no message has isn't promised.
    assert arrival_if_ordered(TODAY, DeliveryTime(900_000, 900_000, 3), 0.999) == date(2199, 12, 31)
