"""Lots and serial numbers: what is on hand, held and moved of each; and units that are set aside."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

# A worker of the revision before names no lots: it can't change an item that has some.
serves_older_workers = True

PRODUCTS = """
ALTER TABLE products
    ADD COLUMN tracking text NOT NULL DEFAULT 'NONE' CHECK (tracking IN ('NONE', 'LOT', 'SERIAL')),
    -- Days that a unit must still have when it is held.
    ADD COLUMN minimum_days_left integer CHECK (minimum_days_left >= 0);
"""

LOTS = """
-- The keys are the product and the number on the package: databases that share a catalogue agree on them.
CREATE TABLE lots (
    product_id bigint NOT NULL REFERENCES products,
    lot_number text NOT NULL CHECK (lot_number <> ''),
    -- The last day on which it may be used: it is expired from the midnight that ends it in the warehouse's time zone.
    expires_on date,
    best_before date,
    made_on date,
    supplier_id bigint REFERENCES suppliers,
    -- Number of the document with which it came first.
    receipt text,
    status text NOT NULL DEFAULT 'AVAILABLE' CHECK (status IN ('AVAILABLE', 'QUARANTINED', 'BLOCKED')),
    status_reason text,
    status_since timestamptz,
    status_by text,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    operation_id text NOT NULL,
    PRIMARY KEY (product_id, lot_number),
    CONSTRAINT lots_made_before CHECK (made_on <= least(expires_on, best_before)),
    CONSTRAINT lots_have_a_reason CHECK (status = 'AVAILABLE' OR num_nulls(status_reason, status_since, status_by) = 0)
);
CREATE UNIQUE INDEX lots_in_any_case ON lots (product_id, lower(lot_number));
CREATE INDEX lots_by_expiry ON lots (coalesce(expires_on, best_before))
    WHERE coalesce(expires_on, best_before) IS NOT NULL;
CREATE INDEX lots_by_number ON lots (lot_number);
GRANT INSERT, SELECT, UPDATE ON lots TO stockkeeper_worker;

CREATE TABLE lot_items (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    lot_number text NOT NULL,
    quantity_on_hand bigint NOT NULL DEFAULT 0 CHECK (quantity_on_hand >= 0),
    quantity_reserved bigint NOT NULL DEFAULT 0 CHECK (quantity_reserved >= 0),
    quantity_unavailable bigint NOT NULL DEFAULT 0 CHECK (quantity_unavailable >= 0),
    last_moved_at timestamptz,
    PRIMARY KEY (warehouse_id, product_id, lot_number),
    CONSTRAINT lot_items_never_oversold CHECK (quantity_reserved + quantity_unavailable <= quantity_on_hand),
    CONSTRAINT lot_items_item
        FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items (warehouse_id, product_id),
    CONSTRAINT lot_items_lot FOREIGN KEY (product_id, lot_number) REFERENCES lots (product_id, lot_number)
) WITH (fillfactor = 80);
CREATE INDEX lot_items_on_hand ON lot_items (warehouse_id, product_id) WHERE quantity_on_hand > 0;
CREATE INDEX lot_items_by_lot ON lot_items (product_id, lot_number);
GRANT INSERT, SELECT, UPDATE ON lot_items TO stockkeeper_worker;

-- Units on hand that can't be promised, by the reason for it; '' in lot_number: the product isn't tracked.
CREATE TABLE unavailable_stock (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    lot_number text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('QUARANTINE', 'DAMAGED', 'QUALITY_CONTROL', 'SAFETY')),
    quantity bigint NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (warehouse_id, product_id, lot_number, state),
    CONSTRAINT unavailable_stock_item
        FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items (warehouse_id, product_id)
);
GRANT INSERT, SELECT, UPDATE ON unavailable_stock TO stockkeeper_worker;

CREATE TABLE reservation_lots (
    reservation_id bigint NOT NULL REFERENCES reservations,
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    lot_number text NOT NULL,
    quantity_held bigint NOT NULL CHECK (quantity_held >= 0),
    quantity_fulfilled bigint NOT NULL DEFAULT 0 CHECK (quantity_fulfilled >= 0),
    PRIMARY KEY (reservation_id, lot_number),
    CONSTRAINT reservation_lots_lot
        FOREIGN KEY (warehouse_id, product_id, lot_number) REFERENCES lot_items (warehouse_id, product_id, lot_number)
);
CREATE INDEX reservation_lots_held ON reservation_lots (product_id, lot_number, warehouse_id) WHERE quantity_held > 0;
GRANT INSERT, SELECT, UPDATE ON reservation_lots TO stockkeeper_worker;

ALTER TABLE reservations
    -- Days that each unit had to have left, if the order said so.
    ADD COLUMN minimum_days_left integer CHECK (minimum_days_left >= 0);

ALTER TABLE stock_movements
    ADD COLUMN lot_number text,
    ADD COLUMN lot_balance_after bigint CHECK (lot_balance_after >= 0),
    ADD CONSTRAINT stock_movements_lot_balance
        CHECK ((lot_number IS NULL) = (lot_balance_after IS NULL) AND lot_balance_after - quantity >= 0),
    ADD CONSTRAINT stock_movements_lot FOREIGN KEY (warehouse_id, product_id, lot_number)
        REFERENCES lot_items (warehouse_id, product_id, lot_number);
CREATE INDEX stock_movements_by_lot ON stock_movements (product_id, lot_number, warehouse_id, created_at, movement_id)
    WHERE lot_number IS NOT NULL;

ALTER TABLE transit_movements ADD COLUMN lot_number text;
DROP INDEX transit_movements_once;
CREATE UNIQUE INDEX transit_movements_once ON transit_movements
    (transfer_id, line_number, kind, coalesce(receipt_id, operation_id), coalesce(lot_number, ''));
"""

# An expression of a generated column can't be changed before PostgreSQL 17, so the columns are made anew, and the views
# and triggers that read them with them.
ITEMS = """
DO $$
DECLARE
    orderable text := pg_get_viewdef('orderable_items');
    below text := pg_get_viewdef('items_below');
    levels text := pg_get_viewdef('reporting.levels');
BEGIN
    DROP VIEW items_below;
    DROP VIEW orderable_items;
    DROP VIEW reporting.levels;
    DROP TRIGGER inventory_items_tell_who_waits ON inventory_items;
    DROP TRIGGER inventory_items_tell_who_waits_at_first ON inventory_items;
    ALTER TABLE inventory_items
        DROP COLUMN quantity_available,
        DROP COLUMN is_below_reorder_point,
        ADD COLUMN is_tracked boolean NOT NULL DEFAULT false,
        ADD COLUMN quantity_unavailable bigint NOT NULL DEFAULT 0
            CONSTRAINT inventory_items_quantity_unavailable_check CHECK (quantity_unavailable >= 0),
        DROP CONSTRAINT inventory_items_never_oversold,
        ADD CONSTRAINT inventory_items_never_oversold
            CHECK (quantity_reserved + quantity_unavailable <= quantity_on_hand);
    ALTER TABLE inventory_items
        ADD COLUMN quantity_available bigint
            GENERATED ALWAYS AS (quantity_on_hand - quantity_reserved - quantity_buffer - quantity_unavailable) STORED,
        ADD COLUMN is_below_reorder_point boolean
            GENERATED ALWAYS AS (coalesce(
                quantity_on_hand - quantity_reserved - quantity_buffer - quantity_unavailable < reorder_point, false))
            STORED NOT NULL;
    EXECUTE 'CREATE VIEW orderable_items AS ' || orderable;
    EXECUTE 'CREATE VIEW items_below AS ' || below;
    EXECUTE 'CREATE VIEW reporting.levels AS ' || levels;
END $$;

CREATE INDEX inventory_items_below ON inventory_items (warehouse_id, product_id) WHERE is_below_reorder_point;
CREATE INDEX inventory_items_tracked ON inventory_items (warehouse_id, product_id) WHERE is_tracked;
CREATE TRIGGER inventory_items_tell_who_waits AFTER UPDATE ON inventory_items FOR EACH ROW
    WHEN (NEW.quantity_available > OLD.quantity_available) EXECUTE FUNCTION tell_who_waits();
CREATE TRIGGER inventory_items_tell_who_waits_at_first AFTER INSERT ON inventory_items FOR EACH ROW
    WHEN (NEW.quantity_available > 0) EXECUTE FUNCTION tell_who_waits();
CREATE TRIGGER lots_tell_who_waits AFTER UPDATE OF status, expires_on, best_before ON lots FOR EACH ROW
    EXECUTE FUNCTION tell_who_waits();
GRANT SELECT ON orderable_items TO stockkeeper_worker;
GRANT SELECT ON items_below TO stockkeeper_worker;
GRANT SELECT ON reporting.levels TO stockkeeper_reader;

CREATE VIEW reporting.lots AS
SELECT item.warehouse_id, warehouses.name AS warehouse, item.product_id, sku, lot_number, expires_on, best_before,
    made_on, lots.status, item.quantity_on_hand, item.quantity_reserved, item.quantity_unavailable, item.last_moved_at
FROM lot_items AS item JOIN lots USING (product_id, lot_number)
    JOIN products USING (product_id) JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.lots TO stockkeeper_reader;
"""

FUNCTIONS = """
-- Units of an item that are free and can't be promised on a day of its warehouse's calendar, because their lot may not
-- leave: it is quarantined, blocked or expired, or hasn't the days left that the product asks for. The day comes from
-- the caller: timezones have other names and versions here than where lots are held (`database.clock`).
CREATE FUNCTION unusable_units(of_warehouse bigint, of_product bigint, today date) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(item.quantity_on_hand - item.quantity_reserved - item.quantity_unavailable), 0)::bigint
    FROM lot_items AS item
    JOIN lots USING (product_id, lot_number)
    JOIN products USING (product_id)
    WHERE item.warehouse_id = of_warehouse AND item.product_id = of_product AND item.quantity_on_hand > 0
        AND (lots.status <> 'AVAILABLE'
            OR lots.expires_on < today
            OR coalesce(lots.expires_on, lots.best_before) < today + products.minimum_days_left)
$$;
REVOKE ALL ON FUNCTION unusable_units(bigint, bigint, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unusable_units(bigint, bigint, date) TO stockkeeper_worker;

CREATE FUNCTION know_whether_it_is_tracked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT tracking <> 'NONE' INTO NEW.is_tracked FROM products WHERE product_id = NEW.product_id;
    NEW.is_tracked := coalesce(NEW.is_tracked, false);
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION know_whether_it_is_tracked() FROM PUBLIC;
CREATE TRIGGER inventory_items_know_whether_they_are_tracked BEFORE INSERT ON inventory_items
    FOR EACH ROW EXECUTE FUNCTION know_whether_it_is_tracked();

-- In a database that gets the catalogue from another one, an item that has stock goes on as it was.
CREATE FUNCTION follow_the_tracking() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE inventory_items SET is_tracked = NEW.tracking <> 'NONE'
    WHERE product_id = NEW.product_id AND is_tracked <> (NEW.tracking <> 'NONE')
        AND quantity_on_hand = 0 AND quantity_reserved = 0;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION follow_the_tracking() FROM PUBLIC;
CREATE TRIGGER products_are_tracked AFTER UPDATE OF tracking ON products FOR EACH ROW
    WHEN (OLD.tracking <> NEW.tracking) EXECUTE FUNCTION follow_the_tracking();
ALTER TABLE products ENABLE ALWAYS TRIGGER products_are_tracked;

CREATE FUNCTION require_tracking_to_begin_without_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM inventory_items WHERE product_id = NEW.product_id AND quantity_on_hand <> 0)
        OR EXISTS (SELECT FROM transfer_order_lines WHERE product_id = NEW.product_id AND in_transit > 0)
    THEN
        RAISE EXCEPTION 'product % has stock: its tracking stays %', NEW.product_id, OLD.tracking
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'tracking_begins_without_stock';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_tracking_to_begin_without_stock() FROM PUBLIC;
CREATE TRIGGER products_begin_to_be_tracked_without_stock AFTER UPDATE OF tracking ON products FOR EACH ROW
    WHEN (OLD.tracking <> NEW.tracking AND 'NONE' IN (OLD.tracking, NEW.tracking))
    EXECUTE FUNCTION require_tracking_to_begin_without_stock();

CREATE FUNCTION require_the_lot_to_be_its_movements() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    on_hand bigint;
    balance bigint;
BEGIN
    SELECT quantity_on_hand INTO on_hand FROM lot_items
        WHERE (warehouse_id, product_id, lot_number) = (NEW.warehouse_id, NEW.product_id, NEW.lot_number);
    SELECT lot_balance_after INTO balance FROM stock_movements
        WHERE (product_id, lot_number, warehouse_id) = (NEW.product_id, NEW.lot_number, NEW.warehouse_id)
        ORDER BY created_at DESC, movement_id DESC LIMIT 1;
    IF on_hand IS DISTINCT FROM coalesce(balance, 0) THEN
        RAISE EXCEPTION 'lot % of product % in warehouse % has % on hand, but its latest movement left %',
            NEW.lot_number, NEW.product_id, NEW.warehouse_id, on_hand, coalesce(balance, 0)
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lot_is_its_movements';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_lot_to_be_its_movements() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER lot_items_need_a_movement AFTER INSERT OR UPDATE OF quantity_on_hand ON lot_items
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_lot_to_be_its_movements();

CREATE FUNCTION require_the_movement_to_follow_in_its_lot() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
BEGIN
    SELECT lot_balance_after INTO before FROM stock_movements
        WHERE (product_id, lot_number, warehouse_id) = (NEW.product_id, NEW.lot_number, NEW.warehouse_id)
            AND (created_at, movement_id) < (NEW.created_at, NEW.movement_id)
        ORDER BY created_at DESC, movement_id DESC LIMIT 1;
    IF NEW.lot_balance_after - NEW.quantity <> coalesce(before, 0) THEN
        RAISE EXCEPTION 'movement % of lot % begins with %, but the one before left %',
            NEW.movement_id, NEW.lot_number, NEW.lot_balance_after - NEW.quantity, coalesce(before, 0)
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lot_movement_follows';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_movement_to_follow_in_its_lot() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER stock_movements_are_on_hand_in_their_lot AFTER INSERT ON stock_movements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.lot_number IS NOT NULL)
    EXECUTE FUNCTION require_the_lot_to_be_its_movements();
CREATE CONSTRAINT TRIGGER stock_movements_follow_in_their_lot AFTER INSERT ON stock_movements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.lot_number IS NOT NULL)
    EXECUTE FUNCTION require_the_movement_to_follow_in_its_lot();

-- What an item has is what its lots have; one that isn't tracked has none.
CREATE FUNCTION require_the_item_to_be_its_lots() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    item inventory_items;
    on_hand bigint;
    reserved bigint;
    unavailable bigint;
BEGIN
    SELECT * INTO item FROM inventory_items
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id);
    SELECT coalesce(sum(quantity_on_hand), 0), coalesce(sum(quantity_reserved), 0),
            coalesce(sum(quantity_unavailable), 0)
        INTO on_hand, reserved, unavailable FROM lot_items
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id) AND quantity_on_hand > 0;
    IF item.is_tracked AND (item.quantity_on_hand, item.quantity_reserved, item.quantity_unavailable)
            <> (on_hand, reserved, unavailable)
        OR NOT item.is_tracked AND on_hand <> 0
    THEN
        RAISE EXCEPTION 'product % in warehouse % has %/%/% on hand, reserved and unavailable, but its lots have %/%/%',
            NEW.product_id, NEW.warehouse_id, item.quantity_on_hand, item.quantity_reserved, item.quantity_unavailable,
            on_hand, reserved, unavailable
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_is_its_lots';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_item_to_be_its_lots() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER inventory_items_are_their_lots AFTER UPDATE ON inventory_items
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.is_tracked) EXECUTE FUNCTION require_the_item_to_be_its_lots();
CREATE CONSTRAINT TRIGGER lot_items_are_of_their_item AFTER INSERT OR UPDATE ON lot_items
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_item_to_be_its_lots();

-- A serial number is on one unit, wherever that is.
CREATE FUNCTION require_a_serial_to_be_one_unit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    units bigint;
BEGIN
    IF EXISTS (SELECT FROM products WHERE product_id = NEW.product_id AND tracking = 'SERIAL') THEN
        SELECT sum(quantity_on_hand) INTO units FROM lot_items
            WHERE (product_id, lot_number) = (NEW.product_id, NEW.lot_number);
        IF units > 1 THEN
            RAISE EXCEPTION 'serial % of product % would be on % units', NEW.lot_number, NEW.product_id, units
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'serial_is_one_unit';
        END IF;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_a_serial_to_be_one_unit() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER lot_items_are_one_unit_of_a_serial AFTER INSERT OR UPDATE OF quantity_on_hand ON lot_items
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.quantity_on_hand > 0)
    EXECUTE FUNCTION require_a_serial_to_be_one_unit();

CREATE FUNCTION require_the_line_to_be_its_lots() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line reservations;
    held bigint;
    fulfilled bigint;
    open bigint;
BEGIN
    SELECT * INTO line FROM reservations WHERE reservation_id = NEW.reservation_id;
    SELECT sum(quantity_held), sum(quantity_fulfilled) INTO held, fulfilled FROM reservation_lots
        WHERE reservation_id = NEW.reservation_id;
    open := CASE line.status WHEN 'ACTIVE' THEN
        line.quantity - line.quantity_fulfilled - line.quantity_released ELSE 0 END;
    IF (held, fulfilled) <> (open, line.quantity_fulfilled) THEN
        RAISE EXCEPTION 'reservation % holds % and has shipped %, but its lots have % and %',
            NEW.reservation_id, open, line.quantity_fulfilled, held, fulfilled
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'line_is_its_lots';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_the_line_to_be_its_lots() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER reservation_lots_are_their_line AFTER INSERT OR UPDATE ON reservation_lots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_line_to_be_its_lots();

CREATE FUNCTION require_held_lots_to_be_available() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM reservation_lots AS held JOIN lots USING (product_id, lot_number)
        WHERE (held.reservation_id, held.lot_number) = (NEW.reservation_id, NEW.lot_number)
            AND held.quantity_held > 0 AND lots.status <> 'AVAILABLE')
    THEN
        RAISE EXCEPTION 'lot % of product % is held by %, and may not leave',
            NEW.lot_number, NEW.product_id, NEW.reservation_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'held_lots_are_available';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_held_lots_to_be_available() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER reservation_lots_are_available AFTER INSERT OR UPDATE OF quantity_held ON reservation_lots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.quantity_held > 0)
    EXECUTE FUNCTION require_held_lots_to_be_available();

CREATE FUNCTION require_unavailable_units_to_have_a_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unavailable bigint;
    stated bigint;
BEGIN
    SELECT quantity_unavailable INTO unavailable FROM inventory_items
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id);
    SELECT coalesce(sum(quantity), 0) INTO stated FROM unavailable_stock
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id);
    IF unavailable <> stated THEN
        RAISE EXCEPTION 'product % in warehouse % has % unavailable, but % in a state',
            NEW.product_id, NEW.warehouse_id, unavailable, stated
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'unavailable_units_have_a_state';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_unavailable_units_to_have_a_state() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER inventory_items_have_a_state AFTER UPDATE OF quantity_unavailable ON inventory_items
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.quantity_unavailable <> NEW.quantity_unavailable)
    EXECUTE FUNCTION require_unavailable_units_to_have_a_state();
CREATE CONSTRAINT TRIGGER unavailable_stock_is_of_its_item AFTER INSERT OR UPDATE ON unavailable_stock
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_unavailable_units_to_have_a_state();
"""

# The session's temporary tables come last: none of them can stand in for stock.
PATHS = """
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOREACH routine IN ARRAY ARRAY[
        'unusable_units(bigint, bigint, date)'::regprocedure, 'know_whether_it_is_tracked()'::regprocedure,
        'follow_the_tracking()'::regprocedure, 'require_tracking_to_begin_without_stock()'::regprocedure,
        'require_the_lot_to_be_its_movements()'::regprocedure,
        'require_the_movement_to_follow_in_its_lot()'::regprocedure,
        'require_the_item_to_be_its_lots()'::regprocedure, 'require_a_serial_to_be_one_unit()'::regprocedure,
        'require_the_line_to_be_its_lots()'::regprocedure, 'require_held_lots_to_be_available()'::regprocedure,
        'require_unavailable_units_to_have_a_state()'::regprocedure]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', routine, current_schema());
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(PRODUCTS)
    op.execute(LOTS)
    op.execute(ITEMS)
    op.execute(FUNCTIONS)
    op.execute(PATHS)


downgrade = no_way_back
