"""The cycle count on the wire: start, commands, state, and the steps of its workflow in the database."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, Protocol, TypedDict

from pydantic import AwareDatetime, BaseModel, Field, field_validator
from temporalio import activity

from stockkeeper.contracts.lot import OfLot
from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_UNITS,
    Actor,
    GaveWay,
    HeldBefore,
    Id,
    LotNumber,
    Message,
    Notes,
    ReasonedCommand,
    Reference,
    Start,
    State,
    Step,
    StockAnswer,
    counted,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.domain import permission
from stockkeeper.domain.cycle_count import COUNT_LINE, Tolerance
from stockkeeper.domain.cycle_count import CountStatus as CountStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.cycle_count import RootCause as RootCause  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.cycle_count_plan import CountClass as CountClass  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.cycle_count_plan import Cycle
from stockkeeper.domain.people import is_same_person as is_same_person  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind

WORKFLOW_TYPE = "CycleCountWorkflow"


Percent = Annotated[Decimal, Field(ge=0, le=100, decimal_places=3)]
Days = Annotated[int, Field(ge=1, le=366)]


class CountPolicy(BaseModel):
    """Rules of counting, from the settings.

    Attributes:
        tolerance_units: Units by which a count may be off, either way;
        tolerance_percent: or percent of the system quantity; the wider of the two holds.
        a_percent: Percent of the demand that makes class A;
        b_percent: the percent after it that makes class B; all other items are C.
        demand_days: Days of demand that decide about the class.
        a_days: Days from one count to the next in class A;
        b_days: the same in class B;
        c_days: the same in class C.
        at_least: Items on a day's list at least, while there are items without any count.
        cap: Items on a day's list at most.
    """

    model_config = Message.model_config | {"strict": False}

    tolerance_units: Annotated[int, Field(ge=0, le=MAX_UNITS)] = 1
    tolerance_percent: Percent = Decimal(1)
    a_percent: Percent = Decimal(80)
    b_percent: Percent = Decimal(15)
    demand_days: Annotated[int, Field(ge=1, le=3_660)] = 90
    a_days: Days = 7
    b_days: Days = 30
    c_days: Days = 30
    at_least: Annotated[int, Field(ge=0, le=MAX_LINES)] = 10
    cap: Annotated[int, Field(ge=1, le=MAX_LINES)] = 200

    @property
    def tolerance(self) -> Tolerance:
        """Tolerance of a count."""
        return Tolerance(self.tolerance_units, self.tolerance_percent)

    @property
    def cycle(self) -> Cycle:
        """Days from one count to the next, by class."""
        days = {CountClass.A: self.a_days, CountClass.B: self.b_days, CountClass.C: self.c_days}
        return Cycle(self.a_percent, self.b_percent, days, self.at_least, self.cap)


DEFAULT_COUNTING = CountPolicy()


class CycleCountRequest(Start):
    """Start of a `CycleCountWorkflow`: these products are to be counted."""

    count_number: Reference = Field(description="Number of the count, also part of the workflow id.")
    warehouse_id: Id
    product_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_LINES)]
    requested_by: Actor

    @field_validator("product_ids")
    @classmethod
    def _once_each(cls, product_ids: list[int]) -> list[int]:
        return list(dict.fromkeys(product_ids))

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return f"count {self.count_number}: {counted(len(self.product_ids), 'item')}"


class Record(OfLot):
    """Command ``record``: the counted quantity of a product, or of one lot of a tracked one.

    A second count has to be another person's. A lot that isn't on the list is added to it.
    """

    performed_by: Actor
    product_id: Id
    counted_quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units on the shelf; 0 if there are none.")]
    root_cause: RootCause | None = Field(default=None, description="Cause of the variance, if known.")
    record_id: Reference | None = Field(
        default=None,
        description="Number of this count of the product: sent again, the same one counts once. Null: the update id.",
    )


class ApproveVariance(Message):
    """Command ``approve_variance``: the count is right; the root cause says why the books were wrong."""

    approver: Actor
    product_id: Id
    root_cause: RootCause
    lot_number: LotNumber | None = Field(
        default=None,
        description="The lot whose count it is, of a tracked product.",
        exclude_if=lambda number: number is None,
    )


class CancelCount(ReasonedCommand):
    """Command ``cancel``: lines that aren't posted yet are given up."""


RECORD = Command("record", Record)
APPROVE_VARIANCE = Command("approve_variance", ApproveVariance)
CANCEL = Command("cancel", CancelCount)


class CountLineState(State):
    """One product, or a lot of it. System quantity and variance appear once they are posted: counting is blind."""

    product_id: int
    lot_number: str | None = Field(
        default=None,
        description="The lot, or the serial number. Left out: it isn't tracked, or the books have no lot of it.",
        exclude_if=lambda number: number is None,
    )
    expires_on: date | None = Field(
        default=None,
        description="The last day on which the lot may be used, if it is known.",
        exclude_if=lambda day: day is None,
    )
    status: CountStatus = CountStatus.COUNTING
    counted_quantity: int | None = Field(default=None, description="Units by the latest count.")
    counted_by: str | None = None
    root_cause: RootCause | None = None
    approved_by: str | None = None
    system_quantity: int | None = Field(default=None, description="Units in the books when it was counted.")
    delta: int | None = Field(default=None, description="Variance: counted quantity minus system quantity.")
    needs_approval: bool = Field(
        default=False, description="A hold would end by its count, so only an approval posts it."
    )


class CycleCountState(State):
    """State of a count: the answer to every command, to the query ``state``, and the workflow's result."""

    count_id: int | None = Field(default=None, description="Null until it is stored.")
    count_number: str = ""
    warehouse_id: int | None = None
    status: CountStatus = CountStatus.COUNTING
    lines: list[CountLineState] = Field(default_factory=list)
    requested_by: str = ""
    closed_reason: str | None = Field(default=None, description="Reason of the cancellation.")
    gave_way: list[GaveWay] = Field(
        default_factory=list, description="Holds that gave way because their stock is missing; the latest."
    )
    held_before: list[HeldBefore] = Field(
        default_factory=list,
        description="Holds that gave way earlier on items of which units were put back, and that can be held again; "
        "the latest hundred.",
    )
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class CountStep(Step):
    """A step of one count."""

    count_number: str


class OpenCountStep(CountStep):
    """Store the count."""

    warehouse_id: int
    product_ids: list[int]
    requested_by: str


class RecordCountStep(CountStep, OfLot):
    """Store a person's count of a product, or of a lot."""

    product_id: int
    counted_quantity: int
    root_cause: RootCause | None


class ReviewCountStep(CountStep):
    """Bring the holds that an approval would end up to date, for the next look at it."""

    product_id: int
    lot_number: str | None = Field(default=None, exclude_if=lambda number: number is None)


class ApproveCountStep(CountStep):
    """Store the approval of a count by a person who hasn't counted the product."""

    product_id: int
    root_cause: RootCause
    lot_number: str | None = Field(default=None, exclude_if=lambda number: number is None)


class CancelCountStep(CountStep):
    """Give up the lines that aren't posted."""

    reason: str


class StoredCountLine(CountLineState):
    """A line with its SKU."""

    sku: str


class StoredCount(StockAnswer):
    """A count as stored, with all of its lines."""

    count_id: int
    count_number: str
    warehouse_id: int
    warehouse: str
    status: CountStatus
    requested_by: str
    requested_at: AwareDatetime
    closed_reason: str | None
    lines: list[StoredCountLine]


class CountedLine(StockAnswer):
    """One line as stored after a step, and the status of the count."""

    status: CountStatus
    line: StoredCountLine
    warehouse_id: int | None = None


class CountMemo(TypedDict):
    """Memo of a count's run: the fields that a list of runs shows beside the search attributes."""

    warehouse: str
    items: int
    to_count: int
    in_review: int
    requested_by: str


def products_of(lines: Iterable[CountLineState]) -> list[int]:
    """The products of some lines, each once, in their order."""
    return list(dict.fromkeys(line.product_id for line in lines))


def memo(warehouse: str, state: CycleCountState) -> CountMemo:
    """The run's memo."""
    return CountMemo(
        warehouse=warehouse,
        items=len(state.lines),
        to_count=sum(line.status is CountStatus.COUNTING for line in state.lines),
        in_review=sum(line.status is CountStatus.REVIEW for line in state.lines),
        requested_by=state.requested_by,
    )


def progress(state: CycleCountState) -> str:
    """Progress of a count in words."""
    by_status = {status: sum(line.status is status for line in state.lines) for status in CountStatus}
    told = {
        CountStatus.COUNTING: "to count",
        CountStatus.REVIEW: "beyond tolerance",
        CountStatus.POSTED: "in the books",
        CountStatus.CANCELLED: "given up",
    }
    parts = [f"{by_status[status]} {words}" for status, words in told.items() if by_status[status]]
    return f"{counted(len(state.lines), 'item')}: {', '.join(parts)}"


class CycleCountActivities(Protocol):
    """Activities of a count's workflow. Implemented in `activities.cycle_count`."""

    @activity.defn(name="open_count")
    def open_count(self, step: OpenCountStep) -> StoredCount:
        """Store the count."""
        ...

    @activity.defn(name="record_count")
    def record_count(self, step: RecordCountStep) -> CountedLine:
        """Store a person's count, and post it if it is within tolerance or the second one."""
        ...

    @activity.defn(name="approve_count")
    def approve_count(self, step: ApproveCountStep) -> CountedLine:
        """Post an approved count that is beyond tolerance."""
        ...

    @activity.defn(name="review_count")
    def review_count(self, step: ReviewCountStep) -> CountedLine:
        """Read anew which holds an approval would end."""
        ...

    @activity.defn(name="cancel_count")
    def cancel_count(self, step: CancelCountStep) -> StoredCount:
        """Give up the lines that aren't posted."""
        ...


PROCESS = ProcessSpec(
    name="count",
    workflow_type=WORKFLOW_TYPE,
    start=CycleCountRequest,
    state=CycleCountState,
    activities=CycleCountActivities,
    commands=(RECORD, APPROVE_VARIANCE, CANCEL),
    needs={
        permission.START: permission.COUNT,
        RECORD.name: permission.COUNT,
        APPROVE_VARIANCE.name: permission.APPROVE,
        CANCEL.name: permission.COUNT,
    },
    workflow_id="cycle-count-{count_number}",
    answer="opened",
    memo=CountMemo,
    stored=True,
    table=COUNT_LINE,
    movement_types=frozenset({MovementType.ADJUSTMENT}),
    finding=FindingKind.COUNTED_IS_NOT_BOOKED,
)
