"""The steps of a transfer's goods on their way: arrivals, units lost, and their approval."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.differences import WithLimit, require_difference_approved, store_difference_approval
from activities.writes import Effect, document_once, require_same
from database import transit
from database.differences import read_difference_approvals
from database.document import close_document, update_document
from database.operations import Operation
from database.transfer import (
    TRANSFER,
    booked_receipt,
    lock_transfer,
    lost_units,
    moved_by,
    oldest_departure,
    read_transfer,
)
from database.worth import worth_of_products
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.contracts.transfer import (
    ApproveTransferDifferenceStep,
    ReceiveTransferStep,
    StoredTransfer,
    TransferStep,
    WriteOffTransferStep,
)
from stockkeeper.contracts.transfer_state import TransferLine
from stockkeeper.domain.conflicts import done_differently
from stockkeeper.domain.receipt import Delivered, delivered_by_product
from stockkeeper.domain.transfer import Transfer, TransferEvent, TransferStatus, TransitKind


class TransitSteps(WithLimit):
    """The goods in transit of `TransferActivities` on PostgreSQL."""

    @activity.defn(name="receive_transfer", no_thread_cancel_exception=True)
    def receive_transfer(self, step: ReceiveTransferStep) -> StoredTransfer:
        """Book fit goods into the destination by a TRANSFER_IN movement for each line, and record damaged ones.

        Items that the destination never stocked are created. With the last unit in transit the transfer is RECEIVED.

        Locks: the transfer, then the destination's items. Operation: ``{workflow}/receive/{receipt_id}``.

        Raises:
            InvalidState: It isn't in transit.
            InvalidRequest: A product isn't on the transfer, or more came than is in transit. Nothing is booked.
            NotPermitted: Its damaged units exceed the limit, with those lost before, and no other person has approved
                that. Nothing is booked.
            OperationConflict: A receipt with this id and other quantities was booked.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            transfer = lock_transfer(connection, step.transfer_number)
            delivered = delivered_by_product(
                Delivered(line.product_id, line.quantity, line.damaged_quantity) for line in step.lines
            )
            if booked := booked_receipt(connection, transfer, step.receipt_id):
                another = done_differently("receive", step.receipt_id, "transfer", step.transfer_number)
                require_same(booked, delivered, otherwise=another)
                return
            taken = transfer.plan_receipt(delivered)
            status = transfer.after_receipt(taken)
            reason = f"receipt {step.receipt_id} of transfer {transfer.transfer_number}"
            accepted = {number: share.accepted for number, share in taken.items() if share.accepted}
            damaged = {number: share.unfit for number, share in taken.items() if share.unfit}
            self._require_approved(connection, operation, transfer, damaged, step.as_of)
            receipt = {"reason": reason, "receipt_id": step.receipt_id}
            transit.move(connection, operation, transfer, TransitKind.RECEIVED, accepted, **receipt)
            transit.move(connection, operation, transfer, TransitKind.DAMAGED, damaged, **receipt)
            if status is TransferStatus.RECEIVED:
                close_document(connection, operation, TRANSFER, transfer.transfer_id, status, step.as_of)
            else:
                due_again(connection, transfer)

        return self._once(step, effect)

    @activity.defn(name="write_off_transfer", no_thread_cancel_exception=True)
    def write_off_transfer(self, step: WriteOffTransferStep) -> StoredTransfer:
        """Write off units that are in transit. No stock changes: they have left the source already.

        Locks: the transfer. Operation: ``{workflow}/write_off/{write_off_id or command}``.

        Raises:
            InvalidState: It isn't in transit.
            InvalidRequest: A product isn't on the transfer, or less of it is in transit. Nothing is written off.
            NotPermitted: The transfer would have lost more than the limit, and no other person has approved that.
            OperationConflict: A write-off with this number and other quantities was booked.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            transfer = lock_transfer(connection, step.transfer_number)
            lost = units_by_product(step.lines)
            if is_repeated(connection, operation, transfer, "write_off", step.write_off_id, lost):
                return
            units, reason = transfer.plan_write_off(lost), step.reason
            status = transfer.after_write_off(units)
            self._require_approved(connection, operation, transfer, units, step.as_of)
            kind = TransitKind.WRITTEN_OFF
            transit.move(connection, operation, transfer, kind, units, reason=reason, command_id=step.write_off_id)
            if status is TransferStatus.RECEIVED:
                close_document(connection, operation, TRANSFER, transfer.transfer_id, status, step.as_of, reason=reason)
            else:
                due_again(connection, transfer)

        return self._once(step, effect)

    @activity.defn(name="approve_transfer_difference", no_thread_cancel_exception=True)
    def approve_transfer_difference(self, step: ApproveTransferDifferenceStep) -> StoredTransfer:
        """Store an approval of units lost or damaged, up to a worth in all. Another person may book them then.

        Locks: the transfer. Operation: ``{workflow}/approve_difference/{command}``.

        Raises:
            InvalidState: It isn't in transit.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            transfer = lock_transfer(connection, step.transfer_number)
            transfer.after(TransferEvent.RECEIVE)
            store_difference_approval(connection, operation, TRANSFER, transfer.transfer_number, step, step.as_of)

        return self._once(step, effect)

    def _require_approved(
        self, connection: Connection, operation: Operation, transfer: Transfer, lost: Mapping[int, int], as_of: datetime
    ) -> None:
        """Refuse a loss above the limit that no other person has approved; units by line number."""
        if not lost:
            return
        in_all = Counter(lost_units(connection, transfer))
        for line in transfer.lines:
            in_all[line.product_id] += lost.get(line.line_number, 0)
        number = transfer.transfer_number
        what = f"{counted(sum(in_all.values()), 'unit')} of transfer {number} lost or damaged"
        worth = worth_of_products(connection, {product_id: units for product_id, units in in_all.items() if units})
        require_difference_approved(connection, operation, TRANSFER, number, what, worth, self._limit, as_of)

    def _once(self, step: TransferStep, effect: Effect) -> StoredTransfer:
        return document_once(
            self._database,
            step,
            StoredTransfer,
            effect,
            lambda connection: stored_transfer(connection, step.transfer_number),
        )


def units_by_product(lines: Sequence[TransferLine] | None) -> dict[int, int] | None:
    """Units by product; None: all there are."""
    if lines is None:
        return None
    units: Counter[int] = Counter()
    for line in lines:
        units[line.product_id] += line.quantity
    return dict(units)


def is_repeated(
    connection: Connection,
    operation: Operation,
    transfer: Transfer,
    command: str,
    command_id: str | None,
    units: dict[int, int] | None,
) -> bool:
    """Whether this part of the goods was booked before, by an operation that isn't stored any more.

    Raises:
        OperationConflict: It was booked with other quantities.
    """
    if command_id is None or not (booked := moved_by(connection, operation, transfer)):
        return False
    if units is not None:
        another = done_differently(command, command_id, "transfer", transfer.transfer_number)
        require_same(booked, units, otherwise=another)
    return True


def due_again(connection: Connection, transfer: Transfer) -> None:
    """Let the transfer be due by the oldest departure that is still on its way, once the first one has arrived."""
    left_at = oldest_departure(connection, transfer)
    if left_at is not None:
        update_document(connection, TRANSFER, transfer.transfer_id, due_at=transfer.due_at(left_at))


def stored_transfer(connection: Connection, transfer_number: str) -> StoredTransfer:
    """The transfer as it is in this transaction."""
    transfer = read_transfer(connection, transfer_number, receipts=RECEIPTS_SHOWN)
    approvals = read_difference_approvals(connection, TRANSFER, transfer_number)
    return StoredTransfer.model_validate(transfer | {"difference_approvals": approvals})
