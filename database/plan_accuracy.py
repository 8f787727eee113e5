"""What plans promised and what was reached: plans by month, replenishment cycles, and refused holds.

All of it is brought up to date by a planning run, before it plans. What is looked at is what has happened since the
last run; only the units of a month are added up once, when it is over.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Connection, Date, Double, Index, RowMapping, Table, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Boolean

from database.clock import clocked
from database.columns import INSTANT, METADATA, item_as_primary_key, item_key, key_of, needed, reference
from stockkeeper.domain.errors import InsufficientStock

plan_months = Table(
    "plan_months",
    METADATA,
    *item_as_primary_key(),
    Column("month", Date, primary_key=True),
    Column("method", Text),
    Column("demand_class", Text),
    needed("service_measure", Text),
    needed("service_level", Double),
    Column("expected_cycle_service", Double),
    Column("expected_fill_rate", Double),
    needed("reorder_point", BigInteger),
    needed("reorder_quantity", BigInteger),
    needed("planned_at", INSTANT),
    Column("units", BigInteger),
    item_key("plan_months_item"),
    Index("plan_months_open", "month", postgresql_where=text("units IS NULL")),
)

replenishment_cycles = Table(
    "replenishment_cycles",
    METADATA,
    key_of("purchase_orders.po_id"),
    key_of("products.product_id"),
    reference("warehouses.warehouse_id"),
    needed("month", Date),
    needed("ordered_at", INSTANT),
    needed("received_at", INSTANT),
    needed("ran_out", Boolean),
    Index("replenishment_cycles_by_month", "month"),
)

refused_demand = Table(
    "refused_demand",
    METADATA,
    Column("operation_id", Text, primary_key=True),
    key_of("warehouses.warehouse_id"),
    key_of("products.product_id"),
    needed("month", Date),
    needed("refused_at", INSTANT),
    needed("units", BigInteger),
    Index("refused_demand_by_month", "month"),
    Index("refused_demand_by_item", "warehouse_id", "product_id", "refused_at"),
)

# Holds of orders and transfers; other refusals for lack of stock are no demand. What a later attempt has held after all
# wasn't refused.
_REFUSALS = text("""
    SELECT operation_id, as_of, refusal FROM refused_operations AS refused
    WHERE refused_at >= (SELECT min(through)::timestamp AT TIME ZONE 'UTC' - interval '1 day' FROM demand_days)
        AND operation_id ~ '^(reservation|transfer)-.*/(reserve|hold)'
        AND refusal LIKE :insufficient
        AND NOT EXISTS (SELECT FROM operations AS done WHERE done.operation_id = refused.operation_id)
    UNION ALL
    -- An order that waited for stock until its wait was over.
    SELECT closed_by, closed_at, jsonb_build_array('', '', shortages)::text FROM waits
    WHERE status = 'REJECTED' AND shortages IS NOT NULL
        AND closed_at >= (SELECT min(through)::timestamp AT TIME ZONE 'UTC' - interval '1 day' FROM demand_days)
""")

_KEEP_REFUSALS = clocked("""
    WITH refused AS (
        SELECT operation_id, warehouse_id, product_id, refused_at, max(units) AS units
        FROM unnest(:operation_ids, :warehouse_ids, :product_ids, :instants, :units)
            AS refused (operation_id, warehouse_id, product_id, refused_at, units)
        GROUP BY operation_id, warehouse_id, product_id, refused_at
    )
    INSERT INTO refused_demand (operation_id, warehouse_id, product_id, month, refused_at, units)
    SELECT operation_id, warehouse_id, product_id,
        date_trunc('month', refused_at AT TIME ZONE 'UTC' + utc_offset)::date, refused_at, units
    FROM refused JOIN warehouses USING (warehouse_id)
    CROSS JOIN LATERAL (
        SELECT utc_offset FROM clock
        WHERE clock.timezone = warehouses.timezone AND refused_at >= begins AND refused_at < ends LIMIT 1) AS there
    ON CONFLICT DO NOTHING
""").bindparams(
    bindparam("operation_ids", type_=ARRAY(Text)),
    bindparam("instants", type_=ARRAY(INSTANT)),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids", "units")),
)

# A cycle ends with the first goods of its order. An item that had never been stocked when it was ordered promised
# nothing yet.
_KEEP_CYCLES = clocked("""
    WITH came AS (
        SELECT po_id, purchase_orders.created_at AS ordered_at, moved.warehouse_id, product_id,
            min(moved.created_at) AS received_at
        FROM stock_movements AS moved JOIN purchase_orders ON po_number = reference_id
        WHERE movement_type = 'PURCHASE' AND moved.quantity > 0
            AND moved.created_at >= (
                SELECT min(through)::timestamp AT TIME ZONE 'UTC' - interval '1 day' FROM demand_days)
            AND moved.created_at < :as_of
        GROUP BY po_id, moved.warehouse_id, product_id
    )
    INSERT INTO replenishment_cycles (po_id, product_id, warehouse_id, month, ordered_at, received_at, ran_out)
    SELECT po_id, product_id, warehouse_id,
        date_trunc('month', received_at AT TIME ZONE 'UTC' + utc_offset)::date, ordered_at, received_at,
        at_order.balance_after = 0 OR EXISTS (
            SELECT FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id) = (came.warehouse_id, came.product_id)
                AND moved.created_at > ordered_at AND moved.created_at < received_at AND balance_after = 0
        ) OR EXISTS (
            SELECT FROM refused_demand AS refused
            WHERE (refused.warehouse_id, refused.product_id) = (came.warehouse_id, came.product_id)
                AND refused_at > ordered_at AND refused_at < received_at
        )
    FROM came JOIN warehouses USING (warehouse_id)
    CROSS JOIN LATERAL (
        SELECT utc_offset FROM clock
        WHERE clock.timezone = warehouses.timezone AND received_at >= begins AND received_at < ends LIMIT 1) AS there
    CROSS JOIN LATERAL balance_at(warehouse_id, product_id, ordered_at) AS at_order
    WHERE ordered_at < received_at
    ON CONFLICT DO NOTHING
""").bindparams(bindparam("as_of", type_=INSTANT))

_ADD_UP_MONTHS = clocked(
    """
    UPDATE plan_months AS plan
    SET units = (
        SELECT coalesce(sum(quantity), 0) FROM daily_demand AS known
        WHERE (known.warehouse_id, known.product_id) = (plan.warehouse_id, plan.product_id)
            AND day >= plan.month AND day < plan.month + interval '1 month')
    FROM today
    WHERE today.warehouse_id = plan.warehouse_id AND units IS NULL AND month < date_trunc('month', today.today)::date
""",
    today=True,
)

_KEEP_PLANS = clocked(
    """
    INSERT INTO plan_months (warehouse_id, product_id, month, method, demand_class, service_measure, service_level,
        expected_cycle_service, expected_fill_rate, reorder_point, reorder_quantity, planned_at)
    SELECT warehouse_id, product_id, this.month, method, demand_class, service_measure, service_level,
        expected_cycle_service, expected_fill_rate, plan.reorder_point, plan.reorder_quantity, planned_at
    FROM item_plans AS plan
    JOIN inventory_items AS item USING (warehouse_id, product_id)
    JOIN today USING (warehouse_id)
    CROSS JOIN LATERAL (SELECT date_trunc('month', today)::date AS month) AS this
    WHERE planning = 'auto' AND NOT EXISTS (
        SELECT FROM plan_months AS kept
        WHERE (kept.warehouse_id, kept.product_id, kept.month) = (plan.warehouse_id, plan.product_id, this.month))
    ORDER BY warehouse_id, product_id
    ON CONFLICT DO NOTHING
""",
    today=True,
)

# The weights of what was promised are those of what was reached: cycles, and units wanted.
_ACCURACY = text("""
    WITH planned AS (
        SELECT plan.*, coalesce(demand_class, '-') AS of_class FROM plan_months AS plan
        WHERE month >= :since AND (CAST(:warehouse_id AS bigint) IS NULL OR warehouse_id = :warehouse_id)
    ),
    cycles AS (
        SELECT warehouse_id, product_id, month, count(*) AS cycles, count(*) FILTER (WHERE NOT ran_out) AS good
        FROM replenishment_cycles WHERE month >= :since GROUP BY warehouse_id, product_id, month
    ),
    refused AS (
        SELECT warehouse_id, product_id, month, sum(units) AS units
        FROM refused_demand WHERE month >= :since GROUP BY warehouse_id, product_id, month
    )
    SELECT to_char(month, 'YYYY-MM') AS month, of_class AS demand_class, count(*) AS items,
        coalesce(sum(cycles), 0)::bigint AS cycles, coalesce(sum(good), 0)::bigint AS cycles_without_stockout,
        sum(expected_cycle_service * cycles) / nullif(sum(cycles) FILTER (WHERE expected_cycle_service IS NOT NULL), 0)
            AS promised_cycle_service,
        CASE WHEN count(*) = count(planned.units) THEN sum(planned.units)::bigint END AS units,
        coalesce(sum(refused.units), 0)::bigint AS units_refused,
        sum(expected_fill_rate * (planned.units + coalesce(refused.units, 0)))
            / nullif(sum(planned.units + coalesce(refused.units, 0)) FILTER (WHERE expected_fill_rate IS NOT NULL), 0)
            AS promised_fill_rate
    FROM planned
    LEFT JOIN cycles USING (warehouse_id, product_id, month)
    LEFT JOIN refused USING (warehouse_id, product_id, month)
    GROUP BY month, of_class
    ORDER BY month DESC, of_class
""").bindparams(bindparam("since", type_=Date), bindparam("warehouse_id", type_=BigInteger))


def keep_what_happened(connection: Connection, as_of: datetime, clocks: dict[str, Any]) -> None:
    """Keep what has happened since the last known day: refused holds, and cycles that ended.

    The caller has locked the known days of all warehouses, and hasn't moved them on yet.

    Args:
        connection: The transaction.
        as_of: The workflow's time.
        clocks: The parameters of `clocked`, from before the first known day on.
    """
    insufficient = json.dumps([InsufficientStock.__name__])[:-1] + "%"
    rows = connection.execute(_REFUSALS, {"insufficient": insufficient})
    refused = [line for row in rows for line in _lines(row.operation_id, row.as_of, row.refusal)]
    if refused:
        names = ("operation_ids", "warehouse_ids", "product_ids", "instants", "units")
        columns = dict(zip(names, (list(each) for each in zip(*refused, strict=True)), strict=True))
        connection.execute(_KEEP_REFUSALS, columns | clocks)
    connection.execute(_KEEP_CYCLES, {"as_of": as_of} | clocks)


def _lines(operation_id: str, as_of: datetime, refusal: str) -> Iterator[tuple[str, int, int, datetime, int]]:
    """The lines of a refused hold that were short, each in its warehouse; what left the warehouse open has none."""
    for short in json.loads(refusal)[2]:
        if short["warehouse_id"] is not None:
            yield operation_id, short["warehouse_id"], short["product_id"], as_of, short["requested"]


def keep_plans(connection: Connection, as_of: datetime, clocks: dict[str, Any]) -> None:
    """Keep the plan that each item has in this month, and add up the units of months that are over.

    The roll-up of the demand has been brought up to date.
    """
    connection.execute(_ADD_UP_MONTHS, {"as_of": as_of} | clocks)
    connection.execute(_KEEP_PLANS, {"as_of": as_of} | clocks)


def read_accuracy(connection: Connection, warehouse_id: int | None, since: date) -> Sequence[RowMapping]:
    """What plans promised and what was reached, by month and class, from this month on."""
    return connection.execute(_ACCURACY, {"warehouse_id": warehouse_id, "since": since}).mappings().all()
