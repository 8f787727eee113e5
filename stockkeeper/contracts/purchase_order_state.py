"""The purchase order on the wire: its start, commands and state."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stockkeeper.contracts.difference import DifferenceApprovalState
from stockkeeper.contracts.lot import HasLots, OfLot
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
    Start,
    State,
    Timestamp,
    UnitCost,
    Units,
    amount,
    counted,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command
from stockkeeper.contracts.receipt import CheckedLine, ReceiptState, UnfitReason, require_unfit
from stockkeeper.domain.approval import Tier, require_tiers
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.people import is_same_person as is_same_person  # noqa: PLC0414
from stockkeeper.domain.purchase_order import PurchaseOrderStatus as PurchaseOrderStatus  # noqa: PLC0414 - part of the contract

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


class PurchaseOrderRequest(Start):
    """Start of a `PurchaseOrderWorkflow`: a draft, on its way to approval."""

    po_number: Reference = Field(description="Number of the order, also part of the workflow id.")
    supplier_id: Id
    warehouse_id: Id = Field(description="Warehouse that receives the goods.")
    line_items: Annotated[list[PurchaseOrderLine], Field(min_length=1, max_length=MAX_LINES)]
    expected_delivery_date: Day | None = Field(default=None, description="A day in the warehouse's timezone.")
    requested_by: Actor
    reason: Reason
    approval: ApprovalPolicy | None = Field(default=None, description="Null: the policy in the workers' settings.")

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        total = amount(sum((line.qty * line.unit_cost for line in self.line_items), Decimal(0)))
        return f"purchase order {self.po_number}: {counted(len(self.line_items), 'line')}, {total}"


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


class ReceiptLine(CheckedLine, OfLot):
    """Delivered units of one product; of a tracked one, of one lot."""

    without_units = "quantity: a delivered line needs accepted or rejected units"
    unfit_units = "rejected_quantity"

    quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units accepted into stock.")]
    rejected_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Further units that were rejected; they are still owed.")
    ] = 0


class Receive(Message):
    """Command ``receive``: a delivery of goods. Accepted units become PURCHASE movements."""

    receipt_id: Reference = Field(description="The caller's number for this delivery: sent twice, it is booked once.")
    performed_by: Actor
    lines: Annotated[list[ReceiptLine], Field(min_length=1, max_length=MAX_LINES)]
    unfit_reason: UnfitReason = None
    occurred_at: OccurredAt = None

    @model_validator(mode="after")
    def _reason_is_of_unfit_units(self) -> Self:
        require_unfit(self.unfit_reason, self.lines)
        return self


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


class SentBackLine(OfLot):
    """Units of a product that go back to the supplier; of a tracked one, of one lot."""

    product_id: Id
    quantity: Units


class ReturnGoods(Message):
    """Command ``return_goods``: received goods go back to the supplier, and leave stock."""

    return_id: Reference = Field(description="The caller's number for this return: sent twice, it leaves once.")
    performed_by: Actor
    reason: Reason
    reference: Reference | None = Field(default=None, description="The supplier's number for the return.")
    lines: Annotated[list[SentBackLine], Field(min_length=1, max_length=MAX_LINES)]


class ResumePurchaseOrder(Start):
    """Start of a `PurchaseOrderWorkflow` for an order that is stored: it takes commands, and ends if the order has."""

    po_number: Reference
    resume: Literal[True]
    performed_by: Actor

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return f"purchase order {self.po_number}, taken up again"


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


class PurchaseOrderLineState(State, HasLots):
    """One line; quantities in units. Its lots are those of the units received."""

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
