"""Recalls: a lot that is stopped everywhere, by whom and why, and the report of its units."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

# A worker of the revision before stops no lots, and holds nothing of one that is stopped.
serves_older_workers = True

TABLES = """
CREATE TABLE recalls (
    recall_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recall_number text NOT NULL CONSTRAINT recalls_recall_number_key UNIQUE CHECK (recall_number <> ''),
    status        text NOT NULL DEFAULT 'BLOCKED' CHECK (status IN ('BLOCKED', 'RELEASED', 'CLOSED')),
    requested_by  text NOT NULL,
    created_at    timestamptz NOT NULL,
    reason        text NOT NULL,
    -- Where the lot had units when it was blocked.
    warehouse_ids bigint[] NOT NULL DEFAULT '{}',
    -- What was stopped there, and of its units that were on their way by which transfer.
    stopped       jsonb NOT NULL DEFAULT '[]',
    in_transit    jsonb NOT NULL DEFAULT '[]',
    -- The first orders that have got units of it.
    orders        jsonb NOT NULL DEFAULT '[]',
    orders_total  bigint NOT NULL DEFAULT 0,
    -- Its units at the latest look, in this database and in others: what became of them, how many have to be somewhere,
    -- and how many are.
    figures       jsonb NOT NULL DEFAULT '{}',
    expected      bigint NOT NULL DEFAULT 0,
    accounted     bigint NOT NULL DEFAULT 0,
    looked_at     timestamptz,
    released_by   text,
    closed_at     timestamptz,
    closed_by     text,
    closed_reason text,
    operation_id  text NOT NULL,
    workflow_id   text NOT NULL,
    run_id        text NOT NULL,
    CONSTRAINT recalls_closed CHECK (
        (status = 'BLOCKED') = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)
        AND (closed_at IS NULL) = (closed_reason IS NULL)),
    CONSTRAINT recalls_released CHECK ((status = 'RELEASED') = (released_by IS NOT NULL)),
    CONSTRAINT recalls_not_own CHECK (lower(released_by) <> lower(requested_by)),
    CONSTRAINT recalls_are_looked_at CHECK (status = 'BLOCKED' OR looked_at IS NOT NULL)
);
CREATE INDEX recalls_folded ON recalls (lower(recall_number));
GRANT INSERT, SELECT, UPDATE ON recalls TO stockkeeper_worker;

CREATE TABLE recall_lines (
    recall_id   bigint NOT NULL REFERENCES recalls,
    line_number integer NOT NULL CHECK (line_number > 0),
    product_id  bigint NOT NULL REFERENCES products,
    lot_number  text NOT NULL,
    PRIMARY KEY (recall_id, line_number),
    CONSTRAINT recall_lines_lot FOREIGN KEY (product_id, lot_number) REFERENCES lots (product_id, lot_number)
);
CREATE INDEX recall_lines_by_lot ON recall_lines (product_id, lot_number);
GRANT INSERT, SELECT ON recall_lines TO stockkeeper_worker;

-- Number of the recall that has blocked it; of several databases it is in all, and the recall in one of them.
ALTER TABLE lots
    ADD COLUMN recall_number text,
    ADD CONSTRAINT lots_recalled CHECK (recall_number IS NULL OR status = 'BLOCKED');
"""

GUARDS = """
-- A lot that may not leave is held by nobody, and one whose recall is under way stays blocked.
CREATE FUNCTION require_the_lot_to_be_stopped() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_is text;
BEGIN
    SELECT status INTO now_is FROM lots WHERE (product_id, lot_number) = (NEW.product_id, NEW.lot_number);
    IF now_is <> 'AVAILABLE' AND EXISTS (
        SELECT FROM reservation_lots AS held
        WHERE (held.product_id, held.lot_number) = (NEW.product_id, NEW.lot_number) AND quantity_held > 0)
    THEN
        RAISE EXCEPTION 'lot % of product % is %, and units are still held', NEW.lot_number, NEW.product_id, now_is
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'stopped_lots_are_not_held';
    END IF;
    IF now_is <> 'BLOCKED' AND EXISTS (
        SELECT FROM recalls JOIN recall_lines AS line USING (recall_id)
        WHERE (line.product_id, line.lot_number) = (NEW.product_id, NEW.lot_number) AND status = 'BLOCKED')
    THEN
        RAISE EXCEPTION 'lot % of product % is recalled, and would be %', NEW.lot_number, NEW.product_id, now_is
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'recalled_lots_are_blocked';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_lot_to_be_stopped() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER lots_are_stopped AFTER UPDATE OF status ON lots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.status <> NEW.status)
    EXECUTE FUNCTION require_the_lot_to_be_stopped();
CREATE CONSTRAINT TRIGGER recall_lines_are_stopped AFTER INSERT ON recall_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_lot_to_be_stopped();

DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION require_the_lot_to_be_stopped() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;
"""

_TELL = """INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason,
        operation_id, workflow_id, run_id)
    SELECT 'recall.changed', 'recall/' || recall_number,
        CASE WHEN cardinality(warehouse_ids) = 1 THEN warehouse_ids[1] END, NULL, jsonb_build_object(
            'number', recall_number, 'status', status, 'step', 'baseline', 'warehouse_ids', to_jsonb(warehouse_ids)),
        clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM recalls WHERE closed_at IS NULL AND (place IS NULL OR place = ANY (warehouse_ids))
    ORDER BY recall_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    """


def _audit_recalls() -> None:
    connection = op.get_bind()
    audited = str(connection.exec_driver_sql("SELECT pg_get_viewdef('audited_documents'::regclass)").scalar_one())
    recalls = "SELECT 'recall', recall_id, recall_number, workflow_id FROM recalls"
    op.execute("CREATE OR REPLACE VIEW audited_documents AS " + " UNION ALL ".join((audited.rstrip("; \n"), recalls)))


def _tell_open_recalls() -> None:
    connection = op.get_bind()
    named = "'tell_what_is_there(bigint, text, text, text)'::regprocedure"
    told = str(connection.exec_driver_sql(f"SELECT pg_get_functiondef({named})").scalar_one())
    before = told.rfind("INSERT INTO outbox", 0, told.find("'finding.changed'"))
    if before < 0:
        raise RuntimeError("tell_what_is_there isn't what an earlier migration has made")
    connection.exec_driver_sql((told[:before] + _TELL + told[before:]).replace("%", "%%"))


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GUARDS)
    _audit_recalls()
    _tell_open_recalls()


downgrade = no_way_back
