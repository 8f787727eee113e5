"""Demand: departures that were undone come off their day, and days may be left out."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

serves_older_workers = False

# The database's clock, beside the time at which the workflow asked for the step. Earlier receipts have none.
BOOKED = """
ALTER TABLE purchase_order_receipts ADD COLUMN booked_at timestamptz;
ALTER TABLE purchase_order_receipts ALTER COLUMN booked_at SET DEFAULT clock_timestamp();
ALTER TABLE return_inspections ADD COLUMN booked_at timestamptz;
ALTER TABLE return_inspections ALTER COLUMN booked_at SET DEFAULT clock_timestamp();
"""

FACTS = """
-- Units that came back, or were found unfit when they came back, by the document under which they had left.
CREATE FUNCTION undone_departures()
    RETURNS TABLE (movement_type text, reference_id text, product_id bigint, quantity bigint, undone_at timestamptz)
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT 'TRANSFER_OUT', transfer_number, product_id, -entry.quantity, entry.created_at
    FROM transit_movements AS entry
    JOIN transfer_order_lines USING (transfer_id, line_number)
    JOIN transfer_orders USING (transfer_id)
    WHERE kind = 'RETURNED'
    UNION ALL
    SELECT 'SALE', reference_id, product_id, found.restocked + found.scrapped,
        coalesce(booked_at, inspected_at)
    FROM return_inspections
    JOIN return_inspection_lines AS found USING (return_id, inspection_id)
    JOIN return_lines USING (return_id, line_number)
    JOIN returns USING (return_id);
END;

CREATE INDEX transit_movements_by_time ON transit_movements USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX return_inspections_by_time ON return_inspections (coalesce(booked_at, inspected_at));
"""

SHARES = """
-- The share of each departure in the units undone under one reference: the latest departure first, none more than left.
CREATE FUNCTION undone_units(of_type text, of_reference text, of_product bigint)
    RETURNS TABLE (movement_id bigint, warehouse_id bigint, created_at timestamptz, units bigint)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT departure.movement_id, departure.warehouse_id, departure.created_at,
        least(departure.left_now, undone.units - departure.left_later)::bigint
    FROM (
        SELECT sum(quantity) AS units FROM undone_departures() AS fact
        WHERE fact.movement_type = of_type AND fact.reference_id = of_reference AND fact.product_id = of_product
    ) AS undone
    CROSS JOIN (
        SELECT moved.movement_id, moved.warehouse_id, moved.created_at, -moved.quantity AS left_now,
            sum(-moved.quantity) OVER (ORDER BY moved.created_at DESC, moved.movement_id DESC) + moved.quantity
                AS left_later
        FROM stock_movements AS moved
        WHERE moved.reference_id = of_reference AND moved.movement_type = of_type AND moved.product_id = of_product
    ) AS departure
    WHERE undone.units > departure.left_later;
END;
"""

# A row by hand may leave its day out of planning: a day without stock, or with a one-off bulk order.
EXCLUDED = """
ALTER TABLE imported_demand ADD COLUMN exclude boolean NOT NULL DEFAULT false;
"""

# Summed up anew, so that earlier departures that were undone come off as well; the first planning reads the ledger.
AGAIN = """
ALTER TABLE daily_demand DROP CONSTRAINT daily_demand_quantity_check,
    ADD CONSTRAINT daily_demand_quantity_check CHECK (quantity >= 0);
DELETE FROM daily_demand;
DELETE FROM demand_days;
"""


def upgrade() -> None:
    for part in (BOOKED, FACTS, SHARES, EXCLUDED, AGAIN):
        op.execute(part)


downgrade = no_way_back
