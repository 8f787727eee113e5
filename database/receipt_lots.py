"""Lots of a purchase order's receipts: the days that they must have left, and which of them a receipt has brought."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, text

from database.clock import today_in
from database.goods import Lots
from database.locked_stock import LockedStock
from database.pipeline import Statement, numbers, send
from stockkeeper.domain.purchase_order import PurchaseOrder
from stockkeeper.domain.short_dated import ComingLot
from stockkeeper.domain.stock import ItemKey

_DAYS = """
    SELECT wanted.product_id, coalesce(terms.minimum_days_at_receipt, product.minimum_days_at_receipt)
    FROM unnest(%s::bigint[]) AS wanted (product_id)
    CROSS JOIN LATERAL (
        SELECT minimum_days_at_receipt FROM products WHERE products.product_id = wanted.product_id OFFSET 0) AS product
    LEFT JOIN LATERAL (
        SELECT minimum_days_at_receipt FROM product_suppliers AS terms
        WHERE (terms.product_id, terms.supplier_id) = (wanted.product_id, %s::bigint)
        OFFSET 0) AS terms ON true
"""

_BROUGHT = text("""
    SELECT product_id, lot_number, sum(quantity)::bigint AS units
    FROM stock_movements
    WHERE reference_id = :po_number AND movement_type = 'PURCHASE' AND lot_number IS NOT NULL AND operation_id IN (
        SELECT operation_id FROM purchase_order_receipts
        WHERE po_id = :po_id AND (receipt_id = :receipt_id AND corrects IS NULL OR corrects = :receipt_id))
    GROUP BY product_id, lot_number
""")


def short_dated_lots(stock: LockedStock, order: PurchaseOrder, lots: Lots, came_at: datetime) -> list[ComingLot]:
    """Those of the lots that come with an order that have expired, or have too few days left; changes nothing.

    Args:
        stock: The stock, with the items; the step has said in its wants that these lots come.
        order: The order.
        lots: What comes, by product.
        came_at: When it came, which may be before it is booked.

    Raises:
        InvalidRequest: A lot is known with other dates, or by a number that differs by upper and lower case.
    """
    tracked = [product_id for product_id in lots if stock.items[ItemKey(order.warehouse_id, product_id)].is_tracked]
    if not tracked:
        return []
    days = _days_asked_for(stock.connection, order.supplier_id, tracked)
    came_on = today_in(stock.connection, order.warehouse_id, came_at)
    coming = []
    for product_id in tracked:
        item = stock.items[ItemKey(order.warehouse_id, product_id)]
        known = stock.agreed_lots([(item.key, facts) for facts, _ in lots[product_id]])
        coming += [
            ComingLot(
                product_id,
                item.sku or "",
                known[product_id, facts.lot_number.lower()].facts,
                units,
                came_on,
                item.today,
                days[product_id],
            )
            for facts, units in lots[product_id]
        ]
    return [lot for lot in coming if lot.is_short_dated]


def lots_brought_by(connection: Connection, order: PurchaseOrder, receipt_id: str) -> dict[tuple[int, str], int]:
    """Units that a receipt has brought of each lot, by product and number, less those that were taken back since."""
    of = {"po_id": order.po_id, "po_number": order.po_number, "receipt_id": receipt_id}
    return {(row.product_id, row.lot_number): row.units for row in connection.execute(_BROUGHT, of)}


def _days_asked_for(connection: Connection, supplier_id: int, products: Collection[int]) -> dict[int, int | None]:
    """Days that lots of these products must have left when this supplier delivers them; None: any."""
    [rows] = send(connection, [Statement(_DAYS, (numbers(products), supplier_id))])
    return {product_id: days for product_id, days in rows}  # noqa: C416 - rows, not pairs
