"""${message}"""

from alembic import op

from database.migrations.common import no_way_back

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""""")


downgrade = no_way_back
