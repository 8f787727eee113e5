"""Events: what changes is written to an outbox in the same transaction, and numbered once it is committed."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# They write no events of theirs. Workers of both versions are together for the time of an upgrade only.
serves_older_workers = True

_CONTENT = """
    kind text NOT NULL CHECK (kind <> ''),
    subject text NOT NULL CHECK (subject <> ''),
    warehouse_id bigint,
    product_id bigint,
    data jsonb NOT NULL,
    happened_at timestamptz NOT NULL,
    performed_by text NOT NULL,
    reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL
"""

TABLES = f"""
-- What was written and isn't numbered yet. Its ids are drawn under the locks of what has changed, so those of two
-- transactions that change the same rows follow each other as these do. Each row is soon deleted.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,{_CONTENT}
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
GRANT INSERT, SELECT ON outbox TO stockkeeper_worker;

-- All events that are kept, without gaps: whoever has read up to a number has missed none.
CREATE TABLE events (
    number bigint PRIMARY KEY CHECK (number > 0),{_CONTENT}
);
GRANT SELECT ON events TO stockkeeper_worker;

CREATE TABLE event_log (
    is_this boolean PRIMARY KEY DEFAULT true CHECK (is_this),
    last_number bigint NOT NULL DEFAULT 0 CHECK (last_number >= 0),
    forgotten_number bigint NOT NULL DEFAULT 0 CHECK (forgotten_number BETWEEN 0 AND last_number)
);
INSERT INTO event_log DEFAULT VALUES;
GRANT SELECT ON event_log TO stockkeeper_worker;

CREATE TRIGGER events_append_only BEFORE UPDATE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
"""

_COLUMNS = (
    "kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, "
    "run_id"
)

FUNCTIONS = f"""
-- Gives numbers to at most so many events that are committed; how many were. It is the only way into `events`, and one
-- transaction at a time has it: the row of `event_log` is its lock. Each statement sees what was committed before it.
CREATE FUNCTION number_events(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    before bigint;
    numbered bigint;
BEGIN
    SELECT last_number INTO STRICT before FROM event_log FOR NO KEY UPDATE;
    WITH taken AS (
        DELETE FROM outbox WHERE outbox_id IN (SELECT outbox_id FROM outbox ORDER BY outbox_id LIMIT most)
        RETURNING *)
    INSERT INTO events (number, {_COLUMNS})
    SELECT before + row_number() OVER (ORDER BY outbox_id), {_COLUMNS} FROM taken;
    GET DIAGNOSTICS numbered = ROW_COUNT;
    IF numbered > 0 THEN
        UPDATE event_log SET last_number = before + numbered;
        PERFORM pg_notify('stockkeeper_events', (before + numbered)::text);
    END IF;
    RETURN numbered;
END $$;
REVOKE ALL ON FUNCTION number_events(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION number_events(integer) TO stockkeeper_worker;

-- Deletes at most so many of the oldest events that happened before an instant, up to the first that didn't.
CREATE FUNCTION forget_events(before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    first bigint;
    kept bigint;
BEGIN
    SELECT forgotten_number + 1 INTO STRICT first FROM event_log FOR NO KEY UPDATE;
    SELECT coalesce(min(number) FILTER (WHERE happened_at >= before), max(number) + 1, first) INTO kept
    FROM events WHERE number >= first AND number < first + most;
    DELETE FROM events WHERE number < kept;
    UPDATE event_log SET forgotten_number = kept - 1 WHERE forgotten_number < kept - 1;
    RETURN kept - first;
END $$;
REVOKE ALL ON FUNCTION forget_events(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_events(timestamptz, integer) TO stockkeeper_worker;

-- The session's temporary tables come last: none of them can stand in for the log.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOREACH routine IN ARRAY ARRAY[
        'number_events(integer)'::regprocedure, 'forget_events(timestamptz, integer)'::regprocedure]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', routine, current_schema());
    END LOOP;
END $$;
"""  # noqa: S608 - constants only

# Who is behind it, and where that is documented, stays out of the view, as it does for movements.
VIEWS = """
CREATE VIEW reporting.events AS
    SELECT number, 'stockkeeper.' || kind AS type,
        coalesce(
            data ->> 'sku', data ->> 'number', data ->> 'reference_id', data ->> 'warehouse', data ->> 'finding_id',
            subject) AS subject,
        subject AS partition_key, warehouse_id, product_id, data, happened_at
    FROM events;
GRANT SELECT ON reporting.events TO stockkeeper_reader;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(VIEWS)


downgrade = no_way_back
