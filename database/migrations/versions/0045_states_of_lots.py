"""Units of a lot that are set aside are in a state, as those of an item are."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

# It holds what workers of the revision before write already.
serves_older_workers = True

GUARD = """
CREATE FUNCTION require_unavailable_units_of_a_lot_to_have_a_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unavailable bigint;
    stated bigint;
BEGIN
    SELECT quantity_unavailable INTO unavailable FROM lot_items
        WHERE (warehouse_id, product_id, lot_number) = (NEW.warehouse_id, NEW.product_id, NEW.lot_number);
    SELECT coalesce(sum(quantity), 0) INTO stated FROM unavailable_stock
        WHERE (warehouse_id, product_id, lot_number) = (NEW.warehouse_id, NEW.product_id, NEW.lot_number);
    IF unavailable IS DISTINCT FROM stated THEN
        RAISE EXCEPTION 'lot % of product % in warehouse % has % unavailable, but % in a state',
            NEW.lot_number, NEW.product_id, NEW.warehouse_id, unavailable, stated
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'unavailable_units_of_a_lot_have_a_state';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION require_unavailable_units_of_a_lot_to_have_a_state() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER lot_items_have_a_state AFTER UPDATE OF quantity_unavailable ON lot_items
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.quantity_unavailable <> NEW.quantity_unavailable)
    EXECUTE FUNCTION require_unavailable_units_of_a_lot_to_have_a_state();
CREATE CONSTRAINT TRIGGER unavailable_stock_is_of_its_lot AFTER INSERT OR UPDATE ON unavailable_stock
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.lot_number <> '')
    EXECUTE FUNCTION require_unavailable_units_of_a_lot_to_have_a_state();
"""

# The session's temporary tables come last: none of them can stand in for stock.
PATHS = """
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION require_unavailable_units_of_a_lot_to_have_a_state() SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
END $$;
"""


def upgrade() -> None:
    op.execute(GUARD)
    op.execute(PATHS)


downgrade = no_way_back
