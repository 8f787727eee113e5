"""Warehouses in several databases: the home of each, and triggers that refuse its rows anywhere else."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

# With both tables empty, this is the one database, and nothing is refused.
serves_older_workers = True

DIRECTORY = """
-- Local to each database: which one of several it is. Empty: it is the only one.
CREATE TABLE this_database (
    is_this boolean PRIMARY KEY DEFAULT true CHECK (is_this),
    task_queue text NOT NULL CHECK (task_queue <> ''),
    -- The task queue of the database in which the catalogue is kept: it is the home of all warehouses without another.
    catalogue text NOT NULL CHECK (catalogue <> '')
);
GRANT SELECT ON this_database TO stockkeeper_worker;

-- Part of the catalogue: the task queue of the database in which a warehouse is kept, unless it is the catalogue's own.
CREATE TABLE warehouse_homes (
    warehouse_id bigint PRIMARY KEY REFERENCES warehouses,
    task_queue text NOT NULL CHECK (task_queue <> '')
);
GRANT SELECT ON warehouse_homes TO stockkeeper_worker;

CREATE FUNCTION warehouses_elsewhere(wanted bigint[]) RETURNS TABLE (warehouse_id bigint, task_queue text)
LANGUAGE sql STABLE AS $$
    SELECT asked.warehouse_id, coalesce(home.task_queue, here.catalogue)
    FROM unnest(wanted) AS asked (warehouse_id)
    LEFT JOIN warehouse_homes AS home USING (warehouse_id)
    LEFT JOIN this_database AS here ON true
    WHERE coalesce(home.task_queue, here.catalogue) IS DISTINCT FROM here.task_queue
    ORDER BY asked.warehouse_id
$$;
REVOKE EXECUTE ON FUNCTION warehouses_elsewhere(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION warehouses_elsewhere(bigint[]) TO stockkeeper_worker;
"""

# After the statement, and so after its foreign keys: a warehouse that is being given a home is waited for by then.
WRITERS = """
CREATE FUNCTION refuse_warehouses_elsewhere() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    elsewhere record;
BEGIN
    IF TG_TABLE_NAME = 'transfer_orders' THEN
        SELECT found.* INTO elsewhere FROM warehouses_elsewhere(ARRAY(
            SELECT from_warehouse_id FROM written UNION SELECT to_warehouse_id FROM written)) AS found LIMIT 1;
    ELSE
        SELECT found.* INTO elsewhere FROM warehouses_elsewhere(ARRAY(
            SELECT DISTINCT warehouse_id FROM written)) AS found LIMIT 1;
    END IF;
    IF elsewhere.warehouse_id IS NOT NULL THEN
        RAISE EXCEPTION 'warehouse % is kept in another database', elsewhere.warehouse_id
            USING ERRCODE = 'SK001', DETAIL = jsonb_build_object(
                'warehouse_id', elsewhere.warehouse_id, 'task_queue', elsewhere.task_queue)::text;
    END IF;
    RETURN NULL;
END $$;
"""

WRITTEN = ("inventory_items", "purchase_orders", "transfer_orders", "cycle_counts", "returns", "adjustments")

HOMES = """
CREATE FUNCTION require_a_home_to_stay() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'a warehouse stays in its database' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM this_database WHERE task_queue = catalogue) THEN
        RAISE EXCEPTION 'homes are given in the database that keeps the catalogue'
            USING ERRCODE = 'restrict_violation';
    END IF;
    -- A transaction that inserts an item of this warehouse ends first; one that begins later waits for this one.
    PERFORM FROM warehouses WHERE warehouse_id = NEW.warehouse_id FOR UPDATE;
    IF NEW.task_queue <> (SELECT task_queue FROM this_database) AND (
        EXISTS (SELECT FROM inventory_items WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM purchase_orders WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM transfer_orders WHERE NEW.warehouse_id IN (from_warehouse_id, to_warehouse_id))
        OR EXISTS (SELECT FROM cycle_counts WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM returns WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM adjustments WHERE warehouse_id = NEW.warehouse_id)
    ) THEN
        RAISE EXCEPTION 'warehouse % has stock or documents here already', NEW.warehouse_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER warehouse_homes_stay BEFORE INSERT OR UPDATE OR DELETE ON warehouse_homes
    FOR EACH ROW EXECUTE FUNCTION require_a_home_to_stay();
"""

# Replication acts as a replica, for which these don't fire.
CATALOGUE = """
CREATE FUNCTION refuse_another_catalogue() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    kept_at text := (SELECT catalogue FROM this_database WHERE task_queue <> catalogue);
BEGIN
    IF kept_at IS NOT NULL THEN
        RAISE EXCEPTION 'the catalogue is kept in the database of task queue %, and changed there', kept_at
            USING ERRCODE = 'SK002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER products_are_of_the_catalogue BEFORE INSERT OR UPDATE OR DELETE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER former_skus_are_of_the_catalogue BEFORE INSERT OR UPDATE OR DELETE ON former_skus
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER warehouses_are_of_the_catalogue BEFORE INSERT OR UPDATE OR DELETE ON warehouses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER suppliers_are_of_the_catalogue BEFORE INSERT OR UPDATE OR DELETE ON suppliers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER product_suppliers_are_of_the_catalogue BEFORE DELETE OR UPDATE OF
    is_preferred, unit_cost, lead_time_days, lead_time_deviation_days, minimum_order_quantity, pack_size, price_breaks
    ON product_suppliers FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();

-- What was measured is each database's own. Delivered goods that the catalogue has no terms for get none there: a row
-- of the same key would stop the replication.
CREATE FUNCTION require_terms_of_the_catalogue() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    kept_at text := (SELECT catalogue FROM this_database WHERE task_queue <> catalogue);
BEGIN
    IF kept_at IS NULL THEN
        RETURN NEW;
    END IF;
    IF NEW.last_unit_cost IS NULL THEN
        RAISE EXCEPTION 'the catalogue is kept in the database of task queue %, and changed there', kept_at
            USING ERRCODE = 'SK002';
    END IF;
    PERFORM FROM product_suppliers AS known
    WHERE (known.product_id, known.supplier_id) = (NEW.product_id, NEW.supplier_id);
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER product_suppliers_have_terms_of_the_catalogue BEFORE INSERT ON product_suppliers
    FOR EACH ROW EXECUTE FUNCTION require_terms_of_the_catalogue();
"""

# As for all functions of triggers: temporary tables come last in the search path, and no role may use them as triggers
# of its own tables.
FUNCTIONS = """
DO $$
DECLARE
    guard regprocedure;
BEGIN
    FOR guard IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proname IN (
            'refuse_warehouses_elsewhere', 'require_a_home_to_stay',
            'refuse_another_catalogue', 'require_terms_of_the_catalogue')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', guard);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    for part in (DIRECTORY, WRITERS, HOMES, CATALOGUE, FUNCTIONS):
        op.execute(part)
    for table in WRITTEN:
        op.execute(f"""
            CREATE TRIGGER {table}_are_kept_here AFTER INSERT ON {table} REFERENCING NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere()
        """)


downgrade = no_way_back
