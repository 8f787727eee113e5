"""Numbers of documents that differ by upper and lower case alone are found, so that a new twin is refused."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

serves_older_workers = False

# Not unique: a database may have such twins from before, which go on as they are.
INDEXES = """
CREATE INDEX purchase_orders_folded ON purchase_orders (lower(po_number));
CREATE INDEX transfer_orders_folded ON transfer_orders (lower(transfer_number));
CREATE INDEX cycle_counts_folded ON cycle_counts (lower(count_number));
CREATE INDEX returns_folded ON returns (lower(return_number));
CREATE INDEX adjustments_folded ON adjustments (lower(adjustment_number));
"""


def upgrade() -> None:
    op.execute(INDEXES)


downgrade = no_way_back
