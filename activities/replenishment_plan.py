"""The steps of a replenishment plan: demand from the ledger, and reorder points from demand.

`stockkeeper.domain.replenishment` computes; `database.demand` and `database.replenishment_plan` read and write. Items
are planned page by page, each page in a transaction of its own.
"""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.forecasts import forecasts_of
from activities.hindsights import hindsights_of
from activities.page_of_plans import plan_items
from activities.refused_demand import sums_with_refused
from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors, effect_once, page_of
from database.demand import roll_up
from database.demand_sums import demand_of_items
from database.locks import lock_or_create_items
from database.operations import Operation
from database.replenishment_plan import (
    active_products,
    count_to_plan,
    create_items_with_demand,
    has_plan,
    insert_plans,
    is_item,
    read_page,
    read_plans,
    read_supplies,
    set_planning,
    set_points,
)
from database.sessions import Database, allow_bulk
from stockkeeper.contracts.reorder import SKIPPED_SHOWN, SkippedState
from stockkeeper.contracts.replenishment_plan import (
    ITEMS_A_PAGE,
    PLANS_AT_ONCE,
    ItemPlan,
    ItemPlans,
    PlannedPage,
    PlanPageStep,
    ReplenishmentPlanActivities,
    RolledUpDemand,
    RollUpDemandStep,
    SetPlanningStep,
    ShowPlans,
)
from stockkeeper.contracts.stock import FindItems
from stockkeeper.domain.demand_class import PlanMethod, ServiceMeasure
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.replenishment import Policy

_NO_SUPPLIER = "it has demand, and no supplier is known for it"


class ReplenishmentPlanSteps(OnDatabase, ReplenishmentPlanActivities):
    """`ReplenishmentPlanActivities` on PostgreSQL.

    Args:
        database: The database.
        order_cost: The cost of placing an order, unless a run brings its own; money.
        holding_cost_rate: The yearly holding cost as a part of the unit cost, unless a run brings its own.
        bulk_factor: Days with more than this many times the usual demand are left out, unless a run brings its own
            number; None: none is left out.
        forecast: Whether trend and season are followed, unless a run says it.
    """

    def __init__(
        self,
        database: Database,
        *,
        order_cost: Decimal,
        holding_cost_rate: float,
        bulk_factor: float | None = None,
        forecast: bool = False,
    ) -> None:
        super().__init__(database)
        self._forecast = forecast
        self._bulk_factor = bulk_factor
        self._order_cost = order_cost
        self._holding_cost_rate = holding_cost_rate

    @activity.defn(name="roll_up_demand", no_thread_cancel_exception=True)
    def roll_up_demand(self, step: RollUpDemandStep) -> RolledUpDemand:
        """Bring the demand of each day up to date, to the end of yesterday in each warehouse.

        Items that an earlier system sold and that were never stocked here are created, so that they are planned.

        Locks: the known days of all warehouses, then the new items. Operation: none; doing it again changes nothing.
        """
        with database_errors(), self._database.transaction() as connection:
            allow_bulk(connection)
            written = roll_up(connection, step.as_of).days_written
            create_items_with_demand(connection)
            items = count_to_plan(connection, step.warehouse_id)
        return RolledUpDemand(days_written=written, items=items)

    @activity.defn(name="plan_page", no_thread_cancel_exception=True)
    def plan_page(self, step: PlanPageStep) -> PlannedPage:
        """Plan a page of items from their demand, and set the points and quantities that have changed.

        Items that were set by hand are left alone; so are those without a supplier, which have no lead time, and those
        without a whole day of history.

        Locks: what the past of its warehouses says, where that is looked for anew; then the items whose point or
        quantity changes. Operation: ``{workflow}/{run}/plan/{page}``.

        Raises:
            UnknownWarehouse: There is no such warehouse.
        """

        def effect(connection: Connection, operation: Operation) -> PlannedPage:
            if step.warehouse_id is not None:
                require_warehouse(connection, step.warehouse_id)
            allow_bulk(connection)
            return self._plan(connection, operation, step)

        return effect_once(self._database, step, PlannedPage, effect)[0]

    @activity.defn(name="set_planning", no_thread_cancel_exception=True)
    def set_planning(self, step: SetPlanningStep) -> ItemPlan:
        """Set an item's point and quantity by hand, or return it to automatic planning.

        Locks: the item, which is created if it was never stocked. Operation: the caller's.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got it.
            NotPermitted: The caller may not change items of that warehouse.
            InvalidRequest: It is set by hand, but the step has no point.
        """
        if step.planning == "manual" and step.reorder_point is None:
            with database_errors():
                raise InvalidRequest("reorder_point: set by hand, an item needs one")
        found = StockQuestions(self._database).find_items(
            FindItems(products=[step.product], warehouses=[step.warehouse])
        )
        with database_errors():
            item = step.item_of(found)

        def effect(connection: Connection, operation: Operation) -> ItemPlan:
            lock_or_create_items(connection, [item])
            point = {"reorder_point": step.reorder_point, "reorder_quantity": step.reorder_quantity}
            by_hand = point if step.planning == "manual" else {}
            set_planning(connection, operation, item, planning=step.planning, **by_hand)
            return ItemPlan.model_validate(read_plans(connection, [is_item(item)], 1, step.as_of)[0])

        return effect_once(self._database, step, ItemPlan, effect)[0]

    @activity.defn(name="show_plans", no_thread_cancel_exception=True)
    def show_plans(self, question: ShowPlans) -> ItemPlans:
        """One page of plans, ordered by SKU and warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one that the question names.
        """
        wanted = StockQuestions(self._database).find_items(
            FindItems(
                products=[question.product] if question.product else [],
                warehouses=[question.warehouse] if question.warehouse else [],
            )
        )
        conditions = has_plan(list(wanted.products.values()), list(wanted.warehouses.values()), question.after)
        with database_errors(), self._database.snapshot() as connection:
            rows = read_plans(connection, conditions, PLANS_AT_ONCE + 1, datetime.now(UTC))
        plans, more = page_of(ItemPlan, rows, PLANS_AT_ONCE)
        return ItemPlans(plans=plans, more=more)

    def _policy(self, step: PlanPageStep) -> Policy:
        return Policy(
            service_level=step.service_level if step.fill_rate is None else step.fill_rate,
            order_cost=float(self._order_cost if step.order_cost is None else step.order_cost),
            holding_cost_rate=(self._holding_cost_rate if step.holding_cost_rate is None else step.holding_cost_rate),
        )

    def _plan(self, connection: Connection, operation: Operation, step: PlanPageStep) -> PlannedPage:
        page = read_page(connection, step.warehouse_id, step.after, ITEMS_A_PAGE)
        if not page:
            return PlannedPage(looked_at=0, planned=0, changed=0, fell_below=False, after=None)
        supplies = read_supplies(connection, {item.product_id for item in page})
        bulk_factor = self._bulk_factor if step.bulk_factor is None else step.bulk_factor
        known = demand_of_items(connection, list(page), step.history_days, step.as_of, bulk_factor)
        if step.fill_rate is not None:
            # Sales alone would be less from week to week, and the plan with them.
            known |= sums_with_refused(connection, known, step.history_days, step.as_of, bulk_factor)
        items = [item for item in page if item in known and item.product_id in supplies]
        # The seed's formula plans from the mean, whatever the settings say.
        follows = (self._forecast if step.forecast is None else step.forecast) and step.method is None
        policy = self._policy(step)
        plans = plan_items(
            items,
            known,
            supplies,
            policy,
            measure=ServiceMeasure.CYCLE if step.fill_rate is None else ServiceMeasure.FILL,
            method=None if step.method is None else PlanMethod(step.method),
            forecasts=(
                forecasts_of(connection, items, supplies, step.history_days, step.as_of, bulk_factor) if follows else {}
            ),
            hindsights=(
                hindsights_of(connection, items, step.history_days, step.as_of, bulk_factor, policy)
                if step.method is None
                else {}
            ),
        )
        insert_plans(connection, items, plans, step.as_of)
        wanted = [item for item, demand in known.items() if demand.total > 0 and item.product_id not in supplies]
        active = active_products(connection, {item.product_id for item in wanted}) if wanted else set()
        skipped = sorted(item for item in wanted if item.product_id in active)
        # Last, because it locks the items: whoever wants to hold one of them waits for the commit.
        points, quantities = plans["reorder_point"], plans["reorder_quantity"]
        changed, fell_below = set_points(connection, operation, items, points, quantities, page, as_of=step.as_of)
        last = next(reversed(page))
        return PlannedPage(
            looked_at=len(page),
            planned=len(items),
            changed=changed,
            fell_below=fell_below,
            skipped=[
                SkippedState(product_id=item.product_id, warehouse_id=item.warehouse_id, reason=_NO_SUPPLIER)
                for item in skipped[:SKIPPED_SHOWN]
            ],
            items_skipped=len(skipped),
            after=(last.warehouse_id, last.product_id) if len(page) == ITEMS_A_PAGE else None,
        )
