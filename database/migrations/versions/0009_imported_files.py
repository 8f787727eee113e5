"""Files in the order in which they were imported, so that one sent again after another counts again."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

serves_older_workers = False

FILES = """
-- One row for each time that a file was applied. The position rises in the order in which files of a kind took effect.
CREATE TABLE imported_files (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    import_id    text NOT NULL,
    application  integer NOT NULL CHECK (application > 0),
    operation_id text NOT NULL,
    UNIQUE (import_id, application)
);
CREATE INDEX imported_files_by_kind ON imported_files (kind, position);

INSERT INTO imported_files (kind, import_id, application, operation_id)
SELECT regexp_replace(workflow_id, '^import-(.*)-[0-9a-f]{16}$', '\\1'), workflow_id, 1, operation_id
FROM operations
WHERE kind = 'apply_import' AND operation_id = workflow_id || '/apply'
ORDER BY created_at;

GRANT SELECT, INSERT ON imported_files TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(FILES)


downgrade = no_way_back
