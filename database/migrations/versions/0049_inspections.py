"""Inspections: units that are set aside, who decides what becomes of them, and that nobody decides about their own."""

from alembic import op
from sqlalchemy import text

from database.migrations.common import no_way_back

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# Only workers of this version open inspections.
serves_older_workers = True

TABLES = """
CREATE TABLE inspections (
    inspection_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    inspection_number text NOT NULL CONSTRAINT inspections_inspection_number_key UNIQUE CHECK (inspection_number <> ''),
    warehouse_id bigint NOT NULL REFERENCES warehouses,
    status text NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'DONE')),
    state text NOT NULL CHECK (state IN ('QUARANTINE', 'DAMAGED', 'QUALITY_CONTROL', 'SAFETY')),
    reason text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamptz NOT NULL,
    -- By the settings that were in force: later ones don't rewrite it.
    remind_after_hours double precision NOT NULL CHECK (remind_after_hours > 0),
    due_after_hours double precision NOT NULL CHECK (due_after_hours > 0),
    closed_at timestamptz,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    -- Decisions name who has set the units aside.
    CONSTRAINT inspections_set_aside_by UNIQUE (inspection_id, requested_by),
    CONSTRAINT inspections_closed CHECK (
        (status = 'OPEN') = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL))
);
CREATE INDEX inspections_folded ON inspections (lower(inspection_number));
CREATE INDEX inspections_open ON inspections (warehouse_id) WHERE status = 'OPEN';
CREATE TRIGGER inspections_are_kept_here AFTER INSERT ON inspections REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere();
GRANT INSERT, SELECT, UPDATE ON inspections TO stockkeeper_worker;

CREATE TABLE inspection_lines (
    inspection_id bigint NOT NULL REFERENCES inspections,
    line_number integer NOT NULL CHECK (line_number > 0),
    product_id bigint NOT NULL REFERENCES products,
    lot_number text,
    quantity bigint NOT NULL CHECK (quantity > 0),
    unit_cost numeric(18, 6) CHECK (unit_cost >= 0),
    released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    scrapped bigint NOT NULL DEFAULT 0 CHECK (scrapped >= 0),
    PRIMARY KEY (inspection_id, line_number),
    CONSTRAINT inspection_lines_decided_once CHECK (released + scrapped <= quantity)
);
CREATE INDEX inspection_lines_open ON inspection_lines (product_id) WHERE released + scrapped < quantity;
GRANT INSERT, SELECT, UPDATE ON inspection_lines TO stockkeeper_worker;

-- Facts: added, and never changed.
CREATE TABLE inspection_decisions (
    inspection_id bigint NOT NULL,
    decision_id text NOT NULL CHECK (decision_id <> ''),
    outcome text NOT NULL CHECK (outcome IN ('RELEASED', 'SCRAPPED')),
    requested_by text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    root_cause text,
    reason text,
    operation_id text NOT NULL,
    PRIMARY KEY (inspection_id, decision_id),
    CONSTRAINT inspection_decisions_of FOREIGN KEY (inspection_id, requested_by)
        REFERENCES inspections (inspection_id, requested_by),
    CONSTRAINT inspection_decisions_not_own CHECK (is_approved(1, ARRAY[decided_by], ARRAY[requested_by])),
    CONSTRAINT inspection_decisions_have_a_cause CHECK (
        (outcome = 'SCRAPPED') = (root_cause IS NOT NULL) AND (outcome <> 'SCRAPPED' OR reason IS NOT NULL))
);
GRANT INSERT, SELECT ON inspection_decisions TO stockkeeper_worker;

CREATE TABLE inspection_decision_lines (
    inspection_id bigint NOT NULL,
    decision_id text NOT NULL,
    line_number integer NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (inspection_id, decision_id, line_number),
    CONSTRAINT inspection_decision_lines_of FOREIGN KEY (inspection_id, decision_id)
        REFERENCES inspection_decisions (inspection_id, decision_id),
    CONSTRAINT inspection_decision_lines_line FOREIGN KEY (inspection_id, line_number)
        REFERENCES inspection_lines (inspection_id, line_number)
);
GRANT INSERT, SELECT ON inspection_decision_lines TO stockkeeper_worker;
"""

FUNCTIONS = """
-- A line is the sum of its decisions, and an inspection is open as long as one of its units is.
CREATE FUNCTION require_the_inspection_to_be_its_decisions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT count(*) INTO wrong
    FROM inspection_lines AS line CROSS JOIN LATERAL (
        SELECT coalesce(sum(decided.quantity) FILTER (WHERE outcome = 'RELEASED'), 0) AS released,
            coalesce(sum(decided.quantity) FILTER (WHERE outcome = 'SCRAPPED'), 0) AS scrapped
        FROM inspection_decision_lines AS decided JOIN inspection_decisions USING (inspection_id, decision_id)
        WHERE (decided.inspection_id, decided.line_number) = (line.inspection_id, line.line_number)) AS decided
    WHERE line.inspection_id = NEW.inspection_id
        AND (line.released, line.scrapped) <> (decided.released, decided.scrapped);
    IF wrong > 0 THEN
        RAISE EXCEPTION 'inspection %: % lines aren''t the sum of their decisions', NEW.inspection_id, wrong
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inspection_is_its_decisions';
    END IF;
    IF (SELECT status = 'OPEN' FROM inspections WHERE inspection_id = NEW.inspection_id)
        <> EXISTS (SELECT FROM inspection_lines
            WHERE inspection_id = NEW.inspection_id AND released + scrapped < quantity)
    THEN
        RAISE EXCEPTION 'inspection % is over exactly when nothing of it is set aside any more', NEW.inspection_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inspection_is_open_with_its_units';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_inspection_to_be_its_decisions() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER inspections_are_their_decisions AFTER INSERT OR UPDATE ON inspections
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_inspection_to_be_its_decisions();
CREATE CONSTRAINT TRIGGER inspection_lines_are_their_decisions AFTER INSERT OR UPDATE ON inspection_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_inspection_to_be_its_decisions();
CREATE CONSTRAINT TRIGGER inspection_decision_lines_are_in_their_line AFTER INSERT ON inspection_decision_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_inspection_to_be_its_decisions();

-- What is scrapped and the ledger can't be committed apart.
CREATE FUNCTION require_the_scrapped_to_be_booked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    inspected inspections;
    wrong bigint;
BEGIN
    SELECT * INTO inspected FROM inspections WHERE inspection_id = NEW.inspection_id;
    SELECT count(*) INTO wrong FROM (
        SELECT product_id, coalesce(lot_number, '') AS lot, -sum(decided.quantity) AS units
        FROM inspection_decision_lines AS decided JOIN inspection_lines USING (inspection_id, line_number)
        WHERE (decided.inspection_id, decided.decision_id) = (NEW.inspection_id, NEW.decision_id)
            AND NEW.outcome = 'SCRAPPED'
        GROUP BY product_id, lot
    ) AS wanted FULL JOIN (
        SELECT product_id, coalesce(lot_number, '') AS lot, sum(quantity) AS units FROM stock_movements
        WHERE reference_id = inspected.inspection_number AND operation_id = NEW.operation_id
            AND warehouse_id = inspected.warehouse_id AND movement_type = 'ADJUSTMENT'
        GROUP BY product_id, lot
    ) AS booked USING (product_id, lot)
    WHERE wanted.units IS DISTINCT FROM booked.units;
    IF wrong > 0 THEN
        RAISE EXCEPTION 'decision % of inspection % isn''t booked as it stands',
            NEW.decision_id, inspected.inspection_number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'scrapped_units_are_booked';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_scrapped_to_be_booked() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER inspection_decisions_are_booked AFTER INSERT ON inspection_decisions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_scrapped_to_be_booked();

-- What an open inspection answers for is set aside.
CREATE FUNCTION require_inspected_units_to_be_set_aside() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place bigint;
    product bigint;
    lot text;
    answered bigint;
    stated bigint;
    as_state text;
BEGIN
    IF TG_TABLE_NAME = 'unavailable_stock' THEN
        place := (to_jsonb(NEW) ->> 'warehouse_id')::bigint;
        as_state := to_jsonb(NEW) ->> 'state';
    ELSE
        SELECT warehouse_id, state INTO place, as_state FROM inspections
            WHERE inspection_id = (to_jsonb(NEW) ->> 'inspection_id')::bigint;
    END IF;
    product := NEW.product_id;
    lot := coalesce(NEW.lot_number, '');
    SELECT coalesce(sum(line.quantity - released - scrapped), 0) INTO answered
        FROM inspection_lines AS line JOIN inspections USING (inspection_id)
        WHERE line.product_id = product AND released + scrapped < line.quantity
            AND inspections.warehouse_id = place AND inspections.state = as_state
            AND coalesce(line.lot_number, '') = lot;
    SELECT coalesce(sum(quantity), 0) INTO stated FROM unavailable_stock AS aside
        WHERE (aside.warehouse_id, aside.product_id, aside.lot_number, aside.state) = (place, product, lot, as_state);
    IF answered > stated THEN
        RAISE EXCEPTION 'inspections of product % in warehouse % are about % units, but % are set aside as %',
            product, place, answered, stated, as_state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inspected_units_are_set_aside';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_inspected_units_to_be_set_aside() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER inspection_lines_are_set_aside AFTER INSERT OR UPDATE ON inspection_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_inspected_units_to_be_set_aside();
CREATE CONSTRAINT TRIGGER unavailable_stock_is_inspected AFTER UPDATE ON unavailable_stock
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.quantity < OLD.quantity)
    EXECUTE FUNCTION require_inspected_units_to_be_set_aside();
"""

DOCUMENTS = """
    SELECT 'inspection'::text AS kind, inspection_id AS id, inspection_number AS number, workflow_id FROM inspections
"""

SAY = """
    SELECT 'inspection'::text AS kind, inspections.inspection_id AS id, warehouse_id, product_id,
        'ADJUSTMENT'::text AS movement_type, -scrapped AS units
    FROM inspections JOIN inspection_lines USING (inspection_id)
"""

PATHS = """
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOREACH routine IN ARRAY ARRAY[
        'require_the_inspection_to_be_its_decisions()'::regprocedure,
        'require_the_scrapped_to_be_booked()'::regprocedure, 'require_inspected_units_to_be_set_aside()'::regprocedure]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', routine, current_schema());
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(PATHS)
    for view, more in (("audited_documents", DOCUMENTS), ("documents_say", SAY)):
        known = op.get_bind().execute(text(f"SELECT pg_get_viewdef('{view}')")).scalar_one()
        op.execute(f"CREATE OR REPLACE VIEW {view} AS {known.rstrip().rstrip(';')} UNION ALL {more}")
    _tell_open_inspections()


def _tell_open_inspections() -> None:
    """Let the baseline of events tell inspections as it tells adjustments: their part again, under their names."""
    connection = op.get_bind()
    function = "tell_what_is_there(bigint, text, text, text)"
    known = connection.execute(text(f"SELECT pg_get_functiondef('{function}'::regprocedure)")).scalar_one()
    begin = known.rindex("INSERT INTO outbox", 0, known.index("'adjustment.changed'"))
    end = known.index("told := told + added;", begin) + len("told := told + added;")
    part = known[begin:end]
    ours = part.replace("adjustment", "inspection")
    op.execute(text((known[:end] + "\n\n    " + ours + known[end:]).replace(":", r"\:")))


downgrade = no_way_back
