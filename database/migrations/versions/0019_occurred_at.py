"""Effective time: the instant at which goods moved, beside the one at which that was booked."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

serves_older_workers = False

# NULL: when it was booked. A movement is never of the future.
COLUMNS = """
ALTER TABLE stock_movements
    ADD COLUMN occurred_at timestamptz,
    ADD CONSTRAINT stock_movements_occurred CHECK (occurred_at <= created_at);
CREATE INDEX stock_movements_booked_later ON stock_movements (warehouse_id, product_id, occurred_at)
    WHERE occurred_at IS NOT NULL;
ALTER TABLE adjustments ADD COLUMN occurred_at timestamptz;
"""

SHARES = """
DROP FUNCTION undone_units(text, text, bigint);
-- The share of each departure in the units undone under one reference: the latest departure first, none more than left.
CREATE FUNCTION undone_units(of_type text, of_reference text, of_product bigint)
    RETURNS TABLE (movement_id bigint, warehouse_id bigint, left_at timestamptz, units bigint)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT departure.movement_id, departure.warehouse_id, departure.left_at,
        least(departure.left_now, undone.units - departure.left_later)::bigint
    FROM (
        SELECT sum(quantity) AS units FROM undone_departures() AS fact
        WHERE fact.movement_type = of_type AND fact.reference_id = of_reference AND fact.product_id = of_product
    ) AS undone
    CROSS JOIN (
        SELECT moved.movement_id, moved.warehouse_id, coalesce(moved.occurred_at, moved.created_at) AS left_at,
            -moved.quantity AS left_now,
            sum(-moved.quantity) OVER (
                ORDER BY coalesce(moved.occurred_at, moved.created_at) DESC, moved.movement_id DESC
            ) + moved.quantity AS left_later
        FROM stock_movements AS moved
        WHERE moved.reference_id = of_reference AND moved.movement_type = of_type AND moved.product_id = of_product
    ) AS departure
    WHERE undone.units > departure.left_later;
END;
"""


def upgrade() -> None:
    for part in (COLUMNS, SHARES):
        op.execute(part)


downgrade = no_way_back
