"""The steps of planning counts: find the warehouses whose day has come, and the items that are due there.

`stockkeeper.domain.cycle_count_plan` decides which items are due. The list is stored by the cycle count that is started
with it, so that planning again, after a crash or by hand, does no harm.
"""

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Integer, Text
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.writes import OnDatabase, database_errors
from database.clock import clock, clock_of_all_years, clocked
from database.columns import INSTANT
from database.cycle_count import cycle_counts
from database.demand import demand_of_warehouse
from database.sessions import Database, allow_bulk
from stockkeeper.contracts.cycle_count import CountPolicy
from stockkeeper.contracts.cycle_count_plan import (
    WAREHOUSES_A_PAGE,
    CountDay,
    CountDays,
    CycleCountPlanActivities,
    FindCountDaysStep,
    PlanCountStep,
    PlannedCount,
    count_number,
)
from stockkeeper.domain.cycle_count_plan import Countable, CountClass, classify, plan_day

_DAYS = clocked("""
    SELECT warehouse_id, name AS warehouse, (:as_of AT TIME ZONE 'UTC' + utc_offset)::date AS day
    FROM warehouses JOIN clock USING (timezone)
    WHERE :as_of >= begins AND :as_of < ends
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id) AND warehouse_id > :after_warehouse_id
        AND (:from_hour IS NULL OR extract(hour FROM :as_of AT TIME ZONE 'UTC' + utc_offset) >= :from_hour)
        AND EXISTS (SELECT 1 FROM inventory_items WHERE inventory_items.warehouse_id = warehouses.warehouse_id)
    ORDER BY warehouse_id
    LIMIT :most
""").bindparams(
    bindparam("as_of", type_=INSTANT),
    bindparam("warehouse_id", type_=BigInteger),
    bindparam("from_hour", type_=Integer),
)

_MADE = text("SELECT count_number FROM cycle_counts WHERE count_number = ANY (:numbers)").bindparams(
    bindparam("numbers", type_=ARRAY(Text))
)

# An item that was never counted is as old as its first movement. Items that are being counted are left out.
_COUNTABLE = clocked("""
    SELECT product_id, was_counted, last_count_was_off AS was_off,
        CASE WHEN is_tracked THEN greatest((
            SELECT count(*) FROM lot_items AS lot
            WHERE (lot.warehouse_id, lot.product_id) = (item.warehouse_id, item.product_id) AND lot.quantity_on_hand > 0
        ), 1) ELSE 1 END AS lines,
        coalesce((
            SELECT (age.began_at AT TIME ZONE 'UTC' + utc_offset)::date FROM clock
            WHERE clock.timezone = warehouses.timezone AND age.began_at >= begins AND age.began_at < ends), :day
        ) AS since
    FROM (
        SELECT *, last_counted_at IS NOT NULL AS was_counted
        FROM inventory_items WHERE warehouse_id = :warehouse_id
    ) AS item
    JOIN warehouses USING (warehouse_id)
    JOIN products USING (product_id)
    LEFT JOIN LATERAL (
        SELECT created_at AS moved_at FROM stock_movements AS moved
        WHERE last_counted_at IS NULL
            AND (moved.warehouse_id, moved.product_id) = (item.warehouse_id, item.product_id)
        ORDER BY created_at LIMIT 1) AS first ON true
    CROSS JOIN LATERAL (SELECT coalesce(last_counted_at, first.moved_at) AS began_at) AS age
    WHERE (is_active OR quantity_on_hand > 0) AND NOT EXISTS (
        SELECT 1 FROM cycle_counts AS count JOIN cycle_count_lines AS line USING (count_id)
        WHERE count.warehouse_id = item.warehouse_id AND count.status IN ('COUNTING', 'REVIEW')
            AND line.product_id = item.product_id AND line.status IN ('COUNTING', 'REVIEW'))
""")

_KEEP_CLASSES = text("""
    INSERT INTO item_classes AS known (warehouse_id, product_id, count_class, demand, classified_at)
    SELECT :warehouse_id, product_id, count_class, demand, :as_of
    FROM unnest(:product_ids, :classes, :demands) AS class (product_id, count_class, demand)
    ORDER BY product_id
    ON CONFLICT (warehouse_id, product_id) DO UPDATE
        SET count_class = excluded.count_class, demand = excluded.demand, classified_at = excluded.classified_at
        WHERE (known.count_class, known.demand) <> (excluded.count_class, excluded.demand)
""").bindparams(
    bindparam("product_ids", type_=ARRAY(BigInteger)),
    bindparam("classes", type_=ARRAY(Text)),
    bindparam("demands", type_=ARRAY(BigInteger)),
    bindparam("as_of", type_=cycle_counts.c.created_at.type),
)


class CycleCountPlanSteps(OnDatabase, CycleCountPlanActivities):
    """`CycleCountPlanActivities` on PostgreSQL.

    Args:
        database: The database.
        policy: How often each class is counted, and how many items a day.
    """

    def __init__(self, database: Database, policy: CountPolicy) -> None:
        super().__init__(database)
        self._policy = policy

    @activity.defn(name="find_count_days", no_thread_cancel_exception=True)
    def find_count_days(self, step: FindCountDaysStep) -> CountDays:
        """Warehouses that hold stock and where the day has come so far, each with its day by its own calendar.

        Raises:
            UnknownWarehouse: There is no such warehouse.
        """
        with database_errors(), self._database.snapshot() as connection:
            if step.warehouse_id is not None:
                require_warehouse(connection, step.warehouse_id)
            rows = connection.execute(
                _DAYS,
                {
                    "as_of": step.as_of,
                    "warehouse_id": step.warehouse_id,
                    "from_hour": step.from_hour,
                    "after_warehouse_id": step.after_warehouse_id,
                    "most": WAREHOUSES_A_PAGE + 1,
                }
                | clock(connection, step.as_of, step.as_of),
            ).all()
            numbers = [count_number(row.warehouse_id, row.day) for row in rows]
            made = set(connection.execute(_MADE, {"numbers": numbers}).scalars())
        days = [
            CountDay(warehouse_id=row.warehouse_id, warehouse=row.warehouse, day=row.day, is_counted=number in made)
            for row, number in zip(rows, numbers, strict=True)
        ]
        return CountDays(days=days[:WAREHOUSES_A_PAGE], more=len(days) > WAREHOUSES_A_PAGE)

    @activity.defn(name="plan_count", no_thread_cancel_exception=True)
    def plan_count(self, step: PlanCountStep) -> PlannedCount:
        """Classify a warehouse's items by the demand of the last days, and list the items that are due on this day.

        The daily demand has been brought up to date before. Operation: none; doing it again changes nothing.
        """
        with database_errors(), self._database.transaction() as connection:
            allow_bulk(connection)
            classes = self._classify(connection, step)
            items = [
                Countable(
                    row.product_id,
                    classes.get(row.product_id, CountClass.C),
                    row.since,
                    row.was_counted,
                    row.was_off,
                    row.lines,
                )
                for row in connection.execute(
                    _COUNTABLE,
                    {"warehouse_id": step.warehouse_id, "day": step.day} | clock_of_all_years(connection),
                )
            ]
            # Read after the items: a count that was opened meanwhile then explains why its items were left out.
            numbers = [count_number(step.warehouse_id, step.day)]
            is_counted = connection.execute(_MADE, {"numbers": numbers}).scalar_one_or_none() is not None
        plan = plan_day(items, step.day, self._policy.cycle)
        return PlannedCount(
            product_ids=list(plan.product_ids), wanted=plan.wanted, late=plan.late, is_counted=is_counted
        )

    def _classify(self, connection: Connection, step: PlanCountStep) -> dict[int, CountClass]:
        """Classify the items, and keep the classes for later counts."""
        demand = demand_of_warehouse(connection, step.warehouse_id, step.day, self._policy.demand_days)
        classes = classify(demand, self._policy.a_percent, self._policy.b_percent)
        connection.execute(
            _KEEP_CLASSES,
            {
                "warehouse_id": step.warehouse_id,
                "as_of": step.as_of,
                "product_ids": list(classes),
                "classes": list(classes.values()),
                "demands": [demand[product_id] for product_id in classes],
            },
        )
        return classes
