"""Texts about a reorder run: in the Temporal UI, and in notices."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import amount, counted
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.contracts.purchase_order_state import PurchaseOrderRequest
from stockkeeper.contracts.reorder import Below, Group, ReorderState, covered_by
from stockkeeper.domain.reorder import ReorderStatus
from stockkeeper.domain.worth import total_of
from workflows.details import details, notices, table

_ORDERS_TOLD = 100
_COVERED_TOLD = 20
_SKIPPED_TOLD = 20


def ordered(drafted: Sequence[tuple[Group, PurchaseOrderRequest]], below: Below) -> Notice:
    """Orders that were drafted, and items that procurement has to order by hand."""
    lines = [
        f"{order.po_number}: {counted(len(order.line_items), 'item')} from {group.supplier} to {group.warehouse}, "
        f"{amount(total(order))}"
        for group, order in drafted[:_ORDERS_TOLD]
    ]
    if len(drafted) > _ORDERS_TOLD:
        lines.append(f"and {counted(len(drafted) - _ORDERS_TOLD, 'more order')}")
    if below.skipped:
        lines += ["", f"Not ordered: {counted(below.items_skipped, 'item')}"]
        lines += [
            f"product {each.product_id} in warehouse {each.warehouse_id}: {each.reason}"
            for each in below.skipped[:_SKIPPED_TOLD]
        ]
    orders = counted(len(drafted), "purchase order")
    return Notice(audience=Audience.PROCUREMENT, title=f"Reordered: {orders} drafted", body="\n".join(lines))


def names_of(groups: Sequence[Group]) -> dict[tuple[str, int], str]:
    """What the suppliers and warehouses of these groups are called."""
    suppliers = {("supplier", group.supplier_id): group.supplier for group in groups}
    return suppliers | {("warehouse", group.warehouse_id): group.warehouse for group in groups}


def details_of(state: ReorderState, names: Mapping[tuple[str, int], str], *, stopped_early: str = "") -> str:
    """The run in a few lines of Markdown: items below their point, orders drafted, items not ordered.

    Args:
        state: The state.
        names: Suppliers and warehouses whose names this run has come across; the others are shown by their ids.
        stopped_early: How the details begin, if an operator has stopped the run.
    """

    def named(kind: str, its_id: int) -> str:
        return names.get((kind, its_id), f"{kind} {its_id}")

    drafted = table(
        ["order", "supplier", "warehouse", "#items", "#total"],
        [
            (
                order.po_number or "(would be drafted)",
                named("supplier", order.supplier_id),
                named("warehouse", order.warehouse_id),
                order.items,
                amount(order.total),
            )
            for order in state.purchase_orders
        ],
    )
    covered = [
        f"- covered: product {each.product_id} in {plain(named('warehouse', each.warehouse_id))}, {covered_by(each)}"
        for each in state.covered[:_COVERED_TOLD]
    ]
    skipped = table(
        ["not ordered", "warehouse", "because"],
        [(f"product {each.product_id}", named("warehouse", each.warehouse_id), each.reason) for each in state.skipped],
    )
    unnamed = [each.product_id for each in state.skipped] + [each.product_id for each in state.covered]
    named_by = [f"`stockkeeper product show id:{unnamed[0]}` names product {unnamed[0]}."] if unnamed else []
    waiting = table(
        ["waiting", "warehouse", "#items", "ordered on"],
        [
            (each.supplier, each.warehouse, each.items, f"{each.order_on} ({each.review_days})")
            for each in state.waiting
        ],
    )
    text = (
        f"{counted(state.items_below, 'item')} below the reorder point, {state.items_covered} of them on order or on "
        f"the way already; {counted(state.orders_drafted, 'purchase order')} "
        f"{'would be drafted' if state.dry_run else 'drafted'}; "
        f"{counted(state.items_skipped, 'item')} can't be ordered."
    )
    if state.items_waiting:
        text += f" Waiting for a day on which the supplier takes orders: {counted(state.items_waiting, 'item')}."
    begins = stopped_early or ("Under way. " if state.status is ReorderStatus.RUNNING else "")
    text = f"{begins}{text}"
    blocks = [drafted, *([waiting] if waiting else []), skipped, covered, named_by, notices(state.notices)]
    return details(state.status, text, [line for block in blocks for line in (*block, "")][:-1], state.notes)


def total(order: PurchaseOrderRequest) -> Decimal:
    """The cost of the order."""
    return total_of((line.qty, line.unit_cost) for line in order.line_items)
