"""Files of stock state the quantity of each lot of tracked products."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

# A worker of the revision before takes no files with lots.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        CREATE TABLE stated_lots (
            warehouse_id bigint NOT NULL,
            product_id   bigint NOT NULL,
            lot_number   text   NOT NULL,
            import_id    text   NOT NULL,
            PRIMARY KEY (warehouse_id, product_id, lot_number),
            CONSTRAINT stated_lots_item FOREIGN KEY (warehouse_id, product_id)
                REFERENCES inventory_items (warehouse_id, product_id)
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON stated_lots TO stockkeeper_worker")


downgrade = no_way_back
