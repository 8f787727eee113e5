"""A manual adjustment: a person corrects on hand of some products, and gives a reason.

One of little value that breaks no promise is posted at once. One above a limit, or one that would end a hold, is
PENDING until another person approves it; then it is POSTED. It is REJECTED by one no, or because more is to be taken
off than is there, and CANCELLED by wish or by the last deadline for an approval. Its worth doesn't depend on its
direction: two units too many and two too few are the same mistake.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from stockkeeper.domain.approval import Approval
from stockkeeper.domain.correction import Change, net_changes
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.promise import Promise, require_seen
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transitions import TransitionTable, Words
from stockkeeper.domain.worth import Worth, worth_of_units


class AdjustmentStatus(StrEnum):
    """Status of an adjustment. One that is REJECTED for lack of stock changes nothing and has no rows."""

    PENDING = "PENDING"
    POSTED = "POSTED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class AdjustmentEvent(StrEnum):
    """Event in the life of an adjustment."""

    POST = "post"
    """Posting without an approval, because none is needed."""
    APPROVE = "approve"
    REJECT = "reject"
    CANCEL = "cancel"
    LAPSE = "lapse"
    """The last deadline for an approval."""


ADJUSTMENT = TransitionTable(
    {
        (AdjustmentStatus.PENDING, AdjustmentStatus.POSTED): {AdjustmentEvent.POST, AdjustmentEvent.APPROVE},
        (AdjustmentStatus.PENDING, AdjustmentStatus.REJECTED): {AdjustmentEvent.REJECT},
        (AdjustmentStatus.PENDING, AdjustmentStatus.CANCELLED): {AdjustmentEvent.CANCEL, AdjustmentEvent.LAPSE},
    },
    Words(
        "adjustment",
        statuses={
            AdjustmentStatus.PENDING: "is waiting for approval",
            AdjustmentStatus.POSTED: "has been posted",
            AdjustmentStatus.REJECTED: "has been rejected",
            AdjustmentStatus.CANCELLED: "has been cancelled",
        },
        commands={
            AdjustmentEvent.POST: "can't be posted",
            AdjustmentEvent.APPROVE: "can't be approved any more",
            AdjustmentEvent.REJECT: "can't be rejected any more",
            AdjustmentEvent.CANCEL: "can't be cancelled",
            AdjustmentEvent.LAPSE: "can't lapse any more",
        },
    ),
)


@dataclass(frozen=True)
class AdjustedLine:
    """One line.

    Attributes:
        product_id: The product.
        quantity: Units: positive in, negative out.
        unit_cost: Cost of one unit; None: unknown.
        lot_number: The lot of the units, of a tracked product.
        expires_on: What its package says, if the line says it, as what follows.
        best_before: The last day of its best quality.
        made_on: The day on which it was made.
    """

    product_id: int
    quantity: int
    unit_cost: Decimal | None
    lot_number: str | None = None
    expires_on: date | None = None
    best_before: date | None = None
    made_on: date | None = None

    @property
    def lot(self) -> LotFacts | None:
        """The lot of its units; None: the product isn't tracked."""
        if self.lot_number is None:
            return None
        return LotFacts(self.lot_number, self.expires_on, self.best_before, self.made_on)


def worth_of(lines: Iterable[AdjustedLine]) -> Worth:
    """The worth of an adjustment's lines."""
    return worth_of_units((line.quantity, line.unit_cost) for line in lines)


@dataclass(frozen=True)
class Adjustment:
    """An adjustment as stored, and the rules for its commands."""

    adjustment_id: int
    adjustment_number: str
    warehouse_id: int
    status: AdjustmentStatus
    reason: str
    requested_by: str
    approved_by: str | None
    lines: Sequence[AdjustedLine]
    would_end: Sequence[Mapping[str, Any]] = ()
    """The holds that it would end, as they were shown for its approval; fields of `Promise`."""
    occurred_at: datetime | None = None
    """When the goods moved, if that was before it was asked for."""

    @property
    def name(self) -> str:
        """Its name in messages: ``adjustment A-7``."""
        return f"adjustment {self.adjustment_number}"

    @property
    def changes(self) -> list[Change]:
        """What it changes, in lock order: a product's lines count together, and those of each of its lots."""
        return net_changes(
            Change(ItemKey(self.warehouse_id, line.product_id), line.quantity, line.lot) for line in self.lines
        )

    def after(self, event: AdjustmentEvent) -> AdjustmentStatus:
        """The status after an event.

        Raises:
            InvalidState: It can't happen now.
        """
        return ADJUSTMENT.next(self.status, event, of=self.adjustment_number)

    @property
    def approval(self) -> Approval:
        """The approval that it needs above the limit."""
        return Approval(
            document=self.name,
            involved=[self.requested_by],
            involvement="requested",
            given=[self.approved_by] if self.approved_by else [],
        )

    def after_approval(self, approver: str) -> AdjustmentStatus:
        """The status after an approval.

        Raises:
            InvalidState: It doesn't wait for approval.
            NotPermitted: The approver is the requester.
        """
        status = self.after(AdjustmentEvent.APPROVE)
        self.approval.require_may_approve(approver)
        return status

    def require_seen(self, ending: Iterable[Promise], *, none: bool = False) -> None:
        """Refuse an approval by which holds would end that weren't shown for it.

        Args:
            ending: The holds that would end now.
            none: Nobody has looked at what was shown.

        Raises:
            NotPermitted: With these holds.
        """
        seen = [] if none else [Promise(**each) for each in self.would_end]
        require_seen(self.name, ending, seen)
