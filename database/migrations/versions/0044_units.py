"""Units: what each product is counted in, and its packs."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

# Quantities are whole base units, as they were.
serves_older_workers = True

BASE_UNIT = """
ALTER TABLE products
    ADD COLUMN base_unit text NOT NULL DEFAULT 'EACH' CONSTRAINT products_base_unit_check
        CHECK (base_unit IN ('EACH', 'GRAM', 'MILLILITRE', 'MILLIMETRE'));
CREATE OR REPLACE VIEW reporting.products AS
SELECT product_id, sku, name, description, category_id, unit_price, weight_kg, is_active, base_unit FROM products;
"""

# What stands in numbers of the base unit and is no longer the catalogue's own: 250 pieces can't become 250 grams.
IN_USE = """
CREATE FUNCTION base_unit_is_needed_by(product bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
    SELECT CASE
        WHEN EXISTS (SELECT FROM inventory_items WHERE product_id = product
            AND (last_moved_at IS NOT NULL OR quantity_on_hand <> 0)) THEN 'its stock has moved'
        WHEN EXISTS (SELECT FROM purchase_order_lines JOIN purchase_orders USING (po_id)
            WHERE product_id = product AND status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED'))
            THEN 'it is on an open purchase order'
        WHEN EXISTS (SELECT FROM waiting_lines WHERE product_id = product AND is_waiting) THEN 'an order waits for it'
        WHEN EXISTS (SELECT FROM cycle_count_lines WHERE product_id = product AND status IN ('COUNTING', 'REVIEW'))
            THEN 'it is being counted'
        WHEN EXISTS (SELECT FROM adjustments JOIN adjustment_lines USING (adjustment_id)
            WHERE status = 'PENDING' AND product_id = product) THEN 'an adjustment of it waits for approval'
        WHEN EXISTS (SELECT FROM returns JOIN return_lines USING (return_id)
            WHERE status = 'EXPECTED' AND product_id = product) THEN 'a return of it is expected'
        WHEN EXISTS (SELECT FROM warehouses JOIN imported_demand USING (warehouse_id)
            WHERE product_id = product) THEN 'demand of it was imported'
        WHEN EXISTS (SELECT FROM product_units WHERE product_id = product AND quantity IS NOT NULL)
            THEN 'it has packs (import units with an empty quantity takes one away)'
        WHEN EXISTS (SELECT FROM product_barcodes WHERE product_id = product AND quantity > 1)
            THEN 'barcodes of it have quantities'
    END;
END;
REVOKE EXECUTE ON FUNCTION base_unit_is_needed_by(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION base_unit_is_needed_by(bigint) TO stockkeeper_worker;

CREATE FUNCTION refuse_another_base_unit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    because text := base_unit_is_needed_by(NEW.product_id);
BEGIN
    IF because IS NOT NULL THEN
        RAISE EXCEPTION 'the base unit of % can''t change: %', NEW.sku, because
            USING ERRCODE = 'check_violation', CONSTRAINT = 'products_keep_their_base_unit';
    END IF;
    RETURN NEW;
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION refuse_another_base_unit() SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
END $$;
REVOKE EXECUTE ON FUNCTION refuse_another_base_unit() FROM PUBLIC;
CREATE TRIGGER products_keep_their_base_unit BEFORE UPDATE OF base_unit ON products
    FOR EACH ROW WHEN (old.base_unit <> new.base_unit) EXECUTE FUNCTION refuse_another_base_unit();
"""

UNITS = """
CREATE TABLE product_units (
    -- For replication: a supplier may be missing in the key by which people know a pack.
    product_unit_id bigint GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL,
    unit text NOT NULL,
    -- NULL: the house's own.
    supplier_id bigint,
    -- Base units in one. NULL: there is no such pack any more.
    quantity bigint,
    CONSTRAINT product_units_pkey PRIMARY KEY (product_unit_id),
    CONSTRAINT product_units_key UNIQUE NULLS NOT DISTINCT (product_id, unit, supplier_id),
    CONSTRAINT product_units_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT product_units_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers(supplier_id),
    CONSTRAINT product_units_unit_check CHECK (unit <> '' AND unit = lower(unit)),
    CONSTRAINT product_units_quantity_check CHECK (quantity > 0)
);
CREATE TRIGGER product_units_are_of_the_catalogue BEFORE INSERT OR UPDATE OR DELETE ON product_units
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
GRANT SELECT, INSERT, UPDATE ON product_units TO stockkeeper_worker;
"""


def upgrade() -> None:
    for part in (BASE_UNIT, UNITS, IN_USE):
        op.execute(part)


downgrade = no_way_back
