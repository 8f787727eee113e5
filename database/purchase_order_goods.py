"""Goods of a purchase order that have come, and of these what was corrected or went back to the supplier."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, ForeignKeyConstraint, Integer, Table, Text, insert, text, update

from database.columns import INSTANT, METADATA, composite_key, key_of, needed
from database.operations import Operation
from database.purchase_order import PURCHASE_ORDER, purchase_order_lines
from database.receipts import receipt_tables
from stockkeeper.domain.purchase_order import PurchaseOrder
from stockkeeper.domain.receipt import Taken

RECEIPTS = receipt_tables(
    PURCHASE_ORDER,
    "purchase_order_receipt",
    came=("received_at", "received_by"),
    units=("quantity", "quantity_rejected"),
    sums=("quantity_received", "quantity_rejected"),
)

RECEIPTS.header.append_column(Column("corrects", Text))
RECEIPTS.header.append_column(Column("reason", Text))
RECEIPTS.header.append_column(Column("unfit_reason", Text))
RECEIPTS.header.append_constraint(
    ForeignKeyConstraint(
        ["po_id", "corrects"],
        ["purchase_order_receipts.po_id", "purchase_order_receipts.receipt_id"],
        name="purchase_order_receipts_corrected",
    )
)

purchase_order_returns = Table(
    "purchase_order_returns",
    METADATA,
    key_of("purchase_orders.po_id"),
    Column("return_id", Text, primary_key=True),
    needed("returned_at", INSTANT),
    needed("returned_by", Text),
    needed("reason", Text),
    Column("reference", Text),
    needed("operation_id", Text),
)

purchase_order_return_lines = Table(
    "purchase_order_return_lines",
    METADATA,
    Column("po_id", BigInteger, primary_key=True),
    Column("return_id", Text, primary_key=True),
    Column("line_number", Integer, primary_key=True),
    needed("quantity", BigInteger),
    composite_key("purchase_order_return_lines_return", "purchase_order_returns", "po_id", "return_id"),
    composite_key("purchase_order_return_lines_line", "purchase_order_lines", "po_id", "line_number"),
)

# Units that a receipt has brought, less those that were taken back since.
_BROUGHT = text("""
    SELECT line_number, sum(quantity) AS accepted, sum(quantity_rejected) AS rejected
    FROM purchase_order_receipt_lines JOIN purchase_order_receipts AS receipt USING (po_id, receipt_id)
    WHERE po_id = :po_id AND (corrects = :receipt_id OR corrects IS NULL AND receipt_id = :receipt_id)
    GROUP BY line_number
""")

_TAKEN_BACK = text("""
    SELECT line_number, -sum(quantity) AS units
    FROM purchase_order_receipt_lines JOIN purchase_order_receipts USING (po_id, receipt_id)
    WHERE po_id = :po_id AND corrects IS NOT NULL
    GROUP BY line_number
""")

_RETURNED = text("""
    SELECT product_id, sum(quantity) AS units
    FROM purchase_order_return_lines JOIN purchase_order_lines USING (po_id, line_number)
    WHERE po_id = :po_id AND return_id = :return_id
    GROUP BY product_id
""")


def brought_by(connection: Connection, order: PurchaseOrder, receipt_id: str) -> dict[int, Taken]:
    """Units that a receipt has brought, less those taken back since, by line number; empty if there is no such one."""
    rows = connection.execute(_BROUGHT, {"po_id": order.po_id, "receipt_id": receipt_id})
    return {row.line_number: Taken(int(row.accepted), int(row.rejected)) for row in rows}


def taken_back(connection: Connection, order: PurchaseOrder) -> dict[int, int]:
    """Units that all corrections of an order's receipts have taken out of stock, by line number."""
    rows = connection.execute(_TAKEN_BACK, {"po_id": order.po_id})
    return {row.line_number: int(row.units) for row in rows}


def returned_by(connection: Connection, order: PurchaseOrder, return_id: str) -> dict[int, int]:
    """Units that a return has sent back, by product; empty if there is no such return."""
    rows = connection.execute(_RETURNED, {"po_id": order.po_id, "return_id": return_id})
    return {row.product_id: int(row.units) for row in rows}


def insert_return(
    connection: Connection,
    operation: Operation,
    order: PurchaseOrder,
    return_id: str,
    units: Mapping[int, int],
    *,
    reason: str,
    reference: str | None,
    as_of: datetime,
) -> None:
    """Insert a return with its lines, and add its units to the order's lines. The caller has locked the order."""
    of = {"po_id": order.po_id, "return_id": return_id}
    connection.execute(
        insert(purchase_order_returns).values(
            **of,
            returned_at=as_of,
            returned_by=operation.performed_by,
            reason=reason,
            reference=reference,
            operation_id=operation.operation_id,
        )
    )
    column = purchase_order_lines.c
    for number, quantity in units.items():
        connection.execute(insert(purchase_order_return_lines).values(**of, line_number=number, quantity=quantity))
        connection.execute(
            update(purchase_order_lines)
            .where(column.po_id == order.po_id, column.line_number == number)
            .values(quantity_returned=column.quantity_returned + quantity)
        )
