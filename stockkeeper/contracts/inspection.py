"""The inspection on the wire: start, commands, state, and the steps of its workflow in the database."""

from datetime import datetime
from typing import Annotated, Protocol, TypedDict

from pydantic import AwareDatetime, Field
from temporalio import activity

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, DifferenceApprovalState, DifferenceFields
from stockkeeper.contracts.messages import (
    MAX_LINES,
    Actor,
    GaveWay,
    HeldBefore,
    Id,
    LotNumber,
    Message,
    Money,
    Note,
    Notes,
    Reason,
    Reference,
    Start,
    State,
    Step,
    StockAnswer,
    Timestamp,
    Units,
    counted,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain import permission
from stockkeeper.domain.approval import Deadlines
from stockkeeper.domain.cycle_count import RootCause
from stockkeeper.domain.inspection import INSPECTION, Outcome
from stockkeeper.domain.inspection import InspectionStatus as InspectionStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.lot import StockState as StockState  # noqa: PLC0414
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind

WORKFLOW_TYPE = "InspectionWorkflow"
DECISIONS_SHOWN = 100
"""The most decisions that a state names, the latest ones."""


class SetAsideLine(Message):
    """Units of a product that are set aside, or decided about; of a tracked product, of one lot."""

    product_id: Id
    lot_number: LotNumber | None = Field(
        default=None,
        description="The lot, or the serial number. Null: the product isn't tracked.",
        exclude_if=lambda number: number is None,
    )
    quantity: Units


Lines = Annotated[list[SetAsideLine], Field(min_length=1, max_length=MAX_LINES)]


class InspectionRequest(Start):
    """Start of an `InspectionWorkflow`: set these units aside, all of them or none, until they are inspected."""

    inspection_number: Reference = Field(description="Number of the inspection, also part of the workflow id.")
    warehouse_id: Id
    lines: Lines
    state: StockState = Field(default=StockState.QUARANTINE, description="What the units are meanwhile.")
    held_too: bool = Field(
        default=False,
        description="Whether units that are held are set aside as well: their holders get other lots or give way.",
    )
    set_aside_already: bool = Field(
        default=False,
        description="Whether the units are in that state already, and no inspection answers for them: this one does.",
        exclude_if=lambda already: not already,
    )
    reason: Reason
    performed_by: Actor

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        units = sum(line.quantity for line in self.lines)
        return f"inspection {self.inspection_number}: {counted(len(self.lines), 'line')}, {counted(units, 'unit')}"


class Release(Message):
    """Command ``release``: units are fit, and available again. By another person than the one who set them aside."""

    performed_by: Actor
    lines: Lines | None = Field(default=None, description="The units; null: all that are still set aside.")
    decision_id: Reference | None = Field(
        default=None, description="The caller's number for this decision: sent twice, it is carried out once."
    )
    note: Note | None = None


class Scrap(Message):
    """Command ``scrap``: units are unfit or gone, and leave the books by an ADJUSTMENT movement.

    By another person than the one who set them aside; above the limit of adjustments, somebody else than who scraps
    them has approved it before (``approve_difference``).
    """

    performed_by: Actor
    root_cause: RootCause
    reason: Reason
    lines: Lines | None = Field(default=None, description="The units; null: all that are still set aside.")
    decision_id: Reference | None = Field(
        default=None, description="The caller's number for this decision: sent twice, it is carried out once."
    )


RELEASE = Command("release", Release)
SCRAP = Command("scrap", Scrap)


class InspectionLineState(State):
    """One line, in units. Units neither released nor scrapped are still set aside."""

    product_id: int
    lot_number: str | None = Field(default=None, exclude_if=lambda number: number is None)
    quantity: int
    unit_cost: Money | None = Field(default=None, description="Cost of one unit; null: unknown.")
    released: int = Field(default=0, description="Units that are available again.")
    scrapped: int = Field(default=0, description="Units that have left the books.")
    brought: int = Field(
        default=0,
        description="Units that came onto the books with it, as damaged goods of a transfer or return. Left out: none.",
        exclude_if=lambda units: not units,
    )

    @property
    def aside(self) -> int:
        """Units that are still set aside."""
        return self.quantity - self.released - self.scrapped


class DecisionState(State):
    """A decision about units of the inspection."""

    decision_id: str
    outcome: Outcome
    quantity: int = Field(description="Units on all of its lines.")
    at: Timestamp
    performed_by: str
    root_cause: RootCause | None = None
    reason: str | None = None


class InspectionState(State):
    """State of an inspection: the answer to every command, to the query ``state``, and the workflow's result."""

    inspection_number: str = ""
    warehouse_id: int | None = None
    status: InspectionStatus = InspectionStatus.OPEN
    state: StockState = StockState.QUARANTINE
    reason: str = ""
    requested_by: str = ""
    lines: list[InspectionLineState] = Field(default_factory=list)
    due_at: Timestamp | None = Field(
        default=None, description="When people are told that it is overdue. Nothing is released by that."
    )
    decisions: list[DecisionState] = Field(default_factory=list, description="The latest hundred decisions.")
    difference_approvals: list[DifferenceApprovalState] = Field(
        default_factory=list, description="Approvals of units to be scrapped, up to a worth."
    )
    gave_way: list[GaveWay] = Field(
        default_factory=list,
        description="Holds that gave way because their units were set aside; the latest hundred.",
    )
    held_before: list[HeldBefore] = Field(default_factory=list)
    shortages: list[ShortageState] = Field(
        default_factory=list,
        description="Reason of a rejection, item by item: units to be set aside, and units that could be.",
    )
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class InspectionStep(Step):
    """A step of one inspection."""

    inspection_number: str


class OpenInspectionStep(InspectionStep):
    """Set the units aside, and store the inspection."""

    warehouse_id: int
    lines: list[SetAsideLine]
    state: StockState
    held_too: bool
    set_aside_already: bool = Field(default=False, exclude_if=lambda already: not already)
    reason: str
    requested_by: str


class ReleaseInspectedStep(InspectionStep):
    """Make units available again."""

    decision_id: str
    lines: list[SetAsideLine] | None
    note: str | None


class ScrapInspectedStep(InspectionStep):
    """Take units off the books."""

    decision_id: str
    lines: list[SetAsideLine] | None
    root_cause: RootCause
    reason: str


class ApproveInspectionDifferenceStep(InspectionStep, DifferenceFields):
    """Store an approval of units to be scrapped, above the limit."""


class StoredInspectionLine(InspectionLineState):
    """A line with its SKU."""

    sku: str


class StoredInspection(StockAnswer):
    """An inspection as stored: the answer to every step.

    Attributes:
        remind_after_hours: By the policy in force when it was opened, like the deadline.
        opened_by_another_run: Whether another run of the workflow stored it.
    """

    inspection_number: str
    warehouse_id: int
    warehouse: str
    status: InspectionStatus
    state: StockState
    reason: str
    requested_by: str
    requested_at: AwareDatetime
    remind_after_hours: float
    due_after_hours: float
    lines: list[StoredInspectionLine]
    decisions: list[DecisionState] = Field(default_factory=list)
    difference_approvals: list[DifferenceApprovalState] = Field(default_factory=list)
    opened_by_another_run: bool = False

    @property
    def deadlines(self) -> Deadlines:
        """When people are reminded, and told that it is overdue."""
        return Deadlines.after(
            self.requested_at, remind_after_hours=self.remind_after_hours, cancel_after_hours=self.due_after_hours
        )

    @property
    def due_at(self) -> datetime:
        """When it is overdue."""
        return self.deadlines.end_at

    @property
    def aside(self) -> int:
        """Units that are still set aside."""
        return sum(line.aside for line in self.lines)


class InspectionMemo(TypedDict):
    """Memo of an inspection's run: the fields that a list of runs shows beside the search attributes."""

    warehouse: str
    state: str
    units: int
    open: int
    reason: str
    requested_by: str
    requested_at: str


def memo(inspection: StoredInspection) -> InspectionMemo:
    """The run's memo."""
    return InspectionMemo(
        warehouse=inspection.warehouse,
        state=inspection.state,
        units=sum(line.quantity for line in inspection.lines),
        open=inspection.aside,
        reason=inspection.reason,
        requested_by=inspection.requested_by,
        requested_at=inspection.requested_at.isoformat(),
    )


class InspectionActivities(Protocol):
    """Activities of an inspection's workflow. Implemented in `activities.inspection`."""

    @activity.defn(name="open_inspection")
    def open_inspection(self, step: OpenInspectionStep) -> StoredInspection:
        """Set the units aside, and store the inspection."""
        ...

    @activity.defn(name="release_inspected")
    def release_inspected(self, step: ReleaseInspectedStep) -> StoredInspection:
        """Make units available again."""
        ...

    @activity.defn(name="scrap_inspected")
    def scrap_inspected(self, step: ScrapInspectedStep) -> StoredInspection:
        """Take units off the books."""
        ...

    @activity.defn(name="approve_inspection_difference")
    def approve_inspection_difference(self, step: ApproveInspectionDifferenceStep) -> StoredInspection:
        """Store an approval of units to be scrapped."""
        ...


PROCESS = ProcessSpec(
    name="inspection",
    workflow_type=WORKFLOW_TYPE,
    start=InspectionRequest,
    state=InspectionState,
    activities=InspectionActivities,
    commands=(RELEASE, APPROVE_DIFFERENCE, SCRAP),
    needs={
        permission.START: permission.COUNT,
        RELEASE.name: permission.APPROVE,
        SCRAP.name: permission.APPROVE,
        APPROVE_DIFFERENCE.name: permission.APPROVE,
    },
    workflow_id="inspection-{inspection_number}",
    answer="opened",
    memo=InspectionMemo,
    stored=True,
    table=INSPECTION,
    movement_types=frozenset({MovementType.ADJUSTMENT}),
    finding=FindingKind.DOCUMENT_IS_NOT_BOOKED,
    audited_since="audit-inspection",
)
