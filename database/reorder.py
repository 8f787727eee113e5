"""Items below their reorder point in the database: whom to order them from, and the drafts that runs have stored.

All of it reads the view ``items_below``; nothing here locks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, text
from sqlalchemy import Sequence as NumberSequence
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database.columns import METADATA
from database.document import is_stored, read_rows
from database.purchase_order import PURCHASE_ORDER
from database.tables import warehouses
from stockkeeper.domain.reorder import PlannedNumbers

REORDER_NUMBERS = NumberSequence("reorder_numbers", metadata=METADATA)

# The view is grouped before names are joined, so that only the groups are joined and not every item.
_GROUPS = text("""
    WITH below AS (
        SELECT supplier_id, warehouse_id, is_active, is_covered, count(*) AS items
        FROM items_below
        WHERE :warehouse_id IS NULL OR warehouse_id = :warehouse_id
        GROUP BY supplier_id, warehouse_id, is_active, is_covered
    )
    SELECT below.*, suppliers.name AS supplier, warehouses.name AS warehouse
    FROM below JOIN warehouses USING (warehouse_id) LEFT JOIN suppliers USING (supplier_id)
    ORDER BY warehouse_id, supplier_id
""").bindparams(bindparam("warehouse_id", type_=BigInteger))

_SKIPPED = text("""
    SELECT product_id, warehouse_id,
        CASE WHEN is_active THEN 'no supplier is known for it' ELSE 'it is no longer active' END AS reason
    FROM items_below
    WHERE NOT is_covered AND (supplier_id IS NULL OR NOT is_active)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
    ORDER BY warehouse_id, product_id
    LIMIT :most
""").bindparams(bindparam("warehouse_id", type_=BigInteger))

_NEEDING = text("""
    SELECT * FROM items_below
    WHERE warehouse_id = :warehouse_id AND supplier_id = :supplier_id AND NOT is_covered AND is_active
        AND product_id > :after_product_id
    ORDER BY product_id
    LIMIT :most
""")

_STILL_NEEDING = text("""
    SELECT * FROM items_below
    WHERE warehouse_id = :warehouse_id AND product_id = ANY (:product_ids)
        AND supplier_id = :supplier_id AND NOT is_covered AND is_active
    ORDER BY product_id
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))

_PLANS = text("""
    SELECT product_id, days, daily_mean, daily_deviation, lead_time_days, lead_time_deviation_days, service_level,
        safety_stock, economic_order_quantity, plan.reorder_point
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


def read_groups(connection: Connection, warehouse_id: int | None) -> list[dict[str, Any]]:
    """Items below their point, counted by supplier, warehouse, activity and cover; with the names of the first two."""
    return read_rows(connection, _GROUPS, {"warehouse_id": warehouse_id})


def read_skipped(connection: Connection, warehouse_id: int | None, most: int) -> list[dict[str, Any]]:
    """Items below their point that can't be ordered, each with the reason."""
    return read_rows(connection, _SKIPPED, {"warehouse_id": warehouse_id, "most": most})


def read_needing(
    connection: Connection, warehouse_id: int, supplier_id: int, *, after_product_id: int, most: int
) -> Sequence[Row[Any]]:
    """Items of a warehouse that need an order from this supplier, by product."""
    of = {"warehouse_id": warehouse_id, "supplier_id": supplier_id}
    return connection.execute(_NEEDING, of | {"after_product_id": after_product_id, "most": most}).all()


def read_still_needing(
    connection: Connection, warehouse_id: int, supplier_id: int, product_ids: Collection[int]
) -> Sequence[Row[Any]]:
    """The items, of these, that need an order now. The caller has locked them, so that no other run drafts them."""
    of = {"warehouse_id": warehouse_id, "supplier_id": supplier_id, "product_ids": list(product_ids)}
    return connection.execute(_STILL_NEEDING, of).all()


def read_planned_numbers(
    connection: Connection, warehouse_id: int, product_ids: Iterable[int]
) -> Mapping[int, PlannedNumbers]:
    """The numbers behind the reorder points of these products, by product; without those that were set by hand."""
    of = {"warehouse_id": warehouse_id, "product_ids": list(product_ids)}
    return {product_id: PlannedNumbers(*numbers) for product_id, *numbers in connection.execute(_PLANS, of)}


def next_number(connection: Connection) -> str:
    """The next number for a reorder run's purchase order, without those that orders by hand have already."""
    while True:
        number = f"RO-{connection.execute(select(REORDER_NUMBERS.next_value())).scalar_one()}"
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
