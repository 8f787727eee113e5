"""Numbering takes as long beside a transaction that stays open: it passes by what it knows to be deleted."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

# They call the same functions.
serves_older_workers = True

TABLES = """
-- As long as any transaction has a snapshot, what was deleted since stays in the outbox and in its index, and so does
-- each former version of this row. So numbering begins behind ids that nobody can commit any more, and changes this row
-- once in a thousand events only: `last_number` may be behind the last one in `events`.
ALTER TABLE event_log
    ADD COLUMN looked_from bigint NOT NULL DEFAULT 0 CHECK (looked_from >= 0),
    -- What it will be, once no transaction is open that may have drawn a lower id: those with transaction ids below
    -- `marked_by`.
    ADD COLUMN marked_id bigint CHECK (marked_id > looked_from),
    ADD COLUMN marked_by bigint;

-- A transaction that has drawn an id of the outbox is known to all others: it has an id of its own before.
CREATE FUNCTION have_a_transaction_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION have_a_transaction_id() FROM PUBLIC;
CREATE TRIGGER outbox_after_a_transaction_id BEFORE INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION have_a_transaction_id();
"""

_COLUMNS = (
    "kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, "
    "run_id"
)

FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION number_events(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    log event_log;
    marked bigint;
    own bigint;
    before bigint;
    have_ended boolean;
    numbered bigint;
    highest bigint;
BEGIN
    -- Whoever has drawn an id below the mark had a transaction id by then, so a lower one than is drawn now.
    IF pg_current_xact_id_if_assigned() IS NULL THEN
        SELECT marked_id INTO STRICT marked FROM event_log;
    END IF;
    own := pg_current_xact_id()::text::bigint;
    SELECT * INTO STRICT log FROM event_log FOR NO KEY UPDATE;
    SELECT greatest(log.last_number, max(number)) INTO before FROM events;
    -- Each statement sees what was committed before it: what has ended by now is in the outbox of the next one.
    have_ended := log.marked_by < pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    WITH taken AS (
        DELETE FROM outbox WHERE outbox_id = ANY (ARRAY(
            SELECT outbox_id FROM outbox WHERE outbox_id >= log.looked_from ORDER BY outbox_id LIMIT most))
        RETURNING *),
    told AS (
        INSERT INTO events (number, {_COLUMNS})
        SELECT before + row_number() OVER (ORDER BY outbox_id), {_COLUMNS} FROM taken)
    SELECT count(*), max(outbox_id) INTO numbered, highest FROM taken;
    IF have_ended AND (numbered < most OR highest >= log.marked_id) THEN
        UPDATE event_log
        SET last_number = before + numbered, looked_from = log.marked_id, marked_id = NULL, marked_by = NULL;
    ELSIF log.marked_id IS NULL AND highest >= log.looked_from + 1000 THEN
        UPDATE event_log SET last_number = before + numbered, marked_id = highest + 1, marked_by = NULL;
    ELSIF log.marked_id = marked AND coalesce(log.marked_by > own, true) THEN
        -- A higher one is of another server, from which this database was restored.
        UPDATE event_log SET last_number = before + numbered, marked_by = own;
    END IF;
    IF numbered > 0 THEN
        PERFORM pg_notify('stockkeeper_events', (before + numbered)::text);
    END IF;
    RETURN numbered;
END $$;

CREATE OR REPLACE FUNCTION forget_events(before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    first bigint;
    kept bigint;
BEGIN
    SELECT forgotten_number + 1 INTO STRICT first FROM event_log FOR NO KEY UPDATE;
    SELECT coalesce(min(number) FILTER (WHERE happened_at >= before), max(number) + 1, first) INTO kept
    FROM events WHERE number >= first AND number < first + most;
    DELETE FROM events WHERE number >= first AND number < kept;
    UPDATE event_log SET forgotten_number = kept - 1, last_number = greatest(last_number, kept - 1)
    WHERE forgotten_number < kept - 1;
    RETURN kept - first;
END $$;

-- Replacing a function takes its settings from it. The statistics of the outbox are of no use: it grows and empties.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOREACH routine IN ARRAY ARRAY[
        'number_events(integer)'::regprocedure, 'forget_events(timestamptz, integer)'::regprocedure,
        'have_a_transaction_id()'::regprocedure]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', routine, current_schema());
    END LOOP;
END $$;
ALTER FUNCTION number_events(integer) SET enable_seqscan = off;
"""  # noqa: S608 - constants only


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)


downgrade = no_way_back
