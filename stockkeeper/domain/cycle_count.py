"""A cycle count: a person counts the units on the shelf, and the books follow.

It is blind: the counter isn't shown the system quantity. That is read when the count is recorded, under the item's
lock, so that goods that move while people count don't turn into a variance. Within tolerance the variance is posted at
once, unless it is worth more than one person may decide. Beyond either, another person counts again, and that count is
posted; or a person who hasn't counted approves the first one, with a root cause. A count by which a hold would end is
never posted without an approval: the approver sees whose hold that is, and the counters don't. The status of a count
follows from those of its lines.

Of a product that is tracked by lot or serial number each lot is a line. Opening the count lists those that the books
have; a lot that the counter finds beside them becomes a line as well. Of a product of which the books have no lot there
is a line without one, which says that none is there, or becomes that of the first lot that is found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from stockkeeper.domain.approval import Approval
from stockkeeper.domain.errors import InvalidRequest, InvalidState, NotPermitted
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.promise import Promise, require_seen
from stockkeeper.domain.transitions import TransitionTable, Words

MOST_LINES = 2_000
"""Lines of a count at most, with those of lots that were found: an answer has all of them."""


class CountStatus(StrEnum):
    """Status of a count, or of one of its lines: to be counted, beyond tolerance, posted, or given up."""

    COUNTING = "COUNTING"
    REVIEW = "REVIEW"
    POSTED = "POSTED"
    CANCELLED = "CANCELLED"


class CountEvent(StrEnum):
    """Event in the life of a line."""

    RECORD = "record"
    DOUBT = "doubt"
    """A first count beyond tolerance or the limit, or any by which a hold would end."""
    APPROVE_VARIANCE = "approve_variance"
    CANCEL = "cancel"


COUNT_LINE = TransitionTable(
    {
        (CountStatus.COUNTING, CountStatus.POSTED): {CountEvent.RECORD},
        (CountStatus.COUNTING, CountStatus.REVIEW): {CountEvent.DOUBT},
        (CountStatus.COUNTING, CountStatus.CANCELLED): {CountEvent.CANCEL},
        (CountStatus.REVIEW, CountStatus.REVIEW): {CountEvent.DOUBT},
        (CountStatus.REVIEW, CountStatus.POSTED): {CountEvent.RECORD, CountEvent.APPROVE_VARIANCE},
        (CountStatus.REVIEW, CountStatus.CANCELLED): {CountEvent.CANCEL},
    },
    Words(
        "count",
        statuses={
            CountStatus.COUNTING: "is still to be counted",
            CountStatus.REVIEW: "is waiting for a second count or an approval",
            CountStatus.POSTED: "has been posted",
            CountStatus.CANCELLED: "has been cancelled",
        },
        commands={
            CountEvent.RECORD: "can't be counted",
            CountEvent.DOUBT: "can't be counted",
            CountEvent.APPROVE_VARIANCE: "can't be approved",
            CountEvent.CANCEL: "can't be cancelled",
        },
        not_yet={CountStatus.COUNTING: "isn't counted yet"},
    ),
)


class RootCause(StrEnum):
    """Why the books were wrong."""

    DAMAGE = "DAMAGE"
    THEFT = "THEFT"
    RECEIVING_ERROR = "RECEIVING_ERROR"
    SHIPPING_ERROR = "SHIPPING_ERROR"
    MISPLACED = "MISPLACED"
    EXPIRED_GOODS = "EXPIRED_GOODS"
    UNEXPLAINED = "UNEXPLAINED"


def status_of(lines: Iterable[CountStatus]) -> CountStatus:
    """The status of the whole: open as long as a line is, and POSTED only if nothing was given up."""
    statuses = set(lines)
    for decisive in (CountStatus.COUNTING, CountStatus.REVIEW, CountStatus.CANCELLED):
        if decisive in statuses:
            return decisive
    return CountStatus.POSTED


@dataclass(frozen=True)
class Tolerance:
    """Tolerance within which a count is posted without a second one.

    Attributes:
        units: Units, either way.
        percent: Percent of the system quantity; the wider of the two limits holds.
    """

    units: int
    percent: Decimal

    def allows(self, counted: int, system: int) -> bool:
        """Whether that count is close enough; units."""
        off = abs(counted - system)
        return off <= self.units or off * 100 <= self.percent * system


@dataclass(frozen=True)
class CountEntry:
    """One count of a line by one person; quantities in units.

    Attributes:
        counted_by: The counter.
        counted_quantity: Units on the shelf.
        system_quantity: On hand in the books when the count was recorded.
        root_cause: Cause of the variance, if the counter knows it.
        counted_at: Instant of the count.
        last_correction: The movement_id of the latest ADJUSTMENT of the item, or of the lot, at that time; 0: there was
            none.
    """

    counted_by: str
    counted_quantity: int
    system_quantity: int
    root_cause: RootCause | None
    counted_at: datetime
    last_correction: int = 0

    @property
    def delta(self) -> int:
        """Variance: counted quantity minus system quantity."""
        return self.counted_quantity - self.system_quantity


@dataclass(frozen=True)
class CountLine:
    """One product of a count, or one of its lots, and how often it has been counted."""

    product_id: int
    status: CountStatus
    entries: Sequence[CountEntry]
    would_end: Sequence[Mapping[str, Any]] = ()
    """The holds that its latest count would end, as they were shown for its approval; fields of `Promise`."""
    lot: LotFacts | None = None
    """The lot, with what its counters have read on it; None: the product isn't tracked, or no lot of it was there."""

    @property
    def key(self) -> tuple[int, str]:
        """The product and the number of the lot; empty: none."""
        return self.product_id, "" if self.lot is None else self.lot.lot_number

    @property
    def named(self) -> str:
        """The line in a message."""
        return _named(self.product_id, None if self.lot is None else self.lot.lot_number)

    @property
    def counters(self) -> list[str]:
        """The people who have counted it."""
        return [entry.counted_by for entry in self.entries]

    def was_recorded(self, counted_by: str, counted_quantity: int) -> bool:
        """Whether exactly this count was posted, so that a repeat of it is done already."""
        if self.status is not CountStatus.POSTED or not self.entries:
            return False
        last = self.entries[-1]
        return is_same_person(last.counted_by, counted_by) and last.counted_quantity == counted_quantity


@dataclass(frozen=True)
class Recorded:
    """Effect of a count on its line.

    Attributes:
        status: POSTED, or REVIEW if it needs another person.
        entry: The count.
        within_tolerance: Whether it is.
    """

    status: CountStatus
    entry: CountEntry
    within_tolerance: bool


@dataclass(frozen=True)
class CycleCount:
    """A count as stored, and the rules for its commands."""

    count_id: int
    count_number: str
    warehouse_id: int
    tolerance: Tolerance
    lines: Sequence[CountLine]

    @property
    def status(self) -> CountStatus:
        """Status of the whole count."""
        return status_of(line.status for line in self.lines)

    def line(self, product_id: int, lot_number: str | None = None) -> CountLine:
        """The line of a product, or of one of its lots.

        Raises:
            InvalidRequest: It isn't to be counted here.
        """
        line = self.line_of_lot(product_id, lot_number)
        if line is None:
            message = f"{_named(product_id, lot_number)} isn't on count {self.count_number}"
            raise InvalidRequest(message, {"product_id": product_id})
        return line

    def line_of_lot(self, product_id: int, lot_number: str | None) -> CountLine | None:
        """The line of one lot of a product, if it has one by now.

        Raises:
            InvalidRequest: The product isn't to be counted here.
        """
        of_product = [line for line in self.lines if line.product_id == product_id]
        if not of_product:
            message = f"product {product_id} isn't on count {self.count_number}"
            raise InvalidRequest(message, {"product_id": product_id})
        return next((line for line in of_product if line.key == (product_id, lot_number or "")), None)

    def require_none_there(self, product_id: int, on_hand: int) -> None:
        """Refuse to say of a tracked product that no lot of it is there, where the count or the books have one.

        Raises:
            InvalidRequest: Each of them has to be counted by itself.
        """
        if on_hand or any(line.product_id == product_id and line.lot is not None for line in self.lines):
            message = f"product {product_id} has lots: name each that was counted, with 0 if it is gone"
            raise InvalidRequest(message, {"product_id": product_id})

    def find_lot(self, product_id: int, lot: LotFacts) -> tuple["CycleCount", CountLine, CountLine | None]:
        """Give a lot that was found a line: that of its product without a lot as long as nobody has counted that.

        Args:
            product_id: The product.
            lot: The lot, which has no line yet, with all that is known of it.

        Returns:
            The count with that line, the line, and the line that it takes the place of; None: it is behind all others.

        Raises:
            InvalidState: The count has ended.
            InvalidRequest: A lot on the list differs from it by upper and lower case alone; or the list is full.
        """
        if COUNT_LINE.is_final(self.status):
            raise COUNT_LINE.refusal(self.status, CountEvent.RECORD, of=self.count_number)
        folded = product_id, lot.lot_number.lower()
        for line in self.lines:
            if line.lot is not None and (line.product_id, line.lot.lot_number.lower()) == folded:
                lot.agreed(line.lot, f"product {product_id}")
        found = CountLine(product_id, CountStatus.COUNTING, [], lot=lot)
        free = next((line for line in self.lines if line.key == (product_id, "")), None)
        if free is not None and free.status is CountStatus.COUNTING:
            lines = [found if line is free else line for line in self.lines]
            return replace(self, lines=lines), found, free
        if len(self.lines) >= MOST_LINES:
            raise InvalidRequest(
                f"count {self.count_number} has {MOST_LINES} lines and gets no more: count the rest by another one"
            )
        return replace(self, lines=[*self.lines, found]), found, None

    def record(
        self, line: CountLine, entry: CountEntry, *, above_limit: bool = False, ends_holds: bool = False
    ) -> Recorded:
        """Effect of a count on this line.

        Args:
            line: The line.
            entry: The count; its system quantity was read under the item's lock.
            above_limit: Whether its variance is worth more than one person may decide.
            ends_holds: Whether a hold would end by it.

        Raises:
            InvalidState: It is posted, or given up.
            NotPermitted: The same person has counted it before; a second count has to be another person's.
        """
        posted = COUNT_LINE.next(line.status, CountEvent.RECORD, of=self.count_number, part=line.named)
        if any(is_same_person(entry.counted_by, each) for each in line.counters):
            raise NotPermitted(
                f"{self._named(line)} was counted by {entry.counted_by}; another person has to count it again"
            )
        if entry.root_cause is None:
            # The first counter may have known it.
            entry = replace(entry, root_cause=next((each.root_cause for each in line.entries if each.root_cause), None))
        within = self.tolerance.allows(entry.counted_quantity, entry.system_quantity)
        is_first = line.status is CountStatus.COUNTING
        if ends_holds or (is_first and (above_limit or not within)):
            return Recorded(COUNT_LINE.next(line.status, CountEvent.DOUBT), entry, within)
        return Recorded(posted, entry, within)

    def approval(self, line: CountLine) -> Approval:
        """The approval that a variance beyond tolerance needs: of a person who hasn't counted the product.

        Two counts by which a hold would end aren't posted either; there the first counter may approve the other's, so
        that a warehouse with two people isn't stuck.
        """
        counters = line.counters[-1:] if line.would_end else line.counters
        return Approval(document=self._named(line), involved=counters, involvement="counted")

    def require_seen(self, line: CountLine, ending: Iterable[Promise], *, none: bool = False) -> None:
        """Refuse an approval by which holds would end that weren't shown for it.

        Args:
            line: The line.
            ending: The holds that would end now.
            none: Nobody has looked at what was shown.

        Raises:
            NotPermitted: With these holds.
        """
        seen = [] if none else [Promise(**each) for each in line.would_end]
        require_seen(self._named(line), ending, seen)

    def approve(
        self, line: CountLine, approver: str, last_posted_at: datetime | None, last_correction: int
    ) -> CountEntry:
        """The count of this line that is posted by the approval of a person whose count it isn't.

        Args:
            line: The line.
            approver: The person who approves.
            last_posted_at: When a count of the item, or of the lot, was last put into the books, on whatever list.
            last_correction: Its latest ADJUSTMENT, by a count or by hand.

        Raises:
            InvalidState: The line isn't in REVIEW; or the item or the lot was counted or corrected since, so the
                variance may be in the books already.
            NotPermitted: It is the approver's own count.
        """
        event = CountEvent.APPROVE_VARIANCE
        COUNT_LINE.next(line.status, event, of=self.count_number, part=line.named)
        self.approval(line).require_may_approve(approver)
        entry = line.entries[-1]
        counted_since = last_posted_at is not None and last_posted_at > entry.counted_at
        if counted_since or last_correction != entry.last_correction:
            message = f"{self._named(line)} has been corrected since it was counted; it has to be counted again"
            raise InvalidState(message, str(line.status), str(event))
        return entry

    def posting_reason(self, line: CountLine, entry: CountEntry, cause: RootCause | None, approver: str | None) -> str:
        """The movement's reason: the cause, every count with its counter, the system's quantity and the approver."""
        counts = [f"{each.counted_quantity} by {each.counted_by}" for each in line.entries]
        if entry not in line.entries:
            counts.append(f"{entry.counted_quantity} by {entry.counted_by}")
        approved = f", approved by {approver}" if approver else ""
        counted = f"count {self.count_number}: counted {', '.join(counts)}"
        return f"{cause}: {counted}; system {entry.system_quantity}{approved}"

    def require_open(self) -> None:
        """Something of it can still be given up.

        Raises:
            InvalidState: Everything is posted, or it was given up before.
        """
        if COUNT_LINE.is_final(self.status):
            raise COUNT_LINE.refusal(self.status, CountEvent.CANCEL, of=self.count_number)

    def _named(self, line: CountLine) -> str:
        return f"{line.named} of count {self.count_number}"


def _named(product_id: int, lot_number: str | None) -> str:
    product = f"product {product_id}"
    return product if lot_number is None else f"lot {lot_number} of {product}"


def cause_of(entry: CountEntry, root_cause: RootCause | None = None) -> RootCause | None:
    """Root cause that is stored with a posted count; None: there was no variance."""
    if not entry.delta:
        return None
    return root_cause or entry.root_cause or RootCause.UNEXPLAINED
