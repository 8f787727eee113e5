"""The purchase order in the database: its tables, and what locks, reads and changes them.

How a supplier performs on it is kept by `database.supplier_performance`.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    RowMapping,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from database.clock import end_of_day
from database.columns import (
    DAYS,
    INSTANT,
    METADATA,
    MONEY,
    TOTAL,
    composite_key,
    counter,
    key_of,
    needed,
    origin,
    reference,
)
from database.document import Document, document_table, line_table, read_rows
from database.document_list import DocumentList
from database.locks import lock_with_lines
from database.operations import Operation
from database.receipts import read_with_receipts, receipt_tables
from stockkeeper.domain.purchase_order import OrderedLine, PurchaseOrder, PurchaseOrderStatus
from stockkeeper.domain.receipt import Taken

purchase_orders = document_table(
    "purchase_orders",
    reference("suppliers.supplier_id"),
    reference("warehouses.warehouse_id"),
    Column("expected_delivery_date", Date),
    needed("reason", Text),
    needed("total", TOTAL),
    needed("required_approvals", Integer),
    needed("approval_policy", JSONB),
    needed("over_delivery_percent", DAYS),
    Column("submitted_at", INSTANT),
    Column("confirmed_at", INSTANT),
    Column("longest_lead_time_days", DAYS),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("approvals_since", Integer, nullable=False, server_default=text("1")),
    Column("approval_asked_at", INSTANT),
    UniqueConstraint("po_id", "requested_by", name="purchase_orders_requester"),
    Index("purchase_orders_by_supplier", "supplier_id"),
    Index(
        "purchase_orders_open",
        "warehouse_id",
        postgresql_where=text("status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')"),
    ),
    Index("purchase_orders_unstarted", "po_id", postgresql_where=text("run_id = ''")),
    key="po_id",
    number="po_number",
    initial="DRAFT",
)

_LONGEST_LEAD_TIME = text("""
    UPDATE purchase_orders AS po SET longest_lead_time_days = (
        SELECT max(lead_time_days) FROM purchase_order_lines AS line
        JOIN product_suppliers AS terms ON (terms.product_id, terms.supplier_id) = (line.product_id, po.supplier_id)
        WHERE line.po_id = po.po_id)
    WHERE po_number = :po_number
""")

purchase_order_lines = line_table(
    "purchase_order_lines",
    purchase_orders,
    needed("qty", BigInteger),
    needed("unit_cost", MONEY),
    counter("quantity_received"),
    counter("quantity_rejected"),
    needed("quantity_receivable", BigInteger),
    counter("quantity_returned"),
    Column("note", Text),
    Index("purchase_order_lines_by_product", "product_id"),
    Index("purchase_order_lines_owed", "product_id", postgresql_where=text("quantity_received < qty")),
)

purchase_order_approvals = Table(
    "purchase_order_approvals",
    METADATA,
    Column("po_id", BigInteger, primary_key=True),
    Column("version", Integer, primary_key=True, server_default=text("1")),
    Column("approver", Text, primary_key=True),
    needed("requested_by", Text),
    needed("approved_at", INSTANT),
    Column("note", Text),
    needed("operation_id", Text),
    composite_key("purchase_order_approvals_of", "purchase_orders", "po_id", "requested_by"),
    Index("purchase_order_approvals_distinct", "po_id", "version", text("lower(approver)"), unique=True),
)

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

_SHOWN = text("""
    SELECT po_id, po_number, supplier_id, suppliers.name AS supplier, warehouse_id, warehouses.name AS warehouse,
        timezone, status, total, required_approvals, approval_policy AS policy, expected_delivery_date, requested_by,
        reason, created_at AS drafted_at, submitted_at, closed_reason, run_id, version, approval_asked_at
    FROM purchase_orders JOIN suppliers USING (supplier_id) JOIN warehouses USING (warehouse_id)
    WHERE po_number = :number
""")

_LINES_SHOWN = text("""
    SELECT product_id, sku, qty, line.unit_cost, quantity_received, quantity_rejected, quantity_returned, note
    FROM purchase_order_lines AS line JOIN products USING (product_id)
    WHERE po_id = :key
    ORDER BY line_number
""")

PURCHASE_ORDER = Document(
    "purchase order",
    purchase_orders,
    purchase_orders.c.po_number,
    purchase_order_lines,
    _SHOWN,
    _LINES_SHOWN,
    lines_name="line_items",
)


def _deadline(row: RowMapping) -> datetime | None:
    """The last deadline of the approvals; then the end of the expected day, from which the delivery is late."""
    if row["closed_at"] is not None:
        return None
    if row["status"] == PurchaseOrderStatus.DRAFT:
        drafted: datetime = row["approval_asked_at"] or row["created_at"]
        return drafted + timedelta(hours=float(row["approval_policy"]["cancel_after_hours"]))
    return end_of_day(row["expected_delivery_date"], row["timezone"])


LIST = DocumentList(
    PURCHASE_ORDER,
    warehouses=("warehouse_id",),
    facts={
        "supplier": "SELECT name FROM suppliers WHERE suppliers.supplier_id = purchase_orders.supplier_id",
        "total": "total",
        "requested_by": "requested_by",
        "drafted_at": "created_at",
        "required_approvals": "required_approvals",
        "approvals": (
            "SELECT count(*) FROM purchase_order_approvals AS given WHERE given.po_id = purchase_orders.po_id "
            "AND given.version >= purchase_orders.approvals_since"
        ),
    },
    deadline=_deadline,
    further={
        "timezone": "SELECT timezone FROM warehouses WHERE warehouses.warehouse_id = purchase_orders.warehouse_id",
    },
)

RECEIPTS = receipt_tables(
    PURCHASE_ORDER,
    "purchase_order_receipt",
    came=("received_at", "received_by"),
    units=("quantity", "quantity_rejected"),
    sums=("quantity_received", "quantity_rejected"),
)

RECEIPTS.header.append_column(Column("corrects", Text))
RECEIPTS.header.append_column(Column("reason", Text))
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

_RETURNED = text("""
    SELECT product_id, sum(quantity) AS units
    FROM purchase_order_return_lines JOIN purchase_order_lines USING (po_id, line_number)
    WHERE po_id = :po_id AND return_id = :return_id
    GROUP BY product_id
""")

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

_AMENDED_BY = text("SELECT lines_before FROM purchase_order_amendments WHERE operation_id = :operation_id")

_DROP_LINES = text("SELECT drop_order_lines(:po_id, :after)")


def keep_longest_lead_time(connection: Connection, po_number: str) -> None:
    """Keep the longest agreed lead time of an order's products beside the order; none if no terms are known."""
    connection.execute(_LONGEST_LEAD_TIME, {"po_number": po_number})


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


def expected_day(connection: Connection, order: PurchaseOrder) -> date | None:
    """The day on which the order is expected. The caller has locked it."""
    day: date | None = connection.execute(
        select(purchase_orders.c.expected_delivery_date).where(purchase_orders.c.po_id == order.po_id)
    ).scalar_one()
    return day


def insert_approval(
    connection: Connection, operation: Operation, order: PurchaseOrder, note: str | None, as_of: datetime
) -> None:
    """Insert the approval of the operation's person. The caller has locked the order."""
    connection.execute(
        insert(purchase_order_approvals).values(
            po_id=order.po_id,
            version=order.version,
            approver=operation.performed_by,
            requested_by=order.requested_by,
            approved_at=as_of,
            note=note,
            operation_id=operation.operation_id,
        )
    )


def adopt_draft(connection: Connection, operation: Operation, po_number: str) -> None:
    """Give a draft that a reorder run has stored to the run of its own workflow, unless one has it already."""
    connection.execute(
        update(purchase_orders)
        .where(purchase_orders.c.po_number == po_number, purchase_orders.c.run_id == "")
        .values(run_id=operation.run_id)
    )


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
