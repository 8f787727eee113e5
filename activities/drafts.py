"""Storing the draft of a purchase order: for its own workflow, or for a reorder run ahead of that workflow."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from database.document import insert_document
from database.operations import Operation
from database.order_terms import read_prices_with_breaks
from database.purchase_order import PURCHASE_ORDER, keep_longest_lead_time
from database.worth import unit_costs
from stockkeeper.contracts.purchase_order import DraftPurchaseOrderStep
from stockkeeper.contracts.purchase_order_state import ApprovalPolicy, PurchaseOrderLine, PurchaseOrderRequest
from stockkeeper.domain.approval import required_approvals
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.purchase_order_lines import receivable
from stockkeeper.domain.worth import Limit, total_of, unpaid

Draft = DraftPurchaseOrderStep | PurchaseOrderRequest


def store_draft(
    connection: Connection,
    operation: Operation,
    draft: Draft,
    policy: ApprovalPolicy,
    over_delivery_percent: Decimal,
    limit: Limit,
    *,
    as_of: datetime,
) -> None:
    """Store the draft with the policy in force; an order that needs no approval is submitted at once.

    Goods below their cost in the catalogue would become stock that isn't paid for. If that part is above the limit,
    the order needs at least one approval, whatever its total is.

    Args:
        connection: The transaction.
        operation: The operation, with the order's own workflow and its run; an empty run has yet to be started.
        draft: The order's header and lines.
        policy: Who has to approve it.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
        limit: The worth that may be ordered without being paid for, and without an approval.
        as_of: The workflow's time.
    """
    total, needed = total_and_approvals(connection, draft.supplier_id, draft.line_items, policy, limit)
    insert_document(
        connection,
        operation,
        PURCHASE_ORDER,
        columns_of_lines(draft.line_items, over_delivery_percent),
        po_number=draft.po_number,
        supplier_id=draft.supplier_id,
        warehouse_id=draft.warehouse_id,
        status=PurchaseOrderStatus.DRAFT if needed else PurchaseOrderStatus.SUBMITTED,
        expected_delivery_date=draft.expected_delivery_date,
        requested_by=draft.requested_by,
        reason=draft.reason,
        created_at=as_of,
        total=total,
        required_approvals=needed,
        approval_policy=policy.model_dump(mode="json"),
        over_delivery_percent=over_delivery_percent,
        submitted_at=None if needed else as_of,
    )
    keep_longest_lead_time(connection, draft.po_number)


def total_and_approvals(
    connection: Connection,
    supplier_id: int,
    lines: Sequence[PurchaseOrderLine],
    policy: ApprovalPolicy,
    limit: Limit,
) -> tuple[Decimal, int]:
    """The total of an order with these lines, and the number of approvals that it needs; as `store_draft` has it.

    A price that the supplier has agreed to for so many units covers the goods, also where it is below the catalogue's.
    """
    total = total_of((line.qty, line.unit_cost) for line in lines)
    units = Counter[int]()
    for line in lines:
        units[line.product_id] += line.qty
    costs = unit_costs(connection, units.keys())
    for product_id, agreed in read_prices_with_breaks(connection, supplier_id, units).items():
        costs[product_id] = min(costs[product_id] or agreed, agreed)
    free = unpaid((line.qty, line.unit_cost, costs[line.product_id]) for line in lines)
    return total, max(required_approvals(policy.as_tiers(), total), int(limit.is_exceeded_by(free)))


def columns_of_lines(lines: Sequence[PurchaseOrderLine], over_delivery_percent: Decimal) -> list[dict[str, Any]]:
    """The columns of an order's lines that are new."""
    return [
        {
            "product_id": line.product_id,
            "qty": line.qty,
            "unit_cost": line.unit_cost,
            "quantity_receivable": receivable(line.qty, over_delivery_percent),
            "note": line.note,
        }
        for line in lines
    ]
