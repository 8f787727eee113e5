"""The transfer in the database.

Every step locks the transfer's row first, then the items of one of its warehouses, never of both: what has left one
place has to arrive at the other in a step of its own. So transfers that run against each other can't wait in a circle.
Who may do what, and when, says `stockkeeper.domain.transfer`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, text, update
from temporalio import activity

from activities.catalogue import require_items
from activities.writes import document_once
from database import holds, ledger, transit
from database.locks import lock_given_way, lock_or_create_items, lock_reservation, lock_transfer
from database.operations import Operation
from database.sessions import Database
from database.tables import transfer_order_lines, transfer_orders
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN, ReceiptState
from stockkeeper.contracts.transfer import (
    REFERENCE_TYPE,
    CancelTransferStep,
    DispatchTransferStep,
    HoldTransferStep,
    ReceiveTransferStep,
    StoredTransfer,
    StoredTransferLine,
    TransferActivities,
    TransferStep,
    WriteOffTransferStep,
)
from stockkeeper.domain.errors import InvalidRequest, InvalidState, OperationConflict
from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product
from stockkeeper.domain.reservation import ReservationStatus, plan_fulfilment, status_of
from stockkeeper.domain.stock import ItemKey, MovementType
from stockkeeper.domain.transfer import Transfer, TransferEvent, TransferStatus, TransitKind

_BOOKED = text("""
    SELECT product_id,
        coalesce(-sum(moved.quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS accepted,
        coalesce(-sum(moved.quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS damaged
    FROM transit_movements AS moved JOIN transfer_order_lines USING (transfer_id, line_number)
    WHERE transfer_id = :transfer_id AND receipt_id = :receipt_id
    GROUP BY product_id
""")

_READ = text("""
    SELECT transfer_orders.*, source.name AS from_warehouse, destination.name AS to_warehouse
    FROM transfer_orders
    JOIN warehouses AS source ON source.warehouse_id = from_warehouse_id
    JOIN warehouses AS destination ON destination.warehouse_id = to_warehouse_id
    WHERE transfer_number = :transfer_number
""")

_READ_LINES = text("""
    SELECT product_id, sku, quantity, received, damaged, written_off, returned, in_transit
    FROM transfer_order_lines JOIN products USING (product_id)
    WHERE transfer_id = :transfer_id
    ORDER BY line_number
""")

_READ_RECEIPTS = text("""
    SELECT receipt_id, min(created_at) AS at, min(performed_by) AS performed_by,
        coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS accepted,
        coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS unfit
    FROM transit_movements
    WHERE transfer_id = :transfer_id AND receipt_id IS NOT NULL
    GROUP BY receipt_id
    ORDER BY max(transit_movement_id) DESC
    LIMIT :most
""")


class TransferSteps(TransferActivities):
    """`TransferActivities` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="hold_transfer", no_thread_cancel_exception=True)
    def hold_transfer(self, step: HoldTransferStep) -> StoredTransfer:
        """Store the transfer, and hold its lines at the source by a TRANSFER reservation without a deadline.

        The hold is like any order's: if an item is short, overdue holds on it are released first.

        Locks: the source's items; the transfer's number is unique. Operation: ``{workflow}/hold``.

        Raises:
            UnknownWarehouse, UnknownProduct: It names what isn't there.
            InsufficientStock: With the numbers of every item that is short. Nothing is stored.
            OperationConflict: The number is another transfer's.
        """
        return self._once(step, lambda connection, operation: _hold(connection, operation, step))

    @activity.defn(name="dispatch_transfer", no_thread_cancel_exception=True)
    def dispatch_transfer(self, step: DispatchTransferStep) -> StoredTransfer:
        """Everything leaves the source: the hold becomes a TRANSFER_OUT movement for each line, and is in transit.

        Locks: the transfer, then the source's items. Operation: ``{workflow}/dispatch/{command}``.

        Raises:
            InvalidState: It isn't PENDING, or its hold has ended.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            transfer = _lock(connection, step)
            status = transfer.after(TransferEvent.DISPATCH)
            held = lock_reservation(connection, REFERENCE_TYPE, transfer.transfer_number)
            if (hold := status_of(held)) is not ReservationStatus.ACTIVE:
                # Whatever ended the hold, what isn't held can't leave.
                what = f"the hold of transfer {transfer.transfer_number}"
                raise InvalidState.of(what, hold, TransferEvent.DISPATCH)
            reason = f"dispatched on transfer {transfer.transfer_number}"
            holds.take(
                connection,
                operation,
                held,
                plan_fulfilment(held, None),
                MovementType.TRANSFER_OUT,
                reference_id=transfer.transfer_number,
                reason=reason,
                as_of=step.as_of,
            )
            units = {line.line_number: line.quantity for line in transfer.lines}
            transit.move(connection, operation, transfer.transfer_id, TransitKind.DISPATCHED, units, reason=reason)
            _set(connection, transfer, status=status, dispatched_at=step.as_of, due_at=transfer.due_at(step.as_of))

        return self._once(step, effect)

    @activity.defn(name="receive_transfer", no_thread_cancel_exception=True)
    def receive_transfer(self, step: ReceiveTransferStep) -> StoredTransfer:
        """Put what is fit into the destination's stock, a TRANSFER_IN movement for each line; keep what is damaged.

        An item that the destination never held is made. With the last unit in transit the transfer is RECEIVED.

        Locks: the transfer, then the destination's items. Operation: ``{workflow}/receive/{receipt_id}``.

        Raises:
            InvalidState: It isn't in transit.
            InvalidRequest: A product isn't on the transfer, or more came than is in transit. Nothing is booked.
            OperationConflict: That receipt was another delivery.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            transfer = _lock(connection, step)
            delivered = delivered_by_product(
                Delivered(line.product_id, line.quantity, line.damaged_quantity) for line in step.lines
            )
            if booked := _booked(connection, transfer.transfer_id, step.receipt_id):
                # The operation was forgotten since, as old ones are; the receipt itself never is.
                if booked != delivered:
                    raise OperationConflict(
                        f"receipt {step.receipt_id} of transfer {step.transfer_number} was another delivery"
                    )
                return
            taken = transfer.plan_receipt(delivered)
            status = transfer.after_receipt(taken)
            reason = f"receipt {step.receipt_id} of transfer {transfer.transfer_number}"
            accepted = {number: share.accepted for number, share in taken.items() if share.accepted}
            damaged = {number: share.unfit for number, share in taken.items() if share.unfit}
            _into_stock(connection, operation, transfer, transfer.to_warehouse_id, accepted, reason)
            for kind, units in ((TransitKind.RECEIVED, accepted), (TransitKind.DAMAGED, damaged)):
                transit.move(
                    connection,
                    operation,
                    transfer.transfer_id,
                    kind,
                    units,
                    reason=reason,
                    receipt_id=step.receipt_id,
                )
            if status is TransferStatus.RECEIVED:
                _close(connection, operation, transfer, status, step.as_of, reason=None)

        return self._once(step, effect)

    @activity.defn(name="write_off_transfer", no_thread_cancel_exception=True)
    def write_off_transfer(self, step: WriteOffTransferStep) -> StoredTransfer:
        """Give up what is still in transit. No stock changes: it left the source, and arrived nowhere.

        Locks: the transfer. Operation: ``{workflow}/write_off/{command}``.

        Raises:
            InvalidState: It isn't in transit.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            transfer = _lock(connection, step)
            status = transfer.after(TransferEvent.WRITE_OFF)
            transit.move(
                connection,
                operation,
                transfer.transfer_id,
                TransitKind.WRITTEN_OFF,
                transfer.in_transit,
                reason=step.reason,
            )
            _close(connection, operation, transfer, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    @activity.defn(name="cancel_transfer", no_thread_cancel_exception=True)
    def cancel_transfer(self, step: CancelTransferStep) -> StoredTransfer:
        """Release the hold; or, in transit, put what hasn't arrived back into the source's stock, by TRANSFER_IN.

        Locks: the transfer, then the source's items. Operation: ``{workflow}/cancel/{command}`` or
        ``{workflow}/give_way/{command}``.

        Raises:
            InvalidState: It has ended; or it is to give way, and nothing of its hold has.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            transfer = _lock(connection, step)
            call_off(connection, operation, transfer, reason=step.reason, as_of=step.as_of, gave_way=step.gave_way)

        return self._once(step, effect)

    def _once(
        self, step: TransferStep, effect: Callable[[Connection, Operation], StockAnswer | None]
    ) -> StoredTransfer:
        return document_once(
            self._database, step, StoredTransfer, effect, lambda connection: _stored(connection, step.transfer_number)
        )


def call_off(
    connection: Connection,
    operation: Operation,
    transfer: Transfer,
    *,
    reason: str,
    as_of: datetime,
    gave_way: bool = False,
) -> None:
    """End a transfer that isn't wanted, or that can't be: release its hold, or bring back what is in transit.

    The caller has locked the transfer; the source's items are locked here.

    Raises:
        InvalidState: It has ended; or it is to give way, and nothing of its hold has.
    """
    status = transfer.after(TransferEvent.GIVE_WAY if gave_way else TransferEvent.CANCEL)
    if transfer.status is TransferStatus.PENDING:
        lock = lock_given_way if gave_way else lock_reservation
        held = lock(connection, REFERENCE_TYPE, transfer.transfer_number)
        holds.release(connection, operation, held, ReservationStatus.CANCELLED, reason=reason, as_of=as_of)
    else:
        back = transfer.in_transit
        why = f"back from transfer {transfer.transfer_number}, cancelled in transit: {reason}"
        _into_stock(connection, operation, transfer, transfer.from_warehouse_id, back, why)
        transit.move(connection, operation, transfer.transfer_id, TransitKind.RETURNED, back, reason=why)
    _close(connection, operation, transfer, status, as_of, reason=reason)


def _hold(connection: Connection, operation: Operation, step: HoldTransferStep) -> StockAnswer | None:
    if connection.execute(_READ, {"transfer_number": step.transfer_number}).one_or_none() is not None:
        # The operation was forgotten since, as old ones are; the transfer itself never is.
        if not _is_that_transfer(_stored(connection, step.transfer_number), step):
            raise OperationConflict(f"transfer {step.transfer_number} is another one")
        return None
    places = (step.from_warehouse_id, step.to_warehouse_id)
    products = {line.product_id for line in step.line_items}
    require_items(connection, {ItemKey(place, product) for place in places for product in products}, sold=False)
    transfer_id = connection.execute(
        insert(transfer_orders)
        .values(
            transfer_number=step.transfer_number,
            from_warehouse_id=step.from_warehouse_id,
            to_warehouse_id=step.to_warehouse_id,
            status=TransferStatus.PENDING,
            requested_by=step.requested_by,
            created_at=step.as_of,
            expected_transit_hours=step.expected_transit_hours,
            operation_id=operation.operation_id,
            workflow_id=operation.workflow_id,
            run_id=operation.run_id,
        )
        .returning(transfer_orders.c.transfer_id)
    ).scalar_one()
    connection.execute(
        insert(transfer_order_lines),
        [
            {
                "transfer_id": transfer_id,
                "line_number": number,
                "product_id": line.product_id,
                "quantity": line.quantity,
            }
            for number, line in enumerate(step.line_items, 1)
        ],
    )
    fell_below = holds.place(
        connection,
        operation,
        REFERENCE_TYPE,
        step.transfer_number,
        [(ItemKey(step.from_warehouse_id, line.product_id), line.quantity) for line in step.line_items],
        expires_at=None,
        as_of=step.as_of,
    )
    return StockAnswer(fell_below=fell_below)


def _is_that_transfer(stored: StoredTransfer, step: HoldTransferStep) -> bool:
    """Whether this transfer was made by such a step."""
    return (
        stored.from_warehouse_id,
        stored.to_warehouse_id,
        stored.requested_by,
        stored.expected_transit_hours,
        [(line.product_id, line.quantity) for line in stored.line_items],
    ) == (
        step.from_warehouse_id,
        step.to_warehouse_id,
        step.requested_by,
        step.expected_transit_hours,
        [(line.product_id, line.quantity) for line in step.line_items],
    )


def _lock(connection: Connection, step: TransferStep) -> Transfer:
    transfer = lock_transfer(connection, step.transfer_number)
    if transfer is None:
        raise InvalidRequest(f"there is no transfer {step.transfer_number}")
    return transfer


def _booked(connection: Connection, transfer_id: int, receipt_id: str) -> dict[int, Taken]:
    """What a receipt brought of each product; empty if there is no such receipt."""
    rows = connection.execute(_BOOKED, {"transfer_id": transfer_id, "receipt_id": receipt_id})
    return {row.product_id: Taken(int(row.accepted), int(row.damaged)) for row in rows}


def _into_stock(
    connection: Connection,
    operation: Operation,
    transfer: Transfer,
    warehouse_id: int,
    units: dict[int, int],
    reason: str,
) -> None:
    """A TRANSFER_IN movement for each of these lines. The transfer is locked; the items are locked here."""
    arrived = [
        (ItemKey(warehouse_id, line.product_id), units[line.line_number])
        for line in transfer.lines
        if line.line_number in units
    ]
    if not arrived:
        return
    lock_or_create_items(connection, (item for item, _ in arrived))
    ledger.move(
        connection,
        operation,
        MovementType.TRANSFER_IN,
        arrived,
        reference_id=transfer.transfer_number,
        reason=reason,
    )


def _set(connection: Connection, transfer: Transfer, **values: Any) -> None:
    connection.execute(
        update(transfer_orders).where(transfer_orders.c.transfer_id == transfer.transfer_id).values(**values)
    )


def _close(
    connection: Connection,
    operation: Operation,
    transfer: Transfer,
    status: TransferStatus,
    as_of: datetime,
    *,
    reason: str | None,
) -> None:
    _set(
        connection,
        transfer,
        status=status,
        closed_at=as_of,
        closed_by=operation.operation_id,
        closed_reason=reason,
    )


def _stored(connection: Connection, transfer_number: str) -> StoredTransfer:
    """The transfer as it is in this transaction."""
    transfer = connection.execute(_READ, {"transfer_number": transfer_number}).mappings().one()
    of = {"transfer_id": transfer["transfer_id"]}
    receipts = connection.execute(_READ_RECEIPTS, of | {"most": RECEIPTS_SHOWN}).mappings().all()
    return StoredTransfer(
        **{name: transfer[name] for name in _AS_STORED},
        requested_at=transfer["created_at"],
        line_items=[
            StoredTransferLine.model_validate(dict(row)) for row in connection.execute(_READ_LINES, of).mappings()
        ],
        receipts=[ReceiptState.model_validate(dict(row)) for row in reversed(receipts)],
    )


_AS_STORED = (
    *("transfer_id", "transfer_number", "from_warehouse_id", "from_warehouse", "to_warehouse_id", "to_warehouse"),
    *("status", "expected_transit_hours", "requested_by", "dispatched_at", "due_at", "closed_reason"),
)
