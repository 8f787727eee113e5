"""What suppliers are measured by, once the deliveries to a warehouse have come with it.

The old database keeps what it has measured until the next delivery there: its other warehouses order by it.
"""

from psycopg import sql

from database.moving.copying import Session, staged
from database.moving.parts import LEAD_TIMES, ORDER_LINES, ORDERS
from database.supplier_performance import MEASURE


def measure_suppliers(target: Session, warehouse_id: int) -> None:
    """Measure suppliers by their deliveries to this warehouse as well, and keep what was paid last.

    Locks: the suppliers of its orders, as a delivery does, last.
    """
    orders = staged(warehouse_id, ORDERS)
    pairs = sql.SQL("SELECT product_id, supplier_id FROM {} JOIN {} USING (po_id)").format(
        staged(warehouse_id, ORDER_LINES), orders
    )
    target.execute(
        sql.SQL(
            "SELECT FROM suppliers WHERE supplier_id IN (SELECT supplier_id FROM {}) "
            "ORDER BY supplier_id FOR NO KEY UPDATE"
        ).format(orders)
    )
    measured = sql.SQL("SELECT DISTINCT po_id FROM {}").format(staged(warehouse_id, LEAD_TIMES))
    target.execute(MEASURE, [[po_id for (po_id,) in target.execute(measured)]])
    target.execute(
        sql.SQL("""
            UPDATE product_suppliers AS known SET last_unit_cost = paid.unit_cost
            FROM (
                SELECT DISTINCT ON (product_id, supplier_id) product_id, supplier_id, line.unit_cost
                FROM purchase_order_receipt_lines AS came
                JOIN purchase_order_receipts AS receipt USING (po_id, receipt_id)
                JOIN purchase_order_lines AS line USING (po_id, line_number)
                JOIN purchase_orders USING (po_id)
                WHERE came.quantity > 0 AND (product_id, supplier_id) IN ({})
                ORDER BY product_id, supplier_id, received_at DESC, po_id DESC
            ) AS paid
            WHERE (known.product_id, known.supplier_id) = (paid.product_id, paid.supplier_id)
                AND known.last_unit_cost IS DISTINCT FROM paid.unit_cost
        """).format(pairs)
    )
