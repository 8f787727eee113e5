"""Lots: which of a product's units are which, until when each may leave, and which leave first.

A product is tracked by lot, by serial number, or not at all. A serial number is the number of a lot of one unit. Units
leave by first expired, first out (FEFO): the lot whose date comes first, those without a date last; of two with the
same date the one that came first.

A lot may be used through its expiry day, in the time zone of its warehouse, and is expired from the midnight that ends
it. Its *days left* are counted to that day, or to its best-before day if it has no other: 0 on the day itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.transitions import TransitionTable, Words

LONGEST_LOT_NUMBER = 60
"""Characters. GS1 allows 20; a supplier's own number may be longer."""
_NEVER = date.max
_SAYS = {"expires_on": "expires on", "best_before": "is best before", "made_on": "was made on"}


class Tracking(StrEnum):
    """How the units of a product are told apart."""

    NONE = "NONE"
    LOT = "LOT"
    SERIAL = "SERIAL"


class LotStatus(StrEnum):
    """Whether units of a lot may leave, in any warehouse."""

    AVAILABLE = "AVAILABLE"
    QUARANTINED = "QUARANTINED"
    """They wait for an inspection."""
    BLOCKED = "BLOCKED"
    """They were recalled, or stopped by a person."""


class LotEvent(StrEnum):
    """What changes a lot's status."""

    QUARANTINE = "quarantine"
    BLOCK = "block"
    RELEASE = "release"


LOT = TransitionTable(
    {
        (LotStatus.AVAILABLE, LotStatus.QUARANTINED): {LotEvent.QUARANTINE},
        (LotStatus.AVAILABLE, LotStatus.BLOCKED): {LotEvent.BLOCK},
        (LotStatus.QUARANTINED, LotStatus.BLOCKED): {LotEvent.BLOCK},
        (LotStatus.QUARANTINED, LotStatus.AVAILABLE): {LotEvent.RELEASE},
        (LotStatus.BLOCKED, LotStatus.AVAILABLE): {LotEvent.RELEASE},
    },
    Words(
        "lot",
        statuses={
            LotStatus.AVAILABLE: "is available",
            LotStatus.QUARANTINED: "is in quarantine",
            LotStatus.BLOCKED: "is blocked",
        },
        commands={
            LotEvent.QUARANTINE: "can't be put into quarantine",
            LotEvent.BLOCK: "can't be blocked again",
            LotEvent.RELEASE: "can't be released",
        },
    ),
)


class StockState(StrEnum):
    """Why units that are on hand can't be promised."""

    QUARANTINE = "QUARANTINE"
    """They wait for an inspection."""
    DAMAGED = "DAMAGED"
    QUALITY_CONTROL = "QUALITY_CONTROL"
    SAFETY = "SAFETY"
    """They are kept for emergencies."""


@dataclass(frozen=True)
class LotFacts:
    """What a package says of its lot.

    Attributes:
        lot_number: The number, or the serial number.
        expires_on: The last day on which it may be used; None: it doesn't expire, or isn't known here.
        best_before: The last day of its best quality; it may leave later.
        made_on: The day on which it was made.
    """

    lot_number: str
    expires_on: date | None = None
    best_before: date | None = None
    made_on: date | None = None

    def require_in_order(self, sku: str) -> None:
        """Refuse days that can't be: it was made after it expires.

        Raises:
            InvalidRequest: With the days.
        """
        ends = min((day for day in (self.expires_on, self.best_before) if day is not None), default=_NEVER)
        if self.made_on is not None and self.made_on > ends:
            text = f"lot {self.lot_number} of {sku} can't be made on {self.made_on} and end on {ends}"
            raise InvalidRequest(f"{text}: look at the package")

    def agreed(self, known: "LotFacts", sku: str) -> "LotFacts":
        """These facts and those that are known of the same lot, together.

        Raises:
            InvalidRequest: They differ: one of the two was read or typed wrong.
        """
        if self.lot_number != known.lot_number:
            raise InvalidRequest(
                f"{sku} has lot {known.lot_number}, which differs from {self.lot_number} by upper and lower case "
                "alone: write it as it is"
            )
        both = {}
        for name, words in _SAYS.items():
            said, before = getattr(self, name), getattr(known, name)
            if said is not None and before is not None and said != before:
                text = f"lot {self.lot_number} of {sku} {words} {before}, not {said}: look at the package"
                raise InvalidRequest(text)
            both[name] = said if before is None else before
        facts = LotFacts(self.lot_number, **both)
        facts.require_in_order(sku)
        return facts


class LotUnits(NamedTuple):
    """Units of a lot."""

    lot_number: str
    quantity: int


class HeldLot(NamedTuple):
    """Units of a lot that a line of a reservation holds, and those that have left.

    Attributes:
        lot_number: The lot.
        expires_on: Its expiry day.
        quantity_held: Units still held.
        quantity_fulfilled: Units that have left.
    """

    lot_number: str
    expires_on: date | None
    quantity_held: int
    quantity_fulfilled: int = 0


@dataclass(slots=True)
class LotOnHand:
    """A lot in one warehouse, under the lock of its item; quantities in units.

    Attributes:
        facts: What the package says.
        status: Whether its units may leave.
        came_at: When the lot came first.
        on_hand: Units on hand.
        reserved: Units that are held.
        unavailable: Units that can't be promised for a reason of their own (`StockState`).
    """

    facts: LotFacts
    status: LotStatus
    came_at: datetime
    on_hand: int = 0
    reserved: int = 0
    unavailable: int = 0

    @property
    def number(self) -> str:
        """The lot's number."""
        return self.facts.lot_number

    @property
    def free(self) -> int:
        """Units that nobody holds and that aren't unavailable for a reason of their own."""
        return self.on_hand - self.reserved - self.unavailable

    @property
    def use_by(self) -> date:
        """The day that its days left are counted to; without one the last day that there is."""
        return self.facts.expires_on or self.facts.best_before or _NEVER

    def has_expired(self, today: date) -> bool:
        """Whether its expiry day is over."""
        return self.facts.expires_on is not None and self.facts.expires_on < today

    def may_leave(self, today: date) -> bool:
        """Whether a unit may leave today: the lot is available and hasn't expired."""
        return self.status is LotStatus.AVAILABLE and not self.has_expired(today)

    def is_usable(self, today: date, minimum_days_left: int | None) -> bool:
        """Whether a unit may be promised today to somebody who needs it to have so many days left; None: any."""
        if not self.may_leave(today):
            return False
        return minimum_days_left is None or (self.use_by - today).days >= minimum_days_left

    def last_day(self, minimum_days_left: int | None) -> date | None:
        """The last day on which a unit may be promised to somebody who needs it to have so many days left.

        None: there is no such day, because it doesn't expire.
        """
        if minimum_days_left is None or self.use_by == _NEVER:
            return self.facts.expires_on
        return self.use_by - timedelta(days=minimum_days_left)

    def usable(self, today: date, minimum_days_left: int | None) -> int:
        """Free units that may be promised."""
        return self.free if self.is_usable(today, minimum_days_left) else 0


def in_order(lots: Iterable[LotOnHand]) -> list[LotOnHand]:
    """First expired, first out; then first in, then by number."""
    return sorted(lots, key=lambda lot: (lot.use_by, lot.came_at, lot.number))


def allocate(
    lots: Iterable[LotOnHand], units: int, today: date, minimum_days_left: int | None
) -> list[tuple[LotOnHand, int]]:
    """Choose the lots for units that are to be held.

    Args:
        lots: The lots of an item.
        units: How many units.
        today: The day in the warehouse's time zone.
        minimum_days_left: Days that each unit must have left; None: any that hasn't expired.

    Returns:
        Lots with their units, the first expired first; fewer than wanted if there are no more.
    """
    chosen = []
    for lot in in_order(lots):
        if units <= 0:
            break
        if taken := min(lot.usable(today, minimum_days_left), units):
            chosen.append((lot, taken))
            units -= taken
    return chosen


def days_needed(of_order: int | None, of_product: int | None) -> int | None:
    """Days that a unit must have left for an order: what it says itself, or else what its product asks for."""
    return of_product if of_order is None else of_order


def require_lots(sku: str, tracking: Tracking, lots: Sequence[LotUnits], quantity: int, *, what: str) -> None:
    """Units of a tracked product name their lots, and those of another product name none.

    Args:
        sku: The product.
        tracking: How its units are told apart.
        lots: The lots that were named.
        quantity: The units that they are to be.
        what: What becomes of them, in the message: ``received``.

    Raises:
        InvalidRequest: A lot is missing, isn't wanted, or a serial number is named for several units.
    """
    if tracking is Tracking.NONE:
        if lots:
            raise InvalidRequest(f"{sku} isn't tracked by lot: leave out lot {lots[0].lot_number}")
        return
    named = "serial number" if tracking is Tracking.SERIAL else "lot number"
    if sum(lot.quantity for lot in lots) != quantity:
        raise InvalidRequest(f"{sku} is tracked: name the {named} of all {quantity} units that are {what}")
    if tracking is Tracking.SERIAL and (several := next((lot for lot in lots if lot.quantity != 1), None)):
        raise InvalidRequest(f"{sku}: serial number {several.lot_number} is of one unit, not of {several.quantity}")


def swapped(
    lots: Sequence[HeldLot], changes: Mapping[str, tuple[int, int]], expiries: Mapping[str, date | None]
) -> tuple[HeldLot, ...]:
    """The lots of a line after some were given, and others taken.

    Args:
        lots: The lots as they are.
        changes: By lot, by how much the held and the fulfilled units change.
        expiries: The expiry days of lots that may be new on the line.

    Returns:
        All lots that hold something or have left, each once, in the order in which they came to the line.
    """
    after = {lot.lot_number: lot for lot in lots}
    for number, (held, fulfilled) in changes.items():
        before = after.get(number) or HeldLot(number, expiries.get(number), 0)
        after[number] = before._replace(
            quantity_held=before.quantity_held + held, quantity_fulfilled=before.quantity_fulfilled + fulfilled
        )
    return tuple(after.values())
