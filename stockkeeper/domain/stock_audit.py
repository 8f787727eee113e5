"""The audit: what has to agree, what it is called when it doesn't, and what a person may decide about it."""

from dataclasses import dataclass
from enum import StrEnum

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.transitions import TransitionTable


class AuditStatus(StrEnum):
    """Where an audit stands."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    STOPPED = "STOPPED"


class FindingKind(StrEnum):
    """What doesn't agree.

    ON_HAND_IS_NOT_THE_SUM: on hand, and the sum of the item's movements.
    ON_HAND_IS_NOT_THE_LAST_BALANCE: on hand, and the balance that the item's last movement left.
    BALANCES_DO_NOT_FOLLOW: a movement's balance, and the balance before it with the movement's quantity.
    RESERVED_IS_NOT_THE_HOLDS: reserved, and the sum of the open holds.
    RECEIVED_IS_NOT_PURCHASED: what a purchase order's lines say was received of a product, and its movements.
    MOVED_IS_NOT_TRANSFERRED: what a transfer's lines say left or arrived, and its movements.
    COUNTED_IS_NOT_BOOKED: what posted counts say a product was off, and their movements.
    RETURNED_IS_NOT_BOOKED: what a return's lines say was put back, and its movements.
    ADJUSTED_IS_NOT_BOOKED: what a posted adjustment says, and its movements.
    HOLD_WITHOUT_RUN: stock is held for something whose workflow isn't running.
    RUN_WITHOUT_HOLD: a reservation runs and says that it holds stock, and holds none.
    """

    ON_HAND_IS_NOT_THE_SUM = "ON_HAND_IS_NOT_THE_SUM"
    ON_HAND_IS_NOT_THE_LAST_BALANCE = "ON_HAND_IS_NOT_THE_LAST_BALANCE"
    BALANCES_DO_NOT_FOLLOW = "BALANCES_DO_NOT_FOLLOW"
    RESERVED_IS_NOT_THE_HOLDS = "RESERVED_IS_NOT_THE_HOLDS"
    RECEIVED_IS_NOT_PURCHASED = "RECEIVED_IS_NOT_PURCHASED"
    MOVED_IS_NOT_TRANSFERRED = "MOVED_IS_NOT_TRANSFERRED"
    COUNTED_IS_NOT_BOOKED = "COUNTED_IS_NOT_BOOKED"
    RETURNED_IS_NOT_BOOKED = "RETURNED_IS_NOT_BOOKED"
    ADJUSTED_IS_NOT_BOOKED = "ADJUSTED_IS_NOT_BOOKED"
    HOLD_WITHOUT_RUN = "HOLD_WITHOUT_RUN"
    RUN_WITHOUT_HOLD = "RUN_WITHOUT_HOLD"


class FindingStatus(StrEnum):
    """What became of a finding: nothing yet, it was so no longer when it was looked for again, or what was decided."""

    OPEN = "OPEN"
    GONE = "GONE"
    REPAIRED = "REPAIRED"
    ACCEPTED = "ACCEPTED"


class FindingEvent(StrEnum):
    """What can happen to one."""

    VANISH = "vanish"
    REPAIR = "repair"
    ACCEPT = "accept"


FINDING = TransitionTable(
    "finding",
    {
        FindingStatus.OPEN: {
            FindingEvent.VANISH: FindingStatus.GONE,
            FindingEvent.REPAIR: FindingStatus.REPAIRED,
            FindingEvent.ACCEPT: FindingStatus.ACCEPTED,
        },
        FindingStatus.ACCEPTED: {
            FindingEvent.VANISH: FindingStatus.GONE,
        },
        FindingStatus.GONE: {},
        FindingStatus.REPAIRED: {},
    },
)

REPAIRABLE = frozenset(
    {
        FindingKind.ON_HAND_IS_NOT_THE_LAST_BALANCE,
        FindingKind.RESERVED_IS_NOT_THE_HOLDS,
        FindingKind.HOLD_WITHOUT_RUN,
    }
)
"""What can be brought into order without changing the ledger's past."""


@dataclass(frozen=True)
class Finding:
    """A finding as the database has it; units."""

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
            InvalidState: It can't happen to it, or to what it is about.
        """
        status = FINDING.next(self.status, event, of=str(self.finding_id))
        if event is FindingEvent.REPAIR and self.kind not in REPAIRABLE:
            about = (
                "a run, which is ended by its own command"
                if self.kind is FindingKind.RUN_WITHOUT_HOLD
                else "the ledger's past, which nobody changes (accept it)"
            )
            what = f"finding {self.finding_id} is about {about}; it"
            raise InvalidState.of(what, self.kind, event)
        return status
