"""A purchase order's draft in the database, whoever drafts it: its own workflow, or a reorder run ahead of it."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, insert

from database.tables import purchase_order_lines, purchase_orders
from stockkeeper.contracts.purchase_order import ApprovalPolicy, DraftPurchaseOrderStep, PurchaseOrderRequest
from stockkeeper.domain.purchase_order import PurchaseOrderStatus, receivable, required_approvals, total_of

Draft = DraftPurchaseOrderStep | PurchaseOrderRequest


def store_draft(
    connection: Connection,
    draft: Draft,
    policy: ApprovalPolicy,
    over_delivery_percent: Decimal,
    *,
    as_of: datetime,
    operation_id: str,
    workflow_id: str,
    run_id: str,
) -> None:
    """Store the draft with the policy that is in force; one that needs no approval is submitted at once.

    Args:
        connection: The transaction.
        draft: What is to be ordered.
        policy: Who has to approve it.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
        as_of: The workflow's time.
        operation_id: By which operation.
        workflow_id: Its own workflow.
        run_id: That workflow's run; empty: it has yet to be started.
    """
    total = total_of((line.qty, line.unit_cost) for line in draft.line_items)
    needed = required_approvals(policy.as_tiers(), total)
    po_id = connection.execute(
        insert(purchase_orders)
        .values(
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
            operation_id=operation_id,
            workflow_id=workflow_id,
            run_id=run_id,
        )
        .returning(purchase_orders.c.po_id)
    ).scalar_one()
    connection.execute(
        insert(purchase_order_lines),
        [
            {
                "po_id": po_id,
                "line_number": number,
                "product_id": line.product_id,
                "qty": line.qty,
                "unit_cost": line.unit_cost,
                "quantity_receivable": receivable(line.qty, over_delivery_percent),
                "note": line.note,
            }
            for number, line in enumerate(draft.line_items, 1)
        ],
    )
