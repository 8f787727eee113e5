"""Returns name the lots of their units, of tracked products: those expected, and those that were inspected."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

# A worker of the revision before names no lot, and so can't restock what is tracked.
serves_older_workers = True

LOTS = """
ALTER TABLE return_lines
    ADD COLUMN lot_number text,
    ADD COLUMN expires_on date,
    ADD COLUMN best_before date,
    ADD COLUMN made_on date,
    ADD CONSTRAINT return_lines_lot
        CHECK (lot_number IS NOT NULL OR num_nonnulls(expires_on, best_before, made_on) = 0);

-- A scrapped unit whose number can't be read any more has none here.
CREATE TABLE return_inspection_lots (
    return_id bigint NOT NULL,
    inspection_id text NOT NULL,
    line_number integer NOT NULL,
    lot_number text NOT NULL,
    restocked bigint NOT NULL CHECK (restocked >= 0),
    scrapped bigint NOT NULL CHECK (scrapped >= 0),
    CONSTRAINT return_inspection_lots_pkey PRIMARY KEY (return_id, inspection_id, line_number, lot_number),
    CONSTRAINT return_inspection_lots_something CHECK (restocked + scrapped > 0),
    CONSTRAINT return_inspection_lots_line FOREIGN KEY (return_id, line_number, inspection_id)
        REFERENCES return_inspection_lines (return_id, line_number, inspection_id)
);
CREATE INDEX return_inspection_lots_by_lot ON return_inspection_lots (lot_number);
GRANT SELECT, INSERT ON return_inspection_lots TO stockkeeper_worker;
CREATE TRIGGER return_inspection_lots_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON return_inspection_lots FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();

-- The lots of a line are of units that were inspected, and what was restocked of each is in the ledger.
CREATE FUNCTION require_the_lots_of_a_return_to_be_booked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line return_inspection_lines;
    named record;
    of_product bigint;
    restocked_units numeric;
    booked numeric;
BEGIN
    SELECT * INTO line FROM return_inspection_lines AS found
        WHERE (found.return_id, found.line_number, found.inspection_id)
            = (NEW.return_id, NEW.line_number, NEW.inspection_id);
    SELECT sum(restocked) AS restocked, sum(scrapped) AS scrapped INTO named
        FROM return_inspection_lots AS found
        WHERE (found.return_id, found.line_number, found.inspection_id)
            = (NEW.return_id, NEW.line_number, NEW.inspection_id);
    SELECT product_id INTO of_product FROM return_lines AS returned
        WHERE (returned.return_id, returned.line_number) = (NEW.return_id, NEW.line_number);
    SELECT sum(found.restocked) INTO restocked_units
        FROM return_inspection_lots AS found JOIN return_lines AS returned USING (return_id, line_number)
        WHERE return_id = NEW.return_id AND returned.product_id = of_product AND found.lot_number = NEW.lot_number;
    SELECT coalesce(sum(moved.quantity), 0) INTO booked
        FROM stock_movements AS moved JOIN returns
            ON moved.reference_id = returns.return_number AND moved.warehouse_id = returns.warehouse_id
        WHERE returns.return_id = NEW.return_id AND moved.product_id = of_product
            AND moved.lot_number = NEW.lot_number AND moved.movement_type = 'RETURN';
    IF named.restocked <> line.restocked OR named.scrapped > line.scrapped OR booked <> restocked_units THEN
        RAISE EXCEPTION 'lot % on line % of return % hasn''t what its inspection and the ledger say',
            NEW.lot_number, NEW.line_number, NEW.return_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lots_of_returns_are_booked';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_lots_of_a_return_to_be_booked() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER return_inspection_lots_are_booked AFTER INSERT ON return_inspection_lots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_lots_of_a_return_to_be_booked();
"""

# The session's temporary tables come last: none of them can stand in for stock.
PATHS = """
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION require_the_lots_of_a_return_to_be_booked() SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
END $$;
"""


def upgrade() -> None:
    for part in (LOTS, PATHS):
        op.execute(part)


downgrade = no_way_back
