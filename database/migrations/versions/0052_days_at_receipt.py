"""Days that a lot must have left when it is received: what a product asks for, and what was agreed with a supplier."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# A worker of the revision before receives lots with few days left like any other.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        ALTER TABLE products ADD COLUMN minimum_days_at_receipt integer CHECK (minimum_days_at_receipt >= 0);
        ALTER TABLE product_suppliers ADD COLUMN minimum_days_at_receipt integer CHECK (minimum_days_at_receipt >= 0);
        DROP TRIGGER product_suppliers_are_of_the_catalogue ON product_suppliers;
        CREATE TRIGGER product_suppliers_are_of_the_catalogue BEFORE DELETE OR UPDATE OF
            is_preferred, unit_cost, lead_time_days, lead_time_deviation_days, minimum_order_quantity, pack_size,
            price_breaks, minimum_days_at_receipt
            ON product_suppliers FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
    """)


downgrade = no_way_back
