"""The checks of transfers at less cost: one query each, planned once, and one for all entries of a statement.

Entries in transit are compared with their lines when they are written: by then the lines have changed, or change in the
same statement. A line is compared at commit, because its entry may come after it.

Sums have their condition in a FILTER, not in the WHERE: so the rows are found by the transfer, and never by an index on
the product, in which an item that sells well has very many.
"""

from alembic import op

from database.migrations.common import no_way_back

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

serves_older_workers = False

_SUMS = """
            SELECT {key}coalesce(sum(quantity) FILTER (WHERE kind = 'DISPATCHED'), 0) AS dispatched,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS received,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS damaged,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'WRITTEN_OFF'), 0) AS written_off,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'RETURNED'), 0) AS returned,
                coalesce((array_agg(balance_after ORDER BY transit_movement_id DESC))[1], 0) AS balance
            FROM transit_movements AS entry
"""

_DIFFER = """
        (line.dispatched, line.received, line.damaged, line.written_off, line.returned, line.in_transit)
            IS DISTINCT FROM (moved.dispatched, moved.received, moved.damaged, moved.written_off, moved.returned,
                moved.balance)
"""

_UNEXPLAINED = """
        RAISE EXCEPTION 'line % of transfer % doesn''t have what its movements add up to',
            unexplained.line_number, unexplained.transfer_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transit_is_its_movements';
"""

LINES = f"""
CREATE OR REPLACE FUNCTION require_transit_to_be_its_movements() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    unexplained record;
BEGIN
    SELECT line.transfer_id, line.line_number INTO unexplained
        FROM transfer_order_lines AS line CROSS JOIN (
            {_SUMS.format(key="")}
            WHERE (entry.transfer_id, entry.line_number) = (NEW.transfer_id, NEW.line_number)) AS moved
        WHERE (line.transfer_id, line.line_number) = (NEW.transfer_id, NEW.line_number) AND {_DIFFER};
    IF FOUND THEN {_UNEXPLAINED}
    END IF;
    RETURN NULL;
END $$;

-- A line that begins with nothing moved has no movements yet: they refer to it.
DROP TRIGGER transfer_order_lines_are_their_movements ON transfer_order_lines;
CREATE CONSTRAINT TRIGGER transfer_order_lines_are_their_movements AFTER UPDATE ON transfer_order_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_transit_to_be_its_movements();
CREATE CONSTRAINT TRIGGER transfer_order_lines_begin_with_movements AFTER INSERT ON transfer_order_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.dispatched <> 0)
    EXECUTE FUNCTION require_transit_to_be_its_movements();

CREATE OR REPLACE FUNCTION require_transit_while_in_transit() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    transfer record;
BEGIN
    SELECT transfer_number, status, units.* INTO transfer
        FROM transfer_orders AS header CROSS JOIN LATERAL (
            SELECT coalesce(sum(in_transit), 0) AS in_transit, coalesce(sum(dispatched), 0) AS dispatched
            FROM transfer_order_lines AS line WHERE line.transfer_id = header.transfer_id) AS units
        WHERE transfer_id = NEW.transfer_id;
    IF (transfer.status = 'IN_TRANSIT') <> (transfer.in_transit > 0) AND NOT (
        transfer.status = 'IN_TRANSIT' AND transfer.dispatched > 0
        AND EXISTS (SELECT FROM transfer_holds WHERE transfer_id = NEW.transfer_id AND held > 0)) THEN
        RAISE EXCEPTION 'transfer % is % with % in transit',
                transfer.transfer_number, transfer.status, transfer.in_transit
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transfers_are_in_transit';
    END IF;
    RETURN NULL;
END $$;
"""  # noqa: S608 - constants only

ENTRIES = f"""
CREATE FUNCTION require_movements_in_transit_to_be_on_a_line() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    transfers bigint[] := ARRAY (SELECT DISTINCT transfer_id FROM written);
    lines integer[] := ARRAY (SELECT DISTINCT line_number FROM written);
    unexplained record;
BEGIN
    SELECT line.transfer_id, line.line_number INTO unexplained
        FROM transfer_order_lines AS line JOIN (
            {_SUMS.format(key="entry.transfer_id, entry.line_number, ")}
            WHERE entry.transfer_id = ANY (transfers) AND entry.line_number = ANY (lines)
            GROUP BY entry.transfer_id, entry.line_number) AS moved USING (transfer_id, line_number)
        WHERE line.transfer_id = ANY (transfers) AND line.line_number = ANY (lines) AND {_DIFFER}
        ORDER BY line.transfer_id, line.line_number LIMIT 1;
    IF FOUND THEN {_UNEXPLAINED}
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER transit_movements_are_on_a_line ON transit_movements;
CREATE TRIGGER transit_movements_are_on_a_line AFTER INSERT ON transit_movements
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    EXECUTE FUNCTION require_movements_in_transit_to_be_on_a_line();

CREATE OR REPLACE FUNCTION require_departures_to_be_from_the_hold() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    off record;
BEGIN
    SELECT transfer_number, line.product_id, (
            SELECT sum(dispatched) FILTER (WHERE alike.product_id = line.product_id)
            FROM transfer_order_lines AS alike WHERE alike.transfer_id = line.transfer_id) AS departed, (
            SELECT coalesce(sum(quantity_fulfilled) FILTER (WHERE held.product_id = line.product_id), 0)
            FROM reservations AS held
            WHERE (reference_type, reference_id) = ('TRANSFER', transfer_number)) AS released
        INTO off FROM transfer_order_lines AS line JOIN transfer_orders USING (transfer_id)
        WHERE (line.transfer_id, line.line_number) = (NEW.transfer_id, NEW.line_number);
    IF off.departed <> off.released THEN
        RAISE EXCEPTION 'transfer % has dispatched % of product %, and % left its hold',
            off.transfer_number, off.departed, off.product_id, off.released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'departures_are_from_the_hold';
    END IF;
    RETURN NULL;
END $$;
"""  # noqa: S608 - constants only


def upgrade() -> None:
    op.execute(LINES)
    op.execute(ENTRIES)


downgrade = no_way_back
