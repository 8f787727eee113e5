"""Events from which everything that is there can be folded: told at once, and again where a log begins anew."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

# They tell nothing of what they change, so it is to be told again once the last of them has been replaced.
serves_older_workers = True

_COLUMNS = (
    "kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, "
    "run_id"
)
_BY = "clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''"

_DOCUMENTS = {
    "purchase_order": ("purchase_orders", "po_number"),
    "customer_return": ("returns", "return_number"),
    "adjustment": ("adjustments", "adjustment_number"),
    "cycle_count": ("cycle_counts", "count_number"),
}


def _document(kind: str, table: str, number: str) -> str:
    return f"""
    INSERT INTO outbox ({_COLUMNS})
    SELECT '{kind}.changed', '{kind}/' || {number}, warehouse_id, NULL, jsonb_build_object(
            'number', {number}, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(warehouse_id)), {_BY}
    FROM {table} WHERE closed_at IS NULL AND (place IS NULL OR warehouse_id = place)
    ORDER BY {number};
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;
"""  # noqa: S608 - constants only


TELL = f"""
-- Tells all that is there now, of one warehouse or, without one, of all: levels, reorder points, open holds, waits,
-- open documents and open findings; how many events they are. Of one warehouse the caller has the locks of its rows.
-- For all, nobody else can write an event before the commit: what is committed by then is told here, and what comes
-- later is told after it.
CREATE FUNCTION tell_what_is_there(place bigint, occasion text, teller text, why text) RETURNS bigint
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    told bigint := 0;
    added bigint;
BEGIN
    IF place IS NULL THEN
        LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE;
    END IF;

    INSERT INTO outbox ({_COLUMNS})
    SELECT 'level.changed', 'item/' || warehouse_id || '/' || product_id, warehouse_id, product_id,
        jsonb_build_object(
            'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id, 'warehouse', warehouses.name,
            'quantity_on_hand', quantity_on_hand, 'quantity_reserved', quantity_reserved,
            'quantity_buffer', quantity_buffer,
            'quantity_available', quantity_available, 'below_reorder_point', is_below_reorder_point), {_BY}
    FROM inventory_items JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE place IS NULL OR warehouse_id = place
    ORDER BY warehouse_id, product_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox ({_COLUMNS})
    SELECT 'reorder_point.changed', 'item/' || warehouse_id || '/' || product_id, warehouse_id, product_id,
        jsonb_build_object(
            'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id, 'warehouse', warehouses.name,
            'reorder_point', reorder_point, 'reorder_quantity', reorder_quantity), {_BY}
    FROM inventory_items JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE num_nonnulls(reorder_point, reorder_quantity) > 0 AND (place IS NULL OR warehouse_id = place)
    ORDER BY warehouse_id, product_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox ({_COLUMNS})
    SELECT 'hold.made', lower(reference_type) || '/' || reference_id,
        CASE WHEN min(warehouse_id) = max(warehouse_id) THEN min(warehouse_id) END,
        CASE WHEN min(product_id) = max(product_id) THEN min(product_id) END,
        jsonb_build_object(
            'reference_type', reference_type, 'reference_id', reference_id, 'waiting_until', NULL,
            'lines', jsonb_agg(jsonb_build_object(
                'reservation_id', reservation_id, 'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id,
                'warehouse', warehouses.name, 'quantity', quantity, 'fulfilled', quantity_fulfilled,
                'released', quantity_released, 'status', status, 'expires_at', expires_at) ORDER BY reservation_id)),
        {_BY}
    FROM reservations JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE status = 'ACTIVE' AND (place IS NULL OR warehouse_id = place)
    GROUP BY reference_type, reference_id
    ORDER BY min(reservation_id);
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox ({_COLUMNS})
    SELECT 'hold.waiting', 'order/' || reference_id,
        CASE WHEN min(warehouse_id) = max(warehouse_id) AND count(*) = count(warehouse_id) THEN min(warehouse_id) END,
        CASE WHEN min(product_id) = max(product_id) THEN min(product_id) END,
        jsonb_build_object(
            'reference_type', 'ORDER', 'reference_id', reference_id, 'waiting_until', waiting_until,
            'lines', jsonb_agg(jsonb_build_object(
                'reservation_id', NULL, 'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id,
                'warehouse', warehouses.name, 'quantity', quantity, 'fulfilled', 0, 'released', 0,
                'status', status, 'expires_at', NULL) ORDER BY line_number)),
        {_BY}
    FROM waits JOIN waiting_lines AS line USING (wait_id) JOIN products USING (product_id)
    LEFT JOIN warehouses USING (warehouse_id)
    WHERE line.is_waiting
    GROUP BY wait_id
    HAVING place IS NULL OR bool_and(warehouse_id IS NOT DISTINCT FROM place)
    ORDER BY wait_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;
{"".join(_document(kind, *rest) for kind, rest in _DOCUMENTS.items())}
    INSERT INTO outbox ({_COLUMNS})
    SELECT 'transfer.changed', 'transfer/' || transfer_number, NULL, NULL, jsonb_build_object(
            'number', transfer_number, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(from_warehouse_id, to_warehouse_id)), {_BY}
    FROM transfer_orders WHERE closed_at IS NULL AND (place IS NULL OR place IN (from_warehouse_id, to_warehouse_id))
    ORDER BY transfer_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox ({_COLUMNS})
    SELECT 'finding.changed', 'finding/' || finding_id, warehouse_id, product_id, jsonb_build_object(
            'finding_id', finding_id, 'finding', kind, 'status', status, 'product_id', product_id,
            'warehouse_id', warehouse_id, 'document', document, 'expected', expected, 'actual', actual), {_BY}
    FROM audit_findings WHERE status = 'OPEN' AND (place IS NULL OR warehouse_id = place)
    ORDER BY finding_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN told + added;
END $$;
REVOKE ALL ON FUNCTION tell_what_is_there(bigint, text, text, text) FROM PUBLIC;
"""  # noqa: S608 - constants only

BEGIN_ANEW = """
-- Begins the log anew: what was told is forgotten, what is there is told, and its numbers follow the returned one. A
-- database from a backup would give numbers to events that others know as other events. How many were given after the
-- backup nobody knows here, nor by earlier lives of the same backup; but none of them was as high as the microseconds
-- since 1970 are by now: numbers begin there, or at 0, and there are fewer than a million events a second. JavaScript
-- has such numbers exactly until the year 2255.
CREATE FUNCTION begin_events_anew(occasion text, teller text, why text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    anew bigint;
BEGIN
    SELECT greatest(last_number + 1, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint) INTO STRICT anew
    FROM event_log FOR UPDATE;
    DELETE FROM outbox;
    DELETE FROM events;
    UPDATE event_log SET last_number = anew, forgotten_number = anew;
    PERFORM tell_what_is_there(NULL, occasion, teller, why);
    PERFORM pg_notify('stockkeeper_events', anew::text);
    RETURN anew;
END $$;
REVOKE ALL ON FUNCTION begin_events_anew(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_events_anew(text, text, text) TO stockkeeper_worker;

-- The session's temporary tables come last: none of them can stand in for the stock.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOREACH routine IN ARRAY ARRAY[
        'tell_what_is_there(bigint, text, text, text)'::regprocedure,
        'begin_events_anew(text, text, text)'::regprocedure]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', routine, current_schema());
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(TELL)
    op.execute(BEGIN_ANEW)
    # Movements of the past aren't told: whoever adds them up begins with the balance, which is the first level.
    op.execute(
        "SELECT tell_what_is_there(NULL, 'migration/0040', 'stockkeeper setup', 'there before events were told')"
    )


downgrade = no_way_back
