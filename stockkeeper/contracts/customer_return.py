"""The customer return on the wire: how it is started, commanded and read, and what it asks of the database."""

from typing import Annotated, Protocol, Self, TypedDict

from pydantic import AwareDatetime, BaseModel, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_UNITS,
    Actor,
    Id,
    Message,
    Reason,
    Reference,
    State,
    Step,
    Units,
)
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.domain.customer_return import RETURN
from stockkeeper.domain.customer_return import ReturnStatus as ReturnStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind

WORKFLOW_TYPE = "ReturnWorkflow"


def workflow_id(return_number: str) -> str:
    """The one workflow that may command this return."""
    return f"return-{return_number}"


class ReturnLine(Message):
    """Units of a product that are to come back."""

    product_id: Id
    quantity: Units


class ReturnRequest(Message):
    """Start of a `ReturnWorkflow`: these goods are expected back."""

    return_number: Reference = Field(description="The return's own name; the workflow id has it too.")
    warehouse_id: Id = Field(description="Where they come back to.")
    reference_id: Reference = Field(description="What they were sold under: the order's number.")
    lines: Annotated[list[ReturnLine], Field(min_length=1, max_length=MAX_LINES)]
    performed_by: Actor


class InspectedLine(Message):
    """What was found of one product."""

    product_id: Id
    restock_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Units that are fit, and go back into stock.")
    ] = 0
    scrap_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Units on top of these that aren't; not into stock.")
    ] = 0

    @model_validator(mode="after")
    def _something_came(self) -> Self:
        if self.restock_quantity + self.scrap_quantity == 0:
            raise ValueError("restock_quantity: an inspected line needs units to restock or to scrap")
        return self


class Inspect(Message):
    """Command ``inspect``: somebody has looked at what came. What is fit becomes RETURN movements."""

    performed_by: Actor
    lines: Annotated[list[InspectedLine], Field(min_length=1, max_length=MAX_LINES)]
    inspection_id: Reference | None = Field(
        default=None, description="The caller's name for this inspection: sent twice, it is booked once."
    )


INSPECT = Command("inspect", Inspect)


class CloseReturnShort(Message):
    """Command ``close_short``: what hasn't come isn't expected any more."""

    performed_by: Actor
    reason: Reason


CLOSE_SHORT = Command("close_short", CloseReturnShort)


class ReturnLineState(State):
    """One line as it is, in units. What is neither restocked nor scrapped is still expected, or never came."""

    product_id: int
    quantity: int
    restocked: int = Field(default=0, description="Was fit, and is in stock again.")
    scrapped: int = Field(default=0, description="Wasn't, and is in nobody's stock.")


class ReturnState(State):
    """What a return is: the answer to every command, to the query ``state``, and the workflow's result."""

    return_id: int | None = Field(default=None, description="Null as long as it isn't stored.")
    return_number: str = ""
    warehouse_id: int | None = None
    reference_id: str = ""
    status: ReturnStatus = ReturnStatus.EXPECTED
    lines: list[ReturnLineState] = Field(default_factory=list)
    requested_by: str = ""
    inspections: list[ReceiptState] = Field(
        default_factory=list,
        description="What was found, restocked units as accepted and scrapped ones as unfit; the latest hundred.",
    )
    closed_reason: str | None = Field(default=None, description="Why the rest isn't expected any more.")
    notes: list[str] = Field(
        default_factory=list, description="What was refused, or worth knowing; the latest hundred."
    )


class ReturnStep(Step):
    """What is asked about one return."""

    return_number: str


class RegisterReturnStep(ReturnStep):
    """Store what is expected back."""

    warehouse_id: int
    reference_id: str
    lines: list[ReturnLine]


class InspectReturnStep(ReturnStep):
    """Somebody has looked at what came."""

    inspection_id: str
    lines: list[InspectedLine]


class CloseReturnStep(ReturnStep):
    """What hasn't come isn't expected any more."""

    reason: str


class StoredReturnLine(ReturnLineState):
    """A line with the name that people know it by."""

    sku: str

    @property
    def expected(self) -> int:
        """Units that nobody has looked at."""
        return self.quantity - self.restocked - self.scrapped


class StoredReturn(BaseModel):
    """What the database says of a return, in answer to every step."""

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
    closed_reason: str | None

    @property
    def units(self) -> int:
        """Units on all lines."""
        return sum(line.quantity for line in self.lines)

    @property
    def expected(self) -> int:
        """Units that are still to come; none any more once it has ended."""
        return sum(line.expected for line in self.lines) if self.status is ReturnStatus.EXPECTED else 0


class ReturnMemo(TypedDict):
    """What a list of runs shows of a return beside its search attributes, without asking each run."""

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
    """What a return's workflow asks of the database. Implemented in `activities.customer_return`."""

    @activity.defn(name="register_return")
    def register_return(self, step: RegisterReturnStep) -> StoredReturn:
        """Store what is expected back."""
        ...

    @activity.defn(name="inspect_return")
    def inspect_return(self, step: InspectReturnStep) -> StoredReturn:
        """Put what is fit back into stock."""
        ...

    @activity.defn(name="close_return")
    def close_return(self, step: CloseReturnStep) -> StoredReturn:
        """Give up what hasn't come."""
        ...


PROCESS = ProcessSpec(
    kind="customer_return",
    name="return",
    workflow_type=WORKFLOW_TYPE,
    workflow_id=workflow_id("{return_number}"),
    start=ReturnRequest,
    commands=(INSPECT, CLOSE_SHORT),
    answer="registered",
    state=ReturnState,
    memo=ReturnMemo,
    activities=ReturnActivities,
    table=RETURN,
    movement_types=frozenset({MovementType.RETURN}),
    finding=FindingKind.RETURNED_IS_NOT_BOOKED,
)
