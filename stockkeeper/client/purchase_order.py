"""Purchase orders for Python services: draft them, decide on them, receive what comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from temporalio.client import Client, WorkflowExecution

from stockkeeper.client.calls import checked, start_and_ask
from stockkeeper.client.document import Document, is_booked, update_id_of
from stockkeeper.client.runs import awaiting
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.errors import already_exists
from stockkeeper.contracts.messages import amount, counted
from stockkeeper.contracts.purchase_order import (
    PROCESS,
    WORKFLOW_TYPE,
    ApprovalPolicy,
    Approve,
    CancelOrder,
    CloseShort,
    Confirm,
    PurchaseOrderLine,
    PurchaseOrderRequest,
    PurchaseOrderState,
    PurchaseOrderStatus,
    ReceiptLine,
    Receive,
    Reject,
    is_same_person,
    workflow_id,
)


class PurchaseOrder(Document[PurchaseOrderState]):
    """Goods that are wanted from a supplier.

    Attributes:
        state: What was true when it was last heard of; every command brings it up to date.
    """

    kind = "purchase order"
    state_type = PurchaseOrderState
    process = PROCESS

    @property
    def po_number(self) -> str:
        """The order's own number."""
        return self.name

    async def approve(self, *, approver: str, note: str | None = None) -> PurchaseOrderState:
        """Approve it. A second time by the same person changes nothing.

        Raises:
            NotPermitted: The approver requested it.
            InvalidState: It doesn't wait for approval any more.
            Unreachable: No answer in time.
        """
        message = checked(Approve, approver=approver, note=note)
        return await self._command(
            "approve", message, lambda last: any(is_same_person(each.approver, approver) for each in last.approvals)
        )

    async def reject(self, *, approver: str, reason: str) -> PurchaseOrderState:
        """Reject it, which cancels it.

        Raises:
            InvalidState: It doesn't wait for approval any more.
            Unreachable: No answer in time.
        """
        message = checked(Reject, approver=approver, reason=reason)
        return await self._command("reject", message, _is_cancelled)

    async def confirm(self, *, performed_by: str, expected_delivery_date: date | None = None) -> PurchaseOrderState:
        """The supplier has accepted it, perhaps for another day.

        Raises:
            InvalidState: It isn't out for delivery.
            Unreachable: No answer in time.
        """
        day = expected_delivery_date.isoformat() if expected_delivery_date else None
        message = checked(Confirm, performed_by=performed_by, expected_delivery_date=day)
        return await self._command("confirm", message, lambda _: False)

    async def receive(self, receipt_id: str, lines: Sequence[ReceiptLine], *, performed_by: str) -> PurchaseOrderState:
        """Goods have come; what was accepted enters stock.

        Args:
            receipt_id: Your name for this delivery: the call may be repeated, and the goods are booked once.
            lines: What came of each product: accepted units, and rejected ones on top.
            performed_by: Who received it.

        Raises:
            InvalidRequest: A product isn't on the order, or more came than may be received. Nothing is booked.
            InvalidState: It isn't out for delivery.
            OperationConflict: That receipt was another delivery.
            Unreachable: No answer in time.
        """
        message = checked(
            Receive, receipt_id=receipt_id, performed_by=performed_by, lines=[line.model_dump() for line in lines]
        )
        accepted, rejected = sum(line.quantity for line in lines), sum(line.rejected_quantity for line in lines)
        return await self._command(
            "receive",
            message,
            lambda last: is_booked(last.receipts, receipt_id, accepted, rejected),
            update_id_of("receive", message),
        )

    async def close_short(self, *, performed_by: str, reason: str) -> PurchaseOrderState:
        """Expect nothing more: RECEIVED with what came, CANCELLED if nothing came.

        Raises:
            InvalidState: It isn't out for delivery.
            Unreachable: No answer in time.
        """
        message = checked(CloseShort, performed_by=performed_by, reason=reason)
        return await self._command("close_short", message, lambda last: last.closed_reason is not None)

    async def cancel(self, *, performed_by: str, reason: str) -> PurchaseOrderState:
        """It isn't wanted any more.

        Raises:
            InvalidState: Goods have come already, or it has ended.
            Unreachable: No answer in time.
        """
        message = checked(CancelOrder, performed_by=performed_by, reason=reason)
        return await self._command("cancel", message, _is_cancelled)


def _is_cancelled(last: PurchaseOrderState) -> bool:
    return last.status is PurchaseOrderStatus.CANCELLED


@dataclass(frozen=True)
class AwaitingApproval:
    """A draft as procurement's inbox has it.

    Attributes:
        since: When it was drafted.
        approve_by: When it is cancelled without its approvals.
    """

    po_number: str
    supplier: str
    total: Decimal
    approvals: int
    required_approvals: int
    requested_by: str
    since: datetime
    approve_by: datetime | None


async def draft_purchase_order(
    client: Client,
    po_number: str,
    lines: Sequence[PurchaseOrderLine],
    *,
    supplier_id: int,
    warehouse_id: int,
    requested_by: str,
    reason: str,
    expected_delivery_date: date | None,
    approval: ApprovalPolicy | None,
    task_queue: str,
    within: timedelta,
) -> PurchaseOrder:
    """Draft an order. See `stockkeeper.client.Stockkeeper.draft_purchase_order`."""
    request = checked(
        PurchaseOrderRequest,
        po_number=po_number,
        supplier_id=supplier_id,
        warehouse_id=warehouse_id,
        line_items=[line.model_dump(mode="json") for line in lines],
        expected_delivery_date=expected_delivery_date.isoformat() if expected_delivery_date else None,
        requested_by=requested_by,
        reason=reason,
        approval=approval.model_dump(mode="json") if approval else None,
    )
    total = amount(sum((line.qty * line.unit_cost for line in lines), Decimal(0)))
    state = await start_and_ask(
        client,
        WORKFLOW_TYPE,
        request,
        "drafted",
        what=f"purchase order {po_number}",
        workflow_id=workflow_id(po_number),
        task_queue=task_queue,
        summary=f"purchase order {po_number}: {counted(len(lines), 'line')}, {total}",
        state=PurchaseOrderState,
        within=within,
    )
    ordered = [(line.product_id, line.qty, line.unit_cost) for line in state.line_items]
    if (state.supplier_id, state.warehouse_id, ordered) != (
        supplier_id,
        warehouse_id,
        [(line.product_id, line.qty, line.unit_cost) for line in request.line_items],
    ):
        raise already_exists("purchase order", po_number)
    return PurchaseOrder(client, po_number, workflow_id(po_number), state, within)


async def find_purchase_order(client: Client, po_number: str, *, within: timedelta) -> PurchaseOrder:
    """An order that was drafted before. See `stockkeeper.client.Stockkeeper.purchase_order`."""
    order = PurchaseOrder(client, po_number, workflow_id(po_number), PurchaseOrderState(), within)
    await order.refresh()
    return order


async def awaiting_approval(client: Client, *, limit: int | None) -> list[AwaitingApproval]:
    """Procurement's inbox. See `stockkeeper.client.Stockkeeper.awaiting_approval`."""
    return await awaiting(client, WORKFLOW_TYPE, PurchaseOrderStatus.DRAFT, _awaiting_approval, limit)


def _awaiting_approval(run: WorkflowExecution, shown: Mapping[str, Any]) -> AwaitingApproval:
    return AwaitingApproval(
        po_number=run.id.removeprefix(workflow_id("")),
        supplier=str(shown["supplier"]),
        total=Decimal(shown["total"]),
        approvals=int(shown["approvals"]),
        required_approvals=int(shown["required_approvals"]),
        requested_by=str(shown["requested_by"]),
        since=datetime.fromisoformat(shown["drafted_at"]),
        approve_by=run.typed_search_attributes.get(search_attributes.DEADLINE),
    )
