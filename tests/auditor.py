"""An independent auditor: it reads the tables with its own SQL and shares no code with the product."""

from sqlalchemy import Connection, Engine, text

_FINDINGS = text("""
    WITH ledger AS (
        SELECT warehouse_id, product_id, sum(quantity) AS moved,
            (array_agg(balance_after ORDER BY created_at DESC, movement_id DESC))[1] AS last_balance
        FROM stock_movements GROUP BY warehouse_id, product_id
    ),
    promised AS (
        SELECT warehouse_id, product_id, sum(quantity - quantity_fulfilled) AS units
        FROM reservations WHERE status = 'ACTIVE' GROUP BY warehouse_id, product_id
    ),
    item AS (
        SELECT item_id, quantity_on_hand AS on_hand, quantity_reserved AS reserved, quantity_available AS available,
            coalesce(moved, 0) AS moved, coalesce(last_balance, 0) AS last_balance, coalesce(units, 0) AS promised
        FROM inventory_items
        LEFT JOIN ledger USING (warehouse_id, product_id)
        LEFT JOIN promised USING (warehouse_id, product_id)
    ),
    chain AS (
        SELECT movement_id, created_at, balance_after, quantity,
            lag(created_at) OVER history AS earlier,
            coalesce(lag(balance_after) OVER history, 0) AS balance_before
        FROM stock_movements
        WINDOW history AS (PARTITION BY warehouse_id, product_id ORDER BY movement_id)
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
    SELECT 'operation ' || operation_id || ': no result'
        FROM operations WHERE result IS NULL
""")


def findings(connection: Connection) -> list[str]:
    """What doesn't agree, over all items; empty when the books are in order."""
    return list(connection.execute(_FINDINGS).scalars())


def assert_books_agree(engine: Engine) -> None:
    """On hand, ledger, promises and balances agree for every item."""
    with engine.connect() as connection:
        assert findings(connection) == []
