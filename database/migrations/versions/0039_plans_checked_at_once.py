"""Plans and points of thousands of items are checked by statement, and not row by row."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# What is refused stays the same.
serves_older_workers = True

# What a foreign key asks for each row is asked once for all rows of a statement, with the same locks: item and supplier
# stay until the plan is committed. A reorder point of the past is written by the trigger of its item, under its lock.
KEYS = """
ALTER TABLE item_plans DROP CONSTRAINT item_plans_item, DROP CONSTRAINT item_plans_supplier_id_fkey;
ALTER TABLE reorder_points DROP CONSTRAINT reorder_points_item;

CREATE FUNCTION require_plans_of_what_is_there() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (
            SELECT
            FROM (SELECT warehouse_id, product_id FROM written ORDER BY warehouse_id, product_id OFFSET 0) AS plan
            CROSS JOIN LATERAL (
                SELECT FROM inventory_items AS item
                WHERE (item.warehouse_id, item.product_id) = (plan.warehouse_id, plan.product_id)
                FOR KEY SHARE) AS item
        ) AS found) <> (SELECT count(*) FROM written) THEN
        RAISE EXCEPTION 'a plan is of an item that isn''t there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF (SELECT count(*) FROM (
            SELECT FROM (SELECT DISTINCT supplier_id FROM written ORDER BY supplier_id OFFSET 0) AS plan
            CROSS JOIN LATERAL (
                SELECT FROM suppliers WHERE suppliers.supplier_id = plan.supplier_id FOR KEY SHARE) AS supplier
        ) AS found) <> (SELECT count(DISTINCT supplier_id) FROM written) THEN
        RAISE EXCEPTION 'a plan is of a supplier that isn''t there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER item_plans_of_what_is_there AFTER INSERT ON item_plans REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION require_plans_of_what_is_there();

CREATE FUNCTION require_a_plan_to_have_its_supplier() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM suppliers WHERE supplier_id = NEW.supplier_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a plan is of a supplier that isn''t there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER item_plans_have_their_supplier AFTER UPDATE OF supplier_id ON item_plans
    FOR EACH ROW WHEN (old.supplier_id <> new.supplier_id) EXECUTE FUNCTION require_a_plan_to_have_its_supplier();

CREATE FUNCTION require_suppliers_without_plans() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN item_plans USING (supplier_id)) THEN
        RAISE EXCEPTION 'a supplier has plans' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER suppliers_go_without_plans AFTER DELETE ON suppliers REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION require_suppliers_without_plans();

CREATE FUNCTION require_items_without_plans() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN item_plans USING (warehouse_id, product_id))
            OR EXISTS (SELECT FROM gone JOIN reorder_points USING (warehouse_id, product_id)) THEN
        RAISE EXCEPTION 'an item has a plan, or reorder points of the past' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER inventory_items_go_without_plans AFTER DELETE ON inventory_items REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION require_items_without_plans();

-- Other keys are compared with other rows' when they change; these never change.
CREATE FUNCTION require_a_key_to_stay() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the key of a row stays' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER inventory_items_keep_their_key BEFORE UPDATE OF warehouse_id, product_id ON inventory_items
    FOR EACH ROW WHEN ((old.warehouse_id, old.product_id) IS DISTINCT FROM (new.warehouse_id, new.product_id))
    EXECUTE FUNCTION require_a_key_to_stay();
CREATE TRIGGER suppliers_keep_their_key BEFORE UPDATE OF supplier_id ON suppliers
    FOR EACH ROW WHEN (old.supplier_id <> new.supplier_id) EXECUTE FUNCTION require_a_key_to_stay();
CREATE TRIGGER item_plans_keep_their_key BEFORE UPDATE OF warehouse_id, product_id ON item_plans
    FOR EACH ROW WHEN ((old.warehouse_id, old.product_id) IS DISTINCT FROM (new.warehouse_id, new.product_id))
    EXECUTE FUNCTION require_a_key_to_stay();
"""

SEARCH_PATHS = """
DO $$
DECLARE
    guard text;
BEGIN
    FOREACH guard IN ARRAY ARRAY[
        'require_plans_of_what_is_there()', 'require_a_plan_to_have_its_supplier()',
        'require_suppliers_without_plans()', 'require_items_without_plans()', 'require_a_key_to_stay()'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', guard);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(KEYS)
    op.execute(SEARCH_PATHS)


downgrade = no_way_back
