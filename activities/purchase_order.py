"""The steps of a purchase order: lock, decide, write, answer.

A step locks the order's row first, then the items, then the supplier. `stockkeeper.domain.purchase_order` decides,
`database.purchase_order` reads and writes, and `database.supplier_performance` keeps costs and lead times. Those of its
goods are in `activities.purchase_order_goods`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items, require_supplier
from activities.drafts import columns_of_lines, store_draft, total_and_approvals
from activities.purchase_order_goods import OrderGoodsSteps
from activities.purchase_order_steps import end_order, require_to_come, stored_order
from activities.writes import UNCHANGED, require_same
from database.document import is_stored, update_document
from database.operations import Operation
from database.purchase_order import (
    PURCHASE_ORDER,
    adopt_draft,
    expected_day,
    insert_approval,
    keep_longest_lead_time,
)
from database.purchase_order_amendments import amend_lines, is_amended_by
from database.purchase_order_reading import lock_purchase_order
from stockkeeper.contracts.messages import StockAnswer, state_of
from stockkeeper.contracts.purchase_order import (
    AmendPurchaseOrderStep,
    ApprovePurchaseOrderStep,
    ConfirmPurchaseOrderStep,
    DraftPurchaseOrderStep,
    EndPurchaseOrderStep,
    PurchaseOrderActivities,
    ResumePurchaseOrderStep,
    StoredLine,
    StoredPurchaseOrder,
)
from stockkeeper.contracts.purchase_order_state import PurchaseOrderLine, PurchaseOrderState, ResumePurchaseOrder
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.purchase_order import (
    PurchaseOrderEvent,
    PurchaseOrderStatus,
)
from stockkeeper.domain.stock import ItemKey


class PurchaseOrderSteps(OrderGoodsSteps, PurchaseOrderActivities):
    """`PurchaseOrderActivities` on PostgreSQL."""

    @activity.defn(name="draft_purchase_order", no_thread_cancel_exception=True)
    def draft_purchase_order(self, step: DraftPurchaseOrderStep) -> StoredPurchaseOrder:
        """Store the draft with the policy in force; an order that needs no approval is submitted at once.

        Locks: nothing; the order's number is unique. Operation: ``{workflow}/draft``.

        Raises:
            UnknownSupplier, UnknownWarehouse, UnknownProduct: The catalogue hasn't got one of those named.
            InvalidRequest: A product isn't sold any more, or the expected day has passed where the warehouse is.
            OperationConflict: An order with this number and other contents exists.
        """
        return self._once(step, lambda connection, operation: self._draft(connection, operation, step))

    @activity.defn(name="approve_purchase_order", no_thread_cancel_exception=True)
    def approve_purchase_order(self, step: ApprovePurchaseOrderStep) -> StoredPurchaseOrder:
        """Record an approval; with the last required one the order is submitted. A repeat changes nothing.

        Locks: the order. Operation: ``{workflow}/approve/{command}``.

        Raises:
            InvalidState: The order doesn't wait for approval any more, or has been amended since it was looked at.
            NotPermitted: The approver requested or amended it.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            order = lock_purchase_order(connection, step.po_number)
            order.require_version(step.version)
            if order.approval.is_given_by(step.performed_by):
                return UNCHANGED
            status = order.after_approval(step.performed_by)
            insert_approval(connection, operation, order, step.note, step.as_of)
            if status is PurchaseOrderStatus.SUBMITTED:
                update_document(connection, PURCHASE_ORDER, order.po_id, status=status, submitted_at=step.as_of)
            return None

        return self._once(step, effect)

    @activity.defn(name="amend_purchase_order", no_thread_cancel_exception=True)
    def amend_purchase_order(self, step: AmendPurchaseOrderStep) -> StoredPurchaseOrder:
        """Replace the lines of an order of which nothing has come, and perhaps its expected day.

        A draft, and an order whose total grows, is approved anew: approvals given before don't count, and those who
        have amended it can't approve it. Lines as they are change nothing.

        Locks: the order. Operation: ``{workflow}/amend/{amendment_id or command}``.

        Raises:
            UnknownProduct: The catalogue hasn't got a product.
            InvalidRequest: A product isn't sold any more, or the expected day has passed where the warehouse is.
            InvalidState: It has been confirmed or has ended, goods have come, or it has been amended since it was
                looked at.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            order = lock_purchase_order(connection, step.po_number)
            if is_amended_by(connection, operation):
                return UNCHANGED
            order.require_version(step.version, PurchaseOrderEvent.AMEND)
            order.after(PurchaseOrderEvent.AMEND)
            require_items(connection, {ItemKey(order.warehouse_id, line.product_id) for line in step.line_items})
            stored = stored_order(connection, step.po_number)
            total, needed = total_and_approvals(
                connection, stored.supplier_id, step.line_items, stored.policy, self._limit
            )
            amendment = order.plan_amendment(total, needed, has_come=bool(stored.receipts))
            day = step.expected_delivery_date or stored.expected_delivery_date
            if day != stored.expected_delivery_date:
                require_to_come(connection, order.warehouse_id, day, step.as_of)
            if _lines_of(step.line_items) == _lines_of(stored.line_items) and day == stored.expected_delivery_date:
                return UNCHANGED
            columns = columns_of_lines(step.line_items, self._over_delivery_percent)
            amend_lines(connection, operation, order, columns, reason=step.reason, as_of=step.as_of)
            changed: dict[str, Any] = {
                "status": amendment.status,
                "version": order.version + 1,
                "total": total,
                "required_approvals": needed,
                "expected_delivery_date": day,
            }
            if amendment.starts_round:
                changed |= {"approvals_since": order.version + 1, "approval_asked_at": step.as_of}
            if amendment.status is PurchaseOrderStatus.DRAFT:
                changed["submitted_at"] = None
            elif order.status is PurchaseOrderStatus.DRAFT:
                changed["submitted_at"] = step.as_of
            update_document(connection, PURCHASE_ORDER, order.po_id, **changed)
            keep_longest_lead_time(connection, order.po_number)
            return None

        return self._once(step, effect)

    @activity.defn(name="confirm_purchase_order", no_thread_cancel_exception=True)
    def confirm_purchase_order(self, step: ConfirmPurchaseOrderStep) -> StoredPurchaseOrder:
        """Record the supplier's confirmation, and the new expected day if there is one.

        Locks: the order. Operation: ``{workflow}/confirm/{command}``.

        Raises:
            InvalidState: The order isn't out for delivery.
            InvalidRequest: The expected day has passed where the warehouse is.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            del operation
            order = lock_purchase_order(connection, step.po_number)
            changed: dict[str, Any] = {"status": order.after(PurchaseOrderEvent.CONFIRM)}
            if order.status is not PurchaseOrderStatus.CONFIRMED:
                changed["confirmed_at"] = step.as_of
            known = expected_day(connection, order)
            if step.expected_delivery_date not in (None, known):
                require_to_come(connection, order.warehouse_id, step.expected_delivery_date, step.as_of)
            if step.expected_delivery_date is not None:
                changed["expected_delivery_date"] = step.expected_delivery_date
            update_document(connection, PURCHASE_ORDER, order.po_id, **changed)

        return self._once(step, effect)

    @activity.defn(name="resume_purchase_order", no_thread_cancel_exception=True)
    def resume_purchase_order(self, step: ResumePurchaseOrderStep) -> StoredPurchaseOrder:
        """Find an order that is stored, for a run that takes further commands on it.

        Locks: the order. Operation: ``{workflow}/resume/{run}``.

        Raises:
            InvalidRequest: There is no such order.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer:
            del operation
            lock_purchase_order(connection, step.po_number)
            return UNCHANGED

        return self._once(step, effect)

    @activity.defn(name="end_purchase_order", no_thread_cancel_exception=True)
    def end_purchase_order(self, step: EndPurchaseOrderStep) -> StoredPurchaseOrder:
        """End an order without further deliveries: rejected, lapsed, cancelled, or closed short.

        One that is closed short with goods received is RECEIVED, and the supplier's lead time is measured.

        Locks: the order, then the supplier. Operation: ``{workflow}/{event}`` and the command's key.

        Raises:
            InvalidState: The order can't end in this way now.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            if step.event is PurchaseOrderEvent.CANCEL:
                status = order.after_cancel()
            elif step.event is PurchaseOrderEvent.CLOSE_SHORT:
                status = order.after_close_short()
            else:
                status = order.after(step.event)
            end_order(connection, operation, order, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    def _draft(self, connection: Connection, operation: Operation, step: DraftPurchaseOrderStep) -> StockAnswer | None:
        if is_stored(connection, PURCHASE_ORDER, step.po_number):
            stored = stored_order(connection, step.po_number)
            # A step without a policy of its own agrees with any that was in force.
            policy = None if step.approval is None else stored.policy
            another = already_exists("purchase order", step.po_number)
            require_same((*_contents(stored), policy), (*_contents(step), step.approval), otherwise=another)
            adopt_draft(connection, operation, step.po_number)
            return UNCHANGED  # It was told when it was stored.
        require_supplier(connection, step.supplier_id)
        require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.line_items})
        require_to_come(connection, step.warehouse_id, step.expected_delivery_date, step.as_of)
        policy = step.approval or self._approval
        store_draft(connection, operation, step, policy, self._over_delivery_percent, self._limit, as_of=step.as_of)
        return None


def _contents(order: StoredPurchaseOrder | DraftPurchaseOrderStep) -> tuple[object, ...]:
    """What two starts under one number must have in common; not the expected day, which the supplier may change."""
    drafted = order.drafted_line_items if isinstance(order, StoredPurchaseOrder) else None
    lines = [(line.product_id, line.qty, line.unit_cost) for line in drafted or order.line_items]
    return order.supplier_id, order.warehouse_id, order.requested_by, order.reason, lines


def _lines_of(lines: Sequence[PurchaseOrderLine | StoredLine]) -> list[object]:
    return [(line.product_id, line.qty, line.unit_cost, line.note) for line in lines]


def show(connection: Connection, po_number: str, _as_of: datetime) -> PurchaseOrderState | None:
    """The state of a purchase order, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, PURCHASE_ORDER, po_number):
        return None
    stored = stored_order(connection, po_number)
    return state_of(PurchaseOrderState, stored, approve_by=stored.deadlines.end_at)


def start_again(_connection: Connection, number: str, _as_of: datetime, person: str) -> ResumePurchaseOrder:
    """The start of another run for a stored order: `devstack.restore`."""
    return ResumePurchaseOrder(po_number=number, resume=True, performed_by=person)
