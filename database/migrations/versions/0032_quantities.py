"""Quantities: price breaks, review days, the least value of an order, and joint orders."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# A worker of the revision before orders without them: on any day, one item at a time, at the first price.
serves_older_workers = True

SUPPLIERS = """
ALTER TABLE suppliers
    -- Weekdays on which orders go out, in the week's order: tue,fri. NULL: on any day.
    ADD COLUMN review_days text CONSTRAINT suppliers_review_days_check
        CHECK (review_days ~ '^(mon|tue|wed|thu|fri|sat|sun)(,(mon|tue|wed|thu|fri|sat|sun)){0,6}$'),
    ADD COLUMN minimum_order_value numeric(18, 6) CONSTRAINT suppliers_minimum_order_value_check
        CHECK (minimum_order_value >= 0),
    ADD COLUMN joint_orders boolean NOT NULL DEFAULT false,
    ADD COLUMN line_cost numeric(18, 6) CONSTRAINT suppliers_line_cost_check CHECK (line_cost >= 0);
"""

BREAKS = """
-- [{"quantity": 100, "unit_cost": "2.90"}, ...]: from so many units on a line, each costs this. The quantities rise.
CREATE FUNCTION are_price_breaks(given jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT count(*) > 0 AND bool_and(coalesce(quantity > coalesce(before, 1) AND unit_cost >= 0, false))
    FROM (
        SELECT quantity, unit_cost, lag(quantity) OVER (ORDER BY place) AS before
        FROM ROWS FROM (
            jsonb_to_recordset(CASE jsonb_typeof(given) WHEN 'array' THEN given ELSE '[]' END)
                AS (quantity bigint, unit_cost numeric)
        ) WITH ORDINALITY AS each (quantity, unit_cost, place)
    ) AS listed;
END;
ALTER TABLE product_suppliers
    ADD COLUMN price_breaks jsonb CONSTRAINT product_suppliers_price_breaks_check
        CHECK (are_price_breaks(price_breaks));
"""

ITEMS = """
-- Every item with the supplier that is asked (the preferred one, or else the cheapest), and what is on order and on its
-- way.
CREATE VIEW orderable_items AS
SELECT item.warehouse_id, item.product_id, item.quantity_available, item.reorder_point, item.reorder_quantity,
    products.is_active, chosen.supplier_id, chosen.unit_cost, chosen.lead_time_days, chosen.minimum_order_quantity,
    chosen.pack_size, ordered.units AS on_order, coming.units AS in_transit, chosen.price_breaks, item.planning,
    item.is_below_reorder_point
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
        AND moved.to_warehouse_id = item.warehouse_id) AS coming;
GRANT SELECT ON orderable_items TO stockkeeper_worker;

CREATE OR REPLACE VIEW items_below AS
SELECT warehouse_id, product_id, quantity_available, reorder_point, reorder_quantity, is_active, supplier_id, unit_cost,
    lead_time_days, minimum_order_quantity, pack_size, on_order, in_transit, price_breaks
FROM orderable_items
WHERE is_below_reorder_point;
"""

PLANS = """
ALTER TABLE item_plans
    -- Days that an item waits for its supplier's next review day, on average; within lead_time_days. NULL: it doesn't.
    ADD COLUMN review_wait_days double precision CONSTRAINT item_plans_review_wait_days_check
        CHECK (review_wait_days > 0);
"""


def upgrade() -> None:
    for part in (SUPPLIERS, BREAKS, ITEMS, PLANS):
        op.execute(part)


downgrade = no_way_back
