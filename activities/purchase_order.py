"""The steps of a purchase order: lock, decide, write, answer.

A step locks the order's row first, then the items, then the supplier. `stockkeeper.domain.purchase_order` decides,
`database.purchase_order` reads and writes, and `database.supplier_performance` keeps costs and lead times.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items, require_supplier
from activities.differences import require_difference_approved, store_difference_approval
from activities.drafts import columns_of_lines, store_draft, total_and_approvals
from activities.writes import Effect, OnDatabase, document_once, require_same
from database.clock import end_of_day, today_in
from database.differences import read_difference_approvals
from database.document import close_document, is_stored, update_document
from database.operations import Operation
from database.purchase_order import (
    PURCHASE_ORDER,
    RECEIPTS,
    adopt_draft,
    amend_lines,
    brought_by,
    expected_day,
    insert_approval,
    insert_return,
    is_amended_by,
    keep_longest_lead_time,
    lock_purchase_order,
    read_purchase_order,
    returned_by,
    taken_back,
)
from database.receipts import booked, insert_receipt, put_into_stock, take_out_of_stock
from database.sessions import Database
from database.supplier_performance import keep_unit_costs, measure_lead_times
from database.worth import unit_costs
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.messages import state_of
from stockkeeper.contracts.purchase_order import (
    AmendPurchaseOrderStep,
    ApprovalPolicy,
    ApproveOrderDifferenceStep,
    ApprovePurchaseOrderStep,
    ConfirmPurchaseOrderStep,
    CorrectReceiptStep,
    DraftPurchaseOrderStep,
    EndPurchaseOrderStep,
    PurchaseOrderActivities,
    PurchaseOrderLine,
    PurchaseOrderState,
    ReceivePurchaseOrderStep,
    ResumePurchaseOrderStep,
    ReturnGoodsStep,
    StoredLine,
    StoredPurchaseOrder,
)
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.domain.conflicts import already_exists, done_differently
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.purchase_order import (
    PurchaseOrder,
    PurchaseOrderEvent,
    PurchaseOrderStatus,
)
from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product
from stockkeeper.domain.stock import ItemKey, MovementType
from stockkeeper.domain.transitions import titled
from stockkeeper.domain.worth import worth_of_units

PurchaseOrderStep = (
    DraftPurchaseOrderStep
    | ApprovePurchaseOrderStep
    | AmendPurchaseOrderStep
    | CorrectReceiptStep
    | ReturnGoodsStep
    | ResumePurchaseOrderStep
    | ConfirmPurchaseOrderStep
    | ReceivePurchaseOrderStep
    | ApproveOrderDifferenceStep
    | EndPurchaseOrderStep
)


class PurchaseOrderSteps(OnDatabase, PurchaseOrderActivities):
    """`PurchaseOrderActivities` on PostgreSQL.

    Args:
        database: The database.
        approval: The policy for orders that don't bring their own.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
        limits: The worth of goods that nobody pays for, or that nobody has ordered, up to which one person decides.
    """

    def __init__(
        self,
        database: Database,
        *,
        approval: ApprovalPolicy,
        over_delivery_percent: Decimal,
        limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT,
    ) -> None:
        super().__init__(database)
        self._approval = approval
        self._over_delivery_percent = over_delivery_percent
        self._limit = limits.as_limit

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

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            order.require_version(step.version)
            if order.approval.is_given_by(step.performed_by):
                return
            status = order.after_approval(step.performed_by)
            insert_approval(connection, operation, order, step.note, step.as_of)
            if status is PurchaseOrderStatus.SUBMITTED:
                update_document(connection, PURCHASE_ORDER, order.po_id, status=status, submitted_at=step.as_of)

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

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            if is_amended_by(connection, operation):
                return
            order.require_version(step.version)
            order.after(PurchaseOrderEvent.AMEND)
            require_items(connection, {ItemKey(order.warehouse_id, line.product_id) for line in step.line_items})
            stored = _stored(connection, step.po_number)
            total, needed = total_and_approvals(connection, step.line_items, stored.policy, self._limit)
            amendment = order.plan_amendment(total, needed)
            day = step.expected_delivery_date or stored.expected_delivery_date
            if day != stored.expected_delivery_date:
                _require_to_come(connection, order.warehouse_id, day, step.as_of)
            if _lines_of(step.line_items) == _lines_of(stored.line_items) and day == stored.expected_delivery_date:
                return
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
                _require_to_come(connection, order.warehouse_id, step.expected_delivery_date, step.as_of)
            if step.expected_delivery_date is not None:
                changed["expected_delivery_date"] = step.expected_delivery_date
            update_document(connection, PURCHASE_ORDER, order.po_id, **changed)

        return self._once(step, effect)

    @activity.defn(name="receive_purchase_order", no_thread_cancel_exception=True)
    def receive_purchase_order(self, step: ReceivePurchaseOrderStep) -> StoredPurchaseOrder:
        """Book accepted goods into stock by a PURCHASE movement for each line, and record rejected ones.

        Items that the warehouse never stocked are created. With the last unit owed the order is RECEIVED, and the
        supplier's lead time is measured.

        Locks: the order, then the items, then the supplier. Operation: ``{workflow}/receive/{receipt_id}``.

        Raises:
            InvalidState: The order isn't out for delivery.
            InvalidRequest: A product isn't on the order, or more came than may be received. Nothing is booked.
            NotPermitted: More was received than ordered, above the limit, and no other person has approved that.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            delivered = delivered_by_product(
                Delivered(line.product_id, line.quantity, line.rejected_quantity) for line in step.lines
            )
            if earlier := booked(connection, RECEIPTS, order.po_id, step.receipt_id):
                another = done_differently("receive", step.receipt_id, "purchase order", step.po_number)
                require_same(earlier, delivered, otherwise=another)
                return
            taken = order.plan_receipt(delivered)
            status = order.after_receipt(taken)
            self._require_ordered(connection, operation, order, taken, step.as_of)
            insert_receipt(connection, operation, RECEIPTS, order.po_id, step.receipt_id, taken, step.took_place_at)
            arrived = put_into_stock(
                connection,
                operation,
                MovementType.PURCHASE,
                order.warehouse_id,
                order.lines,
                {line_number: share.accepted for line_number, share in taken.items()},
                reference_id=order.po_number,
                reason=f"receipt {step.receipt_id} of purchase order {order.po_number}",
            )
            if arrived:
                keep_unit_costs(connection, order, arrived, step.as_of)
            if status is PurchaseOrderStatus.RECEIVED:
                _close(connection, operation, order, status, step.as_of, reason=None)

        return self._once(step, effect)

    @activity.defn(name="approve_order_difference", no_thread_cancel_exception=True)
    def approve_order_difference(self, step: ApproveOrderDifferenceStep) -> StoredPurchaseOrder:
        """Store an approval of units received beyond the order, or booked back. Another person may book them then.

        Locks: the order. Operation: ``{workflow}/approve_difference/{command}``.

        Raises:
            InvalidState: The order isn't out for delivery, and nothing of it has come.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            if order.status is not PurchaseOrderStatus.RECEIVED:
                order.after(PurchaseOrderEvent.RECEIVE)
            store_difference_approval(connection, operation, PURCHASE_ORDER, order.po_number, step, step.as_of)

        return self._once(step, effect)

    @activity.defn(name="correct_purchase_receipt", no_thread_cancel_exception=True)
    def correct_purchase_receipt(self, step: CorrectReceiptStep) -> StoredPurchaseOrder:
        """Book back units that a receipt has booked and that didn't come, by a counter-entry for each line.

        The counter-entry is a receipt of negative units, and a PURCHASE movement out. It is right after the order's end
        as well, and leaves its status as it is. What all corrections of an order take out of stock is held to the limit
        of value and person.

        Locks: the order, then the items. Operation: ``{workflow}/correct_receipt/{correction_id}``.

        Raises:
            InvalidState: The order is a draft, or cancelled.
            InvalidRequest: There is no such receipt, or it hasn't brought so many. Nothing is booked.
            InsufficientStock: They aren't available: no hold gives way to it.
            NotPermitted: It is above the limit, and no other person has approved that.
            OperationConflict: The number is another receipt's.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            wrong = delivered_by_product(
                Delivered(line.product_id, line.quantity, line.rejected_quantity) for line in step.lines
            )
            if earlier := booked(connection, RECEIPTS, order.po_id, step.correction_id):
                another = done_differently("correct_receipt", step.correction_id, "purchase order", step.po_number)
                require_same(earlier, _negated(wrong), otherwise=another)
                return
            taken = order.plan_correction(step.receipt_id, brought_by(connection, order, step.receipt_id), wrong)
            units = {number: share.accepted for number, share in taken.items() if share.accepted}
            self._require_permitted(connection, operation, order, units, step.as_of)
            take_out_of_stock(
                connection,
                operation,
                MovementType.PURCHASE,
                order.warehouse_id,
                order.lines,
                units,
                reference_id=order.po_number,
                reason=f"receipt {step.receipt_id} of purchase order {order.po_number} corrected: {step.reason}",
            )
            insert_receipt(
                connection,
                operation,
                RECEIPTS,
                order.po_id,
                step.correction_id,
                _negated(taken),
                step.as_of,
                corrects=step.receipt_id,
                reason=step.reason,
            )

        return self._once(step, effect)

    @activity.defn(name="return_purchased_goods", no_thread_cancel_exception=True)
    def return_purchased_goods(self, step: ReturnGoodsStep) -> StoredPurchaseOrder:
        """Book received goods out of stock that go back to the supplier, by a PURCHASE movement out for each line.

        It is no demand, and the units aren't owed again. It is right after the order's end as well.

        Locks: the order, then the items. Operation: ``{workflow}/return_goods/{return_id}``.

        Raises:
            InvalidState: The order is a draft, or cancelled.
            InvalidRequest: A product isn't on the order, or fewer were received and not returned. Nothing is booked.
            InsufficientStock: They aren't available: no hold gives way to it.
            OperationConflict: The return's number was used for other quantities.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            sent = {
                product: units.accepted
                for product, units in delivered_by_product(
                    Delivered(line.product_id, line.quantity, 0) for line in step.lines
                ).items()
            }
            if earlier := returned_by(connection, order, step.return_id):
                another = done_differently("return_goods", step.return_id, "purchase order", step.po_number)
                require_same(earlier, sent, otherwise=another)
                return
            units = order.plan_return(sent)
            take_out_of_stock(
                connection,
                operation,
                MovementType.PURCHASE,
                order.warehouse_id,
                order.lines,
                units,
                reference_id=order.po_number,
                reason=f"return {step.return_id} of purchase order {order.po_number} to the supplier: {step.reason}",
            )
            insert_return(
                connection,
                operation,
                order,
                step.return_id,
                units,
                reason=step.reason,
                reference=step.reference,
                as_of=step.as_of,
            )

        return self._once(step, effect)

    @activity.defn(name="resume_purchase_order", no_thread_cancel_exception=True)
    def resume_purchase_order(self, step: ResumePurchaseOrderStep) -> StoredPurchaseOrder:
        """Find an order that is stored, for a run that takes further commands on it.

        Locks: the order. Operation: ``{workflow}/resume/{run}``.

        Raises:
            InvalidRequest: There is no such order.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            del operation
            lock_purchase_order(connection, step.po_number)

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
            _close(connection, operation, order, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    def _draft(self, connection: Connection, operation: Operation, step: DraftPurchaseOrderStep) -> None:
        if is_stored(connection, PURCHASE_ORDER, step.po_number):
            stored = _stored(connection, step.po_number)
            # A step without a policy of its own agrees with any that was in force.
            policy = None if step.approval is None else stored.policy
            another = already_exists("purchase order", step.po_number)
            require_same((*_contents(stored), policy), (*_contents(step), step.approval), otherwise=another)
            adopt_draft(connection, operation, step.po_number)
            return
        require_supplier(connection, step.supplier_id)
        require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.line_items})
        _require_to_come(connection, step.warehouse_id, step.expected_delivery_date, step.as_of)
        policy = step.approval or self._approval
        store_draft(connection, operation, step, policy, self._over_delivery_percent, self._limit, as_of=step.as_of)

    def _require_permitted(
        self,
        connection: Connection,
        operation: Operation,
        order: PurchaseOrder,
        units: Mapping[int, int],
        as_of: datetime,
    ) -> None:
        """Refuse to book back more of an order than one person may, without another person's approval."""
        if not units:
            return
        before = taken_back(connection, order)
        by_now = {number: before.get(number, 0) + units.get(number, 0) for number in before.keys() | units.keys()}
        what = f"{sum(by_now.values())} units of {titled(PURCHASE_ORDER.name, order.po_number)} booked back"
        costs = unit_costs(connection, {line.product_id for line in order.lines})
        worth = worth_of_units(
            (by_now[line.line_number], costs[line.product_id] or line.unit_cost or None)
            for line in order.lines
            if by_now.get(line.line_number)
        )
        number = order.po_number
        require_difference_approved(connection, operation, PURCHASE_ORDER, number, what, worth, self._limit, as_of)

    def _require_ordered(
        self,
        connection: Connection,
        operation: Operation,
        order: PurchaseOrder,
        taken: Mapping[int, Taken],
        as_of: datetime,
    ) -> None:
        """Refuse to receive more than was ordered, above the limit and without another person's approval."""
        over, grows = order.more_than_ordered(taken)
        if not grows:
            return
        what = f"{sum(over.values())} units received on {titled(PURCHASE_ORDER.name, order.po_number)} beyond its order"
        costs = unit_costs(connection, {line.product_id for line in order.lines})
        worth = worth_of_units(
            (over[line.line_number], costs[line.product_id] or line.unit_cost or None)
            for line in order.lines
            if line.line_number in over
        )
        number = order.po_number
        require_difference_approved(connection, operation, PURCHASE_ORDER, number, what, worth, self._limit, as_of)

    def _once(self, step: PurchaseOrderStep, effect: Effect) -> StoredPurchaseOrder:
        return document_once(
            self._database, step, StoredPurchaseOrder, effect, lambda connection: _stored(connection, step.po_number)
        )


def _require_to_come(connection: Connection, warehouse_id: int, day: date | None, as_of: datetime) -> None:
    """Refuse to expect goods on a day that has passed where the warehouse is; today is in time.

    Raises:
        InvalidRequest: With both days.
    """
    if day is not None and day < (today := today_in(connection, warehouse_id, as_of)):
        raise InvalidRequest(
            f"expected_delivery_date: {day} has passed; where the warehouse is, today is {today}",
            {"expected_delivery_date": str(day), "today": str(today)},
        )


def _contents(order: StoredPurchaseOrder | DraftPurchaseOrderStep) -> tuple[object, ...]:
    """What two starts under one number must have in common; not the expected day, which the supplier may change."""
    drafted = order.drafted_line_items if isinstance(order, StoredPurchaseOrder) else None
    lines = [(line.product_id, line.qty, line.unit_cost) for line in drafted or order.line_items]
    return order.supplier_id, order.warehouse_id, order.requested_by, order.reason, lines


def _negated(units: Mapping[int, Taken]) -> dict[int, Taken]:
    return {key: Taken(-share.accepted, -share.unfit) for key, share in units.items()}


def _lines_of(lines: Sequence[PurchaseOrderLine | StoredLine]) -> list[object]:
    return [(line.product_id, line.qty, line.unit_cost, line.note) for line in lines]


def _close(
    connection: Connection,
    operation: Operation,
    order: PurchaseOrder,
    status: PurchaseOrderStatus,
    as_of: datetime,
    *,
    reason: str | None,
) -> None:
    """End the order, and measure how long the supplier took. The caller has locked the order."""
    close_document(connection, operation, PURCHASE_ORDER, order.po_id, status, as_of, reason=reason)
    measure_lead_times(connection, order)


def show(connection: Connection, po_number: str, _as_of: datetime) -> PurchaseOrderState | None:
    """The state of a purchase order, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, PURCHASE_ORDER, po_number):
        return None
    stored = _stored(connection, po_number)
    return state_of(PurchaseOrderState, stored, approve_by=stored.deadlines.end_at)


def _stored(connection: Connection, po_number: str) -> StoredPurchaseOrder:
    """The order as it is in this transaction."""
    order = read_purchase_order(connection, po_number, receipts=RECEIPTS_SHOWN)
    due_at = end_of_day(order["expected_delivery_date"], order.pop("timezone"))
    by_another_run = order.pop("run_id") != activity.info().workflow_run_id
    approvals = read_difference_approvals(connection, PURCHASE_ORDER, po_number)
    more = {"due_at": due_at, "drafted_by_another_run": by_another_run, "difference_approvals": approvals}
    return StoredPurchaseOrder.model_validate(order | more)
