"""Lots are told as their last day comes: once ahead and once afterwards, in each warehouse."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

# A worker of the revision before tells of no lot, and leaves both columns empty.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        ALTER TABLE lot_items
            ADD COLUMN told_expiring_at timestamptz,
            ADD COLUMN told_expired_at timestamptz
    """)


downgrade = no_way_back
