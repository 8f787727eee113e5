"""Purchase orders: draft them, decide on them, receive deliveries."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from stockkeeper.client.difference import WithDifference
from stockkeeper.client.document import Finding, Listing, Number, Part
from stockkeeper.client.inbox import InboxItem, overdue
from stockkeeper.client.lines import DeliveryLine, Line, Named, OrderLine, ShelfLine
from stockkeeper.client.runs import Listed, awaiting, stored_documents
from stockkeeper.contracts import purchase_order, purchase_order_state
from stockkeeper.contracts.messages import Message, amount
from stockkeeper.contracts.purchase_order import PurchaseOrderActivities
from stockkeeper.contracts.purchase_order_state import (
    ApprovalPolicy,
    PurchaseOrderRequest,
    PurchaseOrderState,
    PurchaseOrderStatus,
    ResumePurchaseOrder,
    is_same_person,
)


class PurchaseOrder(WithDifference[PurchaseOrderState]):
    """Goods ordered from a supplier."""

    process = purchase_order.PROCESS
    after_the_end = frozenset({"correct_receipt", "return_goods", "approve_difference"})
    po_number = Number()

    async def approve(
        self, *, approver: str, note: str | None = None, version: int | None = None
    ) -> PurchaseOrderState:
        """Approve the order. A second approval by the same person changes nothing.

        Args:
            approver: The person.
            note: A remark.
            version: The version that was looked at, so that an amendment since then isn't approved unseen; None: the
                present one.

        Raises:
            NotPermitted: The approver requested or amended the order.
            InvalidState: It doesn't wait for approval any more, or is another version.
            Unreachable: No answer in time.
        """
        return await self._send(
            purchase_order_state.APPROVE,
            lambda last: any(is_same_person(each.approver, approver) for each in last.approvals),
            approver=approver,
            note=note,
            version=version,
        )

    async def amend(
        self,
        lines: Sequence[OrderLine],
        *,
        performed_by: str,
        reason: str,
        expected_delivery_date: date | None = None,
        version: int | None = None,
        amendment_id: str | None = None,
    ) -> PurchaseOrderState:
        """Replace the lines of an order of which nothing has come.

        A draft, and an order whose total grows, waits for new approvals, by people who haven't written it.

        Args:
            lines: All lines as they are to be.
            performed_by: The person or service that amends it.
            reason: Why, for the approvers.
            expected_delivery_date: A day in the warehouse's timezone; None: as it was.
            version: The version that was looked at; None: the present one.
            amendment_id: The amendment's number: the call may be repeated, and it is done once.

        Raises:
            UnknownProduct, InvalidRequest: A line is wrong. Nothing changes.
            InvalidState: It has been confirmed or has ended, goods have come, or it is another version.
            OperationConflict: The amendment's number was used for other lines.
            Unreachable: No answer in time.
        """
        fields = {
            "expected_delivery_date": expected_delivery_date,
            "version": version,
            "amendment_id": amendment_id,
        }
        return await self._send_once(
            purchase_order_state.AMEND,
            PurchaseOrderActivities.amend_purchase_order,
            amendment_id,
            lambda _: False,
            performed_by=performed_by,
            reason=reason,
            line_items=lines,
            **fields,
        )

    async def reject(self, *, approver: str, reason: str) -> PurchaseOrderState:
        """Reject the order, which cancels it.

        Raises:
            InvalidState: It doesn't wait for approval any more.
            Unreachable: No answer in time.
        """
        return await self._send(purchase_order_state.REJECT, _is_cancelled, approver=approver, reason=reason)

    async def confirm(self, *, performed_by: str, expected_delivery_date: date | None = None) -> PurchaseOrderState:
        """Record that the supplier has accepted the order, perhaps for another day.

        Raises:
            InvalidState: The order isn't out for delivery.
            Unreachable: No answer in time.
        """
        return await self._send(
            purchase_order_state.CONFIRM,
            lambda _: False,
            performed_by=performed_by,
            expected_delivery_date=expected_delivery_date,
        )

    async def receive(
        self,
        receipt_id: str,
        lines: Sequence[DeliveryLine],
        *,
        performed_by: str,
        unfit_reason: str | None = None,
        occurred_at: datetime | None = None,
    ) -> PurchaseOrderState:
        """Book a delivery; accepted units enter stock.

        Args:
            receipt_id: The delivery's number: the call may be repeated, and the goods are booked once.
            lines: Units of each product: accepted, and rejected on top.
            performed_by: The person or service that received the delivery.
            unfit_reason: Why units were rejected; None: none were, or nobody says it.
            occurred_at: When the goods came, if that was before now; the lead time is measured to that day.

        Raises:
            InvalidRequest: A product isn't on the order, or more came than may be received. Nothing is booked.
            InvalidState: The order isn't out for delivery.
            OperationConflict: The delivery's number was used for other quantities.
            Unreachable: No answer in time.
        """
        fields = {"receipt_id": receipt_id, "lines": lines, "unfit_reason": unfit_reason, "occurred_at": occurred_at}
        return await self._book(
            purchase_order_state.RECEIVE,
            PurchaseOrderActivities.receive_purchase_order,
            receipt_id,
            lambda last: last.receipts,
            ("quantity", "rejected_quantity"),
            performed_by=performed_by,
            **fields,
        )

    async def correct_receipt(
        self, correction_id: str, receipt_id: str, lines: Sequence[DeliveryLine], *, performed_by: str, reason: str
    ) -> PurchaseOrderState:
        """Book back units that a receipt has booked and that didn't come; also after the order has ended.

        Args:
            correction_id: The correction's number: the call may be repeated, and it is done once.
            receipt_id: The receipt that is wrong.
            lines: Units of each product by which it is too high.
            performed_by: The person or service that corrects it.
            reason: Why.

        Raises:
            InvalidRequest: There is no such receipt, or it hasn't brought so many. Nothing is booked.
            InsufficientStock: The units aren't available: no hold gives way to it.
            NotPermitted: It is above the limit, and no other person has approved that.
            InvalidState: The order is a draft, or cancelled.
            OperationConflict: The number was used for other quantities.
            Unreachable: No answer in time.
        """
        fields = {"correction_id": correction_id, "receipt_id": receipt_id, "reason": reason, "lines": lines}
        activity = PurchaseOrderActivities.correct_purchase_receipt
        return await self._send_once(
            purchase_order_state.CORRECT, activity, correction_id, lambda _: False, performed_by=performed_by, **fields
        )

    async def return_goods(
        self,
        return_id: str,
        lines: Sequence[Line | ShelfLine],
        *,
        performed_by: str,
        reason: str,
        reference: str | None = None,
    ) -> PurchaseOrderState:
        """Send received goods back to the supplier; also after the order has ended.

        Args:
            return_id: The return's number: the call may be repeated, and the goods leave once.
            lines: Units of each product.
            performed_by: The person or service that sends them back.
            reason: Why.
            reference: The supplier's number for the return.

        Raises:
            InvalidRequest: A product isn't on the order, or fewer were received and not returned. Nothing is booked.
            InsufficientStock: The units aren't available: no hold gives way to it.
            InvalidState: The order is a draft, or cancelled.
            OperationConflict: The number was used for other quantities.
            Unreachable: No answer in time.
        """
        fields = {"return_id": return_id, "reason": reason, "reference": reference, "lines": lines}
        activity = PurchaseOrderActivities.return_purchased_goods
        return await self._send_once(
            purchase_order_state.RETURN, activity, return_id, lambda _: False, performed_by=performed_by, **fields
        )

    def _resumption(self, message: Message) -> ResumePurchaseOrder:
        person = str(getattr(message, "performed_by", None) or getattr(message, "approver", "stockkeeper"))
        return ResumePurchaseOrder(po_number=self.name, resume=True, performed_by=person)

    async def close_short(self, *, performed_by: str, reason: str) -> PurchaseOrderState:
        """Expect nothing more: RECEIVED with the units that came, CANCELLED if none came.

        Raises:
            InvalidState: The order isn't out for delivery.
            Unreachable: No answer in time.
        """
        return await self._send(
            purchase_order_state.CLOSE_SHORT,
            lambda last: last.closed_reason is not None,
            performed_by=performed_by,
            reason=reason,
        )

    async def cancel(self, *, performed_by: str, reason: str) -> PurchaseOrderState:
        """Cancel an order of which nothing has come.

        Raises:
            InvalidState: Goods have come already, or the order has ended.
            Unreachable: No answer in time.
        """
        return await self._send(purchase_order_state.CANCEL, _is_cancelled, performed_by=performed_by, reason=reason)

    def _deadline(self) -> datetime | None:
        return self.state.approve_by if self.state.status is PurchaseOrderStatus.DRAFT else None

    @staticmethod
    def _contents(document: PurchaseOrderRequest | PurchaseOrderState) -> object:
        drafted = document.drafted_line_items if isinstance(document, PurchaseOrderState) else None
        lines = [(line.product_id, line.qty, line.unit_cost) for line in drafted or document.line_items]
        return document.supplier_id, document.warehouse_id, lines


def _is_cancelled(last: PurchaseOrderState) -> bool:
    return last.status is PurchaseOrderStatus.CANCELLED


@dataclass(frozen=True)
class AwaitingApproval:
    """A draft in procurement's inbox.

    Attributes:
        po_number: The order's number.
        supplier: The supplier's name.
        total: The order's value.
        approvals: Approvals it has.
        required_approvals: Approvals it needs.
        requested_by: The person or service that drafted it.
        since: When it was drafted.
        approve_by: When it is cancelled without its approvals.
        warehouses: The names of the warehouses that it is for.
    """

    po_number: str
    supplier: str
    total: Decimal
    approvals: int
    required_approvals: int
    requested_by: str
    since: datetime
    approve_by: datetime | None
    warehouses: tuple[str, ...]


class PurchaseOrders(Part):
    """Ordering from suppliers."""

    purchase_order = Finding(PurchaseOrder)
    purchase_orders = Listing[PurchaseOrderStatus](PurchaseOrder)

    async def draft_purchase_order(
        self,
        po_number: str,
        lines: Sequence[OrderLine],
        *,
        supplier_id: Named,
        warehouse_id: Named,
        requested_by: str,
        reason: str,
        expected_delivery_date: date | None = None,
        approval: ApprovalPolicy | None = None,
    ) -> PurchaseOrder:
        """Draft a purchase order: it waits for approval, or goes out at once if its total needs none.

        The number makes it happen once: the same call again, after a lost answer or a crash, gives the same order.

        Args:
            po_number: The order's number.
            lines: Units of a product, and the cost of one.
            supplier_id: The supplier.
            warehouse_id: The warehouse of delivery.
            requested_by: The person or service that asks; the approver has to be another person.
            reason: Why, for the approvers.
            expected_delivery_date: A day in the warehouse's timezone.
            approval: Who has to approve; None: by the workers' settings.

        Raises:
            UnknownSupplier, UnknownWarehouse, UnknownProduct, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number belongs to another order.
            Unreachable: No answer in time. It may be stored: ask again.
        """
        return await PurchaseOrder.start(
            self.connection,
            po_number,
            supplier_id=supplier_id,
            warehouse_id=warehouse_id,
            line_items=lines,
            expected_delivery_date=expected_delivery_date,
            requested_by=requested_by,
            reason=reason,
            approval=approval,
        )

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Drafts that wait for approval, and orders that are overdue."""
        drafts, submitted, confirmed = await asyncio.gather(
            self.awaiting_approval(),
            stored_documents(self.connection, purchase_order.PROCESS, PurchaseOrderStatus.SUBMITTED),
            stored_documents(self.connection, purchase_order.PROCESS, PurchaseOrderStatus.CONFIRMED),
        )
        to_approve = [
            InboxItem(
                kind="po",
                number=draft.po_number,
                waits_for=f"approval {draft.approvals + 1} of {draft.required_approvals}",
                about=f"worth {amount(draft.total)}, from {draft.supplier}",
                where=draft.warehouses,
                requested_by=draft.requested_by,
                since=draft.since,
                due_at=draft.approve_by,
                task="approve",
                facts={
                    "total": draft.total,
                    "supplier": draft.supplier,
                    "approvals": draft.approvals,
                    "required_approvals": draft.required_approvals,
                },
            )
            for draft in drafts
        ]
        return to_approve + overdue("po", [*submitted, *confirmed], "the supplier's delivery", now)

    async def awaiting_approval(self, *, limit: int | None = None) -> list[AwaitingApproval]:
        """Drafts that wait for approval, the oldest first.

        Raises:
            Unreachable: No worker answers.
        """
        return await awaiting(
            self.connection, purchase_order.PROCESS, PurchaseOrderStatus.DRAFT, _awaiting_approval, limit
        )


def _awaiting_approval(draft: Listed, memo: Mapping[str, Any]) -> AwaitingApproval:
    return AwaitingApproval(
        po_number=draft.number,
        supplier=str(memo["supplier"]),
        total=Decimal(memo["total"]),
        approvals=int(memo["approvals"]),
        required_approvals=int(memo["required_approvals"]),
        requested_by=str(memo["requested_by"]),
        since=datetime.fromisoformat(memo["drafted_at"]),
        approve_by=draft.deadline,
        warehouses=draft.warehouses,
    )
