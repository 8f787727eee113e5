"""${message}"""

from alembic import op

from database.migrations.common import no_way_back

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

serves_older_workers = False  # True, if workers of the revision before go on: docs/decisions/0052


def upgrade() -> None:
    op.execute("""""")


downgrade = no_way_back
