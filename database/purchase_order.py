"""The purchase order in the database: header, lines and approvals.

It is locked and read by `database.purchase_order_reading`. Its goods are in `database.purchase_order_goods`, its
amendments in `database.purchase_order_amendments`. How a supplier performs on it is kept by
`database.supplier_performance`.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
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
    needed,
    reference,
)
from database.document import Document, document_table, line_table
from database.document_list import DocumentList
from database.operations import Operation
from stockkeeper.domain.purchase_order import PurchaseOrder, PurchaseOrderStatus

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

PURCHASE_ORDER = Document("purchase order", purchase_orders, purchase_orders.c.po_number, purchase_order_lines)


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


def keep_longest_lead_time(connection: Connection, po_number: str) -> None:
    """Keep the longest agreed lead time of an order's products beside the order; none if no terms are known."""
    connection.execute(_LONGEST_LEAD_TIME, {"po_number": po_number})


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
