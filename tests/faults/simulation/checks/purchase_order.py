"""The rows of purchase orders."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Connection, text

from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.purchase_order import PurchaseOrder

_ORDERS = text("""
    SELECT po_number, status, version, required_approvals, total,
        (SELECT count(*) FROM purchase_order_approvals AS approval
            WHERE approval.po_id = purchase_orders.po_id AND approval.version >= approvals_since),
        (SELECT count(*) FROM purchase_order_receipts AS receipt
            WHERE receipt.po_id = purchase_orders.po_id),
        (SELECT count(*) FROM purchase_order_returns AS sent_back
            WHERE sent_back.po_id = purchase_orders.po_id),
        (SELECT array_agg(ARRAY[product_id, qty, quantity_received, quantity_rejected, quantity_returned]
            ORDER BY line_number) FROM purchase_order_lines AS line WHERE line.po_id = purchase_orders.po_id)
    FROM purchase_orders WHERE warehouse_id = ANY(:warehouses)
""")

_MEASURED = text("""
    SELECT supplier_id, product_id, lead_times_measured FROM product_suppliers
    WHERE supplier_id = ANY(:suppliers) AND lead_times_measured > 0
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every order of every model, line by line."""
    for model in models:
        orders = cast("dict[str, PurchaseOrder]", model.documents.get(PurchaseOrder.kind, {}))
        warehouses = {"warehouses": sorted({key.warehouse_id for key in model.books.items})}
        found = {row[0]: tuple(row[1:]) for row in connection.execute(_ORDERS, warehouses)}
        for number in sorted(orders.keys() | found.keys()):
            due = _row_of(orders[number]) if number in orders else None
            if found.get(number) != due:
                yield f"purchase order {number} is {found.get(number)}, not {due}"

        yield from _compare_lead_times(connection, [*orders.values()])


def _compare_lead_times(connection: Connection, orders: Sequence[PurchaseOrder]) -> Iterator[str]:
    """How often each supplier was measured: once by each order and product that has come."""
    due = {
        (order.start["supplier_id"], product, count)
        for order in orders
        for product, count in order.place.lead_times.items()
    }
    suppliers = {"suppliers": sorted({order.start["supplier_id"] for order in orders})}
    found = {tuple(row) for row in connection.execute(_MEASURED, suppliers)}
    if found != due:
        yield f"lead times by supplier, product and number of orders are {sorted(found)}, not {sorted(due)}"


def _row_of(order: PurchaseOrder) -> tuple[object, ...]:
    return (
        order.status,
        order.version,
        order.required,
        order.total,
        len(order.approvers),
        len(order.receipts) + len(order.corrections),
        len(order.returns),
        [[line.product, line.qty, line.received, line.rejected, line.returned] for line in order.lines],
    )
