"""A warehouse's priority, and the lines of an order that left the choice of warehouse open."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

serves_older_workers = False

COLUMNS = """
ALTER TABLE warehouses
    ADD COLUMN priority integer NOT NULL DEFAULT 100,
    ADD CONSTRAINT warehouses_priority_check CHECK (priority >= 0);

-- A line that was sourced is held in parts. Those of one line have its number; together they are what was asked for.
ALTER TABLE reservations
    ADD COLUMN sourced_line integer,
    ADD CONSTRAINT reservations_sourced_line_check CHECK (
        sourced_line IS NULL OR sourced_line > 0 AND reference_type = 'ORDER');
"""


def upgrade() -> None:
    op.execute(COLUMNS)


downgrade = no_way_back
