"""The independent auditor on lots: each is the sum of its movements, and items and holds are the sums of their lots."""

from sqlalchemy import BigInteger, Connection, bindparam, text

_FINDINGS = text("""
    WITH lot AS (
        SELECT warehouse_id, product_id, lot_number, quantity_on_hand AS on_hand, quantity_reserved AS reserved,
            quantity_unavailable AS aside, status,
            'lot ' || lot_number || ' of product ' || product_id || ' in warehouse ' || warehouse_id || ': ' AS named
        FROM lot_items JOIN lots USING (product_id, lot_number) WHERE warehouse_id > :since
    ),
    ledger AS (
        SELECT warehouse_id, product_id, lot_number, sum(quantity) AS moved,
            (array_agg(lot_balance_after ORDER BY movement_id DESC))[1] AS last_balance
        FROM stock_movements WHERE lot_number IS NOT NULL AND warehouse_id > :since
        GROUP BY warehouse_id, product_id, lot_number
    ),
    chain AS (
        SELECT movement_id, quantity, lot_balance_after,
            coalesce(lag(lot_balance_after) OVER (
                PARTITION BY warehouse_id, product_id, lot_number ORDER BY movement_id), 0) AS before
        FROM stock_movements WHERE lot_number IS NOT NULL AND warehouse_id > :since
    ),
    line AS (
        SELECT reservation_id, reference_id, quantity_fulfilled AS fulfilled,
            CASE status WHEN 'ACTIVE' THEN quantity - quantity_fulfilled - quantity_released ELSE 0 END AS open
        FROM reservations JOIN inventory_items AS item USING (warehouse_id, product_id)
        WHERE item.is_tracked AND reservations.warehouse_id > :since
    ),
    allotted AS (
        SELECT reservation_id, held.warehouse_id, held.product_id, held.lot_number, quantity_held AS held,
            held.quantity_fulfilled AS fulfilled
        FROM line JOIN reservation_lots AS held USING (reservation_id)
    ),
    promised AS (
        SELECT warehouse_id, product_id, lot_number, sum(held) AS held FROM allotted
        GROUP BY warehouse_id, product_id, lot_number
    ),
    stated AS (
        SELECT warehouse_id, product_id, lot_number, sum(quantity) AS aside FROM unavailable_stock
        WHERE lot_number <> '' AND warehouse_id > :since GROUP BY warehouse_id, product_id, lot_number
    ),
    item AS (
        SELECT warehouse_id, product_id, is_tracked,
            quantity_on_hand || '/' || quantity_reserved || '/' || quantity_unavailable AS has,
            coalesce(sum(on_hand), 0) || '/' || coalesce(sum(reserved), 0) || '/' || coalesce(sum(aside), 0) AS of_lots
        FROM inventory_items LEFT JOIN lot USING (warehouse_id, product_id)
        WHERE warehouse_id > :since AND (is_tracked OR lot.lot_number IS NOT NULL) GROUP BY item_id
    )
    SELECT named || 'on hand ' || on_hand || ', its movements add up to ' || coalesce(moved, 0)
            || ', the last balance is ' || coalesce(last_balance, 0)
        FROM lot LEFT JOIN ledger USING (warehouse_id, product_id, lot_number)
        WHERE (on_hand, on_hand) <> (coalesce(moved, 0), coalesce(last_balance, 0))
    UNION ALL
    SELECT named || 'reserved ' || reserved || ', its holds have ' || coalesce(held, 0)
        FROM lot LEFT JOIN promised USING (warehouse_id, product_id, lot_number) WHERE reserved <> coalesce(held, 0)
    UNION ALL
    SELECT named || 'set aside ' || lot.aside || ', in a state ' || coalesce(stated.aside, 0)
        FROM lot LEFT JOIN stated USING (warehouse_id, product_id, lot_number)
        WHERE lot.aside <> coalesce(stated.aside, 0)
    UNION ALL
    SELECT named || 'reserved and set aside ' || reserved + aside || ' of ' || on_hand
        FROM lot WHERE reserved + aside > on_hand
    UNION ALL
    SELECT named || 'it is ' || status || ', and ' || reserved || ' are held'
        FROM lot WHERE reserved > 0 AND status <> 'AVAILABLE'
    UNION ALL
    SELECT 'movement ' || movement_id || ': of its lot ' || before || ' and ' || quantity || ' make '
            || lot_balance_after
        FROM chain WHERE before + quantity <> lot_balance_after
    UNION ALL
    SELECT 'product ' || product_id || ' in warehouse ' || warehouse_id || ': on hand, reserved and set aside ' || has
            || ', its lots have ' || of_lots
        FROM item WHERE (CASE WHEN is_tracked THEN has ELSE '0/0/0' END) <> of_lots
    UNION ALL
    SELECT 'line ' || reservation_id || ' of ' || reference_id || ': holds ' || open || ' and has sent '
            || line.fulfilled || ', its lots ' || coalesce(sum(held), 0) || ' and '
            || coalesce(sum(allotted.fulfilled), 0)
        FROM line LEFT JOIN allotted USING (reservation_id)
        GROUP BY reservation_id, reference_id, open, line.fulfilled
        HAVING (open, line.fulfilled) <> (coalesce(sum(held), 0), coalesce(sum(allotted.fulfilled), 0))
    UNION ALL
    SELECT 'serial number ' || lot_number || ' of product ' || product_id || ': on ' || sum(quantity_on_hand)
        FROM lot_items JOIN products USING (product_id)
        WHERE tracking = 'SERIAL' AND warehouse_id > :since
        GROUP BY product_id, lot_number HAVING sum(quantity_on_hand) > 1
""").bindparams(bindparam("since", type_=BigInteger))


def findings(connection: Connection, since: int) -> list[str]:
    """Disagreements between lots and the other books, one sentence each.

    Args:
        connection: The database.
        since: Look only at later warehouses.
    """
    return list(connection.execute(_FINDINGS, {"since": since}).scalars())
