"""What people read of a reorder run: in the Temporal UI, and in notices."""

from collections.abc import Sequence
from decimal import Decimal

from contracts.messages import amount
from contracts.notice import Audience, Notice
from contracts.purchase_order import PurchaseOrderRequest
from contracts.reorder import Below, Group, ReorderState
from domain.purchase_order import total_of
from domain.reorder import ReorderStatus
from workflows.details import details, notices, table

_ORDERS_TOLD = 100
_SKIPPED_TOLD = 20


def ordered(drafted: Sequence[tuple[Group, PurchaseOrderRequest]], below: Below) -> Notice:
    """What was drafted, and what somebody has to see to."""
    lines = [
        f"{order.po_number}: {len(order.line_items)} items from {group.supplier} to {group.warehouse}, "
        f"{amount(_total(order))}"
        for group, order in drafted[:_ORDERS_TOLD]
    ]
    if len(drafted) > _ORDERS_TOLD:
        lines.append(f"and {len(drafted) - _ORDERS_TOLD} more orders")
    if below.skipped:
        lines += ["", f"Not ordered: {below.items_skipped} items"]
        lines += [
            f"product {each.product_id} in warehouse {each.warehouse_id}: {each.reason}"
            for each in below.skipped[:_SKIPPED_TOLD]
        ]
    orders = f"{len(drafted)} purchase order{'s' * (len(drafted) != 1)}"
    return Notice(audience=Audience.PROCUREMENT, title=f"Reordered: {orders} drafted", body="\n".join(lines))


def details_of(state: ReorderState) -> str:
    """The run in a few lines of Markdown: what was found, what was drafted, what needs a person."""
    drafted = table(
        ["order", "supplier", "warehouse", "#items", "#total"],
        [
            (
                order.po_number or "(would be drafted)",
                f"supplier {order.supplier_id}",
                f"warehouse {order.warehouse_id}",
                len(order.line_items),
                amount(total_of((line.qty, line.unit_cost) for line in order.line_items)),
            )
            for order in state.purchase_orders
        ],
    )
    skipped = table(
        ["not ordered", "warehouse", "because"],
        [(f"product {each.product_id}", f"warehouse {each.warehouse_id}", each.reason) for each in state.skipped],
    )
    told = (
        f"{state.items_below} items are below their reorder point, {state.items_covered} of them on order or on their "
        f"way already; {state.orders_drafted} purchase orders "
        f"{'would be' if state.dry_run else 'were'} drafted, {state.items_skipped} items can't be ordered."
    )
    if state.status is ReorderStatus.RUNNING:
        told = f"Under way. {told}"
    return details(state.status, told, [*drafted, "", *skipped, "", *notices(state.notices)], state.notes)


def _total(order: PurchaseOrderRequest) -> Decimal:
    return total_of((line.qty, line.unit_cost) for line in order.line_items)
