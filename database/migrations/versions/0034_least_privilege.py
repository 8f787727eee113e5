"""Roles that only read, the views that they read, and guards that no role can lead to tables of its own."""

from alembic import op

from database.migrations.common import no_way_back, require_role

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# A worker keeps the rights that it had.
serves_older_workers = True

# A function looks for a table among the session's temporary ones first, unless its search path names those last. So a
# session that may make temporary tables could show a trigger a ledger of its own.
SEARCH_PATHS = """
DO $$
DECLARE
    guard regprocedure;
BEGIN
    FOR guard IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND (prorettype = 'trigger'::regtype OR prosecdef)
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
    END LOOP;
END $$;
"""

# Whoever may execute a trigger's function can put it on a table of their own, and the one that keeps reorder points
# acts as the owner. To fire on our tables it needs no right.
FUNCTIONS = """
DO $$
DECLARE
    routine record;
BEGIN
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', current_schema());
    FOR routine IN
        SELECT oid::regprocedure AS name, prorettype = 'trigger'::regtype AS is_of_trigger FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine.name);
        IF NOT routine.is_of_trigger THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO stockkeeper_worker', routine.name);
        END IF;
    END LOOP;
END $$;
"""

# No names of people, no addresses, no free text, no prices that were paid, nothing of `operations`: those stay in the
# tables, which neither role may read.
VIEWS = """
CREATE SCHEMA reporting;

CREATE VIEW reporting.products AS
SELECT product_id, sku, name, description, category_id, unit_price, weight_kg, is_active FROM products;

CREATE VIEW reporting.warehouses AS
SELECT warehouse_id, name, timezone, priority FROM warehouses;

CREATE VIEW reporting.suppliers AS
SELECT supplier_id, name FROM suppliers;

CREATE VIEW reporting.levels AS
SELECT warehouse_id, warehouses.name AS warehouse, product_id, sku,
    quantity_on_hand, quantity_reserved, quantity_buffer, quantity_available,
    reorder_point, reorder_quantity, is_below_reorder_point, last_moved_at, last_counted_at
FROM inventory_items JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

CREATE VIEW reporting.movements AS
SELECT movement_id, created_at, occurred_at, warehouse_id, warehouses.name AS warehouse, product_id, sku,
    movement_type, quantity, balance_after, reference_id
FROM stock_movements JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

CREATE VIEW reporting.holds AS
SELECT reservation_id, warehouse_id, warehouses.name AS warehouse, product_id, sku, reference_type, reference_id,
    status, quantity, quantity_fulfilled, quantity_released, created_at, expires_at, closed_at
FROM reservations JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

CREATE VIEW reporting.transfer_lines AS
SELECT transfer_number, line_number, status,
    from_warehouse_id, source.name AS from_warehouse, to_warehouse_id, destination.name AS to_warehouse,
    product_id, sku, quantity, dispatched, received, damaged, written_off, returned, in_transit,
    created_at, dispatched_at, due_at, closed_at
FROM transfer_order_lines JOIN transfer_orders USING (transfer_id) JOIN products USING (product_id)
    JOIN warehouses AS source ON source.warehouse_id = from_warehouse_id
    JOIN warehouses AS destination ON destination.warehouse_id = to_warehouse_id;

CREATE VIEW reporting.purchase_order_lines AS
SELECT po_number, line_number, status, supplier_id, suppliers.name AS supplier,
    warehouse_id, warehouses.name AS warehouse, product_id, sku,
    qty, quantity_received, quantity_rejected, quantity_returned, expected_delivery_date,
    created_at, submitted_at, confirmed_at, closed_at
FROM purchase_order_lines JOIN purchase_orders USING (po_id) JOIN products USING (product_id)
    JOIN suppliers USING (supplier_id) JOIN warehouses USING (warehouse_id);

CREATE VIEW reporting.plans AS
SELECT warehouse_id, warehouses.name AS warehouse, product_id, sku, supplier_id, planned_at, days,
    method, demand_class, service_measure, service_level, daily_mean, daily_deviation,
    lead_time_days, lead_time_deviation_days, safety_stock, reorder_point, reorder_quantity, economic_order_quantity,
    expected_cycle_service, expected_fill_rate
FROM item_plans JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

CREATE VIEW reporting.daily_demand AS
SELECT warehouse_id, warehouses.name AS warehouse, product_id, sku, day, quantity
FROM daily_demand JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

-- The columns of `stockkeeper stock export`.
CREATE VIEW reporting.ledger AS
SELECT movement_id, created_at, sku, warehouses.name AS warehouse, movement_type, quantity, balance_after,
    reference_id, performed_by, reason, operation_id, workflow_id, run_id, occurred_at
FROM stock_movements JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);

GRANT USAGE ON SCHEMA reporting TO stockkeeper_reader, stockkeeper_exporter;
GRANT SELECT ON
    reporting.products, reporting.warehouses, reporting.suppliers, reporting.levels, reporting.movements,
    reporting.holds, reporting.transfer_lines, reporting.purchase_order_lines, reporting.plans, reporting.daily_demand
    TO stockkeeper_reader;
GRANT SELECT ON reporting.ledger TO stockkeeper_exporter;
"""


def upgrade() -> None:
    for role in ("stockkeeper_reader", "stockkeeper_exporter"):
        require_role(role)
    for part in (SEARCH_PATHS, FUNCTIONS, VIEWS):
        op.execute(part)


downgrade = no_way_back
