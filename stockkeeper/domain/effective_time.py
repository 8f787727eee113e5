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
    if occurred_at is None:
        return
    if occurred_at > as_of + CLOCKS_APART:
        raise InvalidRequest(f"occurred_at: must not be in the future: {occurred_at.isoformat()}")
    if occurred_at < as_of - LONGEST_AGO:
        raise InvalidRequest(f"occurred_at: must not be more than ten years ago: {occurred_at.isoformat()}")
