"""Audit rules of a purchase order, beside the comparison of its movements."""

from database.purchase_order import PURCHASE_ORDER
from database.purchase_order_goods import RECEIPTS
from database.stock_audit import document_rule, lines_are_their_receipts
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    lines_are_their_receipts(PURCHASE_ORDER, RECEIPTS),
    document_rule(
        FindingKind.LINE_IS_NOT_ITS_ENTRIES,
        """
            SELECT po_id AS id, po_number AS number, warehouse_id, product_id,
                'line ' || line_number || ' returned' AS detail, units AS expected, quantity_returned AS actual
            FROM purchase_orders JOIN purchase_order_lines AS line USING (po_id)
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(quantity), 0) AS units FROM purchase_order_return_lines AS returned
                WHERE (returned.po_id, returned.line_number) = (line.po_id, line.line_number)) AS returns
        """,
    ),
    document_rule(
        FindingKind.APPROVAL_IS_MISSING,
        """
            SELECT po_id AS id, po_number AS number, warehouse_id, NULL::bigint AS product_id, '' AS detail,
                required_approvals AS expected, least(required_approvals, given) AS actual
            FROM purchase_orders AS ordered
            CROSS JOIN LATERAL (
                SELECT count(DISTINCT lower(approver)) AS given FROM purchase_order_approvals AS approval
                WHERE approval.po_id = ordered.po_id AND approval.version >= ordered.approvals_since
                    AND lower(approver) <> lower(ordered.requested_by)
                    AND NOT EXISTS (
                        SELECT FROM purchase_order_amendments AS amended
                        WHERE amended.po_id = ordered.po_id AND lower(amended_by) = lower(approver))) AS approvals
            WHERE status IN ('SUBMITTED', 'CONFIRMED', 'RECEIVED')
        """,
    ),
    # Money has six decimals and a finding has whole numbers, so a total is compared in millionths.
    document_rule(
        FindingKind.VALUE_IS_NOT_THE_LINES,
        """
            SELECT po_id AS id, po_number AS number, warehouse_id, NULL::bigint AS product_id,
                'total in millionths' AS detail, worth * 1000000 AS expected, total * 1000000 AS actual
            FROM purchase_orders AS ordered
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(qty * unit_cost), 0) AS worth FROM purchase_order_lines AS line
                WHERE line.po_id = ordered.po_id) AS lines
            WHERE version > 1
        """,
    ),
    # The later of two open orders by the reorder run is the one too many: expected none of its units, owed are these.
    # Unless it was made because the earlier one comes too late or brings too few, which its line then says (ADR 0037);
    # a line names a few such orders, and counts the others.
    document_rule(
        FindingKind.REORDERED_TWICE,
        """
            WITH owed AS (
                SELECT po_id AS id, po_number AS number, warehouse_id, product_id, line_number,
                    qty - quantity_received AS units, coalesce(note, '') AS note
                FROM purchase_orders JOIN purchase_order_lines USING (po_id)
                WHERE po_number LIKE 'RO-%' AND requested_by = 'reorder' AND quantity_received < qty
                    AND status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')
            )
            SELECT id, number, warehouse_id, product_id, 'line ' || line_number AS detail, 0 AS expected,
                units AS actual
            FROM owed AS later
            CROSS JOIN LATERAL (
                SELECT count(*) AS orders FROM owed AS earlier
                WHERE (earlier.warehouse_id, earlier.product_id) = (later.warehouse_id, later.product_id)
                    AND (earlier.id, earlier.line_number) < (later.id, later.line_number)
                    AND position('; ' || earlier.number || ' brings ' IN later.note) = 0) AS unnamed
            WHERE unnamed.orders > coalesce(substring(later.note FROM '; and ([0-9]+) more$')::integer, 0)
        """,
    ),
)
