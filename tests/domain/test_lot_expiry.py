"""What is told of a lot as its last day comes."""

from datetime import UTC, date, datetime, timedelta

import pytest

from stockkeeper.domain.lot import LotFacts, LotOnHand, LotStatus
from stockkeeper.domain.lot_expiry import Expiry, expiry_of, is_news

TODAY = date(2026, 6, 1)
CAME = datetime(2026, 5, 1, tzinfo=UTC)


def _in(days: int | None) -> date | None:
    return None if days is None else TODAY + timedelta(days=days)


@pytest.mark.parametrize(
    ("expires_in", "best_in", "found"),
    [
        (31, None, None),
        (30, None, Expiry.EXPIRING),
        (0, None, Expiry.EXPIRING),
        (-1, None, Expiry.EXPIRED),
        (None, 31, None),
        (None, 30, Expiry.EXPIRING),
        # It may leave later than that.
        (None, -1, Expiry.EXPIRING),
        # Its last day is the expiry day, if there is one.
        (31, 1, None),
        (None, None, None),
    ],
)
def test_a_lot_expires_at_the_end_of_its_day_and_is_near_that_before(
    expires_in: int | None, best_in: int | None, found: Expiry | None
) -> None:
    facts = LotFacts("L-1", _in(expires_in), _in(best_in))
    assert expiry_of(LotOnHand(facts, LotStatus.AVAILABLE, CAME, 1), TODAY, 30) is found


@pytest.mark.parametrize(
    ("expiry", "was_expiring", "was_expired", "is_told"),
    [
        (Expiry.EXPIRING, False, False, True),
        (Expiry.EXPIRING, True, False, False),
        (Expiry.EXPIRED, True, False, True),
        (Expiry.EXPIRED, False, False, True),
        (Expiry.EXPIRED, True, True, False),
        (Expiry.EXPIRED, False, True, False),
        # The run before was later than this one.
        (Expiry.EXPIRING, False, True, False),
    ],
)
def test_each_is_told_once(expiry: Expiry, was_expiring: bool, was_expired: bool, is_told: bool) -> None:
    assert is_news(expiry, was_expiring=was_expiring, was_expired=was_expired) is is_told
