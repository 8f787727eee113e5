"""The adjustment on the wire: start, commands, state, and the steps of its workflow in the database."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Protocol, TypedDict

from pydantic import AfterValidator, AwareDatetime, Field
from temporalio import activity

from stockkeeper.contracts.giving_way import PromiseState
from stockkeeper.contracts.lot import LotDays, OfLot
from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_UNITS,
    Actor,
    GaveWay,
    HeldBefore,
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
    Step,
    StockAnswer,
    Timestamp,
    counted,
    money,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain import permission
from stockkeeper.domain.adjustment import ADJUSTMENT, AdjustmentEvent
from stockkeeper.domain.adjustment import AdjustmentStatus as AdjustmentStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.approval import Deadlines
from stockkeeper.domain.people import is_same_person as is_same_person  # noqa: PLC0414
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind
from stockkeeper.domain.worth import Limit, Worth

WORKFLOW_TYPE = "AdjustmentWorkflow"


def _moves_something(units: int) -> int:
    if units == 0:
        raise ValueError("must not be zero")
    return units


SignedUnits = Annotated[
    int,
    Field(
        ge=-MAX_UNITS,
        le=MAX_UNITS,
        description="A number of units: positive in, negative out.",
        json_schema_extra={"not": {"const": 0}},
    ),
    AfterValidator(_moves_something),
]


class AdjustmentPolicy(Message):
    """The limits above which another person has to approve, and the deadlines for that: hours from the start.

    They hold for everything that makes or loses stock without a counterpart, whatever the process (ADR 0034).
    """

    limit: Money = Field(default=Decimal("500.00"), description="Amount of money above which an approval is needed.")
    limit_units: Annotated[int, Field(ge=0, le=MAX_LINES * MAX_UNITS)] = Field(
        default=100, description="Units without a known cost above which an approval is needed."
    )
    remind_after_hours: Hours = 24
    cancel_after_hours: Hours = 7 * 24

    @property
    def as_limit(self) -> Limit:
        """The limits as the domain has them."""
        return Limit(self.limit, self.limit_units)


DEFAULT_ADJUSTMENT = AdjustmentPolicy()
"""The policy unless the settings have another one."""


class AdjustmentLine(OfLot):
    """Units of a product that are on the shelf and not in the books, or in the books and not on the shelf."""

    product_id: Id
    quantity: SignedUnits


class AdjustmentRequest(Start):
    """Start of an `AdjustmentWorkflow`: change on hand by these lines, all of them or none."""

    adjustment_number: Reference = Field(description="Number of the adjustment, also part of the workflow id.")
    warehouse_id: Id
    lines: Annotated[list[AdjustmentLine], Field(min_length=1, max_length=MAX_LINES)]
    reason: Reason
    performed_by: Actor
    occurred_at: OccurredAt = None

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        put_in = sum(max(line.quantity, 0) for line in self.lines)
        taken_off = sum(max(-line.quantity, 0) for line in self.lines)
        units = f"{counted(put_in, 'unit')} in, {taken_off} out"
        return f"adjustment {self.adjustment_number}: {counted(len(self.lines), 'line')}, {units}"


class ApproveAdjustment(Message):
    """Command ``approve``: another person agrees, and the adjustment is posted."""

    approver: Actor
    note: Note | None = None


class RejectAdjustment(Rejection):
    """Command ``reject``: the adjustment is refused, and nothing is changed."""


class CancelAdjustment(ReasonedCommand):
    """Command ``cancel``: an adjustment that isn't approved yet is withdrawn."""


APPROVE = Command("approve", ApproveAdjustment)
REJECT = Command("reject", RejectAdjustment)
CANCEL = Command("cancel", CancelAdjustment)


class AdjustmentLineState(State, LotDays):
    """One line as requested."""

    product_id: int
    quantity: int = Field(description="Units: positive in, negative out.")
    unit_cost: Money | None = Field(default=None, description="Cost of one unit; null: unknown.")


class AdjustmentState(State):
    """State of an adjustment: the answer to every command, to the query ``state``, and the workflow's result."""

    adjustment_id: int | None = Field(default=None, description="Null until the adjustment is stored.")
    adjustment_number: str = ""
    warehouse_id: int | None = None
    status: AdjustmentStatus = AdjustmentStatus.PENDING
    reason: str = ""
    requested_by: str = ""
    value: Money = Field(
        default=Decimal(0), description="Sum of units times unit cost over all lines, in and out alike."
    )
    unvalued_units: int = Field(default=0, description="Units without a known cost.")
    needs_approval: bool = False
    approve_by: Timestamp | None = Field(
        default=None, description="Last deadline for the approval; then it is cancelled."
    )
    approved_by: str | None = None
    approval_note: str | None = None
    lines: list[AdjustmentLineState] = Field(default_factory=list)
    would_end: list[PromiseState] = Field(
        default_factory=list,
        description="While it waits: holds that its approval would end, at most a hundred of would_end_total.",
    )
    would_end_total: int = 0
    gave_way: list[GaveWay] = Field(
        default_factory=list,
        description="Holds that gave way because their stock is missing; the latest hundred.",
    )
    held_before: list[HeldBefore] = Field(
        default_factory=list,
        description="Holds that gave way earlier on items of which units were put back, and that can be held again; "
        "the latest hundred.",
    )
    shortages: list[ShortageState] = Field(
        default_factory=list,
        description="Reason of a rejection, item by item: units to be taken off, and units on hand.",
    )
    closed_reason: str | None = Field(default=None, description="Reason of the rejection or cancellation.")
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class AdjustmentStep(Step):
    """A step of one adjustment."""

    adjustment_number: str


class SubmitAdjustmentStep(AdjustmentStep):
    """Store the adjustment, and post it unless the policy in force needs an approval."""

    warehouse_id: int
    lines: list[AdjustmentLine]
    reason: str
    requested_by: str


class ReviewAdjustmentStep(AdjustmentStep):
    """Bring the holds that its posting would end up to date, for the next look at it."""


class PostAdjustmentStep(AdjustmentStep):
    """Store the approval, and post the adjustment."""

    note: str | None


EndEvent = Literal[AdjustmentEvent.REJECT, AdjustmentEvent.CANCEL, AdjustmentEvent.LAPSE]


class EndAdjustmentStep(AdjustmentStep):
    """End the adjustment without posting it, for one of these reasons."""

    event: EndEvent
    reason: str


class StoredAdjustmentLine(AdjustmentLineState):
    """A line with its SKU."""

    sku: str


class StoredAdjustment(StockAnswer):
    """An adjustment as stored: the answer to every step.

    Attributes:
        remind_after_hours: By the policy in force when it was submitted, like the other deadlines.
        submitted_by_another_run: Whether another run of the workflow stored it.
    """

    adjustment_id: int
    adjustment_number: str
    warehouse_id: int
    warehouse: str
    status: AdjustmentStatus
    reason: str
    requested_by: str
    requested_at: AwareDatetime
    value: Money
    unvalued_units: int
    needs_approval: bool
    remind_after_hours: float
    cancel_after_hours: float
    approved_by: str | None
    approval_note: str | None
    closed_reason: str | None
    lines: list[StoredAdjustmentLine]
    would_end: list[PromiseState] = Field(default_factory=list)
    would_end_total: int = 0
    submitted_by_another_run: bool = False

    @property
    def deadlines(self) -> Deadlines | None:
        """The deadlines of its approval; None: it needs no approval."""
        if not self.needs_approval:
            return None
        return Deadlines.after(
            self.requested_at,
            remind_after_hours=self.remind_after_hours,
            cancel_after_hours=self.cancel_after_hours,
        )

    @property
    def approve_by(self) -> datetime | None:
        """When it is cancelled without its approval; None: it needs no approval."""
        return self.deadlines.end_at if self.deadlines else None


class AdjustmentMemo(TypedDict):
    """Memo of an adjustment's run: the fields that a list of runs shows beside the search attributes.

    ``would_end`` is the number of holds that its approval would end.
    """

    warehouse: str
    value: str
    unvalued_units: int
    reason: str
    requested_by: str
    requested_at: str
    would_end: int


def memo(adjustment: StoredAdjustment) -> AdjustmentMemo:
    """The run's memo."""
    return AdjustmentMemo(
        warehouse=adjustment.warehouse,
        value=money(adjustment.value),
        unvalued_units=adjustment.unvalued_units,
        reason=adjustment.reason,
        requested_by=adjustment.requested_by,
        requested_at=adjustment.requested_at.isoformat(),
        would_end=adjustment.would_end_total,
    )


def worth(value: Decimal, unvalued_units: int) -> str:
    """Value of an adjustment in words: ``640.00``, or ``640.00 and 3 units of unknown cost``."""
    return str(Worth(value, unvalued_units))


class AdjustmentActivities(Protocol):
    """Activities of an adjustment's workflow. Implemented in `activities.adjustment`."""

    @activity.defn(name="submit_adjustment")
    def submit_adjustment(self, step: SubmitAdjustmentStep) -> StoredAdjustment:
        """Store the adjustment, and post it unless it needs an approval."""
        ...

    @activity.defn(name="post_adjustment")
    def post_adjustment(self, step: PostAdjustmentStep) -> StoredAdjustment:
        """Store the approval, and post the adjustment."""
        ...

    @activity.defn(name="review_adjustment")
    def review_adjustment(self, step: ReviewAdjustmentStep) -> StoredAdjustment:
        """Read anew which holds its posting would end."""
        ...

    @activity.defn(name="end_adjustment")
    def end_adjustment(self, step: EndAdjustmentStep) -> StoredAdjustment:
        """End the adjustment without posting it."""
        ...


PROCESS = ProcessSpec(
    name="adjustment",
    workflow_type=WORKFLOW_TYPE,
    start=AdjustmentRequest,
    state=AdjustmentState,
    activities=AdjustmentActivities,
    commands=(APPROVE, REJECT, CANCEL),
    needs={
        permission.START: permission.COUNT,
        APPROVE.name: permission.APPROVE,
        REJECT.name: permission.APPROVE,
        CANCEL.name: permission.COUNT,
    },
    workflow_id="adjustment-{adjustment_number}",
    answer="submitted",
    memo=AdjustmentMemo,
    stored=True,
    table=ADJUSTMENT,
    movement_types=frozenset({MovementType.ADJUSTMENT}),
    finding=FindingKind.ADJUSTED_IS_NOT_BOOKED,
)
