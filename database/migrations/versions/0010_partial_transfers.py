"""Transfers that leave, and are written off, in parts."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

serves_older_workers = False

PARTS = """
ALTER TABLE transfer_order_lines
    DROP CONSTRAINT transfer_order_lines_whole,
    ADD CONSTRAINT transfer_order_lines_whole CHECK (dispatched <= quantity);

-- The caller's number for a departure or a write-off, where there is one.
ALTER TABLE transit_movements
    ADD COLUMN command_id text,
    ADD CONSTRAINT transit_movements_command CHECK (command_id IS NULL OR kind IN ('DISPATCHED', 'WRITTEN_OFF'));

-- An operation books each kind once on a line; a receipt is booked once whatever operation does it.
DROP INDEX transit_movements_once;
CREATE UNIQUE INDEX transit_movements_once
    ON transit_movements (transfer_id, line_number, kind, coalesce(receipt_id, operation_id));

-- Each line's hold at the source: units asked for, units that left, and those still held. A transfer's lines are held
-- in their order.
CREATE VIEW transfer_holds AS
    SELECT transfer_id,
        (row_number() OVER (PARTITION BY transfer_id ORDER BY reservation_id))::integer AS line_number,
        held.quantity AS asked,
        held.quantity_fulfilled AS departed,
        CASE WHEN held.status = 'ACTIVE' THEN held.quantity - held.quantity_fulfilled ELSE 0 END AS held
    FROM transfer_orders
    JOIN reservations AS held ON (held.reference_type, held.reference_id) = ('TRANSFER', transfer_number);
GRANT SELECT ON transfer_holds TO stockkeeper_worker;
"""

# Once a part has left, a transfer is in transit until nothing is on its way and nothing held any more.
STATUS = """
CREATE OR REPLACE FUNCTION require_transit_while_in_transit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    transfer transfer_orders;
    units record;
BEGIN
    SELECT * INTO transfer FROM transfer_orders WHERE transfer_id = NEW.transfer_id;
    SELECT coalesce(sum(in_transit), 0) AS in_transit, coalesce(sum(dispatched), 0) AS dispatched INTO units
        FROM transfer_order_lines WHERE transfer_id = NEW.transfer_id;
    IF (transfer.status = 'IN_TRANSIT') <> (units.in_transit > 0) AND NOT (
        transfer.status = 'IN_TRANSIT' AND units.dispatched > 0
        AND EXISTS (SELECT FROM transfer_holds WHERE transfer_id = NEW.transfer_id AND held > 0)) THEN
        RAISE EXCEPTION 'transfer % is % with % in transit', transfer.transfer_number, transfer.status, units.in_transit
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transfers_are_in_transit';
    END IF;
    RETURN NULL;
END $$;
"""

DEPARTURES = """
CREATE FUNCTION require_departures_to_be_from_the_hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    transfer transfer_orders;
    line transfer_order_lines;
    departed numeric;
    released numeric;
BEGIN
    SELECT * INTO transfer FROM transfer_orders WHERE transfer_id = NEW.transfer_id;
    SELECT * INTO line FROM transfer_order_lines
        WHERE transfer_id = NEW.transfer_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(dispatched), 0) INTO departed FROM transfer_order_lines
        WHERE transfer_id = NEW.transfer_id AND product_id = line.product_id;
    SELECT coalesce(sum(quantity_fulfilled), 0) INTO released FROM reservations
        WHERE (reference_type, reference_id) = ('TRANSFER', transfer.transfer_number)
            AND product_id = line.product_id;
    IF departed <> released THEN
        RAISE EXCEPTION 'transfer % has dispatched % of product %, and % left its hold',
            transfer.transfer_number, departed, line.product_id, released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'departures_are_from_the_hold';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER transit_movements_were_held AFTER INSERT ON transit_movements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind = 'DISPATCHED')
    EXECUTE FUNCTION require_departures_to_be_from_the_hold();
"""


def upgrade() -> None:
    for part in (PARTS, STATUS, DEPARTURES):
        op.execute(part)


downgrade = no_way_back
