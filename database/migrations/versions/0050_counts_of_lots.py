"""A count has a line for each lot of a tracked product."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

# A worker of the revision before counts what isn't tracked. Its counts of lots are refused: they have no line.
serves_older_workers = True

LINES = """
ALTER TABLE cycle_count_entries DROP CONSTRAINT cycle_count_entries_line, DROP CONSTRAINT cycle_count_entries_pkey;
DROP INDEX cycle_count_entries_distinct;
ALTER TABLE cycle_count_lines
    -- Empty: the product isn't tracked, or no lot of it was there.
    ADD COLUMN lot_number text NOT NULL DEFAULT '',
    -- What the counters have read on a lot that the books may not know yet.
    ADD COLUMN expires_on date,
    ADD COLUMN best_before date,
    ADD COLUMN made_on date,
    DROP CONSTRAINT cycle_count_lines_pkey,
    ADD CONSTRAINT cycle_count_lines_pkey PRIMARY KEY (count_id, product_id, lot_number),
    ADD CONSTRAINT cycle_count_lines_lot
        CHECK (lot_number <> '' OR num_nonnulls(expires_on, best_before, made_on) = 0);
ALTER TABLE cycle_count_entries
    ADD COLUMN lot_number text NOT NULL DEFAULT '',
    ADD CONSTRAINT cycle_count_entries_pkey PRIMARY KEY (count_id, product_id, lot_number, entry_number),
    ADD CONSTRAINT cycle_count_entries_line FOREIGN KEY (count_id, product_id, lot_number)
        REFERENCES cycle_count_lines (count_id, product_id, lot_number);
CREATE UNIQUE INDEX cycle_count_entries_distinct
    ON cycle_count_entries (count_id, product_id, lot_number, lower(counted_by));
"""

GUARDS = """
CREATE OR REPLACE FUNCTION require_the_variance_to_be_booked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    booked numeric;
BEGIN
    SELECT coalesce(sum(quantity), 0) INTO booked
        FROM stock_movements AS moved JOIN cycle_counts AS counted
            ON moved.reference_id = counted.count_number AND moved.warehouse_id = counted.warehouse_id
        WHERE counted.count_id = NEW.count_id AND moved.product_id = NEW.product_id
            AND moved.lot_number IS NOT DISTINCT FROM nullif(NEW.lot_number, '')
            AND moved.movement_type = 'ADJUSTMENT' AND moved.operation_id = NEW.posted_by;
    IF booked <> NEW.delta THEN
        RAISE EXCEPTION 'product % of count % is off by %, and % was booked',
            NEW.product_id, NEW.count_id, NEW.delta, booked
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'variances_are_booked';
    END IF;
    RETURN NULL;
END $$;

-- A lot may be found as long as something of the count is open.
CREATE OR REPLACE FUNCTION require_the_count_to_be_going_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted cycle_counts;
BEGIN
    SELECT * INTO counted FROM cycle_counts WHERE count_id = NEW.count_id FOR SHARE;
    IF counted.status <> 'COUNTING' AND NOT (counted.status = 'REVIEW' AND NEW.lot_number <> '') THEN
        RAISE EXCEPTION 'count % is %: it gets no more lines', counted.count_number, counted.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'cycle_count_lines_are_in_time';
    END IF;
    RETURN NEW;
END $$;
"""

# The session's temporary tables come last: none of them can stand in for stock.
PATHS = """
DO $$
DECLARE
    guard text;
BEGIN
    FOREACH guard IN ARRAY ARRAY['require_the_variance_to_be_booked', 'require_the_count_to_be_going_on'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
    END LOOP;
END $$;
"""


def upgrade() -> None:
    for part in (LINES, GUARDS, PATHS):
        op.execute(part)


downgrade = no_way_back
