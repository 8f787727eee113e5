"""Moving a warehouse to another database: where it is meanwhile, and which runs' documents have gone with it."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# With the new tables empty, everything is as it was.
serves_older_workers = True

TABLES = """
-- The latest place counts, wherever it is known first.
ALTER TABLE warehouse_homes ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0);

-- Local to each database: what it knows itself of warehouses that leave it or come to it, before the catalogue says so.
CREATE TABLE warehouse_moves (
    warehouse_id bigint PRIMARY KEY REFERENCES warehouses,
    -- That of the warehouse's place once it has moved.
    version bigint NOT NULL CHECK (version > 0),
    -- LEAVING: it is here, and its rows are being copied. DRAINING: the same, and nothing new may join it with another
    -- warehouse. GONE: its rows are elsewhere. EXPECTED: it will come here. ARRIVING: its rows may be on their way.
    -- HERE: it has come.
    state text NOT NULL CHECK (state IN ('LEAVING', 'DRAINING', 'GONE', 'EXPECTED', 'ARRIVING', 'HERE')),
    -- Task queues: of the database where the warehouse is, as far as this one knows, and of the other end of its move.
    task_queue text NOT NULL CHECK (task_queue <> ''),
    other text NOT NULL CHECK (other <> '')
);
GRANT SELECT ON warehouse_moves TO stockkeeper_worker;

-- Local: documents and holds that have left with their warehouse. Their runs stay on this database's task queue.
CREATE TABLE moved_runs (
    workflow_id text PRIMARY KEY,
    warehouse_id bigint NOT NULL REFERENCES warehouses,
    task_queue text NOT NULL CHECK (task_queue <> '')
);
GRANT SELECT ON moved_runs TO stockkeeper_worker;
"""

PLACES = """
CREATE OR REPLACE FUNCTION warehouses_elsewhere(wanted bigint[]) RETURNS TABLE (warehouse_id bigint, task_queue text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    -- Its rows are here in a moment, or the move is given up: the worker tries its step again.
    IF EXISTS (SELECT FROM warehouse_moves WHERE state = 'ARRIVING' AND warehouse_id = ANY (wanted)) THEN
        RAISE EXCEPTION 'the warehouse is on its way to this database' USING ERRCODE = 'lock_not_available';
    END IF;
    RETURN QUERY
        SELECT asked.warehouse_id, coalesce(found.task_queue, here.catalogue)
        FROM unnest(wanted) AS asked (warehouse_id)
        LEFT JOIN warehouse_places AS found ON found.warehouse_id = asked.warehouse_id
        LEFT JOIN this_database AS here ON true
        WHERE coalesce(found.task_queue, here.catalogue) IS DISTINCT FROM here.task_queue
        ORDER BY asked.warehouse_id;
END $$;

-- Where each warehouse is: what this database knows itself, unless the catalogue knows of a later place. A null task
-- queue: there is one database.
CREATE VIEW warehouse_places AS
    SELECT warehouses.warehouse_id, warehouses.name,
        CASE WHEN moved.version >= coalesce(home.version, 0) THEN moved.task_queue
            ELSE coalesce(home.task_queue, here.catalogue) END AS task_queue,
        greatest(home.version, CASE WHEN moved.state IN ('GONE', 'HERE') THEN moved.version END, 0) AS version
    FROM warehouses
    LEFT JOIN warehouse_homes AS home USING (warehouse_id)
    LEFT JOIN warehouse_moves AS moved USING (warehouse_id)
    LEFT JOIN this_database AS here ON true;
GRANT SELECT ON warehouse_places TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(TABLES)
    # The function names the view, and is looked into when it is first called.
    op.execute(PLACES)


downgrade = no_way_back
