"""Audit rules of a purchase order, beside the comparison of its movements."""

from database.purchase_order import PURCHASE_ORDER, RECEIPTS
from database.stock_audit import document_rule, lines_are_their_receipts
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    lines_are_their_receipts(PURCHASE_ORDER, RECEIPTS),
    document_rule(
        FindingKind.APPROVAL_IS_MISSING,
        """
            SELECT po_id AS id, po_number AS number, warehouse_id, NULL::bigint AS product_id, '' AS detail,
                required_approvals AS expected, least(required_approvals, given) AS actual
            FROM purchase_orders AS ordered
            CROSS JOIN LATERAL (
                SELECT count(DISTINCT lower(approver)) AS given FROM purchase_order_approvals AS approval
                WHERE approval.po_id = ordered.po_id AND lower(approver) <> lower(ordered.requested_by)) AS approvals
            WHERE status IN ('SUBMITTED', 'CONFIRMED', 'RECEIVED')
        """,
    ),
    # The later of two open orders by the reorder run is the one too many: expected none of its units, owed are these.
    document_rule(
        FindingKind.REORDERED_TWICE,
        """
            WITH owed AS (
                SELECT po_id AS id, po_number AS number, warehouse_id, product_id, line_number,
                    qty - quantity_received AS units
                FROM purchase_orders JOIN purchase_order_lines USING (po_id)
                WHERE po_number LIKE 'RO-%' AND requested_by = 'reorder' AND quantity_received < qty
                    AND status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')
            )
            SELECT id, number, warehouse_id, product_id, 'line ' || line_number AS detail, 0 AS expected,
                units AS actual
            FROM owed AS later
            WHERE EXISTS (
                SELECT FROM owed AS earlier
                WHERE (earlier.warehouse_id, earlier.product_id) = (later.warehouse_id, later.product_id)
                    AND (earlier.id, earlier.line_number) < (later.id, later.line_number))
        """,
    ),
)
