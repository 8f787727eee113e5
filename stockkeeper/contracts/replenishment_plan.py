"""Planning on the wire: a run that sets reorder points and quantities from demand, and what it asks of the database."""

from decimal import Decimal
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_UNITS, Actor, Id, Message, Money, Page, State, Step, Timestamp
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.stock import Name
from stockkeeper.domain.replenishment import PlanStatus as PlanStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "ReplenishmentPlanWorkflow"
PLANNED_BY = "replenishment-plan"
SCHEDULE = "replenishment-plan-daily"
ITEMS_A_PAGE = 5_000
PLANS_AT_ONCE = 500

Rate = Annotated[float, Field(ge=0, le=100, description="A part of the unit cost, per year: 0.25 is a quarter.")]


class ReplenishmentPlanRequest(Message):
    """Start of a `ReplenishmentPlanWorkflow`: plan every item anew, from the demand up to and with yesterday."""

    warehouse_id: Id | None = Field(default=None, description="Only there. Null: everywhere.")
    history_days: Annotated[int, Field(ge=1, le=3_660, description="Days of demand that are looked at.")] = 90
    service_level: Annotated[float, Field(gt=0, lt=1, description="The probability that a cycle has no stockout.")] = (
        0.95
    )
    order_cost: Money | None = Field(default=None, description="What an order costs. Null: as the settings say.")
    holding_cost_rate: Rate | None = Field(
        default=None, description="What holding costs, as a part of the unit cost per year. Null: as the settings say."
    )


class PlanState(State):
    """What a planning run has done: the answer to the query ``state``, and the workflow's result."""

    status: PlanStatus = PlanStatus.RUNNING
    warehouse_id: int | None = None
    items_planned: int = Field(default=0, description="Items with a supplier and at least a day of history.")
    items_changed: int = Field(default=0, description="Of these, those whose point or quantity is another one now.")
    notes: list[str] = Field(
        default_factory=list, description="What was refused, or worth knowing; the latest hundred."
    )


class RollUpDemandStep(Step):
    """Bring the demand of each day up to date, everywhere; and count what is to be planned."""

    warehouse_id: int | None = Field(default=None, description="Whose items are counted. None: all.")


class RolledUpDemand(BaseModel):
    """The answer: how many days of items were written, and how many items there are to plan."""

    days_written: int
    items: int


class PlanPageStep(Step):
    """Plan the items after this one, in the order of warehouse and product, as many as a page has."""

    warehouse_id: int | None
    after: tuple[int, int] | None
    history_days: int
    service_level: float
    order_cost: Money | None
    holding_cost_rate: float | None


class PlannedPage(BaseModel):
    """The answer.

    Attributes:
        looked_at: Items of the page.
        planned: Items that could be planned.
        changed: Items whose point or quantity changed.
        fell_below: Whether one of them is below its point now, and wasn't before.
        after: Where the next page begins; None: there is none.
    """

    looked_at: int
    planned: int
    changed: int
    fell_below: bool
    after: tuple[int, int] | None


class SetPlanningStep(Step):
    """Set an item's point and quantity by hand, or let planning have it again."""

    performed_by: Actor
    product: Name
    warehouse: Name
    planning: Literal["auto", "manual"]
    reorder_point: Annotated[int, Field(ge=0, le=MAX_UNITS)] | None = None
    reorder_quantity: Annotated[int, Field(gt=0, le=MAX_UNITS)] | None = None


class ShowPlans(Message):
    """Which plans: of one product, of one warehouse, or all; page by page in the order of SKU and warehouse."""

    product: Name | None = None
    warehouse: Name | None = None
    after: tuple[str, str] | None = Field(default=None, description="SKU and warehouse of the last line seen.")


class ItemPlan(BaseModel):
    """What is planned for an item, and from what: units, days, and units per day."""

    product_id: int
    sku: str
    warehouse_id: int
    warehouse: str
    planning: str
    reorder_point: int | None
    reorder_quantity: int | None
    quantity_available: int
    supplier: str | None = None
    days: int | None = None
    daily_mean: float | None = None
    daily_deviation: float | None = None
    lead_time_days: float | None = None
    lead_time_deviation_days: float | None = None
    service_level: float | None = None
    safety_stock: float | None = None
    economic_order_quantity: float | None = None
    planned_at: Timestamp | None = None


class ItemPlans(Page):
    """Plans of one page."""

    plans: list[ItemPlan]


DEFAULT_ORDER_COST = Decimal(50)
DEFAULT_HOLDING_COST_RATE = 0.25


class ReplenishmentPlanActivities(Protocol):
    """What planning asks of the database. Implemented in `activities.replenishment_plan`."""

    @activity.defn(name="roll_up_demand")
    def roll_up_demand(self, step: RollUpDemandStep) -> RolledUpDemand:
        """Bring the demand of each day up to date."""
        ...

    @activity.defn(name="plan_page")
    def plan_page(self, step: PlanPageStep) -> PlannedPage:
        """Plan some items."""
        ...

    @activity.defn(name="set_planning")
    def set_planning(self, step: SetPlanningStep) -> ItemPlan:
        """Set an item by hand, or let planning have it again."""
        ...

    @activity.defn(name="show_plans")
    def show_plans(self, question: ShowPlans) -> ItemPlans:
        """What is planned."""
        ...


PROCESS = ProcessSpec(
    kind="replenishment_plan",
    name="replenishment plan",
    workflow_type=WORKFLOW_TYPE,
    workflow_id=f"{SCHEDULE} of the schedule, or any",
    start=ReplenishmentPlanRequest,
    state=PlanState,
    activities=ReplenishmentPlanActivities,
)
