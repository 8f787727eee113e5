"""A recall: units of one lot are stopped everywhere at once, found, and followed until all of them are accounted for.

It is BLOCKED from its start on, and so is its lot: nothing of it is held or leaves. A person ends it in one of two
ways. RELEASED: the suspicion was wrong, says another person than the one who blocked the lot, and it may leave again.
CLOSED: what can come back has come back; the lot stays blocked, and the report of its units is final.

The report adds up to the last unit, over all warehouses:

received - sent back + found - lost - sold + returned = on hand + in transit + damaged and written off on the way

The left side is what the ledger's movements say, the right side what shelves and transfers say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Self

from stockkeeper.domain.approval import Approval
from stockkeeper.domain.transitions import TransitionTable, Words


class RecallStatus(StrEnum):
    """Status of a recall."""

    BLOCKED = "BLOCKED"
    RELEASED = "RELEASED"
    CLOSED = "CLOSED"


class RecallEvent(StrEnum):
    """Event in the life of a recall."""

    RELEASE = "release"
    """The lot is available again."""
    CLOSE = "close"
    """The lot stays blocked, and nothing more is expected back."""


RECALL = TransitionTable(
    {
        (RecallStatus.BLOCKED, RecallStatus.RELEASED): {RecallEvent.RELEASE},
        (RecallStatus.BLOCKED, RecallStatus.CLOSED): {RecallEvent.CLOSE},
    },
    Words(
        "recall",
        statuses={
            RecallStatus.BLOCKED: "is under way",
            RecallStatus.RELEASED: "has ended with the release of its lot",
            RecallStatus.CLOSED: "has been closed",
        },
        commands={
            RecallEvent.RELEASE: "its lot can't be released",
            RecallEvent.CLOSE: "can't be closed",
        },
    ),
)


@dataclass(frozen=True)
class LotFigures:
    """What has become of the units of a lot.

    Attributes:
        received: Units that came from suppliers.
        sent_back: Units that went back to suppliers, or whose receipt was taken back.
        found: Units that adjustments and counts have put in; opening stock among them.
        lost: Units that adjustments and counts have taken off, scrapped ones among them.
        sold: Units that orders have got.
        returned: Units that customers have brought back, and that are in stock again.
        on_hand: Units on hand, whether they may leave or not.
        in_transit: Units between two warehouses.
        damaged: Units that arrived damaged, and entered no stock.
        written_off: Units that were lost between two warehouses.
        returned_unfit: Units that customers have brought back and that were scrapped: they entered no stock.
    """

    received: int = 0
    sent_back: int = 0
    found: int = 0
    lost: int = 0
    sold: int = 0
    returned: int = 0
    on_hand: int = 0
    in_transit: int = 0
    damaged: int = 0
    written_off: int = 0
    returned_unfit: int = 0

    @property
    def expected(self) -> int:
        """Units that have to be somewhere, by the movements."""
        return self.received - self.sent_back + self.found - self.lost - self.sold + self.returned

    @property
    def accounted(self) -> int:
        """Units that are somewhere, or are known to be lost."""
        return self.on_hand + self.in_transit + self.damaged + self.written_off

    @property
    def difference(self) -> int:
        """Units that have to be somewhere and are nowhere; negative: units that came from nowhere. 0: it adds up."""
        return self.expected - self.accounted

    @property
    def outside(self) -> int:
        """Units that customers have."""
        return self.sold - self.returned - self.returned_unfit

    def __add__(self, other: "LotFigures") -> "LotFigures":
        """The figures of two databases together."""
        return LotFigures(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @classmethod
    def of(cls, values: Mapping[str, int]) -> Self:
        """The figures by name; further values are passed over."""
        return cls(**{each.name: values[each.name] for each in fields(cls)})


@dataclass(frozen=True)
class Recall:
    """A recall as stored, and the rules for its commands."""

    recall_id: int
    recall_number: str
    status: RecallStatus
    requested_by: str

    @property
    def name(self) -> str:
        """Its name in messages: ``recall R-7``."""
        return f"recall {self.recall_number}"

    def after(self, event: RecallEvent) -> RecallStatus:
        """The status after an event.

        Raises:
            InvalidState: It can't happen now.
        """
        return RECALL.next(self.status, event, of=self.recall_number)

    def after_release(self, person: str) -> RecallStatus:
        """The status after a person has released the lot.

        Raises:
            InvalidState: It has ended already.
            NotPermitted: The same person has blocked it.
        """
        status = self.after(RecallEvent.RELEASE)
        own = Approval(document=self.name, involved=[self.requested_by], involvement="started")
        own.require_may_approve(person)
        return status
