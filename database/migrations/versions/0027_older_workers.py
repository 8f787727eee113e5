"""Whether older workers go on, migration by migration: what a worker asks on a database that is newer than its code."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

serves_older_workers = True

REVISIONS = """
CREATE TABLE schema_revisions (
    revision text CONSTRAINT schema_revisions_pkey PRIMARY KEY,
    serves_older_workers boolean NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON schema_revisions TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(REVISIONS)


downgrade = no_way_back
