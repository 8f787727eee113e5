"""Questions about plans: how a point came about, what the next weeks bring, and what plans promised and reached."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Day, Message
from stockkeeper.contracts.order_promising import DayBasis
from stockkeeper.contracts.replenishment_plan import ItemPlan
from stockkeeper.contracts.stock import Name

DAYS_AHEAD = 42
"""Six weeks, unless a question asks for more."""


class ExplainPlan(Message):
    """How an item's reorder point came about, number by number, and what its next weeks bring."""

    product: Name
    warehouse: Name
    days: Annotated[int, Field(ge=1, le=366, description="Days to look ahead.")] = DAYS_AHEAD


class ExplainedNumber(BaseModel):
    """One number of a plan, with the formula and the numbers that it comes from."""

    name: str
    formula: str
    value: float | None = Field(default=None, description="Null: the formula says it in words.")
    unit: str = ""


class ArrivalAhead(BaseModel):
    """Units on their way to an item, by purchase order or transfer."""

    document: str
    quantity: int
    expected_on: date | None = Field(
        description="The day that a promise counts on; else the one that was given. Null: not known."
    )
    waits_for_approval: bool = Field(default=False, description="A draft: counted on, and not with the supplier yet.")
    basis: DayBasis | None = Field(
        default=None,
        description="What the day is known by: CONFIRMED by the supplier, MEASURED lead times, EXPECTED and not "
        "confirmed, an AGREED lead time, or the day on which a transfer is DUE; null: no promise counts on it.",
    )


class DayAheadState(BaseModel):
    """Available units at the end of a day, as expected, and the band in which they are by nine in ten."""

    day: date
    expected: float
    low: float
    high: float


class PlanExplained(ItemPlan):
    """A plan, how its point came about, and what the item's next weeks bring if nothing more is ordered."""

    numbers: list[ExplainedNumber] = Field(description="In the order in which one follows from the other.")
    today: date = Field(description="The warehouse's own day.")
    quantity_to_expire: int = Field(
        default=0,
        description="Of the available units, those that are expected to expire within the lead time, before they can "
        "be sold: reordering doesn't count on them.",
    )
    unavailable: dict[str, int] = Field(
        default_factory=dict, description="Units on hand that can't be promised, by state, such as EXPIRED."
    )
    arrivals: list[ArrivalAhead] = Field(description="The earliest first.")
    outlook: list[DayAheadState] = Field(description="Day by day from today; empty without a plan.")
    falls_below: date | None = Field(
        default=None,
        description="The day on which the item is expected to fall below its point, all on its way counted.",
    )
    order_by: date | None = Field(
        default=None,
        description="That day, or the supplier's last review day before it; where that has passed, the next one, "
        "which is later.",
    )
    runs_out: date | None = Field(
        default=None, description="The first of these days at whose end nothing is expected to be left."
    )


class ShowPlanAccuracy(Message):
    """What plans promised and what was reached, by month and class of demand; a month is the warehouse's own."""

    warehouse: Name | None = None
    since: Day | None = Field(default=None, description="Only the months from this day's on. Null: the last twelve.")


class PlanAccuracy(BaseModel):
    """What the plans of one month and class promised, and what was reached.

    Attributes:
        month: Such as ``2026-11``.
        demand_class: smooth, erratic, intermittent or lumpy; ``-`` without demand.
        items: Items with such a plan in that month.
        cycles: Purchase orders of an item of which the first goods came in that month.
        cycles_without_stockout: Of these, those in which the shelf was never empty and no hold was refused, from the
            order to the goods.
        promised_cycle_service: Expected part of such cycles, by the plans of these items; null: there was none.
        units: Units that left; null: the month isn't over.
        units_refused: Units of holds that were refused for lack of stock, those of repeated tries as well.
        promised_fill_rate: Expected part of the units wanted that is sold, weighted by units; null: not known yet.
    """

    month: str
    demand_class: str
    items: int
    cycles: int
    cycles_without_stockout: int
    promised_cycle_service: float | None
    units: int | None
    units_refused: int
    promised_fill_rate: float | None


class PlanAccuracies(BaseModel):
    """Month by month, the latest first."""

    accuracies: list[PlanAccuracy]


class PlanQuestionActivities(Protocol):
    """Questions about plans. Implemented in `activities.plan_questions`."""

    @activity.defn(name="explain_plan")
    def explain_plan(self, question: ExplainPlan) -> PlanExplained:
        """How an item's point came about, and its next weeks."""
        ...

    @activity.defn(name="show_plan_accuracy")
    def show_plan_accuracy(self, question: ShowPlanAccuracy) -> PlanAccuracies:
        """What plans promised and reached."""
        ...
