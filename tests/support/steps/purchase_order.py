"""The steps of a purchase order."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Unpack

from activities.purchase_order import PurchaseOrderSteps
from database.sessions import Database
from stockkeeper.contracts import purchase_order as wire
from stockkeeper.contracts.purchase_order_state import (
    DEFAULT_APPROVAL,
    ApprovalPolicy,
    ApprovalTier,
    PurchaseOrderLine,
    ReceiptLine,
    SentBackLine,
)
from stockkeeper.domain.purchase_order import PurchaseOrderEvent
from stockkeeper.domain.short_dated import ShortDatedReceipts
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON
from tests.support.steps.document import DocumentCalls, Papers, When


def wanted(item: ItemKey, qty: int, unit_cost: str = "1.00") -> PurchaseOrderLine:
    """A line of an order."""
    return PurchaseOrderLine(product_id=item.product_id, qty=qty, unit_cost=Decimal(unit_cost))


def came(item: ItemKey, quantity: int, rejected: int = 0) -> ReceiptLine:
    """A line of a receipt."""
    return ReceiptLine(product_id=item.product_id, quantity=quantity, rejected_quantity=rejected)


def policy_of(approvals: int) -> ApprovalPolicy:
    """So many approvals, whatever the total."""
    tiers = [ApprovalTier(up_to=None, approvals=approvals)]
    return ApprovalPolicy(tiers=tiers, remind_after_hours=1, escalate_after_hours=2, cancel_after_hours=3)


class Buying(DocumentCalls):
    """A purchase order's side of the activities."""

    prefix = "purchase-order-"
    number_field = "po_number"

    def __init__(
        self,
        database: Database,
        *,
        approval: ApprovalPolicy = DEFAULT_APPROVAL,
        over_delivery_percent: str = "0",
        run_id: str = "run",
        short_dated_receipts: ShortDatedReceipts = ShortDatedReceipts.QUARANTINE,
    ) -> None:
        super().__init__(run_id)
        self._steps = PurchaseOrderSteps(
            database,
            approval=approval,
            over_delivery_percent=Decimal(over_delivery_percent),
            short_dated_receipts=short_dated_receipts,
        )

    def draft(
        self,
        po_number: str,
        supplier_id: int,
        warehouse_id: int,
        lines: Sequence[PurchaseOrderLine],
        *,
        approval: ApprovalPolicy | None = None,
        day: date | None = None,
        requested_by: str = "rita",
        reason: str = "below the reorder point",
        **when: Unpack[When],
    ) -> wire.StoredPurchaseOrder:
        start = {
            "supplier_id": supplier_id,
            "warehouse_id": warehouse_id,
            "line_items": list(lines),
            "expected_delivery_date": day,
            "requested_by": requested_by,
            "reason": reason,
            "approval": approval,
        }
        return self._start(
            self._steps.draft_purchase_order,
            wire.DraftPurchaseOrderStep,
            po_number,
            "draft",
            requested_by,
            when,
            **start,
        )

    def order(
        self,
        shop: Shop,
        *lines: tuple[ItemKey, int],
        supplier: int | None = None,
        approvals: int = 0,
        unit_cost: str = "1.00",
        requested_by: str = "rita",
        as_of: datetime = NOON,
    ) -> str:
        """The number of a new order, which goes out at once unless approvals are wanted."""
        po_number = new_reference("po")
        self.draft(
            po_number,
            supplier or shop.supplier(),
            lines[0][0].warehouse_id,
            [wanted(item, qty, unit_cost) for item, qty in lines],
            approval=policy_of(approvals),
            requested_by=requested_by,
            as_of=as_of,
        )
        return po_number

    def approve(
        self,
        po_number: str,
        approver: str,
        note: str | None = "fine",
        *,
        version: int | None = None,
        **when: Unpack[When],
    ) -> wire.StoredPurchaseOrder:
        activity, step = self._steps.approve_purchase_order, wire.ApprovePurchaseOrderStep
        return self._command(activity, step, po_number, "approve", approver, when, note=note, version=version)

    def amend(
        self,
        po_number: str,
        *lines: PurchaseOrderLine,
        by: str = "olga",
        day: date | None = None,
        version: int | None = None,
        **when: Unpack[When],
    ) -> wire.StoredPurchaseOrder:
        """All lines of the order as they are to be."""
        new = {"line_items": list(lines), "expected_delivery_date": day, "version": version, "reason": "another price"}
        return self._command(
            self._steps.amend_purchase_order, wire.AmendPurchaseOrderStep, po_number, "amend", by, when, **new
        )

    def confirm(self, po_number: str, day: date | None = None, **when: Unpack[When]) -> wire.StoredPurchaseOrder:
        activity, step = self._steps.confirm_purchase_order, wire.ConfirmPurchaseOrderStep
        return self._command(activity, step, po_number, "confirm", "sam", when, expected_delivery_date=day)

    def receive(
        self,
        po_number: str,
        receipt_id: str,
        *lines: ReceiptLine,
        unfit_reason: str | None = None,
        **when: Unpack[When],
    ) -> wire.StoredPurchaseOrder:
        activity, step = self._steps.receive_purchase_order, wire.ReceivePurchaseOrderStep
        receipt = ("receive", "receipt_id", receipt_id)
        return self._receive(activity, step, po_number, receipt, lines, "wes", when, unfit_reason=unfit_reason)

    def approve_difference(
        self, po_number: str, value: str, approver: str = "max", *, units: int = 0, **when: Unpack[When]
    ) -> wire.StoredPurchaseOrder:
        activity, step = self._steps.approve_order_difference, wire.ApproveOrderDifferenceStep
        return self._approve_up_to(activity, step, po_number, (value, units), approver, when)

    def correct(
        self,
        po_number: str,
        correction_id: str,
        receipt_id: str,
        *lines: ReceiptLine,
        by: str = "wes",
        as_of: datetime = NOON,
    ) -> wire.StoredPurchaseOrder:
        """Units by which a receipt is too high."""
        wrong = {"correction_id": correction_id, "receipt_id": receipt_id, "reason": "miscounted", "lines": list(lines)}
        when: When = {"as_of": as_of, "operation": correction_id}
        activity = self._steps.correct_purchase_receipt
        return self._command(activity, wire.CorrectReceiptStep, po_number, "correct_receipt", by, when, **wrong)

    def send_back(
        self,
        po_number: str,
        return_id: str,
        *lines: tuple[ItemKey, int],
        as_of: datetime = NOON,
        lot: str | None = None,
    ) -> wire.StoredPurchaseOrder:
        """Received goods go back to the supplier; ``lot``: all of them are of this one."""
        back = {
            "return_id": return_id,
            "reason": "broken",
            "reference": "RMA-1",
            "lines": [
                SentBackLine(product_id=item.product_id, quantity=units, lot_number=lot) for item, units in lines
            ],
        }
        when: When = {"as_of": as_of, "operation": return_id}
        activity = self._steps.return_purchased_goods
        return self._command(activity, wire.ReturnGoodsStep, po_number, "return_goods", "wes", when, **back)

    def reject(self, po_number: str, **when: Unpack[When]) -> wire.StoredPurchaseOrder:
        return self._end(po_number, PurchaseOrderEvent.REJECT, "too much", **when)

    def lapse(self, po_number: str, **when: Unpack[When]) -> wire.StoredPurchaseOrder:
        return self._end(po_number, PurchaseOrderEvent.LAPSE, "not approved in time", **when)

    def cancel(self, po_number: str, **when: Unpack[When]) -> wire.StoredPurchaseOrder:
        return self._end(po_number, PurchaseOrderEvent.CANCEL, "not needed", **when)

    def close_short(self, po_number: str, **when: Unpack[When]) -> wire.StoredPurchaseOrder:
        return self._end(po_number, PurchaseOrderEvent.CLOSE_SHORT, "discontinued", **when)

    def _end(self, po_number: str, event: wire.EndEvent, reason: str, **when: Unpack[When]) -> wire.StoredPurchaseOrder:
        activity, step = self._steps.end_purchase_order, wire.EndPurchaseOrderStep
        return self._command(activity, step, po_number, event, "rita", when, event=event, reason=reason)


_PAPERS = Papers(
    {
        "order": "SELECT * FROM purchase_orders WHERE po_number = :number",
        **{
            table: f"""
            SELECT {table}.* FROM {table} JOIN purchase_orders USING (po_id)
            WHERE po_number = :number ORDER BY 1, 2, 3
        """
            for table in (
                "purchase_order_lines",
                "purchase_order_approvals",
                "purchase_order_amendments",
                "purchase_order_receipts",
                "purchase_order_receipt_lines",
                "purchase_order_returns",
                "purchase_order_return_lines",
                "supplier_lead_times",
            )
        },
        "performance": """
        SELECT product_suppliers.* FROM product_suppliers JOIN purchase_orders USING (supplier_id)
        WHERE po_number = :number ORDER BY product_id
    """,
    }
)


papers = _PAPERS.of
"""Every row that an order has, and what is known of its supplier's performance."""
order_stays = _PAPERS.stay
"""Whatever happens inside changes neither the order nor the books."""
