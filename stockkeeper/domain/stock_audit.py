"""The audit: the kinds of findings, and the decisions of a person about them."""

from dataclasses import dataclass
from enum import StrEnum

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.transitions import TransitionTable, Words


class AuditStatus(StrEnum):
    """Status of an audit."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    STOPPED = "STOPPED"


class FindingKind(StrEnum):
    """What doesn't agree: the two things that are compared, expected first.

    Of an item:

    ON_HAND_IS_NOT_THE_SUM: the sum of its movements, and on hand.
    ON_HAND_IS_NOT_THE_LAST_BALANCE: the balance that its last movement left, and on hand.
    BALANCES_DO_NOT_FOLLOW: the balance before a movement with the movement's quantity, and the balance after it; also a
        movement that isn't later than the one before it.
    RESERVED_IS_NOT_THE_HOLDS: the units of its open holds, and reserved.
    RESERVED_EXCEEDS_ON_HAND: on hand, and reserved, when more is promised than is there.
    MOVEMENT_WITHOUT_DOCUMENT: nothing, and movements under the number of a document that doesn't exist.

    Of an item that is tracked, or has units set aside; `document` names the lot:

    LOT_IS_NOT_ITS_MOVEMENTS: the sum of a lot's movements in the warehouse, and what it has on hand there.
    LOT_BALANCES_DO_NOT_FOLLOW: the sum of its movements, and the balance that the last one left.
    LOT_RESERVED_IS_NOT_THE_HOLDS: units of a lot in open holds, and its reserved units.
    ITEM_IS_NOT_ITS_LOTS: what its lots have on hand, or reserved, and what the item has.
    LINE_IS_NOT_ITS_LOTS: units that a hold has still to ship, and those of its lots.
    UNAVAILABLE_IS_NOT_ITS_STATES: units set aside by their states, and by the item or the lot.
    STOPPED_LOT_IS_HELD: nothing, and units held of a lot that is quarantined or blocked.
    SERIAL_IS_NOT_ONE_UNIT: one unit, and the units that have a serial number.
    TRACKED_WITHOUT_LOTS: nothing, and units on hand without a lot of a product that is tracked.

    Of a document:

    RECEIVED_IS_NOT_PURCHASED: units received by a purchase order's lines, and its movements.
    MOVED_IS_NOT_TRANSFERRED: units that left or arrived by a transfer's lines, and its movements.
    COUNTED_IS_NOT_BOOKED: variances that a count has posted, and its movements.
    RETURNED_IS_NOT_BOOKED: units restocked by a return's lines, and its movements.
    ADJUSTED_IS_NOT_BOOKED: units of a posted adjustment, and its movements.
    RECALL_DOES_NOT_ADD_UP: units of a recalled lot that have to be somewhere by its movements, and those that are on a
        shelf, on their way, or known to be lost there.
    DOCUMENT_IS_NOT_BOOKED: units by a document of any later kind, and its movements.
    LINE_IS_NOT_ITS_ENTRIES: the receipts, inspections or transit movements of a line, and the line.
    APPROVAL_IS_MISSING: the approvals that a document needs, and the valid ones that it has.
    VALUE_IS_NOT_THE_LINES: the value of an adjustment's lines, and the adjustment's value.
    REORDERED_TWICE: nothing, and units reordered although an earlier reorder is still open.

    Of the rest:

    HOLD_WITHOUT_RUN: nothing, and units held for a workflow that isn't running.
    RUN_WITHOUT_HOLD: one hold, and none, of a reservation that runs and says that it holds stock.
    OPERATION_WITHOUT_RESULT: one result, and none, of an operation that was committed.
    """

    ON_HAND_IS_NOT_THE_SUM = "ON_HAND_IS_NOT_THE_SUM"
    ON_HAND_IS_NOT_THE_LAST_BALANCE = "ON_HAND_IS_NOT_THE_LAST_BALANCE"
    BALANCES_DO_NOT_FOLLOW = "BALANCES_DO_NOT_FOLLOW"
    RESERVED_IS_NOT_THE_HOLDS = "RESERVED_IS_NOT_THE_HOLDS"
    RESERVED_EXCEEDS_ON_HAND = "RESERVED_EXCEEDS_ON_HAND"
    MOVEMENT_WITHOUT_DOCUMENT = "MOVEMENT_WITHOUT_DOCUMENT"
    LOT_IS_NOT_ITS_MOVEMENTS = "LOT_IS_NOT_ITS_MOVEMENTS"
    LOT_BALANCES_DO_NOT_FOLLOW = "LOT_BALANCES_DO_NOT_FOLLOW"
    LOT_RESERVED_IS_NOT_THE_HOLDS = "LOT_RESERVED_IS_NOT_THE_HOLDS"
    ITEM_IS_NOT_ITS_LOTS = "ITEM_IS_NOT_ITS_LOTS"
    LINE_IS_NOT_ITS_LOTS = "LINE_IS_NOT_ITS_LOTS"
    UNAVAILABLE_IS_NOT_ITS_STATES = "UNAVAILABLE_IS_NOT_ITS_STATES"
    STOPPED_LOT_IS_HELD = "STOPPED_LOT_IS_HELD"
    SERIAL_IS_NOT_ONE_UNIT = "SERIAL_IS_NOT_ONE_UNIT"
    TRACKED_WITHOUT_LOTS = "TRACKED_WITHOUT_LOTS"
    RECEIVED_IS_NOT_PURCHASED = "RECEIVED_IS_NOT_PURCHASED"
    MOVED_IS_NOT_TRANSFERRED = "MOVED_IS_NOT_TRANSFERRED"
    COUNTED_IS_NOT_BOOKED = "COUNTED_IS_NOT_BOOKED"
    RETURNED_IS_NOT_BOOKED = "RETURNED_IS_NOT_BOOKED"
    ADJUSTED_IS_NOT_BOOKED = "ADJUSTED_IS_NOT_BOOKED"
    RECALL_DOES_NOT_ADD_UP = "RECALL_DOES_NOT_ADD_UP"
    DOCUMENT_IS_NOT_BOOKED = "DOCUMENT_IS_NOT_BOOKED"
    LINE_IS_NOT_ITS_ENTRIES = "LINE_IS_NOT_ITS_ENTRIES"
    APPROVAL_IS_MISSING = "APPROVAL_IS_MISSING"
    VALUE_IS_NOT_THE_LINES = "VALUE_IS_NOT_THE_LINES"
    REORDERED_TWICE = "REORDERED_TWICE"
    HOLD_WITHOUT_RUN = "HOLD_WITHOUT_RUN"
    RUN_WITHOUT_HOLD = "RUN_WITHOUT_HOLD"
    OPERATION_WITHOUT_RESULT = "OPERATION_WITHOUT_RESULT"


class FindingStatus(StrEnum):
    """Status of a finding: open, gone when it was looked for again, or decided by a person."""

    OPEN = "OPEN"
    GONE = "GONE"
    REPAIRED = "REPAIRED"
    ACCEPTED = "ACCEPTED"


class FindingEvent(StrEnum):
    """Event in the life of a finding."""

    VANISH = "vanish"
    REPAIR = "repair"
    ACCEPT = "accept"


FINDING = TransitionTable(
    {
        (FindingStatus.OPEN, FindingStatus.GONE): {FindingEvent.VANISH},
        (FindingStatus.OPEN, FindingStatus.REPAIRED): {FindingEvent.REPAIR},
        (FindingStatus.OPEN, FindingStatus.ACCEPTED): {FindingEvent.ACCEPT},
        (FindingStatus.ACCEPTED, FindingStatus.GONE): {FindingEvent.VANISH},
    },
    Words(
        "finding",
        statuses={
            FindingStatus.OPEN: "is open",
            FindingStatus.GONE: "has gone by itself",
            FindingStatus.REPAIRED: "has been repaired",
            FindingStatus.ACCEPTED: "has been accepted",
        },
        commands={
            FindingEvent.VANISH: "can't be closed",
            FindingEvent.REPAIR: "can't be repaired",
            FindingEvent.ACCEPT: "can't be accepted",
        },
    ),
)

REPAIRABLE = frozenset(
    {
        FindingKind.ON_HAND_IS_NOT_THE_LAST_BALANCE,
        FindingKind.RESERVED_IS_NOT_THE_HOLDS,
        FindingKind.LOT_IS_NOT_ITS_MOVEMENTS,
        FindingKind.LOT_RESERVED_IS_NOT_THE_HOLDS,
        FindingKind.HOLD_WITHOUT_RUN,
    }
)
"""The kinds of findings that can be repaired without changing the ledger's past."""


@dataclass(frozen=True)
class Finding:
    """A finding as stored; numbers in units."""

    finding_id: int
    kind: FindingKind
    warehouse_id: int | None
    product_id: int | None
    document: str
    expected: int
    actual: int
    status: FindingStatus

    def after(self, event: FindingEvent) -> FindingStatus:
        """The status after an event.

        Raises:
            InvalidState: The finding's status, or its kind, doesn't allow the event.
        """
        status = FINDING.next(self.status, event, of=str(self.finding_id))
        if event is FindingEvent.REPAIR and self.kind not in REPAIRABLE:
            why = (
                "the reservation itself is still running; cancel that"
                if self.kind is FindingKind.RUN_WITHOUT_HOLD
                else "the ledger's past is never changed; accept the finding instead"
            )
            raise InvalidState(f"finding {self.finding_id} can't be repaired: {why}", str(self.kind), str(event))
        return status
