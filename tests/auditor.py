"""An independent auditor: it reads the tables with its own SQL and shares no code with the product."""

from sqlalchemy import BigInteger, Connection, Engine, bindparam, text

_FINDINGS = text("""
    WITH ledger AS (
        SELECT warehouse_id, product_id, sum(quantity) AS moved,
            (array_agg(balance_after ORDER BY created_at DESC, movement_id DESC))[1] AS last_balance
        FROM stock_movements WHERE warehouse_id > :since GROUP BY warehouse_id, product_id
    ),
    promised AS (
        SELECT warehouse_id, product_id, sum(quantity - quantity_fulfilled) AS units
        FROM reservations WHERE status = 'ACTIVE' AND warehouse_id > :since GROUP BY warehouse_id, product_id
    ),
    item AS (
        SELECT item_id, quantity_on_hand AS on_hand, quantity_reserved AS reserved, quantity_available AS available,
            coalesce(moved, 0) AS moved, coalesce(last_balance, 0) AS last_balance, coalesce(units, 0) AS promised
        FROM inventory_items
        LEFT JOIN ledger USING (warehouse_id, product_id)
        LEFT JOIN promised USING (warehouse_id, product_id)
        WHERE warehouse_id > :since
    ),
    chain AS (
        SELECT movement_id, created_at, balance_after, quantity,
            lag(created_at) OVER history AS earlier,
            coalesce(lag(balance_after) OVER history, 0) AS balance_before
        FROM stock_movements WHERE warehouse_id > :since
        WINDOW history AS (PARTITION BY warehouse_id, product_id ORDER BY movement_id)
    ),
    receipt AS (
        SELECT po_id, line_number, sum(quantity) AS accepted, sum(quantity_rejected) AS rejected
        FROM purchase_order_receipt_lines GROUP BY po_id, line_number
    ),
    ordered AS (
        SELECT po_number, warehouse_id, product_id, line_number, quantity_received, quantity_rejected,
            coalesce(accepted, 0) AS accepted, coalesce(rejected, 0) AS rejected
        FROM purchase_orders
        JOIN purchase_order_lines USING (po_id)
        LEFT JOIN receipt USING (po_id, line_number)
        WHERE warehouse_id > :since
    ),
    reordered AS (
        SELECT warehouse_id, product_id, count(*) AS lines
        FROM purchase_orders JOIN purchase_order_lines USING (po_id)
        WHERE po_number ~ '^RO-[0-9]+$' AND requested_by = 'reorder'
            AND status NOT IN ('RECEIVED', 'CANCELLED') AND quantity_received < qty AND warehouse_id > :since
        GROUP BY warehouse_id, product_id
    ),
    delivered AS (
        SELECT po_number, warehouse_id, product_id, sum(accepted) AS units
        FROM ordered GROUP BY po_number, warehouse_id, product_id
    ),
    bought AS (
        SELECT reference_id AS po_number, warehouse_id, product_id, sum(quantity) AS units
        FROM stock_movements WHERE movement_type = 'PURCHASE' AND warehouse_id > :since
        GROUP BY reference_id, warehouse_id, product_id
    ),
    carried AS (
        SELECT transfer_id, line_number,
            sum(quantity) FILTER (WHERE kind = 'DISPATCHED') AS dispatched,
            -sum(quantity) FILTER (WHERE kind = 'RECEIVED') AS received,
            -sum(quantity) FILTER (WHERE kind = 'DAMAGED') AS damaged,
            -sum(quantity) FILTER (WHERE kind = 'WRITTEN_OFF') AS written_off,
            -sum(quantity) FILTER (WHERE kind = 'RETURNED') AS returned,
            sum(quantity) AS in_transit,
            (array_agg(balance_after ORDER BY transit_movement_id DESC))[1] AS last_balance
        FROM transit_movements GROUP BY transfer_id, line_number
    ),
    on_its_way AS (
        SELECT transfer_number, from_warehouse_id, to_warehouse_id, transfer_orders.status, line.*,
            (line.dispatched, line.received, line.damaged, line.written_off, line.returned, line.in_transit,
                line.in_transit)
            = (coalesce(carried.dispatched, 0), coalesce(carried.received, 0), coalesce(carried.damaged, 0),
                coalesce(carried.written_off, 0), coalesce(carried.returned, 0), coalesce(carried.in_transit, 0),
                coalesce(last_balance, 0)) AS agrees
        FROM transfer_orders
        JOIN transfer_order_lines AS line USING (transfer_id)
        LEFT JOIN carried USING (transfer_id, line_number)
    ),
    expected_leg AS (
        SELECT transfer_number, warehouse_id, product_id, movement_type, sum(units) AS units
        FROM on_its_way CROSS JOIN LATERAL (VALUES
            (from_warehouse_id, 'TRANSFER_OUT', -dispatched),
            (to_warehouse_id, 'TRANSFER_IN', received),
            (from_warehouse_id, 'TRANSFER_IN', returned)) AS leg (warehouse_id, movement_type, units)
        WHERE leg.warehouse_id > :since
        GROUP BY transfer_number, warehouse_id, product_id, movement_type
        HAVING sum(units) <> 0
    ),
    booked_leg AS (
        SELECT reference_id AS transfer_number, warehouse_id, product_id, movement_type, sum(quantity) AS units
        FROM stock_movements WHERE movement_type IN ('TRANSFER_OUT', 'TRANSFER_IN') AND warehouse_id > :since
        GROUP BY reference_id, warehouse_id, product_id, movement_type
    ),
    held_at_source AS (
        SELECT reference_id AS transfer_number, sum(quantity - quantity_fulfilled) AS units
        FROM reservations WHERE reference_type = 'TRANSFER' AND status = 'ACTIVE' AND warehouse_id > :since
        GROUP BY reference_id
    ),
    pending AS (
        SELECT transfer_number, sum(quantity) AS units
        FROM on_its_way WHERE status = 'PENDING' AND from_warehouse_id > :since GROUP BY transfer_number
    ),
    out AS (
        SELECT po_number, status, required_approvals, (
            SELECT count(DISTINCT lower(approver)) FROM purchase_order_approvals AS approval
            WHERE approval.po_id = purchase_orders.po_id AND lower(approver) <> lower(purchase_orders.requested_by)
        ) AS approvals
        FROM purchase_orders WHERE status IN ('SUBMITTED', 'CONFIRMED', 'RECEIVED') AND warehouse_id > :since
    )
    SELECT 'item ' || item_id || ': on hand ' || on_hand || ', movements add up to ' || moved
        FROM item WHERE on_hand <> moved
    UNION ALL
    SELECT 'item ' || item_id || ': on hand ' || on_hand || ', last balance ' || last_balance
        FROM item WHERE on_hand <> last_balance
    UNION ALL
    SELECT 'item ' || item_id || ': reserved ' || reserved || ', open reservations ' || promised
        FROM item WHERE reserved <> promised
    UNION ALL
    SELECT 'item ' || item_id || ': reserved ' || reserved || ' of ' || on_hand || ', available ' || available
        FROM item WHERE reserved > on_hand OR available <> on_hand - reserved
    UNION ALL
    SELECT 'movement ' || movement_id || ': not later than the one before'
        FROM chain WHERE created_at <= earlier
    UNION ALL
    SELECT 'movement ' || movement_id || ': ' || balance_before || ' and ' || quantity || ' make ' || balance_after
        FROM chain WHERE balance_before + quantity <> balance_after
    UNION ALL
    SELECT 'order ' || po_number || ' line ' || line_number || ': received ' || quantity_received || ' and rejected '
            || quantity_rejected || ', receipts add up to ' || accepted || ' and ' || rejected
        FROM ordered WHERE (quantity_received, quantity_rejected) <> (accepted, rejected)
    UNION ALL
    SELECT 'order ' || po_number || ' product ' || product_id || ' in warehouse ' || warehouse_id || ': receipts of '
            || coalesce(delivered.units, 0) || ', purchases of ' || coalesce(bought.units, 0)
        FROM delivered FULL JOIN bought USING (po_number, warehouse_id, product_id)
        WHERE coalesce(delivered.units, 0) <> coalesce(bought.units, 0)
    UNION ALL
    SELECT 'order ' || po_number || ': ' || status || ' with ' || approvals || ' of ' || required_approvals
            || ' approvals'
        FROM out WHERE approvals < required_approvals
    UNION ALL
    SELECT 'transfer ' || transfer_number || ' line ' || line_number || ': not what its entries add up to'
        FROM on_its_way WHERE NOT agrees
    UNION ALL
    SELECT 'transfer ' || transfer_number || ' line ' || line_number || ': units appeared or vanished'
        FROM on_its_way WHERE dispatched <> received + damaged + written_off + returned + in_transit
            OR dispatched NOT IN (0, quantity) OR least(received, damaged, written_off, returned, in_transit) < 0
    UNION ALL
    SELECT 'transfer ' || transfer_number || ': ' || status || ' with ' || sum(in_transit) || ' in transit'
        FROM on_its_way GROUP BY transfer_number, status HAVING (status = 'IN_TRANSIT') <> (sum(in_transit) > 0)
    UNION ALL
    SELECT 'transfer ' || transfer_number || ' product ' || product_id || ' in warehouse ' || warehouse_id || ': '
            || movement_type || ' of ' || coalesce(booked_leg.units, 0) || ', its lines say '
            || coalesce(expected_leg.units, 0)
        FROM expected_leg FULL JOIN booked_leg USING (transfer_number, warehouse_id, product_id, movement_type)
        WHERE coalesce(expected_leg.units, 0) <> coalesce(booked_leg.units, 0)
    UNION ALL
    SELECT 'transfer ' || transfer_number || ': ' || coalesce(pending.units, 0) || ' pending, '
            || coalesce(held_at_source.units, 0) || ' held'
        FROM pending FULL JOIN held_at_source USING (transfer_number)
        WHERE coalesce(pending.units, 0) <> coalesce(held_at_source.units, 0)
    UNION ALL
    SELECT 'product ' || product_id || ' in warehouse ' || warehouse_id || ': reordered ' || lines || ' times'
        FROM reordered WHERE lines > 1
    UNION ALL
    SELECT 'operation ' || operation_id || ': no result'
        FROM operations WHERE result IS NULL
""").bindparams(bindparam("since", type_=BigInteger))


def findings(connection: Connection, since: int = 0) -> list[str]:
    """What doesn't agree; empty when the books are in order.

    Args:
        connection: The database.
        since: Only of warehouses that are newer than this one. What belongs to no warehouse is looked at anyway.
    """
    return list(connection.execute(_FINDINGS, {"since": since}).scalars())


def newest_warehouse(engine: Engine) -> int:
    """Whatever is built from now on has a larger id."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT coalesce(max(warehouse_id), 0) FROM warehouses")).scalar_one())


def assert_books_agree(engine: Engine, since: int = 0) -> None:
    """On hand, ledger, promises and balances agree for every item, and orders with what came of them."""
    with engine.connect() as connection:
        assert findings(connection, since) == []
