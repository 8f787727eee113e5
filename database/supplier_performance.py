"""What suppliers were measured by: the last cost of a unit, and the time that deliveries took.

All of it is kept under the supplier's lock (`database.locks.lock_suppliers`), which comes last in the lock order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Index, Table

from database.columns import MEASURED_DAYS, METADATA, key_of, needed, reference
from database.pipeline import Statement, instants, numbers

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
_KEEP_UNIT_COSTS = """
    INSERT INTO product_suppliers AS known (product_id, supplier_id, unit_cost, last_unit_cost, lead_time_days)
    SELECT DISTINCT ON (product_id, supplier_id) product_id, supplier_id, line.unit_cost, line.unit_cost,
        round(greatest(extract(epoch FROM came.as_of - submitted_at), 0) / 86400, 3)
    FROM unnest(%s::bigint[], %s::integer[], %s::timestamptz[]) WITH ORDINALITY
        AS came (po_id, line_number, as_of, position)
    JOIN purchase_order_lines AS line USING (po_id, line_number)
    JOIN purchase_orders USING (po_id)
    ORDER BY product_id, supplier_id, position DESC
    ON CONFLICT (product_id, supplier_id) DO UPDATE SET last_unit_cost = excluded.last_unit_cost
        WHERE known.last_unit_cost IS DISTINCT FROM excluded.last_unit_cost
"""

# Days from the order's submission to the last receipt that put some of the product into stock. A product of which all
# was corrected hasn't come.
_KEEP_LEAD_TIMES = """
    INSERT INTO supplier_lead_times (po_id, product_id, supplier_id, lead_time_days)
    SELECT po_id, line.product_id, supplier_id,
        round(greatest(extract(epoch FROM
            max(received_at) FILTER (WHERE came.quantity > 0) - submitted_at), 0) / 86400, 6)
    FROM purchase_orders
    JOIN purchase_order_lines AS line USING (po_id)
    JOIN purchase_order_receipt_lines AS came USING (po_id, line_number)
    JOIN purchase_order_receipts USING (po_id, receipt_id)
    WHERE po_id = ANY (%s::bigint[])
    GROUP BY po_id, line.product_id, supplier_id, submitted_at
    HAVING sum(came.quantity) > 0
"""

MEASURE = """
    UPDATE product_suppliers AS known
    SET lead_times_measured = measured.orders,
        measured_lead_time_days = round(measured.mean, 6),
        measured_lead_time_deviation_days = round(measured.deviation, 6)
    FROM (
        SELECT product_id, supplier_id, count(*) AS orders, avg(lead_time_days) AS mean,
            stddev_samp(lead_time_days) AS deviation
        FROM supplier_lead_times JOIN (
            SELECT DISTINCT product_id, supplier_id FROM supplier_lead_times WHERE po_id = ANY (%s::bigint[])
        ) AS delivered USING (product_id, supplier_id)
        GROUP BY product_id, supplier_id
    ) AS measured
    WHERE (known.product_id, known.supplier_id) = (measured.product_id, measured.supplier_id)
"""
"""Mean and sample standard deviation, over all orders of the products of these orders from their suppliers."""


class PaidLine(NamedTuple):
    """A line of which some has come, and when; its unit cost is the last that was paid."""

    po_id: int
    line_number: int
    as_of: datetime


def keep_unit_costs(lines: Sequence[PaidLine]) -> Statement:
    """Keep the unit costs of these lines as the last that were paid. The caller has locked orders and suppliers."""
    came = (
        numbers(each.po_id for each in lines),
        numbers(each.line_number for each in lines),
        instants(each.as_of for each in lines),
    )
    return Statement(_KEEP_UNIT_COSTS, came)


def keep_lead_times(po_ids: Sequence[int]) -> list[Statement]:
    """Keep the time that each product of these closed orders took, and the mean and deviation over all of its orders.

    The caller has locked the orders and their suppliers.
    """
    of = (numbers(po_ids),)
    return [Statement(_KEEP_LEAD_TIMES, of), Statement(MEASURE, of)]
