"""Adjustments that wait for an approval are found without going over all that there ever were."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

serves_older_workers = True

PENDING = """
CREATE INDEX adjustments_pending ON adjustments (created_at) WHERE status = 'PENDING';
"""


def upgrade() -> None:
    op.execute(PENDING)


downgrade = no_way_back
