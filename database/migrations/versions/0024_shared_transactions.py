"""Steps that share a transaction: the ids of new lines are drawn before their answers are written."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

serves_older_workers = False

STEPS = """
GRANT USAGE ON SEQUENCE reservations_reservation_id_seq TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(STEPS)


downgrade = no_way_back
