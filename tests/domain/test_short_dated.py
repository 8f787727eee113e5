"""Which lots have too few days left when they come, and what people are told of them."""

from datetime import date

import pytest

from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.short_dated import ComingLot, refusal

TODAY = date(2026, 6, 10)


def _coming(facts: LotFacts, minimum_days: int | None = None) -> ComingLot:
    return ComingLot(7, "MILK", facts, 24, TODAY, TODAY, minimum_days)


@pytest.mark.parametrize(
    ("day", "minimum_days", "is_short_dated"),
    [
        (9, None, True),
        (9, 0, True),
        (10, None, False),
        (10, 0, False),
        (10, 1, True),
        (14, 5, True),
        (15, 5, False),
    ],
)
def test_a_lot_is_short_dated_with_fewer_days_than_are_asked_for(
    day: int, minimum_days: int | None, is_short_dated: bool
) -> None:
    facts = LotFacts("L-77", date(2026, 6, day))
    assert _coming(facts, minimum_days).is_short_dated is is_short_dated


def test_days_are_counted_to_the_best_before_day_of_a_lot_without_another_and_it_never_expires() -> None:
    over = LotFacts("L-77", best_before=date(2026, 6, 9))
    assert [_coming(over, days).is_short_dated for days in (None, 0)] == [False, True]
    both = LotFacts("L-77", date(2026, 6, 30), date(2026, 6, 9))
    assert not _coming(both, 20).is_short_dated
    assert not _coming(LotFacts("L-77"), 36_500).is_short_dated


def test_a_refusal_says_what_is_missing_and_what_to_do() -> None:
    lots = [
        _coming(LotFacts("A", date(2026, 6, 14)), 5),
        _coming(LotFacts("B", best_before=date(2026, 6, 11)), 5),
        _coming(LotFacts("C", date(2026, 6, 1)), 5),
    ]
    error = refusal(lots)
    assert error.message == (
        "lot A of MILK can be used until 2026-06-14: it has 4 of the 5 days left that are asked for; "
        "lot B of MILK is best before 2026-06-11: it has 1 of the 5 days left that are asked for; "
        "lot C of MILK expired on 2026-06-01. Nothing is received: enter its units as rejected and send them back, or "
        "have the days changed that are asked for (minimum_days_at_receipt of the product or of the supplier)"
    )
    assert error.details == {
        "lots": [
            {"product_id": 7, "lot_number": "A", "ends_on": "2026-06-14", "days_left": 4, "minimum_days": 5},
            {"product_id": 7, "lot_number": "B", "ends_on": "2026-06-11", "days_left": 1, "minimum_days": 5},
            {"product_id": 7, "lot_number": "C", "ends_on": "2026-06-01", "days_left": -9, "minimum_days": 5},
        ]
    }


def test_days_are_counted_from_the_day_it_came_and_what_has_expired_by_its_booking_is_short_dated() -> None:
    facts, friday = LotFacts("L-77", date(2026, 6, 9)), date(2026, 6, 5)
    lots = [ComingLot(7, "MILK", facts, 24, friday, booked, 4) for booked in (friday, date(2026, 6, 9), TODAY)]
    assert [(lot.days_left, lot.is_short_dated) for lot in lots] == [(4, False), (4, False), (4, True)]
