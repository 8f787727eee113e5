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
    "a return's lines have what its inspections found": """
        SELECT count(*) FROM return_lines AS line
        WHERE (restocked, scrapped) <> (
            SELECT coalesce(sum(found.restocked), 0), coalesce(sum(found.scrapped), 0)
            FROM return_inspection_lines AS found
            WHERE (found.return_id, found.line_number) = (line.return_id, line.line_number))
    """,
    "what was restocked of a return is what went back into stock": """
        SELECT count(*) FROM (
            SELECT return_number AS reference_id, warehouse_id, product_id, sum(restocked) AS units
            FROM returns JOIN return_lines USING (return_id)
            WHERE restocked > 0
            GROUP BY return_number, warehouse_id, product_id) AS restocked
        FULL JOIN (
            SELECT reference_id, warehouse_id, product_id, sum(quantity) AS units
            FROM stock_movements WHERE movement_type = 'RETURN'
            GROUP BY reference_id, warehouse_id, product_id) AS booked
            USING (reference_id, warehouse_id, product_id)
        WHERE restocked.units IS DISTINCT FROM booked.units
    """,
    "what was posted of an adjustment is what was booked": """
        SELECT count(*) FROM (
            SELECT adjustment_number AS reference_id, warehouse_id, product_id, closed_by AS operation_id,
                sum(quantity) AS units
            FROM adjustments JOIN adjustment_lines USING (adjustment_id)
            WHERE status = 'POSTED'
            GROUP BY adjustment_number, warehouse_id, product_id, closed_by HAVING sum(quantity) <> 0) AS posted
        FULL JOIN (
            SELECT reference_id, warehouse_id, product_id, operation_id, sum(quantity) AS units
            FROM stock_movements WHERE movement_type = 'ADJUSTMENT' AND workflow_id LIKE 'adjustment-%'
            GROUP BY reference_id, warehouse_id, product_id, operation_id) AS booked
            USING (reference_id, warehouse_id, product_id, operation_id)
        WHERE posted.units IS DISTINCT FROM booked.units
    """,
    "an adjustment is worth what its lines are": """
        SELECT count(*) FROM adjustments
        WHERE (value, unvalued_units) <> (
            SELECT coalesce(sum(abs(quantity) * unit_cost), 0),
                coalesce(sum(abs(quantity)) FILTER (WHERE unit_cost IS NULL), 0)
            FROM adjustment_lines AS line WHERE line.adjustment_id = adjustments.adjustment_id)
    """,
    "no adjustment above the limit is posted unless somebody else approves": """
        SELECT count(*) FROM adjustments
        WHERE status = 'POSTED' AND needs_approval
            AND (approved_by IS NULL OR lower(approved_by) = lower(requested_by))
    """,
    "what counts have posted is what was booked": """
        SELECT count(*) FROM (
            SELECT count_number AS reference_id, warehouse_id, product_id, posted_by AS operation_id, delta AS units
            FROM cycle_count_lines AS line JOIN cycle_counts USING (count_id)
            WHERE line.status = 'POSTED' AND delta <> 0) AS posted
        FULL JOIN (
            SELECT reference_id, warehouse_id, product_id, operation_id, sum(quantity) AS units
            FROM stock_movements WHERE movement_type = 'ADJUSTMENT' AND workflow_id LIKE 'cycle-count-%'
            GROUP BY reference_id, warehouse_id, product_id, operation_id) AS booked
            USING (reference_id, warehouse_id, product_id, operation_id)
        WHERE posted.units IS DISTINCT FROM booked.units
    """,
    "nobody approves what they have counted": """
        SELECT count(*) FROM cycle_count_lines
        WHERE lower(approved_by) IN (
            SELECT lower(entry.counted_by) FROM cycle_count_entries AS entry
            WHERE (entry.count_id, entry.product_id) = (cycle_count_lines.count_id, cycle_count_lines.product_id))
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
