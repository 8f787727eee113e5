"""What is in transit of each lot: its movements, and never more than has left."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

# A worker of the revision before names no lots in transit: it can't move a product that is tracked.
serves_older_workers = True

LOTS = """
CREATE INDEX transit_movements_by_lot ON transit_movements (lot_number, transfer_id) WHERE lot_number IS NOT NULL;

-- Units in transit of a tracked product are of a lot that is known here, and of each lot only what has left arrives, is
-- lost or comes back. The units of other products are of none.
CREATE FUNCTION require_lots_in_transit_to_have_left() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    off record;
BEGIN
    SELECT entry.transfer_id, entry.line_number, entry.lot_number, tracking INTO off
        FROM written AS entry
        JOIN transfer_order_lines AS line USING (transfer_id, line_number)
        JOIN products USING (product_id)
        LEFT JOIN lots ON lots.product_id = line.product_id AND lots.lot_number = entry.lot_number
        WHERE (tracking = 'NONE') <> (entry.lot_number IS NULL)
            OR (entry.lot_number IS NOT NULL AND lots.product_id IS NULL)
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'line % of transfer % is of a product whose tracking is %, and names lot %',
            off.line_number, off.transfer_id, off.tracking, coalesce(off.lot_number, 'none')
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transit_names_lots';
    END IF;
    SELECT entry.transfer_id, entry.line_number, entry.lot_number, sum(entry.quantity) AS balance INTO off
        FROM (SELECT DISTINCT transfer_id, line_number, lot_number FROM written WHERE lot_number IS NOT NULL) AS moved
        JOIN transit_movements AS entry USING (transfer_id, line_number, lot_number)
        GROUP BY entry.transfer_id, entry.line_number, entry.lot_number
        HAVING sum(entry.quantity) < 0
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'lot % on line % of transfer % would have % in transit',
            off.lot_number, off.line_number, off.transfer_id, off.balance
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lots_in_transit_have_left';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_lots_in_transit_to_have_left() FROM PUBLIC;
CREATE TRIGGER transit_movements_have_left_in_their_lot AFTER INSERT ON transit_movements
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    EXECUTE FUNCTION require_lots_in_transit_to_have_left();

-- What has left of a lot is what the hold at the source has given of it; a source in another database has it there.
CREATE FUNCTION require_departures_to_be_of_held_lots() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    off record;
BEGIN
    SELECT transfer_number, line.product_id, source_at, (
            SELECT sum(entry.quantity) FROM transfer_order_lines AS alike
            JOIN transit_movements AS entry USING (transfer_id, line_number)
            WHERE alike.transfer_id = line.transfer_id AND alike.product_id = line.product_id
                AND entry.kind = 'DISPATCHED' AND entry.lot_number = NEW.lot_number) AS departed, (
            SELECT coalesce(sum(allotted.quantity_fulfilled), 0)
            FROM reservations AS held JOIN reservation_lots AS allotted USING (reservation_id)
            WHERE (held.reference_type, held.reference_id) = ('TRANSFER', transfer_number)
                AND allotted.product_id = line.product_id AND allotted.lot_number = NEW.lot_number) AS released
        INTO off FROM transfer_order_lines AS line JOIN transfer_orders USING (transfer_id)
        WHERE (line.transfer_id, line.line_number) = (NEW.transfer_id, NEW.line_number);
    IF off.source_at IS NULL AND off.departed <> off.released THEN
        RAISE EXCEPTION 'transfer % has dispatched % of lot % of product %, and % left its hold',
            off.transfer_number, off.departed, NEW.lot_number, off.product_id, off.released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'departures_are_of_held_lots';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_departures_to_be_of_held_lots() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER transit_movements_were_held_in_their_lot AFTER INSERT ON transit_movements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind = 'DISPATCHED' AND NEW.lot_number IS NOT NULL)
    EXECUTE FUNCTION require_departures_to_be_of_held_lots();
"""

# The session's temporary tables come last: none of them can stand in for stock.
PATHS = """
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOREACH routine IN ARRAY ARRAY[
        'require_lots_in_transit_to_have_left()'::regprocedure, 'require_departures_to_be_of_held_lots()'::regprocedure]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', routine, current_schema());
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(LOTS)
    op.execute(PATHS)


downgrade = no_way_back
