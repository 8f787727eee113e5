"""The purchase order in the database.

Every step locks the order's row first, then what it needs beneath it, decides under that lock, and answers with the
order as it is then. Who may do what, and when, says `stockkeeper.domain.purchase_order`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Integer
from temporalio import activity

from activities.catalogue import require_items, require_supplier
from activities.drafts import store_draft
from activities.writes import document_once
from database import ledger
from database.locks import lock_or_create_items, lock_purchase_order, lock_supplier
from database.operations import Operation
from database.sessions import Database
from database.tables import (
    purchase_order_approvals,
    purchase_order_receipt_lines,
    purchase_order_receipts,
    purchase_orders,
)
from stockkeeper.contracts.purchase_order import (
    ApprovalPolicy,
    ApprovalState,
    ApprovePurchaseOrderStep,
    ConfirmPurchaseOrderStep,
    DraftPurchaseOrderStep,
    EndPurchaseOrderStep,
    PurchaseOrderActivities,
    ReceivePurchaseOrderStep,
    StoredLine,
    StoredPurchaseOrder,
)
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN, ReceiptState
from stockkeeper.domain.errors import InvalidRequest, OperationConflict
from stockkeeper.domain.purchase_order import (
    PurchaseOrder,
    PurchaseOrderEvent,
    PurchaseOrderStatus,
)
from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product
from stockkeeper.domain.stock import ItemKey, MovementType

_BOOKED = text("""
    SELECT product_id, sum(quantity) AS accepted, sum(came.quantity_rejected) AS rejected
    FROM purchase_order_receipt_lines AS came JOIN purchase_order_lines USING (po_id, line_number)
    WHERE po_id = :po_id AND receipt_id = :receipt_id
    GROUP BY product_id
""")

_RECEIVE_LINES = text("""
    UPDATE purchase_order_lines AS line
    SET quantity_received = line.quantity_received + came.accepted,
        quantity_rejected = line.quantity_rejected + came.rejected
    FROM unnest(:line_numbers, :accepted, :rejected) AS came (line_number, accepted, rejected)
    WHERE po_id = :po_id AND line.line_number = came.line_number
""").bindparams(
    bindparam("line_numbers", type_=ARRAY(Integer)),
    bindparam("accepted", type_=ARRAY(BigInteger)),
    bindparam("rejected", type_=ARRAY(BigInteger)),
)

# What this supplier delivered gets a row, if the catalogue has none; a row that is there keeps what was agreed.
_KEEP_UNIT_COSTS = text("""
    INSERT INTO product_suppliers AS known (product_id, supplier_id, unit_cost, last_unit_cost, lead_time_days)
    SELECT DISTINCT ON (product_id) product_id, supplier_id, line.unit_cost, line.unit_cost,
        round(greatest(extract(epoch FROM :as_of - submitted_at), 0) / 86400, 3)
    FROM purchase_order_lines AS line JOIN purchase_orders USING (po_id)
    WHERE po_id = :po_id AND line_number = ANY (:line_numbers)
    ORDER BY product_id, line_number DESC
    ON CONFLICT (product_id, supplier_id) DO UPDATE SET last_unit_cost = excluded.last_unit_cost
""").bindparams(
    bindparam("line_numbers", type_=ARRAY(Integer)), bindparam("as_of", type_=purchase_orders.c.submitted_at.type)
)

# Days from the order's submission to the last receipt that put some of the product into stock.
_KEEP_LEAD_TIMES = text("""
    INSERT INTO supplier_lead_times (po_id, product_id, supplier_id, lead_time_days)
    SELECT po_id, line.product_id, supplier_id,
        round(greatest(extract(epoch FROM max(received_at) - submitted_at), 0) / 86400, 6)
    FROM purchase_orders
    JOIN purchase_order_lines AS line USING (po_id)
    JOIN purchase_order_receipt_lines AS came USING (po_id, line_number)
    JOIN purchase_order_receipts USING (po_id, receipt_id)
    WHERE po_id = :po_id AND came.quantity > 0
    GROUP BY po_id, line.product_id, supplier_id, submitted_at
""")

# Mean and sample standard deviation, over all orders of the product from this supplier.
_MEASURE = text("""
    UPDATE product_suppliers AS known
    SET lead_times_measured = measured.orders,
        measured_lead_time_days = round(measured.mean, 6),
        measured_lead_time_deviation_days = round(measured.deviation, 6)
    FROM (
        SELECT product_id, supplier_id, count(*) AS orders, avg(lead_time_days) AS mean,
            stddev_samp(lead_time_days) AS deviation
        FROM supplier_lead_times JOIN (
            SELECT product_id, supplier_id FROM supplier_lead_times WHERE po_id = :po_id
        ) AS delivered USING (product_id, supplier_id)
        GROUP BY product_id, supplier_id
    ) AS measured
    WHERE (known.product_id, known.supplier_id) = (measured.product_id, measured.supplier_id)
""")

_READ = text("""
    SELECT purchase_orders.*, suppliers.name AS supplier, warehouses.name AS warehouse, warehouses.timezone
    FROM purchase_orders JOIN suppliers USING (supplier_id) JOIN warehouses USING (warehouse_id)
    WHERE po_number = :po_number
""")

_READ_LINES = text("""
    SELECT product_id, sku, qty, line.unit_cost, quantity_received, quantity_rejected, note
    FROM purchase_order_lines AS line JOIN products USING (product_id)
    WHERE po_id = :po_id
    ORDER BY line_number
""")

_READ_RECEIPTS = text("""
    SELECT receipt_id, received_at AS at, received_by AS performed_by,
        sum(quantity) AS accepted, sum(quantity_rejected) AS unfit
    FROM purchase_order_receipts JOIN purchase_order_receipt_lines USING (po_id, receipt_id)
    WHERE po_id = :po_id
    GROUP BY po_id, receipt_id
    ORDER BY received_at DESC, receipt_id DESC
    LIMIT :most
""")

PurchaseOrderStep = (
    DraftPurchaseOrderStep
    | ApprovePurchaseOrderStep
    | ConfirmPurchaseOrderStep
    | ReceivePurchaseOrderStep
    | EndPurchaseOrderStep
)


class PurchaseOrderSteps(PurchaseOrderActivities):
    """`PurchaseOrderActivities` on PostgreSQL.

    Args:
        database: Where.
        approval: The policy for orders that don't bring their own.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
    """

    def __init__(self, database: Database, *, approval: ApprovalPolicy, over_delivery_percent: Decimal) -> None:
        self._database = database
        self._approval = approval
        self._over_delivery_percent = over_delivery_percent

    @activity.defn(name="draft_purchase_order", no_thread_cancel_exception=True)
    def draft_purchase_order(self, step: DraftPurchaseOrderStep) -> StoredPurchaseOrder:
        """Store the draft with the policy that is in force; one that needs no approval is submitted at once.

        Locks: nothing; the order's number is unique. Operation: ``{workflow}/draft``.

        Raises:
            UnknownSupplier, UnknownWarehouse, UnknownProduct, InvalidRequest: It names what isn't there.
            OperationConflict: The number is another order's.
        """
        return self._once(step, lambda connection, operation: self._draft(connection, operation, step))

    @activity.defn(name="approve_purchase_order", no_thread_cancel_exception=True)
    def approve_purchase_order(self, step: ApprovePurchaseOrderStep) -> StoredPurchaseOrder:
        """Keep an approval; with the last that is needed, the order is submitted. A second by the same person is none.

        Locks: the order. Operation: ``{workflow}/approve/{command}``.

        Raises:
            InvalidState: It doesn't wait for approval any more.
            NotPermitted: The approver requested it.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = _lock(connection, step.po_number)
            if order.is_approved_by(step.performed_by):
                return
            status = order.after_approval(step.performed_by)
            connection.execute(
                insert(purchase_order_approvals).values(
                    po_id=order.po_id,
                    approver=step.performed_by,
                    requested_by=order.requested_by,
                    approved_at=step.as_of,
                    note=step.note,
                    operation_id=operation.operation_id,
                )
            )
            if status is PurchaseOrderStatus.SUBMITTED:
                _set(connection, order.po_id, status=status, submitted_at=step.as_of)

        return self._once(step, effect)

    @activity.defn(name="confirm_purchase_order", no_thread_cancel_exception=True)
    def confirm_purchase_order(self, step: ConfirmPurchaseOrderStep) -> StoredPurchaseOrder:
        """Keep that the supplier accepted it, and the day if there is a new one.

        Locks: the order. Operation: ``{workflow}/confirm/{command}``.

        Raises:
            InvalidState: It isn't out for delivery.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            del operation
            order = _lock(connection, step.po_number)
            changed: dict[str, Any] = {"status": order.after(PurchaseOrderEvent.CONFIRM)}
            if order.status is not PurchaseOrderStatus.CONFIRMED:
                changed["confirmed_at"] = step.as_of
            if step.expected_delivery_date is not None:
                changed["expected_delivery_date"] = step.expected_delivery_date
            _set(connection, order.po_id, **changed)

        return self._once(step, effect)

    @activity.defn(name="receive_purchase_order", no_thread_cancel_exception=True)
    def receive_purchase_order(self, step: ReceivePurchaseOrderStep) -> StoredPurchaseOrder:
        """Put what was accepted into stock, a PURCHASE movement for each line, and keep what was rejected.

        An item that the warehouse never held is made. With the last unit that is owed the order is RECEIVED, and the
        time that the supplier took is measured.

        Locks: the order, then the items, then the supplier. Operation:
        ``{workflow}/receive/{receipt_id}``.

        Raises:
            InvalidState: It isn't out for delivery.
            InvalidRequest: A product isn't on the order, or more came than may be received. Nothing is booked.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = _lock(connection, step.po_number)
            delivered = delivered_by_product(
                Delivered(line.product_id, line.quantity, line.rejected_quantity) for line in step.lines
            )
            if booked := _booked(connection, order.po_id, step.receipt_id):
                # The operation was forgotten since, as old ones are; the receipt itself never is.
                if booked != delivered:
                    raise OperationConflict(f"receipt {step.receipt_id} of {step.po_number} was another delivery")
                return
            taken = order.plan_receipt(delivered)
            _book_receipt(connection, operation, step, order, taken)
            status = order.after_receipt(taken)
            if status is PurchaseOrderStatus.RECEIVED:
                _close(connection, operation, order, status, step.as_of, reason=None)

        return self._once(step, effect)

    @activity.defn(name="end_purchase_order", no_thread_cancel_exception=True)
    def end_purchase_order(self, step: EndPurchaseOrderStep) -> StoredPurchaseOrder:
        """Expect nothing more of it: rejected, lapsed, cancelled, or closed short.

        Closed short with goods received it is RECEIVED, and the time that the supplier took is measured.

        Locks: the order, then the supplier. Operation: ``{workflow}/{event}`` and the command's key.

        Raises:
            InvalidState: It can't end in this way now.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = _lock(connection, step.po_number)
            if step.event is PurchaseOrderEvent.CANCEL:
                status = order.after_cancel()
            elif step.event is PurchaseOrderEvent.CLOSE_SHORT:
                status = order.after_close_short()
            else:
                status = order.after(step.event)
            _close(connection, operation, order, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    def _draft(self, connection: Connection, operation: Operation, step: DraftPurchaseOrderStep) -> None:
        if connection.execute(_READ, {"po_number": step.po_number}).one_or_none() is not None:
            # The operation was forgotten since, as old ones are; the order itself never is.
            if not _is_that_draft(_stored(connection, step.po_number), step):
                raise OperationConflict(f"purchase order {step.po_number} is another one")
            # One that a reorder run has stored belongs to the run that its workflow is.
            connection.execute(
                update(purchase_orders)
                .where(purchase_orders.c.po_number == step.po_number, purchase_orders.c.run_id == "")
                .values(run_id=operation.run_id)
            )
            return
        require_supplier(connection, step.supplier_id)
        require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.line_items})
        store_draft(
            connection,
            step,
            step.approval or self._approval,
            self._over_delivery_percent,
            as_of=step.as_of,
            operation_id=operation.operation_id,
            workflow_id=operation.workflow_id,
            run_id=operation.run_id,
        )

    def _once(self, step: PurchaseOrderStep, effect: Callable[[Connection, Operation], None]) -> StoredPurchaseOrder:
        return document_once(
            self._database, step, StoredPurchaseOrder, effect, lambda connection: _stored(connection, step.po_number)
        )


def _lock(connection: Connection, po_number: str) -> PurchaseOrder:
    order = lock_purchase_order(connection, po_number)
    if order is None:
        raise InvalidRequest(f"there is no purchase order {po_number}")
    return order


def _is_that_draft(stored: StoredPurchaseOrder, step: DraftPurchaseOrderStep) -> bool:
    """Whether this order was drafted by such a step. The expected day isn't compared: the supplier may move it."""
    return (
        (stored.supplier_id, stored.warehouse_id, stored.requested_by, stored.reason)
        == (step.supplier_id, step.warehouse_id, step.requested_by, step.reason)
        and [(line.product_id, line.qty, line.unit_cost) for line in stored.line_items]
        == [(line.product_id, line.qty, line.unit_cost) for line in step.line_items]
        and step.approval in (None, stored.policy)
    )


def _booked(connection: Connection, po_id: int, receipt_id: str) -> dict[int, Taken]:
    """What a receipt brought of each product; empty if there is no such receipt."""
    rows = connection.execute(_BOOKED, {"po_id": po_id, "receipt_id": receipt_id})
    return {row.product_id: Taken(int(row.accepted), int(row.rejected)) for row in rows}


def _set(connection: Connection, po_id: int, **values: Any) -> None:
    connection.execute(update(purchase_orders).where(purchase_orders.c.po_id == po_id).values(**values))


def _book_receipt(
    connection: Connection,
    operation: Operation,
    step: ReceivePurchaseOrderStep,
    order: PurchaseOrder,
    taken: Mapping[int, Taken],
) -> None:
    """The receipt, its movements and what the lines have become. The order is locked."""
    connection.execute(
        insert(purchase_order_receipts).values(
            po_id=order.po_id,
            receipt_id=step.receipt_id,
            received_at=step.as_of,
            received_by=step.performed_by,
            operation_id=operation.operation_id,
        )
    )
    connection.execute(
        insert(purchase_order_receipt_lines),
        [
            {
                "po_id": order.po_id,
                "receipt_id": step.receipt_id,
                "line_number": number,
                "quantity": share.accepted,
                "quantity_rejected": share.unfit,
            }
            for number, share in taken.items()
        ],
    )
    connection.execute(
        _RECEIVE_LINES,
        {
            "po_id": order.po_id,
            "line_numbers": list(taken),
            "accepted": [share.accepted for share in taken.values()],
            "rejected": [share.unfit for share in taken.values()],
        },
    )
    arrived = [
        (line, taken[line.line_number].accepted)
        for line in order.lines
        if line.line_number in taken and taken[line.line_number].accepted
    ]
    if not arrived:
        return
    movements = [(ItemKey(order.warehouse_id, line.product_id), units) for line, units in arrived]
    lock_or_create_items(connection, (item for item, _ in movements))
    ledger.move(
        connection,
        operation,
        MovementType.PURCHASE,
        movements,
        reference_id=order.po_number,
        reason=f"receipt {step.receipt_id} of purchase order {order.po_number}",
    )
    lock_supplier(connection, order.supplier_id)
    connection.execute(
        _KEEP_UNIT_COSTS,
        {"po_id": order.po_id, "line_numbers": [line.line_number for line, _ in arrived], "as_of": step.as_of},
    )


def _close(
    connection: Connection,
    operation: Operation,
    order: PurchaseOrder,
    status: PurchaseOrderStatus,
    as_of: datetime,
    *,
    reason: str | None,
) -> None:
    """End the order, and measure how long the supplier took for what came."""
    values = {"closed_at": as_of, "closed_by": operation.operation_id, "closed_reason": reason}
    _set(connection, order.po_id, status=status, **values)
    of = {"po_id": order.po_id}
    if connection.execute(_KEEP_LEAD_TIMES, of).rowcount:
        lock_supplier(connection, order.supplier_id)
        connection.execute(_MEASURE, of)


def _stored(connection: Connection, po_number: str) -> StoredPurchaseOrder:
    """The order as it is in this transaction."""
    order = connection.execute(_READ, {"po_number": po_number}).mappings().one()
    of = {"po_id": order["po_id"]}
    receipts = connection.execute(_READ_RECEIPTS, of | {"most": RECEIPTS_SHOWN}).mappings().all()
    approvals = connection.execute(
        select(purchase_order_approvals)
        .where(purchase_order_approvals.c.po_id == order["po_id"])
        .order_by(purchase_order_approvals.c.approved_at, purchase_order_approvals.c.approver)
    )
    return StoredPurchaseOrder(
        po_id=order["po_id"],
        po_number=order["po_number"],
        supplier_id=order["supplier_id"],
        supplier=order["supplier"],
        warehouse_id=order["warehouse_id"],
        warehouse=order["warehouse"],
        status=PurchaseOrderStatus(order["status"]),
        total=order["total"],
        required_approvals=order["required_approvals"],
        policy=ApprovalPolicy.model_validate(order["approval_policy"]),
        approvals=[ApprovalState(approver=row.approver, at=row.approved_at, note=row.note) for row in approvals],
        line_items=[StoredLine.model_validate(dict(row)) for row in connection.execute(_READ_LINES, of).mappings()],
        expected_delivery_date=order["expected_delivery_date"],
        due_at=_end_of_day(order["expected_delivery_date"], order["timezone"]),
        requested_by=order["requested_by"],
        reason=order["reason"],
        drafted_at=order["created_at"],
        submitted_at=order["submitted_at"],
        receipts=[ReceiptState.model_validate(dict(row)) for row in reversed(receipts)],
        closed_reason=order["closed_reason"],
        drafted_by_another_run=order["run_id"] != activity.info().workflow_run_id,
    )


def _end_of_day(day: Any, timezone: str) -> datetime | None:
    """The first instant after a day, by the clocks of a place."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo(timezone))
