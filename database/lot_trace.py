"""The trace of a lot: each of its movements with what is behind it, page by page by one index. It locks nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, text

from database.columns import INSTANT

FROM_THE_FIRST = (0, datetime(1970, 1, 1, tzinfo=UTC), 0)
"""A place before every movement."""

# The page is read by `stock_movements_by_lot`, in its order, and each document then by its unique number.
_TRACE = text("""
    SELECT moved.movement_id, moved.warehouse_id, place.name AS warehouse, moved.movement_type, moved.quantity,
        moved.reference_id, moved.performed_by, moved.reason, moved.created_at, moved.occurred_at, moved.workflow_id,
        supplier, order_reference, other_warehouse_id, other_warehouse
    FROM (
        SELECT movement_id, warehouse_id, movement_type, quantity, reference_id, performed_by, reason, created_at,
            occurred_at, workflow_id
        FROM stock_movements
        WHERE product_id = :product_id AND lot_number = :lot_number
            AND (warehouse_id, created_at, movement_id) > (:warehouse_id, :created_at, :movement_id)
        ORDER BY warehouse_id, created_at, movement_id
        LIMIT :most) AS moved
    CROSS JOIN LATERAL (
        SELECT name FROM warehouses WHERE warehouses.warehouse_id = moved.warehouse_id OFFSET 0) AS place
    LEFT JOIN LATERAL (
        SELECT suppliers.name AS supplier FROM purchase_orders JOIN suppliers USING (supplier_id)
        WHERE moved.movement_type = 'PURCHASE' AND po_number = moved.reference_id
        OFFSET 0) AS bought ON moved.movement_type = 'PURCHASE'
    LEFT JOIN LATERAL (
        SELECT returns.reference_id AS order_reference FROM returns
        WHERE moved.movement_type = 'RETURN' AND return_number = moved.reference_id
        OFFSET 0) AS returned ON moved.movement_type = 'RETURN'
    LEFT JOIN LATERAL (
        SELECT other.warehouse_id AS other_warehouse_id, other.name AS other_warehouse
        FROM transfer_orders JOIN warehouses AS other ON other.warehouse_id = CASE
            WHEN from_warehouse_id = moved.warehouse_id THEN to_warehouse_id ELSE from_warehouse_id END
        WHERE moved.movement_type IN ('TRANSFER_IN', 'TRANSFER_OUT') AND transfer_number = moved.reference_id
        OFFSET 0) AS carried ON moved.movement_type IN ('TRANSFER_IN', 'TRANSFER_OUT')
    ORDER BY moved.warehouse_id, moved.created_at, moved.movement_id
""").bindparams(bindparam("created_at", type_=INSTANT))


def trace_of(
    connection: Connection, product_id: int, lot_number: str, after: tuple[int, datetime, int] | None, most: int
) -> Sequence[RowMapping]:
    """A lot's movements after a place, by warehouse and instant, each with what its document says.

    Args:
        connection: A transaction.
        product_id: The product.
        lot_number: The lot.
        after: Warehouse, instant and movement of the last one seen; None: the first ones.
        most: How many at most.
    """
    place: dict[str, Any] = dict(
        zip(("warehouse_id", "created_at", "movement_id"), after or FROM_THE_FIRST, strict=True)
    )
    of = {"product_id": product_id, "lot_number": lot_number, "most": most}
    return connection.execute(_TRACE, place | of).mappings().all()
