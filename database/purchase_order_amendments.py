"""Amendments of a purchase order: the lines that it had, and those that replace them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, Table, Text, insert, text, update
from sqlalchemy.dialects.postgresql import JSONB

from database.columns import INSTANT, METADATA, TOTAL, key_of, needed, origin
from database.operations import Operation
from database.purchase_order import purchase_order_lines
from stockkeeper.domain.purchase_order import PurchaseOrder

purchase_order_amendments = Table(
    "purchase_order_amendments",
    METADATA,
    key_of("purchase_orders.po_id"),
    Column("version", Integer, primary_key=True),
    needed("amended_at", INSTANT),
    needed("amended_by", Text),
    needed("reason", Text),
    needed("status_before", Text),
    needed("total_before", TOTAL),
    needed("lines_before", JSONB),
    *origin(),
)

_AMENDED_BY = text("SELECT lines_before FROM purchase_order_amendments WHERE operation_id = :operation_id")

_DROP_LINES = text("SELECT drop_order_lines(:po_id, :after)")


def is_amended_by(connection: Connection, operation: Operation) -> bool:
    """Whether an operation has amended an order before."""
    return connection.execute(_AMENDED_BY, {"operation_id": operation.operation_id}).one_or_none() is not None


def amend_lines(
    connection: Connection,
    operation: Operation,
    order: PurchaseOrder,
    lines: Sequence[Mapping[str, Any]],
    *,
    reason: str,
    as_of: datetime,
) -> None:
    """Replace an order's lines, and keep those that it had. The caller has locked it, and changes its header.

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        order: The order as it was.
        lines: Its new lines in order, with the columns that a draft's have.
        reason: Why.
        as_of: The workflow's time.
    """
    before = [
        {"product_id": line.product_id, "qty": line.qty, "unit_cost": str(line.unit_cost)} for line in order.lines
    ]
    connection.execute(
        insert(purchase_order_amendments).values(
            po_id=order.po_id,
            version=order.version + 1,
            amended_at=as_of,
            amended_by=operation.performed_by,
            reason=reason,
            status_before=order.status,
            total_before=order.total,
            lines_before=before,
            **operation.origin,
        )
    )
    column = purchase_order_lines.c
    numbered = [{"po_id": order.po_id, "line_number": number, **line} for number, line in enumerate(lines, 1)]
    kept = min(len(order.lines), len(numbered))
    for line in numbered[:kept]:
        this = (column.po_id == order.po_id) & (column.line_number == line["line_number"])
        connection.execute(update(purchase_order_lines).where(this).values(**line))
    if numbered[kept:]:
        connection.execute(insert(purchase_order_lines), numbered[kept:])
    connection.execute(_DROP_LINES, {"po_id": order.po_id, "after": len(numbered)})
