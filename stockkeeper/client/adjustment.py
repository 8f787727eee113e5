"""Adjustments: correct stock by hand, and decide on corrections that need an approval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from stockkeeper.client.document import Document, Finding, Listing, Number, Part, in_status
from stockkeeper.client.inbox import InboxItem
from stockkeeper.client.lines import Line, Named, ShelfLine
from stockkeeper.client.runs import Listed, awaiting
from stockkeeper.contracts import adjustment
from stockkeeper.contracts.adjustment import AdjustmentRequest, AdjustmentState, AdjustmentStatus, is_same_person


class Adjustment(Document[AdjustmentState]):
    """A correction of stock by hand."""

    process = adjustment.PROCESS
    adjustment_number = Number()

    async def approve(self, *, approver: str, note: str | None = None) -> AdjustmentState:
        """Approve the adjustment, which posts it. A second approval by the same person changes nothing.

        Raises:
            NotPermitted: The approver requested the adjustment; or it would end holds that its state doesn't show yet.
            InsufficientStock: Less is on hand by now than is to be taken off. It goes on waiting.
            InvalidState: It doesn't wait for approval.
            Unreachable: No answer in time.
        """
        return await self._send(
            adjustment.APPROVE,
            lambda last: last.approved_by is not None and is_same_person(last.approved_by, approver),
            approver=approver,
            note=note,
        )

    async def reject(self, *, approver: str, reason: str) -> AdjustmentState:
        """Reject the adjustment: stock doesn't change.

        Raises:
            InvalidState: It doesn't wait for approval any more.
            Unreachable: No answer in time.
        """
        return await self._send(adjustment.REJECT, _is_rejected, approver=approver, reason=reason)

    async def cancel(self, *, performed_by: str, reason: str) -> AdjustmentState:
        """Cancel an adjustment that hasn't been approved yet.

        Raises:
            InvalidState: It doesn't wait for approval any more.
            Unreachable: No answer in time.
        """
        return await self._send(
            adjustment.CANCEL, in_status(AdjustmentStatus.CANCELLED), performed_by=performed_by, reason=reason
        )

    def _deadline(self) -> datetime | None:
        return self.state.approve_by if self.state.status is AdjustmentStatus.PENDING else None

    @staticmethod
    def _contents(document: AdjustmentRequest | AdjustmentState) -> object:
        return document.warehouse_id, [(line.product_id, line.quantity) for line in document.lines]


def _is_rejected(last: AdjustmentState) -> bool:
    # By a person: one that took off more than was on hand has no id.
    return last.status is AdjustmentStatus.REJECTED and last.adjustment_id is not None


@dataclass(frozen=True)
class AdjustmentAwaitingApproval:
    """An adjustment in the inbox.

    Attributes:
        adjustment_number: The adjustment's number.
        warehouse: The warehouse's name.
        value: The value of its lines, in and out added up.
        unvalued_units: Units without a known unit cost, which the value leaves out.
        reason: Why it was requested.
        requested_by: The person or service that requested it.
        would_end: The number of holds that an approval would end.
        since: When it was requested.
        approve_by: When it is cancelled without its approval.
    """

    adjustment_number: str
    warehouse: str
    value: Decimal
    unvalued_units: int
    reason: str
    requested_by: str
    since: datetime
    approve_by: datetime | None
    would_end: int = 0


class Adjustments(Part):
    """Correcting stock by hand."""

    adjustment = Finding(Adjustment)
    adjustments = Listing[AdjustmentStatus](Adjustment)

    async def adjust(
        self,
        adjustment_number: str,
        lines: Sequence[Line | ShelfLine],
        *,
        warehouse_id: Named,
        reason: str,
        performed_by: str,
        occurred_at: datetime | None = None,
    ) -> Adjustment:
        """Correct stock by hand: all of these lines or none, at once or, above a limit, after an approval.

        One that would end the hold of an order or a transfer waits for an approval, too, whatever it is worth; its
        state names them (``would_end``).

        The state shows whether it is POSTED or waits (PENDING). The number makes it happen once: the same call again,
        after a lost answer or a crash, gives the same adjustment. After `InsufficientStock` the same number may try
        again. Orders and transfers whose stock isn't there any more lose their hold, and are notified.

        Args:
            adjustment_number: The adjustment's number.
            lines: Units of a product, positive in and negative out. The same product on two lines counts together.
            warehouse_id: The warehouse.
            reason: Why, for the approver and for readers of the ledger.
            performed_by: The person or service that asks; above the limit another person has to approve.
            occurred_at: When the goods moved, if that was before now.

        Raises:
            InsufficientStock: Less is on hand than is to be taken off, with the numbers. Stock doesn't change.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Stock doesn't change.
            OperationConflict: The number belongs to another adjustment.
            Unreachable: No answer in time. It may be posted: ask again.
        """
        return await Adjustment.start(
            self.connection,
            adjustment_number,
            warehouse_id=warehouse_id,
            lines=lines,
            reason=reason,
            occurred_at=occurred_at,
            performed_by=performed_by,
        )

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Adjustments that wait for approval."""
        del now
        return [
            InboxItem(
                kind="adjust",
                number=each.adjustment_number,
                waits_for="approval by another person",
                about=each.reason,
                where=(each.warehouse,),
                requested_by=each.requested_by,
                since=each.since,
                due_at=each.approve_by,
                task="approve",
                facts={"value": each.value, "unvalued_units": each.unvalued_units, "would_end": each.would_end},
            )
            for each in await self.adjustments_awaiting_approval()
        ]

    async def adjustments_awaiting_approval(self, *, limit: int | None = None) -> list[AdjustmentAwaitingApproval]:
        """Adjustments that wait for approval, the oldest first.

        Raises:
            Unreachable: No worker answers.
        """
        return await awaiting(self.connection, adjustment.PROCESS, AdjustmentStatus.PENDING, _awaiting_approval, limit)


def _awaiting_approval(waiting: Listed, memo: Mapping[str, Any]) -> AdjustmentAwaitingApproval:
    return AdjustmentAwaitingApproval(
        adjustment_number=waiting.number,
        warehouse=str(memo["warehouse"]),
        value=Decimal(memo["value"]),
        unvalued_units=int(memo["unvalued_units"]),
        reason=str(memo["reason"]),
        requested_by=str(memo["requested_by"]),
        since=datetime.fromisoformat(memo["requested_at"]),
        approve_by=waiting.deadline,
        would_end=int(memo.get("would_end", 0)),
    )
