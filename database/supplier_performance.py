"""What suppliers were measured by: the last cost of a unit, and the time that deliveries took.

All of it is kept under the supplier's lock (`database.locks.lock_supplier`), which comes last in the lock order.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Index, Table, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Integer

from database.columns import INSTANT, MEASURED_DAYS, METADATA, key_of, needed, reference
from database.locks import lock_supplier
from stockkeeper.domain.purchase_order import PurchaseOrder

supplier_lead_times = Table(
    "supplier_lead_times",
    METADATA,
    key_of("purchase_orders.po_id"),
    key_of("products.product_id"),
    reference("suppliers.supplier_id"),
    needed("lead_time_days", MEASURED_DAYS),
    Index("supplier_lead_times_of", "supplier_id", "product_id"),
)

# Delivered goods get a row, if the catalogue has none; an existing row keeps the agreed terms.
_KEEP_UNIT_COSTS = text("""
    INSERT INTO product_suppliers AS known (product_id, supplier_id, unit_cost, last_unit_cost, lead_time_days)
    SELECT DISTINCT ON (product_id) product_id, supplier_id, line.unit_cost, line.unit_cost,
        round(greatest(extract(epoch FROM :as_of - submitted_at), 0) / 86400, 3)
    FROM purchase_order_lines AS line JOIN purchase_orders USING (po_id)
    WHERE po_id = :po_id AND line_number = ANY (:line_numbers)
    ORDER BY product_id, line_number DESC
    ON CONFLICT (product_id, supplier_id) DO UPDATE SET last_unit_cost = excluded.last_unit_cost
""").bindparams(bindparam("line_numbers", type_=ARRAY(Integer)), bindparam("as_of", type_=INSTANT))

# Days from the order's submission to the last receipt that put some of the product into stock.
_KEEP_LEAD_TIMES = text("""
    INSERT INTO supplier_lead_times (po_id, product_id, supplier_id, lead_time_days)
    SELECT po_id, line.product_id, supplier_id,
        round(greatest(extract(epoch FROM max(received_at) - submitted_at), 0) / 86400, 6)
    FROM purchase_orders
    JOIN purchase_order_lines AS line USING (po_id)
    JOIN purchase_order_receipt_lines AS came USING (po_id, line_number)
    JOIN purchase_order_receipts USING (po_id, receipt_id)
    WHERE po_id = :po_id AND came.quantity > 0
    GROUP BY po_id, line.product_id, supplier_id, submitted_at
""")

# Mean and sample standard deviation, over all orders of the product from this supplier.
_MEASURE = text("""
    UPDATE product_suppliers AS known
    SET lead_times_measured = measured.orders,
        measured_lead_time_days = round(measured.mean, 6),
        measured_lead_time_deviation_days = round(measured.deviation, 6)
    FROM (
        SELECT product_id, supplier_id, count(*) AS orders, avg(lead_time_days) AS mean,
            stddev_samp(lead_time_days) AS deviation
        FROM supplier_lead_times JOIN (
            SELECT product_id, supplier_id FROM supplier_lead_times WHERE po_id = :po_id
        ) AS delivered USING (product_id, supplier_id)
        GROUP BY product_id, supplier_id
    ) AS measured
    WHERE (known.product_id, known.supplier_id) = (measured.product_id, measured.supplier_id)
""")


def keep_unit_costs(
    connection: Connection, order: PurchaseOrder, line_numbers: Collection[int], as_of: datetime
) -> None:
    """Keep the unit costs of these lines, of which some has come, as the last that were paid.

    Locks: the supplier. The caller has locked the order and the items.
    """
    lock_supplier(connection, order.supplier_id)
    of = {"po_id": order.po_id, "line_numbers": list(line_numbers), "as_of": as_of}
    connection.execute(_KEEP_UNIT_COSTS, of)


def measure_lead_times(connection: Connection, order: PurchaseOrder) -> None:
    """Keep the time that each product of a closed order took, and the mean and deviation over all of its orders.

    Locks: the supplier, if anything came. The caller has locked the order.
    """
    of = {"po_id": order.po_id}
    if connection.execute(_KEEP_LEAD_TIMES, of).rowcount:
        lock_supplier(connection, order.supplier_id)
        connection.execute(_MEASURE, of)
