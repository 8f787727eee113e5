"""Receipts say why units were rejected, or came damaged."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

# They say no reason, and take none.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        ALTER TABLE purchase_order_receipts
            ADD COLUMN unfit_reason text,
            ADD CONSTRAINT purchase_order_receipts_unfit_reason
                CHECK (unfit_reason IS NULL OR unfit_reason <> '' AND corrects IS NULL)
    """)
    op.execute("""
        ALTER TABLE transit_movements
            ADD COLUMN unfit_reason text,
            ADD CONSTRAINT transit_movements_unfit_reason
                CHECK (unfit_reason IS NULL OR unfit_reason <> '' AND kind = 'DAMAGED')
    """)


downgrade = no_way_back
