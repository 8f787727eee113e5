"""The purchase order on the wire: start, commands, state, and the steps of its workflow in the database."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Protocol, Self, TypedDict

from pydantic import AwareDatetime, BaseModel, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, DifferenceApprovalState, DifferenceFields
from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_UNITS,
    Actor,
    Day,
    Hours,
    Id,
    Message,
    Money,
    Note,
    Notes,
    OccurredAt,
    Reason,
    ReasonedCommand,
    Reference,
    Rejection,
    State,
    Step,
    Timestamp,
    UnitCost,
    Units,
    money,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.receipt import CheckedLine, ReceiptState
from stockkeeper.domain.approval import Deadlines
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.people import is_same_person as is_same_person  # noqa: PLC0414
from stockkeeper.domain.purchase_order import PURCHASE_ORDER, PurchaseOrderEvent, Tier, require_tiers
from stockkeeper.domain.purchase_order import PurchaseOrderStatus as PurchaseOrderStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind

WORKFLOW_TYPE = "PurchaseOrderWorkflow"
MAX_APPROVALS = 20


class ApprovalTier(Message):
    """Approvals that an order needs whose total is at most ``up_to``."""

    up_to: Money | None = Field(description="The bound belongs to the tier. Null: however large, for the last tier.")
    approvals: Annotated[int, Field(ge=0, le=MAX_APPROVALS)]


class ApprovalPolicy(Message):
    """The approvals that orders need by their total, and the deadlines: hours from the draft."""

    tiers: Annotated[list[ApprovalTier], Field(min_length=1, max_length=50)]
    remind_after_hours: Hours
    escalate_after_hours: Hours
    cancel_after_hours: Hours

    @model_validator(mode="after")
    def _every_total_has_a_tier(self) -> Self:
        try:
            require_tiers(self.as_tiers())
        except InvalidRequest as error:
            raise ValueError(error.message) from None
        return self

    def as_tiers(self) -> list[Tier]:
        """The tiers as the domain has them."""
        return [Tier(tier.up_to, tier.approvals) for tier in self.tiers]


DEFAULT_APPROVAL = ApprovalPolicy(
    tiers=[
        ApprovalTier(up_to=Decimal(1_000), approvals=0),
        ApprovalTier(up_to=Decimal(10_000), approvals=1),
        ApprovalTier(up_to=None, approvals=2),
    ],
    remind_after_hours=24,
    escalate_after_hours=72,
    cancel_after_hours=14 * 24,
)
"""The policy unless the settings or the order itself have another one."""


Version = Annotated[int, Field(ge=1, le=MAX_UNITS, description="1 as drafted; each amendment makes the next.")]


class PurchaseOrderLine(Message):
    """Units of a product, and the cost of one."""

    product_id: Id
    qty: Units
    unit_cost: UnitCost
    note: Note | None = Field(default=None, description="Reason why it is on the order, or any other remark.")


class PurchaseOrderRequest(Message):
    """Start of a `PurchaseOrderWorkflow`: a draft, on its way to approval."""

    po_number: Reference = Field(description="Number of the order, also part of the workflow id.")
    supplier_id: Id
    warehouse_id: Id = Field(description="Warehouse that receives the goods.")
    line_items: Annotated[list[PurchaseOrderLine], Field(min_length=1, max_length=MAX_LINES)]
    expected_delivery_date: Day | None = Field(default=None, description="A day in the warehouse's timezone.")
    requested_by: Actor
    reason: Reason
    approval: ApprovalPolicy | None = Field(default=None, description="Null: the policy in the workers' settings.")


class Approve(Message):
    """Command ``approve``: one approval. A second one by the same person counts as the first."""

    approver: Actor
    note: Note | None = None
    version: Version | None = Field(
        default=None, description="The version that was looked at: another one is refused. Null: the present one."
    )


class Reject(Rejection):
    """Command ``reject``: one is enough to cancel the draft."""


class Confirm(Message):
    """Command ``confirm``: the supplier has accepted the order."""

    performed_by: Actor
    expected_delivery_date: Day | None = Field(default=None, description="Null: as it was.")


class Amend(ReasonedCommand):
    """Command ``amend``: the order's lines are replaced by these, while nothing of it has come."""

    line_items: Annotated[list[PurchaseOrderLine], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="All lines as they are to be."
    )
    expected_delivery_date: Day | None = Field(default=None, description="Null: as it was.")
    version: Version | None = Field(
        default=None, description="The version that was looked at: another one is refused. Null: the present one."
    )
    amendment_id: Reference | None = Field(
        default=None, description="The caller's number for this amendment: sent twice, it is done once."
    )


class ReceiptLine(CheckedLine):
    """Delivered units of one product."""

    without_units = "quantity: a delivered line needs accepted or rejected units"

    quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units accepted into stock.")]
    rejected_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Further units that were rejected; they are still owed.")
    ] = 0


class Receive(Message):
    """Command ``receive``: a delivery of goods. Accepted units become PURCHASE movements."""

    receipt_id: Reference = Field(description="The caller's number for this delivery: sent twice, it is booked once.")
    performed_by: Actor
    lines: Annotated[list[ReceiptLine], Field(min_length=1, max_length=MAX_LINES)]
    occurred_at: OccurredAt = None


class CorrectReceipt(Message):
    """Command ``correct_receipt``: units that a receipt has booked and that didn't come are booked back."""

    correction_id: Reference = Field(
        description="The caller's number for this correction: sent twice, it is done once."
    )
    receipt_id: Reference = Field(description="The receipt that is wrong.")
    performed_by: Actor
    reason: Reason
    lines: Annotated[list[ReceiptLine], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="Units by which it is too high."
    )


class SentBackLine(Message):
    """Units of a product that go back to the supplier."""

    product_id: Id
    quantity: Units


class ReturnGoods(Message):
    """Command ``return_goods``: received goods go back to the supplier, and leave stock."""

    return_id: Reference = Field(description="The caller's number for this return: sent twice, it leaves once.")
    performed_by: Actor
    reason: Reason
    reference: Reference | None = Field(default=None, description="The supplier's number for the return.")
    lines: Annotated[list[SentBackLine], Field(min_length=1, max_length=MAX_LINES)]


class ResumePurchaseOrder(Message):
    """Start of a `PurchaseOrderWorkflow` for an order that is stored: it takes commands, and ends if the order has."""

    po_number: Reference
    resume: Literal[True]
    performed_by: Actor


class CloseShort(ReasonedCommand):
    """Command ``close_short``: units still owed are no longer expected."""


class CancelOrder(ReasonedCommand):
    """Command ``cancel``: the order is no longer wanted, and none of it was delivered."""


APPROVE = Command("approve", Approve)
REJECT = Command("reject", Reject)
CONFIRM = Command("confirm", Confirm)
AMEND = Command("amend", Amend)
RECEIVE = Command("receive", Receive)
CORRECT = Command("correct_receipt", CorrectReceipt)
RETURN = Command("return_goods", ReturnGoods)
CLOSE_SHORT = Command("close_short", CloseShort)
CANCEL = Command("cancel", CancelOrder)


class ApprovalState(State):
    """One approval: person and time."""

    approver: str
    at: Timestamp
    note: str | None = None


class PurchaseOrderLineState(State):
    """One line; quantities in units."""

    product_id: int
    qty: int
    unit_cost: Money
    quantity_received: int = 0
    quantity_rejected: int = Field(default=0, description="Delivered and rejected; not in stock, and still owed.")
    quantity_returned: int = Field(default=0, description="Received, and returned to the supplier; not owed.")
    note: str | None = None


class OrderedLineState(State):
    """One line as it was ordered."""

    product_id: int
    qty: int
    unit_cost: Money


class AmendmentState(State):
    """One amendment, and the order before it."""

    version: int = Field(description="The version that it made.")
    at: Timestamp
    amended_by: str
    reason: str
    total_before: Money
    status_before: PurchaseOrderStatus


class CorrectionState(State):
    """The correction of a receipt; its counter-entry is among the receipts, with negative units."""

    correction_id: str
    receipt_id: str = Field(description="The receipt that it corrects.")
    at: Timestamp
    performed_by: str
    reason: str


class SupplierReturnState(State):
    """Goods that went back to the supplier."""

    return_id: str
    at: Timestamp
    performed_by: str
    reason: str
    reference: str | None
    quantity: int = Field(description="Units, of all products.")


class PurchaseOrderState(State):
    """State of a purchase order: the answer to every command, to the query ``state``, and the workflow's result."""

    po_id: int | None = Field(default=None, description="Null until the draft is stored.")
    po_number: str = ""
    supplier_id: int | None = None
    warehouse_id: int | None = None
    status: PurchaseOrderStatus = PurchaseOrderStatus.DRAFT
    version: int = Field(default=1, description="1 as drafted; each amendment makes the next.")
    total: Money = Decimal(0)
    required_approvals: int = 0
    approvals: list[ApprovalState] = Field(
        default_factory=list,
        description="Approvals of the order as it is now; those from before an amendment are void.",
    )
    line_items: list[PurchaseOrderLineState] = Field(default_factory=list)
    amendments: list[AmendmentState] = Field(default_factory=list)
    drafted_line_items: list[OrderedLineState] | None = Field(
        default=None, description="The lines as drafted. Null: it was never amended."
    )
    expected_delivery_date: Day | None = None
    requested_by: str = ""
    reason: str = ""
    approve_by: Timestamp | None = Field(
        default=None, description="Last deadline for the approvals; then the draft is cancelled."
    )
    submitted_at: Timestamp | None = None
    receipts: list[ReceiptState] = Field(
        default_factory=list, description="Deliveries and their corrections; the latest hundred."
    )
    corrections: list[CorrectionState] = Field(
        default_factory=list, description="Corrections of receipts; the latest hundred."
    )
    returns: list[SupplierReturnState] = Field(
        default_factory=list, description="Goods returned to the supplier; the latest hundred."
    )
    difference_approvals: list[DifferenceApprovalState] = Field(
        default_factory=list, description="Approvals of units received beyond the order, up to a worth in all."
    )
    closed_reason: str | None = Field(default=None, description="Reason of the cancellation, or of closing short.")
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


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

    po_number: str
    receipt_id: str
    lines: list[ReceiptLine]


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


class StoredLine(PurchaseOrderLineState):
    """A line with its SKU."""

    sku: str


class StoredPurchaseOrder(BaseModel):
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
    workflow_id="purchase-order-{po_number}",
    answer="drafted",
    memo=PurchaseOrderMemo,
    stored=True,
    table=PURCHASE_ORDER,
    movement_types=frozenset({MovementType.PURCHASE}),
    finding=FindingKind.RECEIVED_IS_NOT_PURCHASED,
)
