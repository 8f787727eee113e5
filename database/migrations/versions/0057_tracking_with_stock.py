"""The tracking of a product with stock stays as it is: also from lots to serial numbers, and back."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

# No worker changes the tracking of a product with stock: files that would are refused.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        DROP TRIGGER products_begin_to_be_tracked_without_stock ON products;
        CREATE TRIGGER products_begin_to_be_tracked_without_stock AFTER UPDATE OF tracking ON products FOR EACH ROW
            WHEN (OLD.tracking <> NEW.tracking) EXECUTE FUNCTION require_tracking_to_begin_without_stock();
    """)


downgrade = no_way_back
