"""What a transfer knows: what has left, what has arrived and in what state, and what is still on its way.

The units in transit have a ledger of their own. Like the other one it is append-only, and a line can't have anything
but what its entries add up to.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

serves_older_workers = False

TRANSFERS = """
ALTER TABLE transfer_orders
    ADD COLUMN expected_transit_hours double precision CHECK (expected_transit_hours > 0),
    ADD COLUMN dispatched_at timestamptz,
    ADD COLUMN due_at timestamptz,
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by text,
    ADD COLUMN closed_reason text,
    ADD COLUMN operation_id text NOT NULL,
    ADD COLUMN workflow_id text NOT NULL,
    ADD COLUMN run_id text NOT NULL,
    ADD CONSTRAINT transfer_orders_dispatched CHECK (
        CASE status
            WHEN 'PENDING' THEN dispatched_at IS NULL
            WHEN 'CANCELLED' THEN true
            ELSE dispatched_at IS NOT NULL
        END),
    ADD CONSTRAINT transfer_orders_due CHECK (
        (due_at IS NOT NULL) = (dispatched_at IS NOT NULL AND expected_transit_hours IS NOT NULL)),
    ADD CONSTRAINT transfer_orders_closed CHECK (
        (status IN ('RECEIVED', 'CANCELLED')) = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL));

ALTER TABLE transfer_order_lines
    ADD COLUMN dispatched bigint NOT NULL DEFAULT 0,
    ADD COLUMN returned bigint NOT NULL DEFAULT 0 CHECK (returned >= 0),
    ADD COLUMN in_transit bigint NOT NULL DEFAULT 0 CHECK (in_transit >= 0),
    DROP CONSTRAINT transfer_order_lines_conserve,
    ADD CONSTRAINT transfer_order_lines_conserve CHECK (
        dispatched = received + damaged + written_off + returned + in_transit),
    -- All of a line leaves at once, or nothing has left.
    ADD CONSTRAINT transfer_order_lines_whole CHECK (dispatched IN (0, quantity));
CREATE INDEX transfer_order_lines_in_transit ON transfer_order_lines (product_id) WHERE in_transit > 0;
"""

TRANSIT = """
CREATE TABLE transit_movements (
    transit_movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id         bigint NOT NULL,
    line_number         integer NOT NULL,
    kind                text NOT NULL
        CHECK (kind IN ('DISPATCHED', 'RECEIVED', 'DAMAGED', 'WRITTEN_OFF', 'RETURNED')),
    quantity            bigint NOT NULL,
    balance_after       bigint NOT NULL CHECK (balance_after >= 0),
    receipt_id          text,
    performed_by        text NOT NULL,
    reason              text NOT NULL,
    operation_id        text NOT NULL,
    workflow_id         text NOT NULL,
    run_id              text NOT NULL,
    created_at          timestamptz NOT NULL,
    CONSTRAINT transit_movements_line FOREIGN KEY (transfer_id, line_number)
        REFERENCES transfer_order_lines (transfer_id, line_number),
    CONSTRAINT transit_movements_direction CHECK (
        CASE kind WHEN 'DISPATCHED' THEN quantity > 0 ELSE quantity < 0 END),
    CONSTRAINT transit_movements_receipt CHECK ((kind IN ('RECEIVED', 'DAMAGED')) = (receipt_id IS NOT NULL))
);
-- A line is dispatched, written off and returned once, and gets of a receipt once what is fit and once what is not.
CREATE UNIQUE INDEX transit_movements_once
    ON transit_movements (transfer_id, line_number, kind, coalesce(receipt_id, ''));

CREATE TRIGGER transit_movements_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON transit_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();

-- A line and its entries can't be committed apart.
CREATE FUNCTION require_transit_to_be_its_movements() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line transfer_order_lines;
    moved record;
BEGIN
    SELECT * INTO line FROM transfer_order_lines
        WHERE transfer_id = NEW.transfer_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(quantity) FILTER (WHERE kind = 'DISPATCHED'), 0) AS dispatched,
            coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS received,
            coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS damaged,
            coalesce(-sum(quantity) FILTER (WHERE kind = 'WRITTEN_OFF'), 0) AS written_off,
            coalesce(-sum(quantity) FILTER (WHERE kind = 'RETURNED'), 0) AS returned,
            coalesce((array_agg(balance_after ORDER BY transit_movement_id DESC))[1], 0) AS balance
        INTO moved
        FROM transit_movements
        WHERE transfer_id = NEW.transfer_id AND line_number = NEW.line_number;
    IF (line.dispatched, line.received, line.damaged, line.written_off, line.returned, line.in_transit)
        IS DISTINCT FROM (moved.dispatched, moved.received, moved.damaged, moved.written_off, moved.returned,
            moved.balance) THEN
        RAISE EXCEPTION 'line % of transfer % doesn''t have what its movements add up to',
            NEW.line_number, NEW.transfer_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transit_is_its_movements';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER transfer_order_lines_are_their_movements
    AFTER INSERT OR UPDATE ON transfer_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_transit_to_be_its_movements();

CREATE CONSTRAINT TRIGGER transit_movements_are_on_a_line
    AFTER INSERT ON transit_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_transit_to_be_its_movements();

-- A transfer has something in transit while it says so, and at no other time, whichever of the two changes.
CREATE FUNCTION require_transit_while_in_transit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    transfer transfer_orders;
    units bigint;
BEGIN
    SELECT * INTO transfer FROM transfer_orders WHERE transfer_id = NEW.transfer_id;
    SELECT coalesce(sum(in_transit), 0) INTO units FROM transfer_order_lines WHERE transfer_id = NEW.transfer_id;
    IF (transfer.status = 'IN_TRANSIT') <> (units > 0) THEN
        RAISE EXCEPTION 'transfer % is % with % in transit', transfer.transfer_number, transfer.status, units
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transfers_are_in_transit';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER transfer_orders_are_in_transit
    AFTER INSERT OR UPDATE ON transfer_orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_transit_while_in_transit();

CREATE CONSTRAINT TRIGGER transfer_order_lines_are_in_transit
    AFTER UPDATE OF in_transit ON transfer_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((OLD.in_transit > 0) <> (NEW.in_transit > 0))
    EXECUTE FUNCTION require_transit_while_in_transit();

CREATE CONSTRAINT TRIGGER transfer_order_lines_begin_in_transit
    AFTER INSERT ON transfer_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.in_transit > 0)
    EXECUTE FUNCTION require_transit_while_in_transit();
"""

GRANTS = """
GRANT SELECT, INSERT ON transit_movements TO stockkeeper_worker;
"""


def upgrade() -> None:
    for part in (TRANSFERS, TRANSIT, GRANTS):
        op.execute(part)


def downgrade() -> None:
    # Going back would forget what is on its way.
    raise NotImplementedError("there is no way back: restore a backup instead")
