"""What is told of a lot as its last day comes: ahead, and once it has expired."""

from datetime import date
from enum import StrEnum

from stockkeeper.domain.lot import LotOnHand


class LotExpiryStatus(StrEnum):
    """Status of a run that looks at lots that expire."""

    RUNNING = "RUNNING"
    DONE = "DONE"


class Expiry(StrEnum):
    """How near the end of a lot is, by the calendar of its warehouse."""

    EXPIRING = "EXPIRING"
    """Its last day is near, or its best-before day is over."""
    EXPIRED = "EXPIRED"
    """Its expiry day is over: nothing of it may leave."""


def expiry_of(lot: LotOnHand, today: date, within_days: int) -> Expiry | None:
    """How near the end of a lot is; None: it has no last day, or more days left.

    Args:
        lot: The lot in a warehouse.
        today: The day in the warehouse's time zone.
        within_days: The most days left of a lot whose end is near.
    """
    if lot.has_expired(today):
        return Expiry.EXPIRED
    return Expiry.EXPIRING if (lot.use_by - today).days <= within_days else None


def is_news(expiry: Expiry, *, was_expiring: bool, was_expired: bool) -> bool:
    """Whether that has to be told: each of the two once for a lot in a warehouse, and nothing ahead afterwards.

    Args:
        expiry: How near its end is.
        was_expiring: Whether it was told ahead.
        was_expired: Whether it was told that it has expired.
    """
    return not was_expired and (expiry is Expiry.EXPIRED or not was_expiring)
