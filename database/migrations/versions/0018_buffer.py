"""Units of an item may be kept from sale: what is available is on hand, less what is promised, less these."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

serves_older_workers = False

# An expression of a generated column can't be changed before PostgreSQL 17, so the columns are made anew, and the view
# that reads them with them.
AVAILABLE = """
DO $$
DECLARE
    below text := pg_get_viewdef('items_below');
BEGIN
    DROP VIEW items_below;
    ALTER TABLE inventory_items
        DROP COLUMN quantity_available,
        DROP COLUMN is_below_reorder_point,
        ADD COLUMN quantity_buffer bigint NOT NULL DEFAULT 0
            CONSTRAINT inventory_items_quantity_buffer_check CHECK (quantity_buffer >= 0);
    ALTER TABLE inventory_items
        ADD COLUMN quantity_available bigint
            GENERATED ALWAYS AS (quantity_on_hand - quantity_reserved - quantity_buffer) STORED,
        ADD COLUMN is_below_reorder_point boolean
            GENERATED ALWAYS AS (coalesce(
                quantity_on_hand - quantity_reserved - quantity_buffer < reorder_point, false)) STORED NOT NULL;
    EXECUTE 'CREATE VIEW items_below AS ' || below;
END $$;

CREATE INDEX inventory_items_below ON inventory_items (warehouse_id, product_id) WHERE is_below_reorder_point;
GRANT SELECT ON items_below TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(AVAILABLE)


downgrade = no_way_back
