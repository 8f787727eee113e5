"""The rules that hold always, asked of the database itself."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

_QUESTIONS = {
    "nothing is oversold": "SELECT count(*) FROM inventory_items WHERE quantity_reserved > quantity_on_hand",
    "on hand is the sum of its movements": """
        SELECT count(*) FROM inventory_items AS item
        WHERE quantity_on_hand <> (
            SELECT coalesce(sum(quantity), 0) FROM stock_movements AS movement
            WHERE (movement.warehouse_id, movement.product_id) = (item.warehouse_id, item.product_id))
    """,
    "the last movement's balance is what is on hand": """
        SELECT count(*) FROM inventory_items AS item
        WHERE quantity_on_hand <> coalesce((
            SELECT balance_after FROM stock_movements AS movement
            WHERE (movement.warehouse_id, movement.product_id) = (item.warehouse_id, item.product_id)
            ORDER BY created_at DESC, movement_id DESC LIMIT 1), 0)
    """,
    "reserved is the sum of open reservations": """
        SELECT count(*) FROM inventory_items AS item
        WHERE quantity_reserved <> (
            SELECT coalesce(sum(quantity - quantity_fulfilled), 0) FROM reservations AS held
            WHERE status = 'ACTIVE'
                AND (held.warehouse_id, held.product_id) = (item.warehouse_id, item.product_id))
    """,
    "an item's movements never go back in time": """
        SELECT count(*) FROM (
            SELECT created_at <= lag(created_at) OVER (
                PARTITION BY warehouse_id, product_id ORDER BY movement_id) AS back
            FROM stock_movements) AS movement
        WHERE back
    """,
    "an order's lines have what its receipts brought": """
        SELECT count(*) FROM purchase_order_lines AS line
        WHERE (quantity_received, quantity_rejected) <> (
            SELECT coalesce(sum(quantity), 0), coalesce(sum(came.quantity_rejected), 0)
            FROM purchase_order_receipt_lines AS came
            WHERE (came.po_id, came.line_number) = (line.po_id, line.line_number))
    """,
    "what was accepted of an order is what was purchased": """
        SELECT count(*) FROM (
            SELECT po_number AS reference_id, warehouse_id, product_id, sum(quantity) AS units
            FROM purchase_order_receipt_lines
            JOIN purchase_order_lines USING (po_id, line_number)
            JOIN purchase_orders USING (po_id)
            WHERE quantity > 0
            GROUP BY po_number, warehouse_id, product_id) AS accepted
        FULL JOIN (
            SELECT reference_id, warehouse_id, product_id, sum(quantity) AS units
            FROM stock_movements WHERE movement_type = 'PURCHASE'
            GROUP BY reference_id, warehouse_id, product_id) AS purchased
            USING (reference_id, warehouse_id, product_id)
        WHERE accepted.units IS DISTINCT FROM purchased.units
    """,
    "no order goes out without its approvals": """
        SELECT count(*) FROM purchase_orders AS ordered
        WHERE status IN ('SUBMITTED', 'CONFIRMED', 'RECEIVED')
            AND required_approvals > (
                SELECT count(*) FROM purchase_order_approvals AS approval WHERE approval.po_id = ordered.po_id)
    """,
    "what has left on a transfer is accounted for": """
        SELECT count(*) FROM transfer_order_lines
        WHERE dispatched <> received + damaged + written_off + returned + in_transit
    """,
    "a transfer's lines have what their movements add up to": """
        SELECT count(*) FROM transfer_order_lines AS line
        WHERE in_transit <> (
            SELECT coalesce(sum(quantity), 0) FROM transit_movements AS moved
            WHERE (moved.transfer_id, moved.line_number) = (line.transfer_id, line.line_number))
    """,
    "transfers took and brought what their lines say": """
        SELECT count(*) FROM (
            SELECT transfer_number AS reference_id,
                sum(received + returned - dispatched) AS units
            FROM transfer_orders JOIN transfer_order_lines USING (transfer_id)
            GROUP BY transfer_number) AS carried
        FULL JOIN (
            SELECT reference_id, sum(quantity) AS units
            FROM stock_movements WHERE movement_type IN ('TRANSFER_IN', 'TRANSFER_OUT')
            GROUP BY reference_id) AS booked
            USING (reference_id)
        WHERE coalesce(carried.units, 0) <> coalesce(booked.units, 0)
    """,
    "nothing is reordered while it is on order": """
        SELECT count(*) FROM (
            SELECT warehouse_id, product_id
            FROM purchase_orders JOIN purchase_order_lines USING (po_id)
            WHERE po_number LIKE 'RO-%' AND requested_by = 'reorder' AND quantity_received < qty
                AND status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')
            GROUP BY warehouse_id, product_id HAVING count(*) > 1) AS twice
    """,
    "every operation has its result": "SELECT count(*) FROM operations WHERE result IS NULL",
}


@dataclass(frozen=True)
class Invariant:
    """One rule, and how many rows break it."""

    rule: str
    violations: int


def check_invariants(engine: Engine) -> list[Invariant]:
    """Ask for every rule how many rows break it, all at one instant."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        return invariants(connection)


def invariants(connection: Connection) -> list[Invariant]:
    """The same within a transaction, as it sees the books."""
    return [Invariant(rule, connection.execute(text(question)).scalar_one()) for rule, question in _QUESTIONS.items()]
