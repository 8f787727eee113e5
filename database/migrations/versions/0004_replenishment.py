"""What replenishment knows: the demand of each day, the plan of each item, and what is below its point."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

serves_older_workers = False

ITEMS = """
ALTER TABLE inventory_items
    ADD COLUMN planning text NOT NULL DEFAULT 'auto' CHECK (planning IN ('auto', 'manual')),
    -- The index below is on this and not on the quantities: as long as an item stays on its side of the point, its
    -- changes touch no index.
    ADD COLUMN is_below_reorder_point boolean NOT NULL GENERATED ALWAYS AS
        (coalesce(quantity_on_hand - quantity_reserved < reorder_point, false)) STORED;
CREATE INDEX inventory_items_below ON inventory_items (warehouse_id, product_id) WHERE is_below_reorder_point;
"""

DEMAND = """
-- What left by demand, by the calendar of the warehouse. It follows from the ledger and can be made again from it.
CREATE TABLE daily_demand (
    warehouse_id bigint NOT NULL REFERENCES warehouses,
    product_id   bigint NOT NULL REFERENCES products,
    day          date NOT NULL,
    quantity     bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (warehouse_id, product_id, day)
);

-- Up to which day that is so.
CREATE TABLE demand_days (
    warehouse_id bigint PRIMARY KEY REFERENCES warehouses,
    through      date NOT NULL
);

-- The ledger is written in the order of time, so that a few pages of this find the blocks of a day.
CREATE INDEX stock_movements_by_time ON stock_movements USING brin (created_at)
    WITH (pages_per_range = 32, autosummarize = on);
"""

PLANS = """
CREATE TABLE item_plans (
    warehouse_id             bigint NOT NULL,
    product_id               bigint NOT NULL,
    supplier_id              bigint NOT NULL REFERENCES suppliers,
    days                     integer NOT NULL CHECK (days > 0),
    daily_mean               double precision NOT NULL CHECK (daily_mean >= 0),
    daily_deviation          double precision NOT NULL CHECK (daily_deviation >= 0),
    lead_time_days           double precision NOT NULL CHECK (lead_time_days >= 0),
    lead_time_deviation_days double precision CHECK (lead_time_deviation_days >= 0),
    service_level            double precision NOT NULL CHECK (service_level > 0 AND service_level < 1),
    safety_stock             double precision NOT NULL CHECK (safety_stock >= 0),
    economic_order_quantity  double precision NOT NULL CHECK (economic_order_quantity >= 0),
    reorder_point            bigint NOT NULL CHECK (reorder_point >= 0),
    reorder_quantity         bigint NOT NULL CHECK (reorder_quantity > 0),
    planned_at               timestamptz NOT NULL,
    PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT item_plans_item FOREIGN KEY (warehouse_id, product_id)
        REFERENCES inventory_items (warehouse_id, product_id)
);
"""

ORDERS = """
-- Why the line is on the order, in numbers.
ALTER TABLE purchase_order_lines ADD COLUMN note text;
CREATE INDEX purchase_order_lines_owed ON purchase_order_lines (product_id) WHERE quantity_received < qty;
-- Drafts that a reorder run has stored and that no workflow has taken over yet.
CREATE INDEX purchase_orders_unstarted ON purchase_orders (po_id) WHERE run_id = '';
CREATE SEQUENCE reorder_numbers;
"""

BELOW = """
-- Everything that is below its point: whom to order it from, what is on order and on its way, and whether that covers
-- it. The preferred supplier is asked; where none is preferred, the cheapest.
CREATE VIEW items_below AS
SELECT item.warehouse_id, item.product_id, item.quantity_available, item.reorder_point, item.reorder_quantity,
    products.is_active, chosen.supplier_id, chosen.unit_cost, chosen.lead_time_days, chosen.minimum_order_quantity,
    chosen.pack_size, ordered.units AS on_order, coming.units AS in_transit,
    ordered.units > 0 OR item.quantity_available + coming.units >= item.reorder_point AS is_covered
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
"""

GRANTS = """
GRANT SELECT ON items_below TO stockkeeper_worker;
GRANT SELECT, INSERT, UPDATE ON daily_demand, demand_days, item_plans TO stockkeeper_worker;
GRANT USAGE ON SEQUENCE reorder_numbers TO stockkeeper_worker;
"""


def upgrade() -> None:
    for part in (ITEMS, DEMAND, PLANS, ORDERS, BELOW, GRANTS):
        op.execute(part)


def downgrade() -> None:
    # Going back would forget what was set by hand.
    raise NotImplementedError("there is no way back: restore a backup instead")
