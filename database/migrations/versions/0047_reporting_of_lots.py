"""What reports read of lots: what can be promised of an item today, and of each lot; the lot of each movement."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# Columns come at the end of views that no worker reads.
serves_older_workers = True

# As the function unusable_units has it, which readers may not call: a view's tables are its owner's, its functions not.
VIEWS = """
CREATE OR REPLACE VIEW reporting.levels AS
SELECT item.warehouse_id, warehouses.name AS warehouse, item.product_id, sku, quantity_on_hand, quantity_reserved,
    quantity_buffer, quantity_available - unusable.units AS quantity_available, reorder_point, reorder_quantity,
    coalesce(quantity_available - unusable.units < reorder_point, false) AS is_below_reorder_point,
    last_moved_at, last_counted_at,
    -- What was set aside, and free units of lots that may not leave.
    quantity_unavailable + unusable.units AS quantity_unavailable, is_tracked
FROM inventory_items AS item JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
CROSS JOIN LATERAL (
    SELECT CASE WHEN is_tracked THEN (
        SELECT coalesce(sum(held.quantity_on_hand - held.quantity_reserved - held.quantity_unavailable), 0)::bigint
        FROM lot_items AS held JOIN lots USING (product_id, lot_number)
        WHERE (held.warehouse_id, held.product_id) = (item.warehouse_id, item.product_id)
            AND held.quantity_on_hand > 0
            AND (lots.status <> 'AVAILABLE'
                OR lots.expires_on < (now() AT TIME ZONE warehouses.timezone)::date
                OR coalesce(lots.expires_on, lots.best_before)
                    < (now() AT TIME ZONE warehouses.timezone)::date + products.minimum_days_left)
    ) ELSE 0 END AS units) AS unusable;

CREATE OR REPLACE VIEW reporting.lots AS
SELECT item.warehouse_id, warehouses.name AS warehouse, item.product_id, sku, lot_number, expires_on, best_before,
    made_on, lots.status, item.quantity_on_hand, item.quantity_reserved, item.quantity_unavailable, item.last_moved_at,
    item.quantity_on_hand - item.quantity_reserved - item.quantity_unavailable AS quantity_free,
    coalesce(expires_on, best_before) - (now() AT TIME ZONE warehouses.timezone)::date AS days_left,
    supplier_id, receipt, lots.created_at AS came_at
FROM lot_items AS item JOIN lots USING (product_id, lot_number)
    JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

CREATE OR REPLACE VIEW reporting.movements AS
SELECT movement_id, stock_movements.created_at, occurred_at, stock_movements.warehouse_id,
    warehouses.name AS warehouse, stock_movements.product_id, sku, movement_type, quantity, balance_after,
    reference_id, lot_number, lot_balance_after
FROM stock_movements JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

CREATE OR REPLACE VIEW reporting.ledger AS
SELECT movement_id, stock_movements.created_at, sku, warehouses.name AS warehouse, movement_type, quantity,
    balance_after, reference_id, performed_by, reason, operation_id, workflow_id, run_id, occurred_at, lot_number
FROM stock_movements JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);
"""


def upgrade() -> None:
    op.execute(VIEWS)


downgrade = no_way_back
