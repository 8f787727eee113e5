"""A cycle count: a person counts the units on the shelf, and the books follow.

It is blind: the counter isn't shown the system quantity. That is read when the count is recorded, under the item's
lock, so that goods that move while people count don't turn into a variance. Within tolerance the variance is posted at
once, unless it is worth more than one person may decide. Beyond either, another person counts again, and that count is
posted; or a person who hasn't counted approves the first one, with a root cause. A count by which a hold would end is
never posted without an approval: the approver sees whose hold that is, and the counters don't. The status of a count
follows from those of its lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from stockkeeper.domain.approval import Approval
from stockkeeper.domain.errors import InvalidRequest, InvalidState, NotPermitted
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.promise import Promise, require_seen
from stockkeeper.domain.transitions import TransitionTable, Words


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
    """One count of a product by one person; quantities in units.

    Attributes:
        counted_by: The counter.
        counted_quantity: Units on the shelf.
        system_quantity: On hand in the books when the count was recorded.
        root_cause: Cause of the variance, if the counter knows it.
        counted_at: Instant of the count.
        last_correction: The movement_id of the item's latest ADJUSTMENT at that time; 0: there was none.
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
    """One product of a count, and how often it has been counted."""

    product_id: int
    status: CountStatus
    entries: Sequence[CountEntry]
    would_end: Sequence[Mapping[str, Any]] = ()
    """The holds that its latest count would end, as they were shown for its approval; fields of `Promise`."""

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

    def line(self, product_id: int) -> CountLine:
        """The line of a product.

        Raises:
            InvalidRequest: It isn't to be counted here.
        """
        for line in self.lines:
            if line.product_id == product_id:
                return line
        message = f"product {product_id} isn't on count {self.count_number}"
        raise InvalidRequest(message, {"product_id": product_id})

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
        posted = COUNT_LINE.next(
            line.status, CountEvent.RECORD, of=self.count_number, part=f"product {line.product_id}"
        )
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
            last_posted_at: When a count of the item was last put into the books, on whatever list.
            last_correction: The item's latest ADJUSTMENT, by a count or by hand.

        Raises:
            InvalidState: The line isn't in REVIEW; or the item was counted or corrected since, so the variance may be
                in the books already.
            NotPermitted: It is the approver's own count.
        """
        event = CountEvent.APPROVE_VARIANCE
        COUNT_LINE.next(line.status, event, of=self.count_number, part=f"product {line.product_id}")
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
        return f"product {line.product_id} of count {self.count_number}"


def cause_of(entry: CountEntry, root_cause: RootCause | None = None) -> RootCause | None:
    """Root cause that is stored with a posted count; None: there was no variance."""
    if not entry.delta:
        return None
    return root_cause or entry.root_cause or RootCause.UNEXPLAINED
