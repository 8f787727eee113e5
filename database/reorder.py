"""Items below their reorder point in the database: whom to order them from, and the drafts that runs have stored.

All of it reads the view ``items_below``; nothing here locks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause, bindparam, func, select, text
from sqlalchemy import Sequence as NumberSequence
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Boolean, Date

from database.clock import clock, clocked
from database.columns import DAYS, METADATA
from database.document import is_stored, read_rows
from database.homes import this_database
from database.perishing import EXPIRING_ARRAYS, TO_EXPIRE, Perishing, units_to_expire
from database.purchase_order import PURCHASE_ORDER
from database.tables import warehouses
from stockkeeper.domain.reorder import MISSING_TO_ORDERED, OpenOrder, PlannedNumbers

REORDER_NUMBERS = NumberSequence("reorder_numbers", metadata=METADATA)

# The items that are covered: by units on order that come in time, and on transfers, as `Position.needs_order` has it.
# For an item without a supplier no order can come earlier, so that none is late.
# Of tracked items what is free in lots that may not leave isn't available, and what will expire before it can be sold
# isn't counted on (`database.perishing`); some are below their point for that.
_ITEMS = """
    SELECT warehouse_id, product_id, {available} AS quantity_available,
        coalesce(to_expire, 0) AS to_expire, reorder_point, reorder_quantity, is_active,
        supplier_id, unit_cost, lead_time_days, minimum_order_quantity, pack_size, on_order, in_transit, price_breaks
"""
_UNUSABLE = "unusable_units(warehouse_id, product_id, today)"
_BELOW = f"""
    WITH tracked AS (SELECT warehouse_id, product_id FROM inventory_items WHERE is_tracked),
    {TO_EXPIRE},
    candidate AS (
        {_ITEMS.format(available="quantity_available - CASE WHEN tracked IS NULL THEN 0 ELSE " + _UNUSABLE + " END")}
        FROM items_below JOIN today USING (warehouse_id) LEFT JOIN tracked USING (warehouse_id, product_id)
            LEFT JOIN to_expire USING (warehouse_id, product_id)
        UNION ALL
        {_ITEMS.format(available="quantity_available - " + _UNUSABLE)}
        FROM tracked JOIN orderable_items USING (warehouse_id, product_id) JOIN today USING (warehouse_id)
            LEFT JOIN to_expire USING (warehouse_id, product_id)
        WHERE NOT is_below_reorder_point AND quantity_available - {_UNUSABLE} - coalesce(to_expire, 0) < reorder_point
    ),
    below AS (
        SELECT item.*, coalesce(cover.units, 0)::bigint AS in_time, today,
            item.reorder_point - (item.quantity_available - item.to_expire) - item.in_transit
                <= coalesce(cover.units, 0) * :missing_to_ordered AS is_covered
        FROM candidate AS item JOIN today USING (warehouse_id)
        LEFT JOIN LATERAL (
            SELECT sum(units) AS units FROM open_orders(item.warehouse_id, item.product_id, item.lead_time_days)
            WHERE item.on_order > 0 AND (
                :any_day OR item.supplier_id IS NULL OR counts_from IS NULL
                OR today BETWEEN counts_from AND counts_until)
        ) AS cover ON true
        WHERE (CAST(:warehouse_id AS bigint) IS NULL OR warehouse_id = :warehouse_id)
    )
"""  # noqa: S608 - constants only


def _of_below(statement: str) -> TextClause:
    """A statement on ``below``: the items below their point, with their cover on the day of ``:as_of``."""
    return clocked(_BELOW + statement, today=True).bindparams(
        bindparam("warehouse_id", type_=BigInteger),
        bindparam("any_day", type_=Boolean),
        *EXPIRING_ARRAYS,
        missing_to_ordered=MISSING_TO_ORDERED,
    )


_ANY_INSTANT = datetime(2026, 1, 1, tzinfo=UTC)

# Items are grouped before names are joined, so that only the groups are joined and not every item.
_GROUPS = _of_below("""
    , grouped AS (
        SELECT supplier_id, warehouse_id, is_active, is_covered, min(today) AS today, count(*) AS items
        FROM below
        GROUP BY supplier_id, warehouse_id, is_active, is_covered
    )
    SELECT grouped.*, suppliers.name AS supplier, suppliers.review_days, warehouses.name AS warehouse
    FROM grouped JOIN warehouses USING (warehouse_id) LEFT JOIN suppliers USING (supplier_id)
    ORDER BY warehouse_id, supplier_id
""")

_SKIPPED = _of_below("""
    SELECT product_id, warehouse_id,
        CASE WHEN is_active THEN 'no supplier is known for it' ELSE 'it is no longer active' END AS reason
    FROM below
    WHERE NOT is_covered AND (supplier_id IS NULL OR NOT is_active)
    ORDER BY warehouse_id, product_id
    LIMIT :most
""")

_COVERED = _of_below("""
    SELECT product_id, warehouse_id, quantity_available, to_expire AS quantity_to_expire, reorder_point,
        ordered.orders AS purchase_orders, moved.transfers
    FROM below
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'po_number', po_number, 'quantity', units, 'expected_delivery_date', expected_delivery_date
            ) ORDER BY expected_delivery_date, po_number), '[]') AS orders
        FROM (
            SELECT * FROM open_orders(below.warehouse_id, below.product_id, below.lead_time_days)
            WHERE :any_day OR below.supplier_id IS NULL OR counts_from IS NULL
                OR today BETWEEN counts_from AND counts_until
            LIMIT :orders_each
        ) AS each
    ) AS ordered
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'transfer_number', transfer_number, 'quantity', units, 'due_at', due_at
            ) ORDER BY due_at, transfer_number), '[]') AS transfers
        FROM (
            SELECT transfer_number, due_at, sum(line.in_transit) AS units
            FROM transfer_order_lines AS line JOIN transfer_orders USING (transfer_id)
            WHERE line.product_id = below.product_id AND line.in_transit > 0
                AND to_warehouse_id = below.warehouse_id
            GROUP BY transfer_number, due_at ORDER BY due_at, transfer_number LIMIT :orders_each
        ) AS each
    ) AS moved
    WHERE is_covered
    ORDER BY warehouse_id, product_id
    LIMIT :most
""")

_NEEDING = _of_below("""
    SELECT * FROM below
    WHERE supplier_id = :supplier_id AND NOT is_covered AND is_active AND product_id > :after_product_id
    ORDER BY product_id
    LIMIT :most
""")

_STILL_NEEDING = _of_below("""
    SELECT * FROM below
    WHERE product_id = ANY (:product_ids) AND supplier_id = :supplier_id AND NOT is_covered AND is_active
    ORDER BY product_id
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))

_OPEN_ORDERS = text("""
    SELECT wanted.product_id, po_number, units, expected_delivery_date,
        coalesce(:today BETWEEN counts_from AND counts_until, true) AS is_in_time
    FROM unnest(:product_ids, :lead_times) AS wanted (product_id, lead_time_days)
    CROSS JOIN LATERAL open_orders(:warehouse_id, wanted.product_id, wanted.lead_time_days)
""").bindparams(
    bindparam("product_ids", type_=ARRAY(BigInteger)),
    bindparam("lead_times", type_=ARRAY(DAYS)),
    bindparam("today", type_=Date),
    bindparam("warehouse_id", type_=BigInteger),
)

_PLANS = text("""
    SELECT product_id, days, daily_mean, daily_deviation, lead_time_days, lead_time_deviation_days, service_level,
        safety_stock, economic_order_quantity, plan.reorder_point, service_measure, method, demand_class,
        expected_cycle_service, expected_fill_rate
    FROM item_plans AS plan JOIN inventory_items USING (warehouse_id, product_id)
    WHERE warehouse_id = :warehouse_id AND product_id = ANY (:product_ids) AND planning = 'auto'
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))

_UNSTARTED = text("""
    SELECT po_id, po_number, supplier_id, warehouse_id, expected_delivery_date, requested_by, reason
    FROM purchase_orders WHERE run_id = '' AND po_id > :after_po_id ORDER BY po_id LIMIT 1
""")

_UNSTARTED_LINES = text("""
    SELECT product_id, qty, unit_cost, note FROM purchase_order_lines WHERE po_id = :po_id ORDER BY line_number
""")


@dataclass(frozen=True)
class Looked:
    """Where and when a run looks for items below their point.

    Attributes:
        warehouse_id: Only there; None: everywhere.
        as_of: The workflow's time; None: on any day, so that every open order is in time.
        perishing: Lots that end soon (`database.perishing.read_perishing`).
    """

    warehouse_id: int | None
    as_of: datetime | None
    perishing: Perishing = field(default_factory=dict)

    def asked(self, connection: Connection, **more: object) -> dict[str, Any]:
        """The parameters of ``below``, and others."""
        at = self.as_of or _ANY_INSTANT
        of = {"warehouse_id": self.warehouse_id, "as_of": at, "any_day": self.as_of is None}
        return of | units_to_expire(self.perishing) | clock(connection, at, at) | more


def read_groups(connection: Connection, look: Looked) -> list[dict[str, Any]]:
    """Items below their point, counted by supplier, warehouse, activity and cover.

    With the names of the first two, the supplier's review days, and the warehouse's day.
    """
    return read_rows(connection, _GROUPS, look.asked(connection))


def read_skipped(connection: Connection, look: Looked, most: int) -> list[dict[str, Any]]:
    """Items below their point that can't be ordered, each with the reason."""
    return read_rows(connection, _SKIPPED, look.asked(connection, most=most))


def read_covered(connection: Connection, look: Looked, most: int, orders_each: int) -> list[dict[str, Any]]:
    """Items below their point that are covered, with the orders and transfers that cover each, the earliest first."""
    return read_rows(connection, _COVERED, look.asked(connection, most=most, orders_each=orders_each))


def read_needing(
    connection: Connection, look: Looked, supplier_id: int, *, after_product_id: int, most: int
) -> Sequence[Row[Any]]:
    """Items of a warehouse that need an order from this supplier, by product."""
    of = {"supplier_id": supplier_id, "after_product_id": after_product_id, "most": most}
    return connection.execute(_NEEDING, look.asked(connection, **of)).all()


def read_still_needing(
    connection: Connection, look: Looked, supplier_id: int, product_ids: Collection[int]
) -> Sequence[Row[Any]]:
    """The items, of these, that need an order now. The caller has locked them, so that no other run drafts them."""
    asked = look.asked(connection, supplier_id=supplier_id, product_ids=list(product_ids))
    return connection.execute(_STILL_NEEDING, asked).all()


def read_open_orders(
    connection: Connection, warehouse_id: int, needing: Sequence[Row[Any]]
) -> Mapping[int, list[OpenOrder]]:
    """The open orders of items that need one more, by product, the earliest first."""
    found: dict[int, list[OpenOrder]] = {}
    rows = [row for row in needing if row.on_order > 0]
    if not rows:
        return found
    asked = {
        "warehouse_id": warehouse_id,
        "today": rows[0].today,
        "product_ids": [row.product_id for row in rows],
        "lead_times": [row.lead_time_days for row in rows],
    }
    for row in connection.execute(_OPEN_ORDERS, asked):
        order = OpenOrder(row.po_number, row.units, row.expected_delivery_date, row.is_in_time)
        found.setdefault(row.product_id, []).append(order)
    return found


def read_planned_numbers(
    connection: Connection, warehouse_id: int, product_ids: Iterable[int]
) -> Mapping[int, PlannedNumbers]:
    """The numbers behind the reorder points of these products, by product; without those that were set by hand."""
    of = {"warehouse_id": warehouse_id, "product_ids": list(product_ids)}
    return {product_id: PlannedNumbers(*numbers) for product_id, *numbers in connection.execute(_PLANS, of)}


# Each of several databases counts by itself, and orders' numbers are unique among all.
_NEXT_NUMBER = select(
    REORDER_NUMBERS.next_value(),
    func.coalesce(
        select(this_database.c.task_queue + "-")
        .where(this_database.c.task_queue != this_database.c.catalogue)
        .scalar_subquery(),
        "",
    ),
)


def next_number(connection: Connection) -> str:
    """The next number for a reorder run's purchase order, without those that orders by hand have already."""
    while True:
        counted, database = connection.execute(_NEXT_NUMBER).one()
        number = f"RO-{database}{counted}"
        if not is_stored(connection, PURCHASE_ORDER, number):
            return number


def timezone_of(connection: Connection, warehouse_id: int) -> str:
    """The time zone of a warehouse, by its IANA name."""
    found = select(warehouses.c.timezone).where(warehouses.c.warehouse_id == warehouse_id)
    timezone: str = connection.execute(found).scalar_one()
    return timezone


def read_unstarted(connection: Connection, after_po_id: int) -> dict[str, Any] | None:
    """The next draft whose workflow hasn't been started, as a start has it, with its ``po_id``; None: there is none."""
    found = read_rows(connection, _UNSTARTED, {"after_po_id": after_po_id})
    if not found:
        return None
    return found[0] | {"line_items": read_rows(connection, _UNSTARTED_LINES, {"po_id": found[0]["po_id"]})}
