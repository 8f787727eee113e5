"""The purchase order as it is: under its lock, to decide on it, and as answers show it."""

from typing import Any

from sqlalchemy import Connection, text

from database.document import read_rows
from database.locks import lock_with_lines
from database.purchase_order import PURCHASE_ORDER
from database.purchase_order_goods import RECEIPTS
from database.receipts import read_with_receipts
from stockkeeper.domain.purchase_order import PurchaseOrder, PurchaseOrderStatus
from stockkeeper.domain.purchase_order_lines import OrderedLine

_LINES = text("""
    SELECT line_number, product_id, qty, unit_cost, quantity_received, quantity_rejected, quantity_receivable,
        quantity_returned
    FROM purchase_order_lines WHERE po_id = :po_id
    ORDER BY line_number
""")

_READ_APPROVALS = text("""
    SELECT approver, approved_at AS at, approval.note
    FROM purchase_order_approvals AS approval JOIN purchase_orders USING (po_id)
    WHERE po_id = :po_id AND approval.version >= approvals_since
    ORDER BY approved_at, approver
""")

_READ_AMENDMENTS = text("""
    SELECT version, amended_at AS at, amended_by, reason, total_before, status_before
    FROM purchase_order_amendments WHERE po_id = :po_id
    ORDER BY version
""")

_AMENDERS = text("SELECT DISTINCT amended_by FROM purchase_order_amendments WHERE po_id = :po_id ORDER BY amended_by")

_DRAFTED_LINES = text("SELECT lines_before FROM purchase_order_amendments WHERE po_id = :po_id AND version = 2")

_CORRECTIONS = text("""
    SELECT receipt_id AS correction_id, corrects AS receipt_id, received_at AS at, received_by AS performed_by, reason
    FROM purchase_order_receipts
    WHERE po_id = :po_id AND corrects IS NOT NULL
    ORDER BY received_at DESC, receipt_id DESC
    LIMIT :most
""")

_READ_RETURNS = text("""
    SELECT return_id, returned_at AS at, returned_by AS performed_by, reason, reference, sum(quantity) AS quantity
    FROM purchase_order_returns JOIN purchase_order_return_lines USING (po_id, return_id)
    WHERE po_id = :po_id
    GROUP BY po_id, return_id
    ORDER BY at DESC, return_id DESC
    LIMIT :most
""")


def lock_purchase_order(connection: Connection, po_number: str) -> PurchaseOrder:
    """Lock a purchase order's row, and read the order as it is then; raises as `lock_document`."""
    return lock_with_lines(
        connection,
        PURCHASE_ORDER,
        po_number,
        PurchaseOrder,
        status=PurchaseOrderStatus,
        line=OrderedLine,
        lines=_LINES,
        approvers=_READ_APPROVALS,
        amenders=_AMENDERS,
    )


def read_purchase_order(connection: Connection, po_number: str, *, receipts: int) -> dict[str, Any]:
    """The order as answers show it, with its latest receipts, at most ``receipts``, oldest first. Locks nothing.

    Besides, ``timezone`` is that of its warehouse, and ``run_id`` the run that its draft belongs to.
    """
    order = read_with_receipts(connection, PURCHASE_ORDER, po_number, RECEIPTS, receipts)
    of = {"po_id": order["po_id"]}
    return order | {
        "corrections": read_rows(connection, _CORRECTIONS, of | {"most": receipts})[::-1],
        "returns": read_rows(connection, _READ_RETURNS, of | {"most": receipts})[::-1],
        "approvals": read_rows(connection, _READ_APPROVALS, of),
        "amendments": read_rows(connection, _READ_AMENDMENTS, of),
        "drafted_line_items": connection.execute(_DRAFTED_LINES, of).scalar_one_or_none(),
    }
