"""What was refused is kept, so that an earlier attempt which comes late doesn't carry it out after all."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

serves_older_workers = True

REFUSED = """
CREATE TABLE refused_operations (
    operation_id text CONSTRAINT refused_operations_pkey PRIMARY KEY,
    -- The workflow's time of the latest attempt that was refused: one that was begun by then is refused as well.
    as_of        timestamptz NOT NULL,
    -- Code, message and details as JSON. No jsonb: a message may have characters that jsonb can't.
    refusal      text NOT NULL,
    refused_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX refused_operations_by_age ON refused_operations (refused_at);
-- They are forgotten as operations are.
GRANT SELECT, INSERT, UPDATE, DELETE ON refused_operations TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(REFUSED)


downgrade = no_way_back
