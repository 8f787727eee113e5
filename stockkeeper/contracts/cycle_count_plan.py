"""Planning counts on the wire: a run that starts each warehouse's count, and its steps in the database."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Id, Notes, Start, State, Step
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.domain import permission
from stockkeeper.domain.cycle_count_plan import CountPlanStatus as CountPlanStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "CycleCountPlanWorkflow"
PLANNED_BY = "cycle-count-plan"
SCHEDULE = "cycle-count-daily"
FROM_HOUR = 5
"""Hour at which a warehouse's count of the day begins, in the warehouse's timezone."""
WAREHOUSES_A_PAGE = 200
COUNTS_SHOWN = 500


def count_number(warehouse_id: int, day: date) -> str:
    """Number of a warehouse's count of a day: ``CC-3-2026-11-23``."""
    return f"CC-{warehouse_id}-{day.isoformat()}"


class CycleCountPlanRequest(Start):
    """Start of a `CycleCountPlanWorkflow`: one count for each warehouse, of the items that are due there today."""

    warehouse_id: Id | None = Field(default=None, description="Only this warehouse. Null: all warehouses.")
    from_hour: Annotated[int, Field(ge=0, le=23)] | None = Field(
        default=None, description="Only warehouses where it is this hour of the day or later. Null: at any hour."
    )

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return "counts that are due"


class PlannedCountState(State):
    """One warehouse's count."""

    count_number: str
    warehouse_id: int
    items: int = Field(description="Items on the list.")
    wanted: int = Field(description="Items that would be on it without the cap.")
    late: int = Field(description="Items due by today that are not on the list because the cap is too small.")


class NotPlannedState(State):
    """A warehouse for which no count was started, and why."""

    warehouse_id: int
    reason: str


class CycleCountPlanState(State):
    """State of a planning run: the answer to the query ``state``, and the workflow's result."""

    status: CountPlanStatus = CountPlanStatus.RUNNING
    warehouse_id: int | None = None
    counts_started: int = 0
    items: int = Field(default=0, description="Items on all lists.")
    counts: list[PlannedCountState] = Field(
        default_factory=list, description="Counts that were started; the latest 500."
    )
    skipped: list[NotPlannedState] = Field(
        default_factory=list, description="Warehouses without a count by this run; the latest 500."
    )
    notes: Notes = Field(default_factory=list)


class FindCountDaysStep(Step):
    """Find the warehouses without a count of their day; page by page."""

    warehouse_id: int | None
    from_hour: int | None
    after_warehouse_id: int = 0


class CountDay(BaseModel):
    """A warehouse and its local day."""

    warehouse_id: int
    warehouse: str
    day: date
    is_counted: bool = Field(description="Whether the count of this day exists already.")


class CountDays(BaseModel):
    """One page."""

    days: list[CountDay]
    more: bool


class PlanCountStep(Step):
    """Find the items that are due in this warehouse on this day."""

    warehouse_id: int
    day: date


class PlannedCount(BaseModel):
    """The items to count on a day."""

    product_ids: list[int]
    wanted: int
    late: int
    is_counted: bool = Field(default=False, description="Whether another run has made the count of this day meanwhile.")


class CycleCountPlanActivities(Protocol):
    """Activities of the workflow that plans counts. Implemented in `activities.cycle_count_plan`."""

    @activity.defn(name="find_count_days")
    def find_count_days(self, step: FindCountDaysStep) -> CountDays:
        """Find the warehouses where a count is due."""
        ...

    @activity.defn(name="plan_count")
    def plan_count(self, step: PlanCountStep) -> PlannedCount:
        """Classify a warehouse's items, and find those that are due."""
        ...


PROCESS = ProcessSpec(
    name="cycle count plan",
    workflow_type=WORKFLOW_TYPE,
    start=CycleCountPlanRequest,
    state=CycleCountPlanState,
    activities=CycleCountPlanActivities,
    needs={
        permission.START: permission.COUNT,
    },
    workflow_id=f"{SCHEDULE} of the schedule, or any",
)
