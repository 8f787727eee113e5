"""Effective time: the instant at which goods moved, where it is booked later."""

from datetime import datetime, timedelta

from stockkeeper.domain.errors import InvalidRequest

CLOCKS_APART = timedelta(seconds=2)
"""How far a caller's clock may be ahead."""
LONGEST_AGO = timedelta(days=3_660)
"""Planning looks no further back, and an older instant is a slip of the pen."""


def require_past(occurred_at: datetime | None, as_of: datetime) -> None:
    """Check an effective time.

    Args:
        occurred_at: When the goods moved; None: now.
        as_of: The workflow's time.

    Raises:
        InvalidRequest: It is in the future, or more than ten years ago.
    """
    if occurred_at is not None and (why := why_not_past(occurred_at, as_of)) is not None:
        raise InvalidRequest(f"occurred_at: {why}: {occurred_at.isoformat()}")


def why_not_past(occurred_at: datetime, as_of: datetime) -> str | None:
    """Why goods can't have moved at that time, in words; None: they can."""
    if occurred_at > as_of + CLOCKS_APART:
        return "must not be in the future"
    if occurred_at < as_of - LONGEST_AGO:
        return "must not be more than ten years ago"
    return None
