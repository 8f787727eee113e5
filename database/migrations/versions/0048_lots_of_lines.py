"""Lines of adjustments name the lot of their units, of a tracked product."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

# A worker of the revision before names no lot, and so can't adjust what is tracked.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        ALTER TABLE adjustment_lines
            ADD COLUMN lot_number text,
            ADD COLUMN expires_on date,
            ADD COLUMN best_before date,
            ADD COLUMN made_on date,
            ADD CONSTRAINT adjustment_lines_lot
                CHECK (lot_number IS NOT NULL OR num_nonnulls(expires_on, best_before, made_on) = 0)
    """)


downgrade = no_way_back
