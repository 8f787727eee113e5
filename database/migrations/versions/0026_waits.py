"""Orders that wait for stock: their queue, and who tells that units have come."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

serves_older_workers = False

# A wait is numbered like the lines of a hold, so that a list of orders has one order of both; a later one has a higher
# number, which is its place in the queue.
TABLES = """
CREATE TABLE waits (
    wait_id bigint CONSTRAINT waits_pkey PRIMARY KEY,
    reference_id text NOT NULL,
    status text NOT NULL DEFAULT 'WAITING'
        CHECK (status IN ('WAITING', 'HELD', 'CANCELLED', 'REJECTED', 'ABANDONED')),
    waiting_since timestamptz NOT NULL,
    waiting_until timestamptz NOT NULL,
    told_at timestamptz,
    performed_by text NOT NULL,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    closed_at timestamptz,
    closed_by text,
    closed_reason text,
    shortages jsonb,
    is_waiting boolean NOT NULL GENERATED ALWAYS AS (status = 'WAITING') STORED,
    CONSTRAINT waits_are_or_were UNIQUE (wait_id, is_waiting),
    CONSTRAINT waits_closed_by_someone CHECK (
        is_waiting = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL))
);
CREATE UNIQUE INDEX waits_once ON waits (reference_id) WHERE is_waiting;
CREATE INDEX waits_by_reference ON waits (reference_id, wait_id);

-- The queue of a product is small, however many orders have waited for it: an ended wait leaves the index.
CREATE TABLE waiting_lines (
    wait_id bigint NOT NULL,
    line_number integer NOT NULL CHECK (line_number > 0),
    product_id bigint NOT NULL REFERENCES products,
    warehouse_id bigint REFERENCES warehouses,
    quantity bigint NOT NULL CHECK (quantity > 0),
    is_waiting boolean NOT NULL DEFAULT true,
    CONSTRAINT waiting_lines_pkey PRIMARY KEY (wait_id, line_number),
    CONSTRAINT waiting_lines_wait FOREIGN KEY (wait_id, is_waiting) REFERENCES waits (wait_id, is_waiting)
        ON UPDATE CASCADE
);
CREATE INDEX waiting_lines_queue ON waiting_lines (product_id, wait_id) WHERE is_waiting;
GRANT SELECT, INSERT, UPDATE (status, told_at, run_id, closed_at, closed_by, closed_reason, shortages) ON waits
    TO stockkeeper_worker;
GRANT SELECT, INSERT ON waiting_lines TO stockkeeper_worker;
"""

# Whatever brings stock raises what is available of an item: a receipt, a return, the end of a hold or of a part of it,
# a correction, a transfer, an import, a lower buffer, a repair. And a wait that ends leaves its units to those behind.
TELLING = """
CREATE FUNCTION tell_who_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM waiting_lines WHERE product_id = NEW.product_id AND is_waiting) THEN
        PERFORM pg_notify('stockkeeper_waiting', NEW.product_id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER inventory_items_tell_who_waits AFTER UPDATE ON inventory_items FOR EACH ROW
    WHEN (NEW.quantity_available > OLD.quantity_available) EXECUTE FUNCTION tell_who_waits();
CREATE TRIGGER inventory_items_tell_who_waits_at_first AFTER INSERT ON inventory_items FOR EACH ROW
    WHEN (NEW.quantity_available > 0) EXECUTE FUNCTION tell_who_waits();
CREATE TRIGGER waiting_lines_tell_who_waits AFTER UPDATE OF is_waiting ON waiting_lines FOR EACH ROW
    WHEN (OLD.is_waiting AND NOT NEW.is_waiting) EXECUTE FUNCTION tell_who_waits();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(TELLING)


downgrade = no_way_back
