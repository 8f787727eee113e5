"""The file that last stated an item's quantity, so that the same file undoes nothing that has happened since."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

serves_older_workers = False

STATED = """
CREATE TABLE stated_quantities (
    warehouse_id bigint NOT NULL,
    product_id   bigint NOT NULL,
    import_id    text NOT NULL,
    PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT stated_quantities_item FOREIGN KEY (warehouse_id, product_id)
        REFERENCES inventory_items (warehouse_id, product_id)
);

INSERT INTO stated_quantities (warehouse_id, product_id, import_id)
SELECT DISTINCT ON (warehouse_id, product_id) warehouse_id, product_id, reference_id
FROM stock_movements
WHERE movement_type = 'ADJUSTMENT' AND reason = 'opening stock' AND reference_id LIKE 'import-stock-%'
ORDER BY warehouse_id, product_id, created_at;

GRANT SELECT, INSERT, UPDATE ON stated_quantities TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(STATED)


downgrade = no_way_back
