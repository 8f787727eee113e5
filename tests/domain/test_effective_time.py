"""Effective times: those that may be, and those that may not."""

from datetime import UTC, datetime, timedelta

import pytest

from stockkeeper.domain.effective_time import require_past, why_not_past
from stockkeeper.domain.errors import InvalidRequest

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)


@pytest.mark.parametrize("before", [timedelta(0), timedelta(days=3), timedelta(days=3_660), -timedelta(seconds=2)])
def test_goods_moved_before_it_is_booked(before: timedelta) -> None:
    require_past(NOW - before, NOW)
    require_past(None, NOW)


@pytest.mark.parametrize(
    ("occurred_at", "why"),
    [
        (NOW + timedelta(seconds=3), "occurred_at: must not be in the future: 2026-11-30T08:00:03+00:00"),
        (NOW.replace(year=2062), "occurred_at: must not be in the future: 2062-11-30T08:00:00+00:00"),
        (NOW.replace(year=226), "occurred_at: must not be more than ten years ago: 0226-11-30T08:00:00+00:00"),
    ],
)
def test_other_times_are_refused(occurred_at: datetime, why: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        require_past(occurred_at, NOW)
    assert refused.value.message == why
    assert f"occurred_at: {why_not_past(occurred_at, NOW)}: {occurred_at.isoformat()}" == why
