"""Moving a warehouse to another database: where such a move is, and until when it can be given up."""

from enum import StrEnum

from stockkeeper.domain.transitions import TransitionTable, Words


class MoveStatus(StrEnum):
    """Where a move is."""

    COPYING = "COPYING"
    """The warehouse sells where it was, and its rows are being copied."""
    DRAINING = "DRAINING"
    """The same, and nothing new joins it with other warehouses: what does has to end."""
    ARRIVING = "ARRIVING"
    """Its rows have left, and commands wait for them."""
    AUDITING = "AUDITING"
    """It sells in its new database, whose books are being compared."""
    MOVED = "MOVED"
    CANCELLED = "CANCELLED"
    """It stayed where it was."""


class MoveEvent(StrEnum):
    """What happens to a move."""

    COPY = "copy"
    SWITCH = "switch"
    ARRIVE = "arrive"
    AUDIT = "audit"
    CANCEL = "cancel"


MOVE: TransitionTable[MoveStatus, MoveEvent] = TransitionTable(
    {
        (MoveStatus.COPYING, MoveStatus.DRAINING): {MoveEvent.COPY},
        (MoveStatus.DRAINING, MoveStatus.ARRIVING): {MoveEvent.SWITCH},
        (MoveStatus.ARRIVING, MoveStatus.AUDITING): {MoveEvent.ARRIVE},
        (MoveStatus.AUDITING, MoveStatus.MOVED): {MoveEvent.AUDIT},
        (MoveStatus.COPYING, MoveStatus.CANCELLED): {MoveEvent.CANCEL},
        (MoveStatus.DRAINING, MoveStatus.CANCELLED): {MoveEvent.CANCEL},
    },
    Words(
        "move of warehouse",
        statuses={
            MoveStatus.COPYING: "is still being copied",
            MoveStatus.DRAINING: "waits for what the warehouse shares with others",
            MoveStatus.ARRIVING: "has left the old database",
            MoveStatus.AUDITING: "has arrived",
            MoveStatus.MOVED: "has ended",
            MoveStatus.CANCELLED: "has been cancelled",
        },
        commands={
            MoveEvent.COPY: "it can't be copied",
            MoveEvent.SWITCH: "it can't leave",
            MoveEvent.ARRIVE: "it can't arrive",
            MoveEvent.AUDIT: "it can't be audited",
            MoveEvent.CANCEL: "can't be cancelled: move it back instead",
        },
    ),
)
