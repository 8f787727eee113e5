"""Open orders that cover an item: by their quantity and by their day."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

serves_older_workers = False

# An order has one expected day for all of its lines, that of the slowest product: it isn't late for the others.
LEAD_TIME = """
ALTER TABLE purchase_orders ADD COLUMN longest_lead_time_days numeric(9, 3);
UPDATE purchase_orders AS po SET longest_lead_time_days = (
    SELECT max(lead_time_days) FROM purchase_order_lines AS line
    JOIN product_suppliers AS terms ON (terms.product_id, terms.supplier_id) = (line.product_id, po.supplier_id)
    WHERE line.po_id = po.po_id)
WHERE status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED');
"""

BELOW = """
DROP VIEW items_below;
CREATE VIEW items_below AS
SELECT item.warehouse_id, item.product_id, item.quantity_available, item.reorder_point, item.reorder_quantity,
    products.is_active, chosen.supplier_id, chosen.unit_cost, chosen.lead_time_days, chosen.minimum_order_quantity,
    chosen.pack_size, ordered.units AS on_order, coming.units AS in_transit
FROM inventory_items AS item
JOIN products USING (product_id)
LEFT JOIN LATERAL (
    SELECT * FROM product_suppliers AS known
    WHERE known.product_id = item.product_id
    ORDER BY is_preferred DESC, unit_cost, supplier_id LIMIT 1) AS chosen ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(line.qty - line.quantity_received), 0)::bigint AS units
    FROM purchase_order_lines AS line JOIN purchase_orders AS po USING (po_id)
    WHERE line.product_id = item.product_id AND line.quantity_received < line.qty
        AND po.warehouse_id = item.warehouse_id
        AND po.status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')) AS ordered
CROSS JOIN LATERAL (
    SELECT coalesce(sum(line.in_transit), 0)::bigint AS units
    FROM transfer_order_lines AS line JOIN transfer_orders AS moved USING (transfer_id)
    WHERE line.product_id = item.product_id AND line.in_transit > 0
        AND moved.to_warehouse_id = item.warehouse_id) AS coming
WHERE item.is_below_reorder_point;
GRANT SELECT ON items_below TO stockkeeper_worker;

-- Open orders that still owe an item, and the days on which each is taken to come in time: from as many days before the
-- expected one as a new order would take, until as many days after it. NULL: on any day.
CREATE FUNCTION open_orders(of_warehouse bigint, of_product bigint, lead_time_days numeric)
    RETURNS TABLE (po_number text, status text, units bigint, expected_delivery_date date, counts_from date,
        counts_until date)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT po.po_number, po.status, sum(line.qty - line.quantity_received)::bigint, po.expected_delivery_date,
        po.expected_delivery_date - ceil(greatest(open_orders.lead_time_days, po.longest_lead_time_days))::integer,
        po.expected_delivery_date + ceil(greatest(open_orders.lead_time_days, po.longest_lead_time_days))::integer
    FROM purchase_order_lines AS line JOIN purchase_orders AS po USING (po_id)
    WHERE line.product_id = of_product AND line.quantity_received < line.qty AND po.warehouse_id = of_warehouse
        AND po.status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')
    GROUP BY po.po_id
    ORDER BY po.expected_delivery_date, po.po_id;
END;
"""


def upgrade() -> None:
    for part in (LEAD_TIME, BELOW):
        op.execute(part)


downgrade = no_way_back
