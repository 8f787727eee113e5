"""Planning on the wire: a run that sets reorder points and quantities from demand, and its steps in the database."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Protocol, Self

from pydantic import BaseModel, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.item_step import ItemStep
from stockkeeper.contracts.messages import (
    MAX_UNITS,
    Id,
    Money,
    Notes,
    Page,
    Start,
    State,
    Step,
    Timestamp,
)
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.reorder import SKIPPED_SHOWN, SkippedState
from stockkeeper.contracts.stock import ItemsQuestion
from stockkeeper.domain import permission
from stockkeeper.domain.demand_class import DemandClass as DemandClass  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.replenishment import PlanStatus as PlanStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "ReplenishmentPlanWorkflow"
PLANNED_BY = "replenishment-plan"
SCHEDULE = "replenishment-plan-daily"
ITEMS_A_PAGE = 5_000
PLANS_AT_ONCE = 500

Rate = Annotated[float, Field(ge=0, le=100, description="Fraction of the unit cost per year: 0.25 is a quarter.")]

BulkFactor = Annotated[float, Field(ge=1, le=1_000_000)]


class ReplenishmentPlanRequest(Start):
    """Start of a `ReplenishmentPlanWorkflow`: plan every item anew, from the demand up to and with yesterday."""

    warehouse_id: Id | None = Field(default=None, description="Only this warehouse. Null: all warehouses.")
    history_days: Annotated[int, Field(ge=1, le=3_660, description="Days of demand that planning reads.")] = 90
    service_level: Annotated[
        float, Field(gt=0, lt=1, description="The probability that a cycle has no stockout, unless fill_rate is given.")
    ] = 0.95
    fill_rate: Annotated[
        float | None,
        Field(gt=0, lt=1, description="The part of the units wanted that is sold, instead of service_level."),
    ] = None
    method: Literal["seed"] | None = Field(
        default=None, description="Null: for each item the distribution that fits its demand; seed: the seed's formula."
    )
    order_cost: Money | None = Field(default=None, description="Cost of one order. Null: from the settings.")
    holding_cost_rate: Rate | None = Field(
        default=None, description="Holding cost per year, as a fraction of the unit cost. Null: from the settings."
    )
    bulk_factor: BulkFactor | None = Field(
        default=None,
        description="Days with more than this many times the median of the days with demand are left out, as one-off "
        "bulk orders. Null: from the settings, which leave none out unless set.",
    )
    forecast: bool | None = Field(
        default=None,
        description="Follow trend and season, of items with three years of demand of which a forecast has shown itself "
        "better than the mean. Null: from the settings, which don't unless set.",
    )

    @model_validator(mode="after")
    def _the_seeds_formula_has_no_fill_rate_and_no_forecast(self) -> Self:
        if self.method is not None and self.fill_rate is not None:
            raise ValueError("fill_rate: the seed's formula plans for a service level; leave fill_rate or method out")
        if self.method is not None and self.forecast:
            raise ValueError("forecast: the seed's formula plans from the mean; leave forecast or method out")
        return self

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return "planning of every item"


class PlanState(State):
    """State of a planning run: the answer to the query ``state``, and the workflow's result."""

    status: PlanStatus = PlanStatus.RUNNING
    warehouse_id: int | None = None
    items_planned: int = Field(default=0, description="Items with a supplier and at least a day of history.")
    items_changed: int = Field(default=0, description="Of these, items whose reorder point or quantity changed.")
    skipped: list[SkippedState] = Field(
        default_factory=list,
        description=f"Items with demand that can't be planned, each with the reason; the first {SKIPPED_SHOWN}.",
    )
    items_skipped: int = Field(default=0, description="Their number.")
    notes: Notes = Field(default_factory=list)


class RollUpDemandStep(Step):
    """Bring the daily demand of all warehouses up to date, and count the items to plan."""

    warehouse_id: int | None = Field(default=None, description="Warehouse whose items are counted. None: all.")


class RolledUpDemand(BaseModel):
    """Number of days of items written, and number of items to plan."""

    days_written: int
    items: int


class PlanPageStep(Step):
    """Plan the items after this one, in the order of warehouse and product, as many as a page has."""

    added_later: ClassVar[tuple[str, ...]] = ("fill_rate", "method", "forecast")

    warehouse_id: int | None
    after: tuple[int, int] | None
    history_days: int
    service_level: float
    order_cost: Money | None
    holding_cost_rate: float | None
    bulk_factor: float | None = None
    fill_rate: float | None = None
    method: Literal["seed"] | None = None
    forecast: bool | None = None


class PlannedPage(BaseModel):
    """Result of planning one page.

    Attributes:
        looked_at: Items of the page.
        planned: Items that could be planned.
        changed: Items whose point or quantity changed.
        fell_below: Whether one of them is below its point now, and wasn't before.
        after: Where the next page begins; None: there is none.
        skipped: Items with demand that can't be planned; the first of them.
        items_skipped: Their number.
    """

    looked_at: int
    planned: int
    changed: int
    fell_below: bool
    after: tuple[int, int] | None
    skipped: list[SkippedState] = Field(default_factory=list)
    items_skipped: int = 0


class SetPlanningStep(ItemStep):
    """Set an item's reorder point and quantity by hand, or return it to automatic planning."""

    planning: Literal["auto", "manual"]
    reorder_point: Annotated[int, Field(ge=0, le=MAX_UNITS)] | None = None
    reorder_quantity: Annotated[int, Field(gt=0, le=MAX_UNITS)] | None = None


class ShowPlans(ItemsQuestion):
    """Plans of one product, of one warehouse, or all; page by page in the order of SKU and warehouse."""


class ItemPlan(BaseModel):
    """Plan of an item, with the numbers behind it: units, days, and units per day."""

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
    order_cost: float | None = Field(default=None, description="Money per order, as it was planned with.")
    holding_cost_rate: float | None = Field(default=None, description="Part of the unit cost, per year.")
    review_wait_days: float | None = Field(
        default=None,
        description="Days until the supplier's next review day, on average; within the lead time. Null: on any day.",
    )
    planned_at: Timestamp | None = None
    fill_rate: float | None = Field(default=None, description="The fill rate that was asked for, instead of a level.")
    method: str | None = Field(
        default=None, description="How the point was found: seed, normal, gamma ...; null: there was no demand."
    )
    demand_class: DemandClass | None = Field(
        default=None, description="How demand comes, by intervals and sizes; null: there was none."
    )
    days_with_demand: int | None = None
    unit_cost: float | None = Field(default=None, description="Cost of a unit from its supplier: money.")
    undershoot: float | None = Field(
        default=None, description="Units that the item is below its point when the order goes out, on average."
    )
    outgoing_mean: float | None = Field(
        default=None, description="Units that leave from the point until the goods are there, on average."
    )
    outgoing_deviation: float | None = Field(default=None, description="Their standard deviation.")
    outgoing_skewness: float | None = Field(default=None, description="Their skewness; 0: normal.")
    factor: float | None = Field(default=None, description="Deviations above that mean at which the point is.")
    expected_cycle_service: float | None = Field(
        default=None,
        description="The part of the cycles that the point is expected to pass without a refused customer.",
    )
    expected_fill_rate: float | None = Field(
        default=None, description="The part of the units wanted that is expected to be sold."
    )
    planned_reorder_point: int | None = Field(
        default=None,
        description="The point that these numbers lead to; the item's own is another where a person has set it since.",
    )
    planned_reorder_quantity: int | None = Field(default=None, description="In the same way, the units of an order.")
    forecast: str | None = Field(
        default=None, description="What daily_mean follows: trend, season or trend_and_season; null: the days' mean."
    )
    forecast_factor: float | None = Field(
        default=None, description="Demand expected over the lead time, as a part of the days' mean."
    )
    forecast_error: float | None = Field(
        default=None, description="Squared error of such forecasts over the last year, as a part of the mean's."
    )
    usual_deviation: float | None = Field(
        default=None,
        description="Deviation of a day that is usual in the warehouse for such a mean; null: it doesn't count.",
    )
    usual_days: float | None = Field(
        default=None, description="Days with demand that the usual deviation counts for, beside the item's own."
    )
    widening: float | None = Field(
        default=None,
        description="Factor in outgoing_deviation by which the level would have been reached in the warehouse's past.",
    )


class ItemPlans(Page):
    """Plans of one page."""

    plans: list[ItemPlan]


DEFAULT_ORDER_COST = Decimal(50)
DEFAULT_HOLDING_COST_RATE = 0.25


class ReplenishmentPlanActivities(Protocol):
    """Activities of a planning run, and planning by hand. Implemented in `activities.replenishment_plan`."""

    @activity.defn(name="roll_up_demand")
    def roll_up_demand(self, step: RollUpDemandStep) -> RolledUpDemand:
        """Bring the daily demand up to date."""
        ...

    @activity.defn(name="plan_page")
    def plan_page(self, step: PlanPageStep) -> PlannedPage:
        """Plan one page of items."""
        ...

    @activity.defn(name="set_planning")
    def set_planning(self, step: SetPlanningStep) -> ItemPlan:
        """Set an item by hand, or return it to automatic planning."""
        ...

    @activity.defn(name="show_plans")
    def show_plans(self, question: ShowPlans) -> ItemPlans:
        """Plans of items."""
        ...


PROCESS = ProcessSpec(
    name="replenishment plan",
    workflow_type=WORKFLOW_TYPE,
    start=ReplenishmentPlanRequest,
    state=PlanState,
    activities=ReplenishmentPlanActivities,
    needs={
        permission.START: permission.BUY,
    },
    workflow_id=f"{SCHEDULE} of the schedule, or any",
)
