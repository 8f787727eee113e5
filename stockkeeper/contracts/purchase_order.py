"""The purchase order on the wire: the steps of its workflow in the database, and the process."""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar, Literal, Protocol, TypedDict

from pydantic import AwareDatetime, Field
from temporalio import activity

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, DifferenceApprovalState, DifferenceFields
from stockkeeper.contracts.messages import (
    Day,
    InspectingAnswer,
    Money,
    Step,
    money,
)
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.purchase_order_state import (
    AMEND,
    APPROVE,
    CANCEL,
    CLOSE_SHORT,
    CONFIRM,
    CORRECT,
    RECEIVE,
    REJECT,
    RETURN,
    WORKFLOW_TYPE,
    AmendmentState,
    ApprovalPolicy,
    ApprovalState,
    CorrectionState,
    OrderedLineState,
    PurchaseOrderLine,
    PurchaseOrderLineState,
    PurchaseOrderRequest,
    PurchaseOrderState,
    PurchaseOrderStatus,
    ReceiptLine,
    ResumePurchaseOrder,
    SentBackLine,
    SupplierReturnState,
)
from stockkeeper.contracts.receipt import ReceiptState, UnfitReason
from stockkeeper.domain import permission
from stockkeeper.domain.approval import Deadlines
from stockkeeper.domain.purchase_order import PURCHASE_ORDER, PurchaseOrderEvent
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind


class DraftPurchaseOrderStep(Step):
    """Store the draft, with the policy in force."""

    po_number: str
    supplier_id: int
    warehouse_id: int
    line_items: list[PurchaseOrderLine]
    expected_delivery_date: date | None
    requested_by: str
    reason: str
    approval: ApprovalPolicy | None


class ApprovePurchaseOrderStep(Step):
    """Store an approval; with the last one the order is submitted."""

    added_later: ClassVar[tuple[str, ...]] = ("version",)

    po_number: str
    note: str | None
    version: int | None = None


class AmendPurchaseOrderStep(Step):
    """Replace the lines of an order of which nothing has come."""

    po_number: str
    line_items: list[PurchaseOrderLine]
    expected_delivery_date: date | None
    version: int | None
    reason: str


class ConfirmPurchaseOrderStep(Step):
    """Store the supplier's confirmation."""

    po_number: str
    expected_delivery_date: date | None


class ApproveOrderDifferenceStep(Step, DifferenceFields):
    """Store an approval of units received beyond the order, above the limit."""

    po_number: str


class ReceivePurchaseOrderStep(Step):
    """Book a delivery."""

    added_later: ClassVar[tuple[str, ...]] = ("unfit_reason",)

    po_number: str
    receipt_id: str
    lines: list[ReceiptLine]
    unfit_reason: UnfitReason = None


class CorrectReceiptStep(Step):
    """Book back units that a receipt has booked and that didn't come."""

    po_number: str
    correction_id: str
    receipt_id: str
    reason: str
    lines: list[ReceiptLine]


class ReturnGoodsStep(Step):
    """Send received goods back to the supplier."""

    po_number: str
    return_id: str
    reason: str
    reference: str | None
    lines: list[SentBackLine]


class ResumePurchaseOrderStep(Step):
    """Find an order that is stored."""

    po_number: str


EndEvent = Literal[
    PurchaseOrderEvent.REJECT,
    PurchaseOrderEvent.LAPSE,
    PurchaseOrderEvent.CANCEL,
    PurchaseOrderEvent.CLOSE_SHORT,
]


class EndPurchaseOrderStep(Step):
    """End the order, for one of these reasons."""

    po_number: str
    event: EndEvent
    reason: str


def _is_empty(shown: str) -> bool:
    """Whether there is nothing to say beside the number."""
    return not shown


class StoredLine(PurchaseOrderLineState):
    """A line with its SKU, and its units in the supplier's packs: ``120 (5 cases of 24)``; empty if it has none."""

    sku: str
    qty_shown: str = Field(default="", exclude_if=_is_empty)


class StoredPurchaseOrder(InspectingAnswer):
    """A purchase order as stored: the answer to every step.

    Attributes:
        due_at: The end of the expected day where the warehouse is: the instant from which the delivery is late.
        policy: The approval policy in force when it was drafted.
        approval_asked_at: When the present round of approvals began; None: with the draft.
        drafted_by_another_run: Whether another run of the workflow stored it.
    """

    po_id: int
    po_number: str
    supplier_id: int
    supplier: str
    warehouse_id: int
    warehouse: str
    status: PurchaseOrderStatus
    total: Money
    required_approvals: int
    policy: ApprovalPolicy
    approvals: list[ApprovalState]
    line_items: Sequence[StoredLine]
    expected_delivery_date: Day | None
    due_at: AwareDatetime | None
    requested_by: str
    reason: str
    drafted_at: AwareDatetime
    submitted_at: AwareDatetime | None
    receipts: list[ReceiptState] = Field(default_factory=list)
    difference_approvals: list[DifferenceApprovalState] = Field(default_factory=list)
    closed_reason: str | None
    drafted_by_another_run: bool = False
    corrections: list[CorrectionState] = Field(default_factory=list)
    returns: list[SupplierReturnState] = Field(default_factory=list)
    version: int = 1
    amendments: list[AmendmentState] = Field(default_factory=list)
    drafted_line_items: list[OrderedLineState] | None = None
    approval_asked_at: AwareDatetime | None = None

    @property
    def was_out(self) -> bool:
        """Whether the supplier has had an earlier version of it."""
        return any(each.status_before is PurchaseOrderStatus.SUBMITTED for each in self.amendments)

    @property
    def deadlines(self) -> Deadlines:
        """The deadlines of its approval, by the policy in force when it was drafted."""
        return Deadlines.after(
            self.approval_asked_at or self.drafted_at,
            remind_after_hours=self.policy.remind_after_hours,
            escalate_after_hours=self.policy.escalate_after_hours,
            cancel_after_hours=self.policy.cancel_after_hours,
        )


class PurchaseOrderMemo(TypedDict):
    """Memo of an order's run: the fields that a list of runs shows beside the search attributes."""

    supplier: str
    total: str
    requested_by: str
    drafted_at: str
    required_approvals: int
    approvals: int


def memo(order: StoredPurchaseOrder) -> PurchaseOrderMemo:
    """The run's memo."""
    return PurchaseOrderMemo(
        supplier=order.supplier,
        total=money(order.total),
        requested_by=order.requested_by,
        drafted_at=order.drafted_at.isoformat(),
        required_approvals=order.required_approvals,
        approvals=len(order.approvals),
    )


class PurchaseOrderActivities(Protocol):
    """Activities of a purchase order's workflow. Implemented in `activities.purchase_order`."""

    @activity.defn(name="draft_purchase_order")
    def draft_purchase_order(self, step: DraftPurchaseOrderStep) -> StoredPurchaseOrder:
        """Store the draft."""
        ...

    @activity.defn(name="approve_purchase_order")
    def approve_purchase_order(self, step: ApprovePurchaseOrderStep) -> StoredPurchaseOrder:
        """Store an approval."""
        ...

    @activity.defn(name="amend_purchase_order")
    def amend_purchase_order(self, step: AmendPurchaseOrderStep) -> StoredPurchaseOrder:
        """Replace the lines."""
        ...

    @activity.defn(name="confirm_purchase_order")
    def confirm_purchase_order(self, step: ConfirmPurchaseOrderStep) -> StoredPurchaseOrder:
        """Store the supplier's confirmation."""
        ...

    @activity.defn(name="receive_purchase_order")
    def receive_purchase_order(self, step: ReceivePurchaseOrderStep) -> StoredPurchaseOrder:
        """Put accepted units into stock."""
        ...

    @activity.defn(name="approve_order_difference")
    def approve_order_difference(self, step: ApproveOrderDifferenceStep) -> StoredPurchaseOrder:
        """Store an approval of units received beyond the order."""
        ...

    @activity.defn(name="correct_purchase_receipt")
    def correct_purchase_receipt(self, step: CorrectReceiptStep) -> StoredPurchaseOrder:
        """Book back units that didn't come."""
        ...

    @activity.defn(name="return_purchased_goods")
    def return_purchased_goods(self, step: ReturnGoodsStep) -> StoredPurchaseOrder:
        """Book goods out that go back to the supplier."""
        ...

    @activity.defn(name="resume_purchase_order")
    def resume_purchase_order(self, step: ResumePurchaseOrderStep) -> StoredPurchaseOrder:
        """Find an order that is stored."""
        ...

    @activity.defn(name="end_purchase_order")
    def end_purchase_order(self, step: EndPurchaseOrderStep) -> StoredPurchaseOrder:
        """Cancel the order, or close it short."""
        ...


PROCESS = ProcessSpec(
    name="purchase order",
    workflow_type=WORKFLOW_TYPE,
    start=PurchaseOrderRequest,
    resume=ResumePurchaseOrder,
    state=PurchaseOrderState,
    activities=PurchaseOrderActivities,
    commands=(APPROVE, REJECT, AMEND, CONFIRM, RECEIVE, CORRECT, RETURN, APPROVE_DIFFERENCE, CLOSE_SHORT, CANCEL),
    needs={
        permission.START: permission.BUY,
        APPROVE.name: permission.APPROVE,
        REJECT.name: permission.APPROVE,
        AMEND.name: permission.BUY,
        CONFIRM.name: permission.BUY,
        RECEIVE.name: permission.RECEIVE,
        APPROVE_DIFFERENCE.name: permission.APPROVE,
        CORRECT.name: permission.RECEIVE,
        RETURN.name: permission.RECEIVE,
        CLOSE_SHORT.name: permission.BUY,
        CANCEL.name: permission.BUY,
    },
    workflow_id="purchase-order-{po_number}",
    answer="drafted",
    memo=PurchaseOrderMemo,
    stored=True,
    table=PURCHASE_ORDER,
    movement_types=frozenset({MovementType.PURCHASE}),
    finding=FindingKind.RECEIVED_IS_NOT_PURCHASED,
)
