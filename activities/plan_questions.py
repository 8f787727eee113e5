"""Questions about plans: how a reorder point came about, its next weeks, and what plans promised and reached."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors
from database.clock import today_in
from database.perishing import read_perishing, read_sell_days
from database.plan_accuracy import read_accuracy
from database.plan_outlook import read_arrivals
from database.reorder import timezone_of
from database.replenishment_plan import Supply, is_item, read_plans, read_supplies
from database.unavailable import read_unavailable
from stockkeeper.contracts.order_promising import DEFAULT_CONFIDENCE
from stockkeeper.contracts.plan_questions import (
    ArrivalAhead,
    DayAheadState,
    ExplainedNumber,
    ExplainPlan,
    PlanAccuracies,
    PlanAccuracy,
    PlanExplained,
    PlanQuestionActivities,
    ShowPlanAccuracy,
)
from stockkeeper.contracts.replenishment_plan import ItemPlan
from stockkeeper.contracts.stock import FindItems
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.outlook import Arrival, outlook
from stockkeeper.domain.perishing import Perishables
from stockkeeper.domain.plan_explained import PlanNumbers, explain, explain_bound, explain_waste
from stockkeeper.domain.replenishment import Terms
from stockkeeper.domain.stock import ItemKey

_NINE_IN_TEN = 0.95
"""Of each edge of the band: nine days in ten are within both."""
_MONTHS = 12


class PlanQuestions(OnDatabase, PlanQuestionActivities):
    """`PlanQuestionActivities` on PostgreSQL. They lock nothing."""

    @activity.defn(name="explain_plan", no_thread_cancel_exception=True)
    def explain_plan(self, question: ExplainPlan) -> PlanExplained:
        """How an item's reorder point came about, number by number, and what its next weeks bring.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one that the question names.
            InvalidRequest: The item has no reorder point yet.
        """
        found = StockQuestions(self._database).find_items(
            FindItems(products=[question.product], warehouses=[question.warehouse])
        )
        item = ItemKey(found.warehouses[question.warehouse], found.products[question.product])
        with database_errors(), self._database.snapshot() as connection:
            now = datetime.now(UTC)
            rows = read_plans(connection, [is_item(item)], 1, now)
            supplies = read_supplies(connection, {item.product_id})
            there = _There(
                today_in(connection, item.warehouse_id, now),
                read_arrivals(connection, item, as_of=now, confidence=DEFAULT_CONFIDENCE),
                read_unavailable(connection, [item], now).get(item, {}),
                _lots_of(connection, item, now, question.days),
                _sell_days(connection, item, supplies.get(item.product_id)),
            )
            if not rows or rows[0]["reorder_point"] is None:
                raise InvalidRequest(
                    f"{question.product} has no reorder point in {question.warehouse} yet: plan it (stockkeeper plan), "
                    "or set it by hand (stockkeeper plan set)"
                )
        plan = ItemPlan.model_validate(rows[0])
        return _explained(plan, rows[0], supplies.get(item.product_id), there, question.days)

    @activity.defn(name="show_plan_accuracy", no_thread_cancel_exception=True)
    def show_plan_accuracy(self, question: ShowPlanAccuracy) -> PlanAccuracies:
        """What plans promised and what was reached, by month and class of demand.

        Raises:
            UnknownWarehouse: The catalogue hasn't got the one that the question names.
        """
        named = [question.warehouse] if question.warehouse else []
        found = StockQuestions(self._database).find_items(FindItems(warehouses=named))
        warehouse_id = found.warehouses[question.warehouse] if question.warehouse else None
        with database_errors(), self._database.snapshot() as connection:
            rows = read_accuracy(connection, warehouse_id, _first_month(question.since, datetime.now(UTC).date()))
        return PlanAccuracies(accuracies=[PlanAccuracy.model_validate(dict(row)) for row in rows])


def _first_month(since: date | None, today: date) -> date:
    """The first day of the first month in the answer."""
    if since is not None:
        return since.replace(day=1)
    month = today.year * 12 + today.month - 1 - (_MONTHS - 1)
    return date(month // 12, month % 12 + 1, 1)


@dataclass(frozen=True)
class _There:
    """What is known of an item beside its plan: its day, what comes, what can't be promised, how long goods keep."""

    today: date
    arrivals: list[Arrival]
    unavailable: dict[str, int]
    lots: Perishables
    sell_days: int | None


def _lots_of(connection: Connection, item: ItemKey, now: datetime, days: int) -> Perishables:
    place, products = item.warehouse_id, [item.product_id]
    found = read_perishing(connection, now, warehouse_id=place, product_ids=products, more_days=days)
    return found.get(item) or Perishables([], 0.0, 0.0)


def _sell_days(connection: Connection, item: ItemKey, supply: Supply | None) -> int | None:
    """Days on which the supplier's goods can be sold that have just come."""
    if supply is None:
        return None
    place, products, timezone = item.warehouse_id, [item.product_id], timezone_of(connection, item.warehouse_id)
    return read_sell_days(connection, place, supply.supplier_id, products, timezone).get(item.product_id)


def _explained(plan: ItemPlan, row: dict[str, Any], supply: Supply | None, there: _There, days: int) -> PlanExplained:
    coming = [
        ArrivalAhead(
            document=each.document,
            quantity=each.units,
            expected_on=each.expected,
            waits_for_approval=each.waits,
            basis=each.basis,
        )
        for each in there.arrivals
    ]
    own: dict[str, Any] = {"today": there.today, "arrivals": coming, "unavailable": there.unavailable}
    if plan.days is None or plan.reorder_point is None:
        # Set by hand: there are no numbers behind it.
        return PlanExplained(**dict(plan), **own, numbers=[], outlook=[])
    terms, breaks = (Terms(), ()) if supply is None else (supply.terms, supply.price_breaks)
    unit_cost = None if supply is None else supply.unit_cost
    level = plan.service_level if plan.fill_rate is None else plan.fill_rate
    behind = {name: row[name] for name in PlanNumbers.__dataclass_fields__ if name in row}
    # A point that was set by hand stays until the next run; these numbers lead to the plan's.
    planned = {"reorder_point": plan.planned_reorder_point, "reorder_quantity": plan.planned_reorder_quantity}
    behind |= {name: value for name, value in planned.items() if value is not None}
    numbers = PlanNumbers(**behind | {"level": level, "by_fill_rate": plan.fill_rate is not None})
    ahead = outlook(
        there.today,
        plan.quantity_available,
        plan.reorder_point,
        there.arrivals,
        daily_mean=numbers.daily_mean,
        daily_deviation=numbers.daily_deviation,
        days=days,
        confidence=_NINE_IN_TEN,
        review_days=() if supply is None else supply.review_days,
        wasted=there.lots.wasted(),
        lead_time_days=numbers.lead_time_days,
    )
    told = [
        *explain(numbers, terms, breaks, unit_cost),
        *explain_bound(numbers, there.sell_days),
        *explain_waste(there.lots),
    ]
    return PlanExplained(
        **dict(plan),
        **own,
        numbers=[ExplainedNumber(**asdict(each)) for each in told],
        quantity_to_expire=there.lots.units(),
        outlook=[DayAheadState(**asdict(each)) for each in ahead.days],
        falls_below=ahead.falls_below,
        order_by=ahead.order_by,
        runs_out=ahead.runs_out,
    )
