"""How a supplier takes orders, in the database: review days, least value, price breaks, and items for joint orders."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database.clock import clock, clocked
from database.document import read_rows
from database.tables import suppliers
from stockkeeper.domain.order_quantity import PriceBreak, unit_cost_of
from stockkeeper.domain.review_days import ReviewDays, review_days_of


class OrderTerms(NamedTuple):
    """How a supplier takes orders.

    Attributes:
        minimum_order_value: Money that an order is worth at least; None: any.
        joint_orders: Whether items near their point join an order.
        line_cost: What a line of an order costs beside the order; money.
    """

    minimum_order_value: Decimal | None
    joint_orders: bool
    line_cost: Decimal


_TERMS = select(suppliers.c.minimum_order_value, suppliers.c.joint_orders, suppliers.c.line_cost)

# Of the products that this supplier sells, the items that are ordered from it: with a plan that decides, and demand.
# Of tracked items what is free in lots that may not leave isn't available.
_JOINT = clocked(
    """
    WITH tracked AS (
        SELECT warehouse_id, product_id FROM inventory_items WHERE is_tracked AND warehouse_id = :warehouse_id
    )
    SELECT warehouse_id, product_id, item.reorder_point, item.reorder_quantity, item.unit_cost, item.lead_time_days,
        item.minimum_order_quantity, item.pack_size, item.price_breaks, item.on_order, item.in_transit,
        item.quantity_available - CASE
            WHEN tracked IS NULL THEN 0 ELSE unusable_units(warehouse_id, product_id, today) END AS quantity_available,
        plan.daily_mean, plan.order_cost, plan.holding_cost_rate
    FROM orderable_items AS item JOIN item_plans AS plan USING (warehouse_id, product_id)
        JOIN today USING (warehouse_id) LEFT JOIN tracked USING (warehouse_id, product_id)
    WHERE item.warehouse_id = :warehouse_id AND item.supplier_id = :supplier_id
        AND item.product_id IN (SELECT product_id FROM product_suppliers WHERE supplier_id = :supplier_id)
        AND (CAST(:product_ids AS bigint[]) IS NULL OR item.product_id = ANY (:product_ids))
        AND item.planning = 'auto' AND item.is_active AND plan.reorder_point = item.reorder_point
        AND plan.daily_mean > 0 AND plan.order_cost IS NOT NULL AND plan.holding_cost_rate IS NOT NULL
    ORDER BY product_id
    """,
    today=True,
).bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))


def read_order_terms(connection: Connection, supplier_id: int) -> OrderTerms:
    """How a supplier takes orders."""
    row = connection.execute(_TERMS.where(suppliers.c.supplier_id == supplier_id)).one()
    return OrderTerms(row.minimum_order_value, row.joint_orders, row.line_cost or Decimal())


def read_joint_items(
    connection: Connection,
    warehouse_id: int,
    supplier_id: int,
    as_of: datetime,
    product_ids: Collection[int] | None = None,
) -> Sequence[Row[Any]]:
    """Planned items of a warehouse with demand that are ordered from this supplier, by product.

    Args:
        connection: The transaction.
        warehouse_id: The warehouse.
        supplier_id: The supplier.
        as_of: The workflow's time, which says which lots may leave.
        product_ids: Only these products; None: all.
    """
    of = {"warehouse_id": warehouse_id, "supplier_id": supplier_id, "as_of": as_of, **clock(connection, as_of, as_of)}
    return connection.execute(_JOINT, of | {"product_ids": None if product_ids is None else list(product_ids)}).all()


_BROKEN = text("""
    SELECT product_id, unit_cost, price_breaks FROM product_suppliers
    WHERE supplier_id = :supplier_id AND product_id = ANY (:product_ids) AND price_breaks IS NOT NULL
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))


def read_prices_with_breaks(connection: Connection, supplier_id: int, units: Mapping[int, int]) -> dict[int, Decimal]:
    """What a supplier has agreed to for so many units of a product, for those with price breaks. Locks nothing."""
    rows = connection.execute(_BROKEN, {"supplier_id": supplier_id, "product_ids": sorted(units)})
    return {
        row.product_id: unit_cost_of(units[row.product_id], row.unit_cost, price_breaks_of(row.price_breaks))
        for row in rows
    }


def price_breaks_of(stored: Sequence[Mapping[str, Any]] | None) -> tuple[PriceBreak, ...]:
    """Price breaks as ``product_suppliers`` keeps them."""
    return tuple(PriceBreak(each["quantity"], Decimal(each["unit_cost"])) for each in stored or ())


def price_breaks_written(breaks: Sequence[PriceBreak]) -> str:
    """Price breaks as a file has them: ``100:2.9 500:2.7``."""
    return " ".join(f"{each.quantity}:{each.unit_cost.normalize():f}" for each in breaks)


def review_days_stored(stored: str | None) -> ReviewDays:
    """Review days as ``suppliers`` keeps them."""
    return review_days_of(stored or "")


_SUPPLIERS = text("""
    SELECT supplier_id, name, email, review_days, minimum_order_value, joint_orders, line_cost
    FROM suppliers WHERE supplier_id > :supplier_id ORDER BY supplier_id LIMIT :most
""")

_SOLD = text("""
    SELECT supplier_id, product_id, sku, suppliers.name AS supplier, is_preferred, terms.unit_cost, lead_time_days,
        lead_time_deviation_days, minimum_order_quantity, pack_size, price_breaks, terms.minimum_days_at_receipt
    FROM product_suppliers AS terms JOIN products USING (product_id) JOIN suppliers USING (supplier_id)
    WHERE (supplier_id, product_id) > (:supplier_id, :product_id)
    ORDER BY supplier_id, product_id LIMIT :most
""")


def read_suppliers(connection: Connection, after: tuple[int, int], most: int) -> list[dict[str, Any]]:
    """Suppliers by id, after the given one, with how they take orders; ``after`` is the place of each."""
    found = read_rows(connection, _SUPPLIERS, {"supplier_id": after[0], "most": most})
    return [row | {"after": (row["supplier_id"], 0)} for row in found]


def read_terms(connection: Connection, after: tuple[int, int], most: int) -> list[dict[str, Any]]:
    """What suppliers sell and on which terms, after the given supplier and product; ``after`` is the place of each."""
    found = read_rows(connection, _SOLD, {"supplier_id": after[0], "product_id": after[1], "most": most})
    return [row | {"after": (row["supplier_id"], row["product_id"])} for row in found]
