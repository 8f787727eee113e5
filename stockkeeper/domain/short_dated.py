"""Lots that come from a supplier with too few days left: by which days they are judged, and what becomes of them.

A product may ask for days that a lot must have left on the day of its receipt, and so may what was agreed with one of
its suppliers, which counts instead. What has expired has too few in any case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import LotFacts

_ADVICE = (
    "enter its units as rejected and send them back, or have the days changed that are asked for "
    "(minimum_days_at_receipt of the product or of the supplier)"
)


class ShortDatedReceipts(StrEnum):
    """What becomes of a receipt with a lot that has too few days left: the setting ``SHORT_DATED_RECEIPTS``."""

    QUARANTINE = "quarantine"
    """It is received, and these units wait for an inspection."""
    REFUSE = "refuse"
    """The whole receipt is refused, and nothing is booked."""


@dataclass(frozen=True)
class ComingLot:
    """Units of a lot that come.

    Attributes:
        product_id: The product.
        sku: Its SKU.
        facts: What is known of the lot, together with what its package says.
        units: How many come.
        came_on: The day on which it came in the warehouse's time zone: its days left are counted from it.
        booked_on: The day on which that is booked: what has expired by then is short-dated however early it came.
        minimum_days: Days that it must have left; None: any that hasn't expired.
    """

    product_id: int
    sku: str
    facts: LotFacts
    units: int
    came_on: date
    booked_on: date
    minimum_days: int | None

    @property
    def ends_on(self) -> date | None:
        """The day that its days left are counted to; None: the lot has none."""
        return self.facts.expires_on or self.facts.best_before

    @property
    def days_left(self) -> int | None:
        """Days that it has left; below 0: that day is over; None: it has no such day."""
        return None if self.ends_on is None else (self.ends_on - self.came_on).days

    @property
    def has_expired(self) -> bool:
        """Whether it has expired."""
        return self.facts.expires_on is not None and self.facts.expires_on < self.booked_on

    @property
    def is_short_dated(self) -> bool:
        """Whether it has expired, or has fewer days left than are asked for. A lot without a day has any number."""
        if self.minimum_days is None or self.days_left is None:
            return self.has_expired
        return self.has_expired or self.days_left < self.minimum_days

    @property
    def why(self) -> str:
        """Why it isn't taken in like any other, for people."""
        lot = f"lot {self.facts.lot_number} of {self.sku}"
        if self.has_expired:
            return f"{lot} expired on {self.facts.expires_on}"
        until = "can be used until" if self.facts.expires_on else "is best before"
        left = f"{self.days_left} of the {self.minimum_days} days left that are asked for"
        return f"{lot} {until} {self.ends_on}: it has {left}"


def few_days(lots: Sequence[ComingLot]) -> str:
    """Why these lots wait for an inspection, in a few words: ``lot L-77 of MILK expired on 2026-06-01``."""
    others = f"; and {len(lots) - 1} more" if len(lots) > 1 else ""
    return f"{lots[0].why}{others}"


def refusal(lots: Sequence[ComingLot]) -> InvalidRequest:
    """Why a receipt with these lots is refused, and what to do."""
    what = "; ".join(lot.why for lot in lots)
    details = [
        {
            "product_id": lot.product_id,
            "lot_number": lot.facts.lot_number,
            "ends_on": str(lot.ends_on),
            "days_left": lot.days_left,
            "minimum_days": lot.minimum_days,
        }
        for lot in lots
    ]
    return InvalidRequest(f"{what}. Nothing is received: {_ADVICE}", {"lots": details})
