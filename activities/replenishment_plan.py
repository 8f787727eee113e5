"""Planning in the database: demand from the ledger, and reorder points from demand.

The arithmetic is `stockkeeper.domain.replenishment`'s; here it is fed and its results are kept, a page of items at a
time, each in a transaction of its own.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, bindparam, column, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.types import BigInteger, Double
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.heartbeats import heartbeats
from activities.stock import StockQuestions
from activities.writes import database_errors, effect_once
from database.demand import roll_up, usages
from database.locks import lock_items, lock_or_create_items
from database.operations import Operation
from database.sessions import BULK_STATEMENT_TIMEOUT, Database
from database.tables import inventory_items, item_plans, products, suppliers, warehouses
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
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.replenishment import LeadTime, Plan, Policy, Terms, lead_time_from, plan_item
from stockkeeper.domain.stock import ItemKey

# The preferred supplier of a product; where none is, the cheapest one.
_TERMS = text("""
    SELECT DISTINCT ON (product_id) product_id, supplier_id, unit_cost, lead_time_days, lead_time_deviation_days,
        minimum_order_quantity, pack_size, lead_times_measured, measured_lead_time_days,
        measured_lead_time_deviation_days
    FROM product_suppliers
    WHERE product_id = ANY (:product_ids)
    ORDER BY product_id, is_preferred DESC, unit_cost, supplier_id
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))

_PAGE = text("""
    SELECT warehouse_id, product_id FROM inventory_items
    WHERE planning = 'auto'
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        AND (warehouse_id, product_id) > (:after_warehouse_id, :after_product_id)
    ORDER BY warehouse_id, product_id
    LIMIT :most
""").bindparams(
    *(bindparam(name, type_=BigInteger) for name in ("warehouse_id", "after_warehouse_id", "after_product_id"))
)

_KEPT: dict[str, Any] = {
    **dict.fromkeys(
        ("warehouse_id", "product_id", "supplier_id", "days", "reorder_point", "reorder_quantity"), BigInteger
    ),
    **dict.fromkeys(
        (
            *("daily_mean", "daily_deviation", "lead_time_days", "lead_time_deviation_days", "service_level"),
            *("safety_stock", "economic_order_quantity"),
        ),
        Double,
    ),
}
_NUMBERS = [name for name in _KEPT if name not in ("warehouse_id", "product_id")]


def _keep_plans() -> Insert:
    """Keep the numbers behind plans; a plan that is as it was keeps its time, too."""
    arrays = func.unnest(*(bindparam(name, type_=ARRAY(kind)) for name, kind in _KEPT.items()))
    given = arrays.table_valued(*(column(name, kind) for name, kind in _KEPT.items())).render_derived(name="plan")
    planned_at = bindparam("as_of", type_=item_plans.c.planned_at.type)
    statement = insert(item_plans).from_select(
        [*_KEPT, "planned_at"], select(*given.c, planned_at).order_by(given.c.warehouse_id, given.c.product_id)
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["warehouse_id", "product_id"],
        set_={name: new[name] for name in (*_NUMBERS, "planned_at")},
        where=tuple_(*(item_plans.c[name] for name in _NUMBERS)).is_distinct_from(
            tuple_(*(new[name] for name in _NUMBERS))
        ),
    )


_KEEP_PLANS = _keep_plans()

_CHANGED = text("""
    SELECT item.warehouse_id, item.product_id
    FROM unnest(:warehouse_ids, :product_ids, :points, :quantities)
        AS plan (warehouse_id, product_id, reorder_point, reorder_quantity)
    JOIN inventory_items AS item USING (warehouse_id, product_id)
    WHERE (item.reorder_point, item.reorder_quantity) IS DISTINCT FROM (plan.reorder_point, plan.reorder_quantity)
""").bindparams(
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids", "points", "quantities"))
)

# Somebody may have set an item by hand meanwhile, and another run may have planned it.
_SET_POINTS = text("""
    UPDATE inventory_items AS item
    SET reorder_point = plan.reorder_point, reorder_quantity = plan.reorder_quantity
    FROM (
        SELECT plan.*, was.is_below_reorder_point AS was_below
        FROM unnest(:warehouse_ids, :product_ids, :points, :quantities)
            AS plan (warehouse_id, product_id, reorder_point, reorder_quantity)
        JOIN inventory_items AS was USING (warehouse_id, product_id)
    ) AS plan
    WHERE (item.warehouse_id, item.product_id) = (plan.warehouse_id, plan.product_id) AND item.planning = 'auto'
        AND (item.reorder_point, item.reorder_quantity) IS DISTINCT FROM (plan.reorder_point, plan.reorder_quantity)
    RETURNING item.is_below_reorder_point AND NOT plan.was_below AS fell_below
""").bindparams(
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids", "points", "quantities"))
)


class ReplenishmentPlanSteps(ReplenishmentPlanActivities):
    """`ReplenishmentPlanActivities` on PostgreSQL.

    Args:
        database: Where.
        order_cost: What an order costs, unless a run says otherwise; money.
        holding_cost_rate: What holding costs, as a part of the unit cost per year, unless a run says otherwise.
    """

    def __init__(self, database: Database, *, order_cost: Decimal, holding_cost_rate: float) -> None:
        self._database = database
        self._order_cost = order_cost
        self._holding_cost_rate = holding_cost_rate

    @activity.defn(name="roll_up_demand", no_thread_cancel_exception=True)
    def roll_up_demand(self, step: RollUpDemandStep) -> RolledUpDemand:
        """Bring the demand of each day up to date, to the end of yesterday in each warehouse.

        Locks: the known days of all warehouses. Operation: none; doing it again changes nothing.
        """
        with heartbeats(), database_errors(), self._database.transaction() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = '{BULK_STATEMENT_TIMEOUT}'"))
            written = roll_up(connection, step.as_of).days_written
            to_plan = select(func.count()).select_from(inventory_items).where(inventory_items.c.planning == "auto")
            if step.warehouse_id is not None:
                to_plan = to_plan.where(inventory_items.c.warehouse_id == step.warehouse_id)
            items = connection.execute(to_plan).scalar_one()
        return RolledUpDemand(days_written=written, items=items)

    @activity.defn(name="plan_page", no_thread_cancel_exception=True)
    def plan_page(self, step: PlanPageStep) -> PlannedPage:
        """Plan a page of items from their demand, and set what has changed.

        Items that were set by hand are left alone; so are those without a supplier, whose lead time nobody knows, and
        those without a whole day of history.

        Locks: the items whose point or quantity changes. Operation: ``{workflow}/{run}/plan/{page}``.

        Raises:
            UnknownWarehouse: There is no such place.
        """

        def effect(connection: Connection, operation: Operation) -> PlannedPage:
            del operation
            if step.warehouse_id is not None:
                require_warehouse(connection, step.warehouse_id)
            connection.execute(text(f"SET LOCAL statement_timeout = '{BULK_STATEMENT_TIMEOUT}'"))
            return self._plan(connection, step)

        with heartbeats():
            return effect_once(self._database, step, PlannedPage, effect)[0]

    @activity.defn(name="set_planning", no_thread_cancel_exception=True)
    def set_planning(self, step: SetPlanningStep) -> ItemPlan:
        """Set an item's point and quantity by hand, or let planning have it again.

        Locks: the item, which is made if there is none yet. Operation: the caller's.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing is called that.
            InvalidRequest: By hand a point is needed.
        """
        if step.planning == "manual" and step.reorder_point is None:
            with database_errors():
                raise InvalidRequest("reorder_point: set by hand, an item needs one")
        found = StockQuestions(self._database).find_items(
            FindItems(products=[step.product], warehouses=[step.warehouse])
        )
        item = ItemKey(found.warehouses[step.warehouse], found.products[step.product])

        def effect(connection: Connection, operation: Operation) -> ItemPlan:
            del operation
            lock_or_create_items(connection, [item])
            values: dict[str, Any] = {"planning": step.planning}
            if step.planning == "manual":
                values |= {"reorder_point": step.reorder_point, "reorder_quantity": step.reorder_quantity}
            this = (inventory_items.c.warehouse_id == item.warehouse_id) & (
                inventory_items.c.product_id == item.product_id
            )
            connection.execute(inventory_items.update().where(this).values(**values))
            return _plans(connection, [this], 1)[0]

        return effect_once(self._database, step, ItemPlan, effect)[0]

    @activity.defn(name="show_plans", no_thread_cancel_exception=True)
    def show_plans(self, question: ShowPlans) -> ItemPlans:
        """One page of plans, ordered by SKU and warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: The question names what isn't there.
        """
        wanted = StockQuestions(self._database).find_items(
            FindItems(
                products=[question.product] if question.product else [],
                warehouses=[question.warehouse] if question.warehouse else [],
            )
        )
        conditions = [
            inventory_items.c.reorder_point.is_not(None),
            *(inventory_items.c.product_id == product_id for product_id in wanted.products.values()),
            *(inventory_items.c.warehouse_id == warehouse_id for warehouse_id in wanted.warehouses.values()),
        ]
        if question.after:
            conditions.append(tuple_(products.c.sku, warehouses.c.name) > tuple_(*question.after))
        with database_errors(), self._database.snapshot() as connection:
            found = _plans(connection, conditions, PLANS_AT_ONCE + 1)
        return ItemPlans(plans=found[:PLANS_AT_ONCE], more=len(found) > PLANS_AT_ONCE)

    def _plan(self, connection: Connection, step: PlanPageStep) -> PlannedPage:
        after = step.after or (0, 0)
        page = [
            ItemKey(row.warehouse_id, row.product_id)
            for row in connection.execute(
                _PAGE,
                {
                    "warehouse_id": step.warehouse_id,
                    "after_warehouse_id": after[0],
                    "after_product_id": after[1],
                    "most": ITEMS_A_PAGE,
                },
            )
        ]
        if not page:
            return PlannedPage(looked_at=0, planned=0, changed=0, fell_below=False, after=None)
        terms = {
            row.product_id: row
            for row in connection.execute(_TERMS, {"product_ids": sorted({item.product_id for item in page})})
        }
        supplied = [item for item in page if item.product_id in terms]
        policy = Policy(
            service_level=step.service_level,
            order_cost=float(self._order_cost if step.order_cost is None else step.order_cost),
            holding_cost_rate=(self._holding_cost_rate if step.holding_cost_rate is None else step.holding_cost_rate),
        )
        plans = {
            item: _planned(usage, terms[item.product_id], policy)
            for item, usage in usages(connection, supplied, step.history_days, step.as_of).items()
        }
        changed, fell_below = _set_points(connection, plans)
        _keep(connection, plans, terms, step)
        last = page[-1]
        return PlannedPage(
            looked_at=len(page),
            planned=len(plans),
            changed=changed,
            fell_below=fell_below,
            after=(last.warehouse_id, last.product_id) if len(page) == ITEMS_A_PAGE else None,
        )


def _planned(usage: Any, terms: Row[Any], policy: Policy) -> Plan:
    agreed = LeadTime(float(terms.lead_time_days), _float(terms.lead_time_deviation_days))
    lead_time = lead_time_from(
        agreed,
        terms.lead_times_measured,
        _float(terms.measured_lead_time_days),
        _float(terms.measured_lead_time_deviation_days),
    )
    sold = Terms(terms.minimum_order_quantity, terms.pack_size)
    return plan_item(usage, lead_time, float(terms.unit_cost), sold, policy)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _set_points(connection: Connection, plans: Mapping[ItemKey, Plan]) -> tuple[int, bool]:
    """Set the points and quantities that are other ones now; how many, and whether an item fell below its point."""
    changed = [
        ItemKey(row.warehouse_id, row.product_id) for row in connection.execute(_CHANGED, _points(plans, list(plans)))
    ]
    if not changed:
        return 0, False
    lock_items(connection, changed)
    fell = connection.execute(_SET_POINTS, _points(plans, changed)).scalars().all()
    return len(fell), any(fell)


def _points(plans: Mapping[ItemKey, Plan], items: Sequence[ItemKey]) -> dict[str, list[int]]:
    return {
        "warehouse_ids": [item.warehouse_id for item in items],
        "product_ids": [item.product_id for item in items],
        "points": [plans[item].reorder_point for item in items],
        "quantities": [plans[item].reorder_quantity for item in items],
    }


def _keep(
    connection: Connection, plans: Mapping[ItemKey, Plan], terms: Mapping[int, Row[Any]], step: PlanPageStep
) -> None:
    """Keep the numbers behind each plan."""
    if not plans:
        return
    connection.execute(
        _KEEP_PLANS,
        {
            "warehouse_id": [item.warehouse_id for item in plans],
            "product_id": [item.product_id for item in plans],
            "supplier_id": [terms[item.product_id].supplier_id for item in plans],
            "days": [plan.usage.days for plan in plans.values()],
            "daily_mean": [plan.usage.daily_mean for plan in plans.values()],
            "daily_deviation": [plan.usage.daily_deviation for plan in plans.values()],
            "lead_time_days": [plan.lead_time.days for plan in plans.values()],
            "lead_time_deviation_days": [plan.lead_time.deviation_days for plan in plans.values()],
            "service_level": [plan.service_level for plan in plans.values()],
            "safety_stock": [plan.safety_stock for plan in plans.values()],
            "economic_order_quantity": [plan.economic_order_quantity for plan in plans.values()],
            "reorder_point": [plan.reorder_point for plan in plans.values()],
            "reorder_quantity": [plan.reorder_quantity for plan in plans.values()],
            "as_of": step.as_of,
        },
    )


def _plans(connection: Connection, conditions: Sequence[Any], most: int) -> list[ItemPlan]:
    """Plans beside what their items have; an item that was set by hand shows no numbers behind it."""
    shown = [name for name in _NUMBERS if name not in ("supplier_id", "reorder_point", "reorder_quantity")]
    numbers = [item_plans.c[name] for name in (*shown, "planned_at")]
    statement = (
        select(
            inventory_items.c.product_id,
            products.c.sku,
            inventory_items.c.warehouse_id,
            warehouses.c.name.label("warehouse"),
            inventory_items.c.planning,
            inventory_items.c.reorder_point,
            inventory_items.c.reorder_quantity,
            inventory_items.c.quantity_available,
            suppliers.c.name.label("supplier"),
            *numbers,
        )
        .join_from(inventory_items, products, products.c.product_id == inventory_items.c.product_id)
        .join(warehouses, warehouses.c.warehouse_id == inventory_items.c.warehouse_id)
        .outerjoin(
            item_plans,
            (item_plans.c.warehouse_id == inventory_items.c.warehouse_id)
            & (item_plans.c.product_id == inventory_items.c.product_id)
            & (inventory_items.c.planning == "auto"),
        )
        .outerjoin(suppliers, suppliers.c.supplier_id == item_plans.c.supplier_id)
        .where(*conditions)
        .order_by(products.c.sku, warehouses.c.name)
        .limit(most)
    )
    return [ItemPlan.model_validate(dict(row)) for row in connection.execute(statement).mappings()]
