"""The customer return on the wire: start, commands, state, and the steps of its workflow in the database."""

from datetime import date
from typing import Annotated, Protocol, TypedDict

from pydantic import AwareDatetime, Field
from temporalio import activity

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, DifferenceApprovalState, DifferenceFields
from stockkeeper.contracts.lot import LotDays, OfLot
from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_UNITS,
    Actor,
    Id,
    InspectingAnswer,
    Message,
    Notes,
    OccurredAt,
    ReasonedCommand,
    Reference,
    Start,
    State,
    Step,
    Units,
    counted,
)
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.receipt import CheckedLine, ReceiptState
from stockkeeper.domain import permission
from stockkeeper.domain.customer_return import RETURN
from stockkeeper.domain.customer_return import ReturnStatus as ReturnStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind

WORKFLOW_TYPE = "ReturnWorkflow"


class ReturnLine(OfLot):
    """Units of a product that are expected back; of a tracked one maybe of a lot that is known already."""

    product_id: Id
    quantity: Units


class ReturnRequest(Start):
    """Start of a `ReturnWorkflow`: these goods are expected back."""

    return_number: Reference = Field(description="Number of the return, also part of the workflow id.")
    warehouse_id: Id = Field(description="Warehouse that receives the return.")
    reference_id: Reference = Field(description="Number of the order that sold the goods.")
    lines: Annotated[list[ReturnLine], Field(min_length=1, max_length=MAX_LINES)]
    performed_by: Actor

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        units = sum(line.quantity for line in self.lines)
        return f"return {self.return_number}: {counted(len(self.lines), 'line')}, {counted(units, 'unit')}"


class InspectedLine(OfLot, CheckedLine):
    """Result of the inspection of one product, or of one lot of a tracked one.

    Restocked units name their lot; scrapped ones as well, unless it can't be read any more.
    """

    without_units = "restock_quantity: an inspected line needs units to restock or to scrap"

    restock_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Units that are fit and go back into stock.")
    ] = 0
    scrap_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Further units that are unfit; they don't enter stock.")
    ] = 0


class Inspect(Message):
    """Command ``inspect``: goods that came back were inspected. Fit units become RETURN movements."""

    performed_by: Actor
    lines: Annotated[list[InspectedLine], Field(min_length=1, max_length=MAX_LINES)]
    inspection_id: Reference | None = Field(
        default=None, description="The caller's number for this inspection: sent twice, it is booked once."
    )
    occurred_at: OccurredAt = None


class CloseReturnShort(ReasonedCommand):
    """Command ``close_short``: units that haven't come back are no longer expected."""


INSPECT = Command("inspect", Inspect)
CLOSE_SHORT = Command("close_short", CloseReturnShort)


class ReturnLotState(State):
    """A lot of a line that was inspected, in units."""

    lot_number: str
    expires_on: date | None = None
    quantity: int = Field(description="Units that came back: restocked and scrapped.")
    restocked: int = 0
    scrapped: int = 0


class ReturnLineState(State, LotDays):
    """One line, in units. Units neither restocked nor scrapped are still expected, or never came."""

    product_id: int
    quantity: int
    restocked: int = Field(default=0, description="Units that were fit and are in stock again.")
    scrapped: int = Field(default=0, description="Units that were unfit and are in no stock.")
    lots: list[ReturnLotState] = Field(
        default_factory=list,
        description="Of a tracked product: the lots that came back. Left out: it has none.",
        exclude_if=lambda lots: not lots,
    )


class ReturnState(State):
    """State of a return: the answer to every command, to the query ``state``, and the workflow's result."""

    return_id: int | None = Field(default=None, description="Null until it is stored.")
    return_number: str = ""
    warehouse_id: int | None = None
    reference_id: str = ""
    status: ReturnStatus = ReturnStatus.EXPECTED
    lines: list[ReturnLineState] = Field(default_factory=list)
    requested_by: str = ""
    inspections: list[ReceiptState] = Field(
        default_factory=list,
        description="Inspections: restocked units as accepted, scrapped units as unfit; the latest hundred.",
    )
    difference_approvals: list[DifferenceApprovalState] = Field(
        default_factory=list, description="Approvals of units restocked that the order never shipped, up to a worth."
    )
    closed_reason: str | None = Field(default=None, description="Reason why the rest is no longer expected.")
    notes: Notes = Field(default_factory=list)


class ReturnStep(Step):
    """A step of one return."""

    return_number: str


class RegisterReturnStep(ReturnStep):
    """Store the return."""

    warehouse_id: int
    reference_id: str
    lines: list[ReturnLine]


class InspectReturnStep(ReturnStep):
    """Book an inspection."""

    inspection_id: str
    lines: list[InspectedLine]


class ApproveReturnDifferenceStep(ReturnStep, DifferenceFields):
    """Store an approval of units restocked that the order never shipped, above the limit."""


class CloseReturnStep(ReturnStep):
    """Close the return short."""

    reason: str


class StoredReturnLine(ReturnLineState):
    """A line with its SKU."""

    sku: str

    @property
    def expected(self) -> int:
        """Units that aren't inspected."""
        return self.quantity - self.restocked - self.scrapped


class StoredReturn(InspectingAnswer):
    """A return as stored: the answer to every step."""

    return_id: int
    return_number: str
    warehouse_id: int
    warehouse: str
    reference_id: str
    status: ReturnStatus
    lines: list[StoredReturnLine]
    requested_by: str
    requested_at: AwareDatetime
    inspections: list[ReceiptState]
    difference_approvals: list[DifferenceApprovalState] = Field(default_factory=list)
    closed_reason: str | None

    @property
    def units(self) -> int:
        """Units on all lines."""
        return sum(line.quantity for line in self.lines)

    @property
    def expected(self) -> int:
        """Units still expected; 0 once the return has ended."""
        return sum(line.expected for line in self.lines) if self.status is ReturnStatus.EXPECTED else 0


class ReturnMemo(TypedDict):
    """Memo of a return's run: the fields that a list of runs shows beside the search attributes."""

    warehouse: str
    reference_id: str
    units: int
    expected: int
    requested_by: str


def memo(returned: StoredReturn) -> ReturnMemo:
    """The run's memo."""
    return ReturnMemo(
        warehouse=returned.warehouse,
        reference_id=returned.reference_id,
        units=returned.units,
        expected=returned.expected,
        requested_by=returned.requested_by,
    )


class ReturnActivities(Protocol):
    """Activities of a return's workflow. Implemented in `activities.customer_return`."""

    @activity.defn(name="register_return")
    def register_return(self, step: RegisterReturnStep) -> StoredReturn:
        """Store the return."""
        ...

    @activity.defn(name="inspect_return")
    def inspect_return(self, step: InspectReturnStep) -> StoredReturn:
        """Put fit units back into stock."""
        ...

    @activity.defn(name="approve_return_difference")
    def approve_return_difference(self, step: ApproveReturnDifferenceStep) -> StoredReturn:
        """Store an approval of units restocked that the order never shipped."""
        ...

    @activity.defn(name="close_return")
    def close_return(self, step: CloseReturnStep) -> StoredReturn:
        """Close the return short."""
        ...


PROCESS = ProcessSpec(
    name="return",
    workflow_type=WORKFLOW_TYPE,
    start=ReturnRequest,
    state=ReturnState,
    activities=ReturnActivities,
    commands=(INSPECT, APPROVE_DIFFERENCE, CLOSE_SHORT),
    needs={
        permission.START: permission.RECEIVE,
        INSPECT.name: permission.RECEIVE,
        APPROVE_DIFFERENCE.name: permission.APPROVE,
        CLOSE_SHORT.name: permission.RECEIVE,
    },
    workflow_id="return-{return_number}",
    answer="registered",
    memo=ReturnMemo,
    stored=True,
    table=RETURN,
    movement_types=frozenset({MovementType.RETURN}),
    finding=FindingKind.RETURNED_IS_NOT_BOOKED,
)
