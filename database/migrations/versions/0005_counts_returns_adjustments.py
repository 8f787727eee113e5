"""Cycle counts, returns and adjustments: what was counted by whom, what came back, and what a person corrected.

Counts and inspections are facts: they are added and never changed, by grants as by the code. What was posted is in the
ledger, or the transaction fails.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

serves_older_workers = False

ITEMS = """
ALTER TABLE inventory_items
    -- Whether its latest count was beyond tolerance: then it is counted again soon.
    ADD COLUMN last_count_was_off boolean NOT NULL DEFAULT false;

-- How often an item is counted, by its share of the demand. It follows from the demand and can be made again from it.
CREATE TABLE item_classes (
    warehouse_id  bigint NOT NULL,
    product_id    bigint NOT NULL,
    count_class   text NOT NULL CHECK (count_class IN ('A', 'B', 'C')),
    demand        bigint NOT NULL CHECK (demand >= 0),
    classified_at timestamptz NOT NULL,
    PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT item_classes_item FOREIGN KEY (warehouse_id, product_id)
        REFERENCES inventory_items (warehouse_id, product_id)
);
"""

COUNTS = """
ALTER TABLE cycle_counts
    -- The tolerance that was in force: later settings don't rewrite it.
    ADD COLUMN tolerance_units bigint NOT NULL CHECK (tolerance_units >= 0),
    ADD COLUMN tolerance_percent numeric(9, 3) NOT NULL CHECK (tolerance_percent >= 0),
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by text,
    ADD COLUMN closed_reason text,
    ADD COLUMN operation_id text NOT NULL,
    ADD COLUMN workflow_id text NOT NULL,
    ADD COLUMN run_id text NOT NULL,
    ADD CONSTRAINT cycle_counts_closed CHECK (
        (status IN ('POSTED', 'CANCELLED')) = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL));
-- What is being counted isn't planned again.
CREATE INDEX cycle_counts_open ON cycle_counts (warehouse_id) WHERE status IN ('COUNTING', 'REVIEW');

ALTER TABLE cycle_count_lines
    ADD COLUMN line_number integer NOT NULL CHECK (line_number > 0),
    ADD COLUMN status text NOT NULL DEFAULT 'COUNTING'
        CHECK (status IN ('COUNTING', 'REVIEW', 'POSTED', 'CANCELLED')),
    ADD COLUMN count_class text CHECK (count_class IN ('A', 'B', 'C')),
    ADD COLUMN approved_by text,
    ADD COLUMN posted_at timestamptz,
    ADD COLUMN posted_by text,
    ADD CONSTRAINT cycle_count_lines_place UNIQUE (count_id, line_number),
    ADD CONSTRAINT cycle_count_lines_counted CHECK (
        CASE status
            WHEN 'COUNTING' THEN num_nonnulls(counted_by, counted_quantity, system_quantity) = 0
            WHEN 'CANCELLED' THEN true
            ELSE num_nonnulls(counted_by, counted_quantity, system_quantity) = 3
        END),
    ADD CONSTRAINT cycle_count_lines_posted CHECK (
        (status = 'POSTED') = (posted_at IS NOT NULL) AND (posted_at IS NULL) = (posted_by IS NULL)),
    ADD CONSTRAINT cycle_count_lines_have_a_cause CHECK (
        status <> 'POSTED' OR counted_quantity = system_quantity OR root_cause IS NOT NULL),
    ADD CONSTRAINT cycle_count_lines_not_own CHECK (lower(approved_by) <> lower(counted_by));
-- Accuracy over time, and what was counted of an item.
CREATE INDEX cycle_count_lines_by_product ON cycle_count_lines (product_id);
CREATE INDEX cycle_count_lines_by_time ON cycle_count_lines USING brin (posted_at);

-- Each time that somebody counted. The same person's second look is no second count.
CREATE TABLE cycle_count_entries (
    count_id         bigint NOT NULL,
    product_id       bigint NOT NULL,
    entry_number     integer NOT NULL CHECK (entry_number > 0),
    counted_by       text NOT NULL,
    counted_quantity bigint NOT NULL CHECK (counted_quantity >= 0),
    -- On hand when the count was recorded, read under the item's lock.
    system_quantity  bigint NOT NULL CHECK (system_quantity >= 0),
    within_tolerance boolean NOT NULL,
    root_cause       text,
    counted_at       timestamptz NOT NULL,
    -- The item's latest ADJUSTMENT then: an approval looks whether somebody has put it right since.
    last_correction  bigint NOT NULL DEFAULT 0,
    operation_id     text NOT NULL,
    PRIMARY KEY (count_id, product_id, entry_number),
    CONSTRAINT cycle_count_entries_line FOREIGN KEY (count_id, product_id)
        REFERENCES cycle_count_lines (count_id, product_id)
);
CREATE UNIQUE INDEX cycle_count_entries_distinct
    ON cycle_count_entries (count_id, product_id, lower(counted_by));

-- A line that was posted and the ledger can't be committed apart.
CREATE FUNCTION require_the_variance_to_be_booked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    booked numeric;
BEGIN
    SELECT coalesce(sum(quantity), 0) INTO booked
        FROM stock_movements AS moved JOIN cycle_counts AS counted
            ON moved.reference_id = counted.count_number AND moved.warehouse_id = counted.warehouse_id
        WHERE counted.count_id = NEW.count_id AND moved.product_id = NEW.product_id
            AND moved.movement_type = 'ADJUSTMENT' AND moved.operation_id = NEW.posted_by;
    IF booked <> NEW.delta THEN
        RAISE EXCEPTION 'product % of count % is off by %, and % was booked',
            NEW.product_id, NEW.count_id, NEW.delta, booked
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'variances_are_booked';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER cycle_count_lines_are_booked
    AFTER INSERT OR UPDATE ON cycle_count_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'POSTED')
    EXECUTE FUNCTION require_the_variance_to_be_booked();

-- A count is where its lines are.
CREATE FUNCTION require_the_count_to_be_its_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted cycle_counts;
    lines record;
BEGIN
    SELECT * INTO counted FROM cycle_counts WHERE count_id = NEW.count_id;
    SELECT count(*) FILTER (WHERE status = 'COUNTING') AS counting, count(*) FILTER (WHERE status = 'REVIEW') AS review,
            count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled
        INTO lines FROM cycle_count_lines WHERE count_id = NEW.count_id;
    IF counted.status <> (CASE
            WHEN lines.counting > 0 THEN 'COUNTING'
            WHEN lines.review > 0 THEN 'REVIEW'
            WHEN lines.cancelled > 0 THEN 'CANCELLED'
            ELSE 'POSTED'
        END) THEN
        RAISE EXCEPTION 'count % is %, and its lines are elsewhere', counted.count_number, counted.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'counts_are_their_lines';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER cycle_counts_are_their_lines
    AFTER INSERT OR UPDATE OF status ON cycle_counts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_count_to_be_its_lines();

CREATE CONSTRAINT TRIGGER cycle_count_lines_are_in_their_count
    AFTER UPDATE OF status ON cycle_count_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status)
    EXECUTE FUNCTION require_the_count_to_be_its_lines();

-- A list doesn't grow once all of it has been counted.
CREATE FUNCTION require_the_count_to_be_going_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted cycle_counts;
BEGIN
    SELECT * INTO counted FROM cycle_counts WHERE count_id = NEW.count_id FOR SHARE;
    IF counted.status <> 'COUNTING' THEN
        RAISE EXCEPTION 'count % is %: it gets no more lines', counted.count_number, counted.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'cycle_count_lines_are_in_time';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER cycle_count_lines_are_in_time
    BEFORE INSERT ON cycle_count_lines
    FOR EACH ROW EXECUTE FUNCTION require_the_count_to_be_going_on();
"""

RETURNS = """
CREATE TABLE returns (
    return_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    return_number text NOT NULL CONSTRAINT returns_return_number_key UNIQUE CHECK (return_number <> ''),
    warehouse_id  bigint NOT NULL REFERENCES warehouses,
    -- What the goods were sold under, here or in an earlier system.
    reference_id  text NOT NULL,
    status        text NOT NULL DEFAULT 'EXPECTED' CHECK (status IN ('EXPECTED', 'INSPECTED', 'CANCELLED')),
    requested_by  text NOT NULL,
    created_at    timestamptz NOT NULL,
    closed_at     timestamptz,
    closed_by     text,
    closed_reason text,
    operation_id  text NOT NULL,
    workflow_id   text NOT NULL,
    run_id        text NOT NULL,
    CONSTRAINT returns_closed CHECK (
        (status = 'EXPECTED') = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL))
);
CREATE INDEX returns_by_reference ON returns (reference_id);

CREATE TABLE return_lines (
    return_id   bigint NOT NULL REFERENCES returns,
    line_number integer NOT NULL CHECK (line_number > 0),
    product_id  bigint NOT NULL REFERENCES products,
    quantity    bigint NOT NULL CHECK (quantity > 0),
    restocked   bigint NOT NULL DEFAULT 0 CHECK (restocked >= 0),
    scrapped    bigint NOT NULL DEFAULT 0 CHECK (scrapped >= 0),
    PRIMARY KEY (return_id, line_number),
    CONSTRAINT return_lines_not_too_much CHECK (restocked + scrapped <= quantity)
);

CREATE TABLE return_inspections (
    return_id     bigint NOT NULL REFERENCES returns,
    inspection_id text NOT NULL,
    inspected_at  timestamptz NOT NULL,
    inspected_by  text NOT NULL,
    operation_id  text NOT NULL,
    PRIMARY KEY (return_id, inspection_id)
);

CREATE TABLE return_inspection_lines (
    return_id     bigint NOT NULL,
    inspection_id text NOT NULL,
    line_number   integer NOT NULL,
    restocked     bigint NOT NULL CHECK (restocked >= 0),
    scrapped      bigint NOT NULL CHECK (scrapped >= 0),
    PRIMARY KEY (return_id, line_number, inspection_id),
    CONSTRAINT return_inspection_lines_something CHECK (restocked + scrapped > 0),
    CONSTRAINT return_inspection_lines_inspection FOREIGN KEY (return_id, inspection_id)
        REFERENCES return_inspections (return_id, inspection_id),
    CONSTRAINT return_inspection_lines_line FOREIGN KEY (return_id, line_number)
        REFERENCES return_lines (return_id, line_number)
);

-- A line has what its inspections found, and what was put back is in the ledger, whichever of them changes.
CREATE FUNCTION require_the_return_to_be_booked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line return_lines;
    found record;
    restocked_units numeric;
    booked numeric;
BEGIN
    SELECT * INTO line FROM return_lines WHERE return_id = NEW.return_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(restocked), 0) AS restocked, coalesce(sum(scrapped), 0) AS scrapped INTO found
        FROM return_inspection_lines WHERE return_id = NEW.return_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(restocked), 0) INTO restocked_units
        FROM return_lines WHERE return_id = NEW.return_id AND product_id = line.product_id;
    SELECT coalesce(sum(moved.quantity), 0) INTO booked
        FROM stock_movements AS moved JOIN returns
            ON moved.reference_id = returns.return_number AND moved.warehouse_id = returns.warehouse_id
        WHERE returns.return_id = NEW.return_id AND moved.product_id = line.product_id
            AND moved.movement_type = 'RETURN';
    IF (line.restocked, line.scrapped) IS DISTINCT FROM (found.restocked, found.scrapped)
        OR booked <> restocked_units THEN
        RAISE EXCEPTION 'line % of return % doesn''t have what its inspections and the ledger say',
            NEW.line_number, NEW.return_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_are_booked';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER return_lines_are_booked
    AFTER INSERT OR UPDATE ON return_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_return_to_be_booked();

CREATE CONSTRAINT TRIGGER return_inspection_lines_are_booked
    AFTER INSERT ON return_inspection_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_return_to_be_booked();

-- Something is expected while a return says so, and at no other time; it ends by what came, and by a reason if not all
-- of it did.
CREATE FUNCTION require_the_return_to_be_its_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    returned returns;
    units record;
BEGIN
    SELECT * INTO returned FROM returns WHERE return_id = NEW.return_id;
    SELECT coalesce(sum(restocked + scrapped), 0) AS came, coalesce(sum(quantity - restocked - scrapped), 0) AS missing
        INTO units FROM return_lines WHERE return_id = NEW.return_id;
    IF NOT (CASE returned.status
            WHEN 'EXPECTED' THEN units.missing > 0 AND returned.closed_reason IS NULL
            WHEN 'INSPECTED' THEN units.came > 0 AND (units.missing > 0) = (returned.closed_reason IS NOT NULL)
            ELSE units.came = 0 AND returned.closed_reason IS NOT NULL
        END) THEN
        RAISE EXCEPTION 'return % is % with % inspected and % missing',
            returned.return_number, returned.status, units.came, units.missing
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_are_their_lines';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER returns_are_their_lines
    AFTER INSERT OR UPDATE ON returns DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_return_to_be_its_lines();

CREATE CONSTRAINT TRIGGER return_lines_are_in_their_return
    AFTER UPDATE ON return_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.restocked + NEW.scrapped = NEW.quantity)
    EXECUTE FUNCTION require_the_return_to_be_its_lines();
"""

ADJUSTMENTS = """
CREATE TABLE adjustments (
    adjustment_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adjustment_number  text NOT NULL CONSTRAINT adjustments_adjustment_number_key UNIQUE
        CHECK (adjustment_number <> ''),
    warehouse_id       bigint NOT NULL REFERENCES warehouses,
    status             text NOT NULL CHECK (status IN ('PENDING', 'POSTED', 'REJECTED', 'CANCELLED')),
    reason             text NOT NULL,
    requested_by       text NOT NULL,
    created_at         timestamptz NOT NULL,
    -- Units times unit cost, whichever way they go.
    value              numeric(38, 6) NOT NULL CHECK (value >= 0),
    -- Units of which nobody knows what they cost.
    unvalued_units     bigint NOT NULL CHECK (unvalued_units >= 0),
    -- By the settings that were in force: later ones don't rewrite it.
    needs_approval     boolean NOT NULL,
    remind_after_hours double precision NOT NULL CHECK (remind_after_hours > 0),
    cancel_after_hours double precision NOT NULL CHECK (cancel_after_hours > 0),
    approved_by        text,
    approval_note      text,
    closed_at          timestamptz,
    closed_by          text,
    closed_reason      text,
    operation_id       text NOT NULL,
    workflow_id        text NOT NULL,
    run_id             text NOT NULL,
    CONSTRAINT adjustments_closed CHECK (
        (status = 'PENDING') = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT adjustments_not_own CHECK (lower(approved_by) <> lower(requested_by)),
    CONSTRAINT adjustments_are_approved CHECK (
        CASE status
            WHEN 'POSTED' THEN needs_approval = (approved_by IS NOT NULL)
            ELSE approved_by IS NULL
        END)
);

CREATE TABLE adjustment_lines (
    adjustment_id bigint NOT NULL REFERENCES adjustments,
    line_number   integer NOT NULL CHECK (line_number > 0),
    product_id    bigint NOT NULL REFERENCES products,
    quantity      bigint NOT NULL CHECK (quantity <> 0),
    unit_cost     numeric(18, 6) CHECK (unit_cost >= 0),
    PRIMARY KEY (adjustment_id, line_number)
);

-- An adjustment that was posted and the ledger can't be committed apart; one that wasn't has moved nothing.
CREATE FUNCTION require_the_adjustment_to_be_booked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- As it is in the end: it may have been stored and posted in one transaction.
    adjusted adjustments;
    wrong bigint;
BEGIN
    SELECT * INTO adjusted FROM adjustments WHERE adjustment_id = NEW.adjustment_id;
    SELECT count(*) INTO wrong FROM (
        SELECT product_id, sum(quantity) AS units, adjusted.closed_by AS operation_id FROM adjustment_lines
        WHERE adjustment_id = adjusted.adjustment_id AND adjusted.status = 'POSTED'
        GROUP BY product_id HAVING sum(quantity) <> 0
    ) AS wanted FULL JOIN (
        SELECT product_id, sum(quantity) AS units, operation_id FROM stock_movements
        WHERE reference_id = adjusted.adjustment_number AND warehouse_id = adjusted.warehouse_id
            AND movement_type = 'ADJUSTMENT' AND workflow_id = adjusted.workflow_id
        GROUP BY product_id, operation_id
    ) AS booked USING (product_id, operation_id)
    WHERE wanted.units IS DISTINCT FROM booked.units;
    IF wrong > 0 THEN
        RAISE EXCEPTION 'adjustment % isn''t booked as it stands', adjusted.adjustment_number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'adjustments_are_booked';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER adjustments_are_booked
    AFTER INSERT OR UPDATE ON adjustments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_adjustment_to_be_booked();

-- What has been approved, or posted, doesn't get another line.
CREATE FUNCTION require_the_adjustment_to_be_pending() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    adjusted adjustments;
BEGIN
    SELECT * INTO adjusted FROM adjustments WHERE adjustment_id = NEW.adjustment_id FOR SHARE;
    IF adjusted.status <> 'PENDING' THEN
        RAISE EXCEPTION 'adjustment % is %: it gets no more lines', adjusted.adjustment_number, adjusted.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'adjustment_lines_are_in_time';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER adjustment_lines_are_in_time
    BEFORE INSERT OR UPDATE ON adjustment_lines
    FOR EACH ROW EXECUTE FUNCTION require_the_adjustment_to_be_pending();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON item_classes, returns, return_lines, adjustments TO stockkeeper_worker;
GRANT SELECT, INSERT ON cycle_count_entries, return_inspections, return_inspection_lines, adjustment_lines
    TO stockkeeper_worker;
"""


def upgrade() -> None:
    for part in (ITEMS, COUNTS, RETURNS, ADJUSTMENTS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    # Going back would forget what was counted.
    raise NotImplementedError("there is no way back: restore a backup instead")
