"""Transfers between two databases: a document in each, which knows at which end the other database is."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

# Where there is one database, the new columns stay empty.
serves_older_workers = True

COLUMNS = """
-- The task queue of the database that keeps the source or the destination. Null: it is kept here.
ALTER TABLE transfer_orders
    ADD COLUMN source_at text,
    ADD COLUMN destination_at text,
    -- The workflow's time of the latest figures that the other database has told.
    ADD COLUMN mirrored_as_of timestamptz,
    ADD CONSTRAINT transfer_orders_kept_here CHECK (source_at IS NULL OR destination_at IS NULL);
-- Units still held at a source that another database keeps, as it has told.
ALTER TABLE transfer_order_lines ADD COLUMN held_elsewhere bigint NOT NULL DEFAULT 0 CHECK (held_elsewhere >= 0);
"""

GUARD = """
CREATE OR REPLACE FUNCTION refuse_warehouses_elsewhere() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    elsewhere record;
BEGIN
    SELECT found.* INTO elsewhere FROM warehouses_elsewhere(ARRAY(
        SELECT DISTINCT warehouse_id FROM written)) AS found LIMIT 1;
    IF elsewhere.warehouse_id IS NOT NULL THEN
        RAISE EXCEPTION 'warehouse % is kept in another database', elsewhere.warehouse_id
            USING ERRCODE = 'SK001', DETAIL = jsonb_build_object(
                'warehouse_id', elsewhere.warehouse_id, 'task_queue', elsewhere.task_queue)::text;
    END IF;
    RETURN NULL;
END $$;

-- After the statement, as for all documents; it says what the directory says, whatever was written.
CREATE FUNCTION require_transfers_to_have_an_end_here() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    elsewhere record;
BEGIN
    IF NOT EXISTS (SELECT FROM warehouses_elsewhere(ARRAY(
        SELECT from_warehouse_id FROM written UNION SELECT to_warehouse_id FROM written))) THEN
        RETURN NULL;
    END IF;
    SELECT source.* INTO elsewhere FROM written
        CROSS JOIN LATERAL warehouses_elsewhere(ARRAY[from_warehouse_id]) AS source
        CROSS JOIN LATERAL warehouses_elsewhere(ARRAY[to_warehouse_id]) AS destination
        LIMIT 1;
    IF elsewhere.warehouse_id IS NOT NULL THEN
        RAISE EXCEPTION 'warehouse % is kept in another database', elsewhere.warehouse_id
            USING ERRCODE = 'SK001', DETAIL = jsonb_build_object(
                'warehouse_id', elsewhere.warehouse_id, 'task_queue', elsewhere.task_queue)::text;
    END IF;
    UPDATE transfer_orders AS header SET
        source_at = (SELECT task_queue FROM warehouses_elsewhere(ARRAY[header.from_warehouse_id])),
        destination_at = (SELECT task_queue FROM warehouses_elsewhere(ARRAY[header.to_warehouse_id]))
    FROM written WHERE header.transfer_id = written.transfer_id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION require_transfers_to_have_an_end_here() FROM PUBLIC;

DROP TRIGGER transfer_orders_are_kept_here ON transfer_orders;
CREATE TRIGGER transfer_orders_are_kept_here AFTER INSERT ON transfer_orders REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION require_transfers_to_have_an_end_here();
"""

HOLDS = """
CREATE OR REPLACE VIEW transfer_holds AS
    SELECT transfer_id,
        row_number() OVER (PARTITION BY transfer_id ORDER BY held.reservation_id)::integer AS line_number,
        held.quantity AS asked,
        held.quantity_fulfilled AS departed,
        CASE WHEN held.status = 'ACTIVE' THEN held.quantity - held.quantity_fulfilled - held.quantity_released ELSE 0
        END AS held
    FROM transfer_orders
    JOIN reservations AS held ON held.reference_type = 'TRANSFER' AND held.reference_id = transfer_number
    UNION ALL
    SELECT transfer_id, line_number, quantity, dispatched, held_elsewhere
    FROM transfer_orders JOIN transfer_order_lines USING (transfer_id)
    WHERE source_at IS NOT NULL;

CREATE OR REPLACE FUNCTION require_departures_to_be_from_the_hold() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    off record;
BEGIN
    SELECT transfer_number, line.product_id, source_at, (
            SELECT sum(dispatched) FILTER (WHERE alike.product_id = line.product_id)
            FROM transfer_order_lines AS alike WHERE alike.transfer_id = line.transfer_id) AS departed, (
            SELECT coalesce(sum(quantity_fulfilled) FILTER (WHERE held.product_id = line.product_id), 0)
            FROM reservations AS held
            WHERE (reference_type, reference_id) = ('TRANSFER', transfer_number)) AS released
        INTO off FROM transfer_order_lines AS line JOIN transfer_orders USING (transfer_id)
        WHERE (line.transfer_id, line.line_number) = (NEW.transfer_id, NEW.line_number);
    -- A source in another database has its hold there.
    IF off.source_at IS NULL AND off.departed <> off.released THEN
        RAISE EXCEPTION 'transfer % has dispatched % of product %, and % left its hold',
            off.transfer_number, off.departed, off.product_id, off.released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'departures_are_from_the_hold';
    END IF;
    RETURN NULL;
END $$;
"""

# What the other database's end has moved is in its ledger.
_ENDS = {
    "transfer_orders.from_warehouse_id": "transfer_orders.source_at IS NULL",
    "transfer_orders.to_warehouse_id": "transfer_orders.destination_at IS NULL",
}

PATHS = """
DO $$
DECLARE
    guard regprocedure;
BEGIN
    FOR guard IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proname IN (
            'refuse_warehouses_elsewhere', 'require_transfers_to_have_an_end_here',
            'require_departures_to_be_from_the_hold')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
    END LOOP;
END $$;
"""


def upgrade() -> None:
    for part in (COLUMNS, GUARD, HOLDS):
        op.execute(part)
    _say_only_what_is_here()
    op.execute(PATHS)


def _say_only_what_is_here() -> None:
    connection = op.get_bind()
    said = str(connection.exec_driver_sql("SELECT pg_get_viewdef('documents_say'::regclass)").scalar_one())
    parts = said.removesuffix(";").split("UNION ALL")
    for at, part in enumerate(parts):
        for place, is_here in _ENDS.items():
            if place in part:
                parts[at] = f"{part} WHERE {is_here}\n"
    op.execute("CREATE OR REPLACE VIEW documents_say AS " + "UNION ALL".join(parts))
    named = "'undone_departures()'::regprocedure"
    undone = str(connection.exec_driver_sql(f"SELECT pg_get_functiondef({named})").scalar_one())
    returned = "(entry.kind = 'RETURNED'::text)"
    if undone.count(returned) != 1:
        raise RuntimeError("undone_departures isn't what an earlier migration has made")
    op.execute(undone.replace(returned, f"{returned} AND (transfer_orders.source_at IS NULL)"))


downgrade = no_way_back
