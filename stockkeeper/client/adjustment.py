"""Adjustments for Python services: put the books right, and decide on what others want to put right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from temporalio.client import Client, WorkflowExecution

from stockkeeper.client.calls import checked, start_and_ask
from stockkeeper.client.document import Document
from stockkeeper.client.runs import awaiting
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.adjustment import (
    PROCESS,
    WORKFLOW_TYPE,
    AdjustmentLine,
    AdjustmentRequest,
    AdjustmentState,
    AdjustmentStatus,
    ApproveAdjustment,
    CancelAdjustment,
    RejectAdjustment,
    is_same_person,
    workflow_id,
)
from stockkeeper.contracts.errors import already_exists
from stockkeeper.contracts.messages import counted


class Adjustment(Document[AdjustmentState]):
    """Stock that is put right by hand.

    Attributes:
        state: What was true when it was last heard of; every command brings it up to date.
    """

    kind = "adjustment"
    state_type = AdjustmentState
    process = PROCESS

    @property
    def adjustment_number(self) -> str:
        """The adjustment's own number."""
        return self.name

    async def approve(self, *, approver: str, note: str | None = None) -> AdjustmentState:
        """Approve it, which posts it. A second time by the same person changes nothing.

        Raises:
            NotPermitted: The approver asked for it.
            InsufficientStock: Less is on hand by now than is to be taken off. It goes on waiting.
            InvalidState: It doesn't wait for approval.
            Unreachable: No answer in time.
        """
        message = checked(ApproveAdjustment, approver=approver, note=note)
        return await self._command(
            "approve",
            message,
            lambda last: last.approved_by is not None and is_same_person(last.approved_by, approver),
        )

    async def reject(self, *, approver: str, reason: str) -> AdjustmentState:
        """Reject it: nothing is changed.

        Raises:
            InvalidState: It doesn't wait for approval any more.
            Unreachable: No answer in time.
        """
        message = checked(RejectAdjustment, approver=approver, reason=reason)
        return await self._command("reject", message, _is_rejected)

    async def cancel(self, *, performed_by: str, reason: str) -> AdjustmentState:
        """It isn't wanted any more, and wasn't approved yet.

        Raises:
            InvalidState: It doesn't wait for approval any more.
            Unreachable: No answer in time.
        """
        message = checked(CancelAdjustment, performed_by=performed_by, reason=reason)
        return await self._command("cancel", message, lambda last: last.status is AdjustmentStatus.CANCELLED)


def _is_rejected(last: AdjustmentState) -> bool:
    # By a person: one that took off more than there was has no id.
    return last.status is AdjustmentStatus.REJECTED and last.adjustment_id is not None


@dataclass(frozen=True)
class AdjustmentAwaitingApproval:
    """An adjustment as the inbox has it.

    Attributes:
        unvalued_units: Units of which nobody knows what they cost.
        since: When it was asked for.
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


async def adjust(
    client: Client,
    adjustment_number: str,
    lines: Sequence[AdjustmentLine],
    *,
    warehouse_id: int,
    reason: str,
    performed_by: str,
    task_queue: str,
    within: timedelta,
) -> Adjustment:
    """Put the books right, or ask for an approval. See `stockkeeper.client.Stockkeeper.adjust`."""
    request = checked(
        AdjustmentRequest,
        adjustment_number=adjustment_number,
        warehouse_id=warehouse_id,
        lines=[line.model_dump() for line in lines],
        reason=reason,
        performed_by=performed_by,
    )
    state = await start_and_ask(
        client,
        WORKFLOW_TYPE,
        request,
        "submitted",
        what=f"adjustment {adjustment_number}",
        workflow_id=workflow_id(adjustment_number),
        task_queue=task_queue,
        summary=f"adjustment {adjustment_number}: {counted(len(lines), 'line')}, {_in_and_out(lines)}",
        state=AdjustmentState,
        within=within,
    )
    adjusted = [(line.product_id, line.quantity) for line in state.lines]
    if (state.warehouse_id, adjusted) != (warehouse_id, [(line.product_id, line.quantity) for line in request.lines]):
        raise already_exists("adjustment", adjustment_number)
    return Adjustment(client, adjustment_number, workflow_id(adjustment_number), state, within)


def _in_and_out(lines: Sequence[AdjustmentLine]) -> str:
    """Units by direction: ``2 units in, 3 out``."""
    put_in = sum(max(line.quantity, 0) for line in lines)
    taken_off = sum(max(-line.quantity, 0) for line in lines)
    return f"{counted(put_in, 'unit')} in, {taken_off} out"


async def find_adjustment(client: Client, adjustment_number: str, *, within: timedelta) -> Adjustment:
    """An adjustment that was asked for before. See `stockkeeper.client.Stockkeeper.adjustment`."""
    adjustment = Adjustment(client, adjustment_number, workflow_id(adjustment_number), AdjustmentState(), within)
    await adjustment.refresh()
    return adjustment


async def adjustments_awaiting_approval(client: Client, *, limit: int | None) -> list[AdjustmentAwaitingApproval]:
    """The inbox. See `stockkeeper.client.Stockkeeper.adjustments_awaiting_approval`."""
    return await awaiting(client, WORKFLOW_TYPE, AdjustmentStatus.PENDING, _awaiting_approval, limit)


def _awaiting_approval(run: WorkflowExecution, shown: Mapping[str, Any]) -> AdjustmentAwaitingApproval:
    return AdjustmentAwaitingApproval(
        adjustment_number=run.id.removeprefix(workflow_id("")),
        warehouse=str(shown["warehouse"]),
        value=Decimal(shown["value"]),
        unvalued_units=int(shown["unvalued_units"]),
        reason=str(shown["reason"]),
        requested_by=str(shown["requested_by"]),
        since=datetime.fromisoformat(shown["requested_at"]),
        approve_by=run.typed_search_attributes.get(search_attributes.DEADLINE),
    )
