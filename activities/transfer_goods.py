"""The steps of a transfer's goods on their way: arrivals, units lost, and their approval."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.differences import WithGoods, require_difference_approved, store_difference_approval
from activities.document_steps import Command, DocumentSteps, Plan, nothing
from activities.opened_inspections import number_of, open_inspection, require_can_come
from activities.writes import require_same
from database import transit
from database.locked_stock import LockedStock
from database.locked_transfer import LockedTransfer, changes_of, merged
from database.operations import Operation
from database.pipeline import Statement
from database.sessions import Database
from database.stock_reading import Wants
from database.transfer import TRANSFER
from database.transfer_reading import (
    BookedBefore,
    lock_transfers,
    read_transfer,
    read_transfers,
    require_transfer,
    transfers_of,
)
from database.worth import worth_of_products
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.difference import APPROVE_DIFFERENCE
from stockkeeper.contracts.lot import units_of
from stockkeeper.contracts.messages import MAX_LINES, InspectingAnswer, counted
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.contracts.transfer import (
    ApproveTransferDifferenceStep,
    ReceiveTransferStep,
    StoredTransfer,
    WriteOffTransferStep,
)
from stockkeeper.contracts.transfer_state import PartLine, TransferLine
from stockkeeper.domain.conflicts import done_differently
from stockkeeper.domain.inspection import DEFAULT_GOODS, DamagedGoods, GoodsPolicy
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.transfer import OfLine, OfProduct, TransferEvent, TransferStatus, TransitKind


class TransferRoom:
    """Transfers for `activities.document_steps`."""

    def lock(self, numbers: Sequence[str]) -> Statement:
        """Lock transfers by their numbers."""
        return lock_transfers(numbers)

    def read(self, commands: Sequence[Command]) -> list[Statement]:
        """Read transfers, and what their commands have booked before."""
        before = [BookedBefore(each.number, each.operation.operation_id, each.name) for each in commands]
        return read_transfers([each.number for each in commands], RECEIPTS_SHOWN, before)

    def take_in(self, rows: Sequence[list[Any]]) -> Mapping[str, LockedTransfer]:
        """The transfers by number."""
        return transfers_of(rows)

    def require(self, found: Mapping[str, LockedTransfer], number: str) -> LockedTransfer:
        """The transfer of this number; raises `InvalidRequest` if there is none."""
        return require_transfer(found, number)

    def changes(self, documents: Iterable[LockedTransfer]) -> Iterable[Statement]:
        """What has changed of transfers, as statements."""
        return changes_of(documents)

    def answer(self, document: LockedTransfer, operation: Operation) -> StoredTransfer:
        """The transfer as it is now."""
        del operation
        return StoredTransfer.model_validate(document.shown)

    def booked(self, document: LockedTransfer, operation: Operation) -> Sequence[Mapping[str, Any]]:
        """The units that the step has booked in the ledger in transit."""
        del operation
        return units_booked(document)


class TransitSteps(WithGoods):
    """The goods in transit of `TransferActivities` on PostgreSQL."""

    def __init__(
        self, database: Database, limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT, goods: GoodsPolicy = DEFAULT_GOODS
    ) -> None:
        super().__init__(database, limits, goods)
        self._transfers = DocumentSteps(database, TransferRoom(), StoredTransfer)

    @activity.defn(name="receive_transfer", no_thread_cancel_exception=True)
    def receive_transfer(self, step: ReceiveTransferStep) -> StoredTransfer:
        """Book fit goods into the destination by a TRANSFER_IN movement for each line, and record damaged ones.

        By the setting an inspection brings damaged ones into the destination's stock, where they are DAMAGED. Items
        that the destination never stocked are created. With the last unit in transit the transfer is RECEIVED.

        Locks: the transfer, then the destination's items. Operation: ``{workflow}/receive/{receipt_id}``.

        Raises:
            InvalidState: It isn't in transit.
            InvalidRequest: A product isn't on the transfer, or more came than is in transit. Nothing is booked.
            NotPermitted: Its damaged units exceed the limit, with those lost before, and no other person has approved
                that. Nothing is booked. (Not if they are inspected: what is scrapped then keeps to it.)
            OperationConflict: A receipt with this id and other quantities was booked.
        """

        def plan(locked: LockedTransfer, operation: Operation) -> Plan:
            delivered = merged(
                (OfProduct(line.product_id, line.lot_number), Taken(line.quantity, line.damaged_quantity))
                for line in step.lines
            )
            if booked := locked.brought_by(step.receipt_id):
                another = done_differently("receive", step.receipt_id, "transfer", step.transfer_number)
                require_same(_as_named(booked, delivered), _as_named(delivered, delivered), otherwise=another)
                return Plan(Wants(), nothing)
            taken = locked.transfer.plan_receipt(delivered)
            status = locked.transfer.after_receipt(taken)
            transit.require_no_twin(locked, TransitKind.RECEIVED, step.receipt_id)
            reason = f"receipt {step.receipt_id} of transfer {step.transfer_number}"
            accepted = {of: share.accepted for of, share in taken.items() if share.accepted}
            damaged = {of: share.unfit for of, share in taken.items() if share.unfit}
            facts = [(line.product_id, line.lot) for line in step.lines if line.lot is not None]
            inspected = damaged if self._goods.damaged is DamagedGoods.INSPECT else {}

            def carry_out(stock: LockedStock) -> InspectingAnswer | None:
                brought = transit.at_destination(locked, inspected)
                if brought:
                    require_can_come(stock, brought, facts)
                else:
                    self._require_approved(stock.connection, operation, locked, damaged, step.as_of)
                receipt: dict[str, Any] = {"reason": reason, "receipt_id": step.receipt_id}
                transit.move(locked, stock, operation, TransitKind.RECEIVED, accepted, facts=facts, **receipt)
                why = step.unfit_reason
                transit.move(locked, stock, operation, TransitKind.DAMAGED, damaged, **receipt, unfit_reason=why)
                units = {"accepted": sum(accepted.values()), "unfit": sum(damaged.values())}
                show_command(locked, operation, "receipts", receipt_id=step.receipt_id, **units, unfit_reason=why)
                if status is TransferStatus.RECEIVED:
                    locked.close(operation, status, step.as_of)
                else:
                    due_again(stock.connection, locked)
                if not brought:
                    return None
                transit.take_in_lots(stock, operation, brought, facts)
                # Lines that name no lots may be of more lots than one inspection takes.
                opened = [
                    open_inspection(
                        stock,
                        operation,
                        self._limits,
                        brought[first : first + MAX_LINES],
                        number=number_of(step.transfer_number, step.receipt_id),
                        warehouse_id=locked.transfer.to_warehouse_id,
                        state=StockState.DAMAGED,
                        reason=f"{reason}: damaged",
                        as_of=step.as_of,
                        brings=True,
                    )
                    for first in range(0, len(brought), MAX_LINES)
                ]
                return InspectingAnswer(opened_inspections=opened)

            wants = transit.arrival(locked, {**accepted, **inspected})
            return Plan(wants, carry_out, writes_itself=bool(damaged))

        return self._transfers.once(step, step.transfer_number, plan, name=step.receipt_id)

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

        def plan(locked: LockedTransfer, operation: Operation) -> Plan:
            transfer, lost = locked.transfer, by_lot(step.lines)
            if is_repeated(operation, locked, "write_off", step.write_off_id, lost):
                return Plan(Wants(), nothing)
            units, reason = transfer.plan_write_off(lost), step.reason
            status = transfer.after_write_off(units)

            def carry_out(stock: LockedStock) -> None:
                self._require_approved(stock.connection, operation, locked, units, step.as_of)
                kind, name = TransitKind.WRITTEN_OFF, step.write_off_id
                transit.require_no_twin(locked, kind, command_id=name)
                transit.move(locked, stock, operation, kind, units, reason=reason, command_id=name)
                lost = {"write_off_id": name, "reason": reason, "quantity": sum(units.values())}
                show_command(locked, operation, "write_offs", **lost)
                if status is TransferStatus.RECEIVED:
                    locked.close(operation, status, step.as_of, reason=reason)
                else:
                    due_again(stock.connection, locked)

            return Plan(Wants(), carry_out, writes_itself=True)

        return self._transfers.once(step, step.transfer_number, plan, name=step.write_off_id)

    @activity.defn(name="approve_transfer_difference", no_thread_cancel_exception=True)
    def approve_transfer_difference(self, step: ApproveTransferDifferenceStep) -> StoredTransfer:
        """Store an approval of units lost or damaged, up to a worth in all. Another person may book them then.

        Locks: the transfer. Operation: ``{workflow}/approve_difference/{command}``.

        Raises:
            InvalidState: It isn't in transit.
        """

        def plan(locked: LockedTransfer, operation: Operation) -> Plan:
            locked.transfer.after(TransferEvent.RECEIVE, APPROVE_DIFFERENCE.name)

            def carry_out(stock: LockedStock) -> None:
                number = step.transfer_number
                store_difference_approval(stock.connection, operation, TRANSFER, number, step, step.as_of)
                locked.shown = dict(read_transfer(stock.connection, number, receipts=RECEIPTS_SHOWN))

            return Plan(Wants(), carry_out, writes_itself=True)

        return self._transfers.once(step, step.transfer_number, plan)

    def _require_approved(
        self,
        connection: Connection,
        operation: Operation,
        locked: LockedTransfer,
        lost: Mapping[OfLine, int],
        as_of: datetime,
    ) -> None:
        """Refuse a loss above the limit that no other person has approved; units by line number and lot."""
        if not lost:
            return
        in_all: Counter[int] = Counter()
        for line in locked.lines.values():
            in_all[line["product_id"]] += line["damaged"] + line["written_off"]
        for of, units in lost.items():
            in_all[locked.lines[of.line_number]["product_id"]] += units
        number = locked.transfer.transfer_number
        what = f"{counted(sum(in_all.values()), 'unit')} of transfer {number} lost or damaged"
        worth = worth_of_products(connection, {product_id: units for product_id, units in in_all.items() if units})
        require_difference_approved(connection, operation, TRANSFER, number, what, worth, self._limit, as_of)


def show_command(locked: LockedTransfer, operation: Operation, kind: str, **fields: Any) -> None:
    """Show a departure, a receipt or a write-off that has been booked; the latest hundred of a kind are shown."""
    booked = {"at": locked.entries[0].at, "performed_by": operation.performed_by, **fields}
    locked.shown[kind] = [*locked.shown[kind], booked][-RECEIPTS_SHOWN:]


def units_booked(locked: LockedTransfer) -> list[dict[str, int]]:
    """The units that a step has booked in the ledger in transit, a line for each product: fit and damaged ones."""
    units: dict[int, Counter[str]] = {}
    for entry in locked.entries:
        line = units.setdefault(locked.lines[entry.line_number]["product_id"], Counter(quantity=0))
        line["damaged_quantity" if entry.kind is TransitKind.DAMAGED else "quantity"] += abs(entry.quantity)
    return [{"product_id": product_id, **line} for product_id, line in units.items()]


def units_by_product(lines: Sequence[TransferLine] | None) -> dict[int, int] | None:
    """Units by product; None: all there are."""
    if lines is None:
        return None
    units: Counter[int] = Counter()
    for line in lines:
        units[line.product_id] += line.quantity
    return dict(units)


def by_lot(lines: Sequence[PartLine] | None) -> dict[OfProduct, int] | None:
    """Units by product, and by lot where that was said; None: all there are."""
    if lines is None:
        return None
    units: Counter[OfProduct] = Counter()
    for line in lines:
        if line.lots is None:
            units[OfProduct(line.product_id)] += line.quantity
        for lot in units_of(line.lots):
            units[OfProduct(line.product_id, lot.lot_number)] += lot.quantity
    return dict(units)


def _as_named(units: Mapping[OfProduct, Taken], asked: Mapping[OfProduct, Taken]) -> dict[OfProduct, Taken]:
    """Units by lot for products of which a command names all lots, and by product alone for the others."""
    unnamed = {of.product_id for of in asked if of.lot_number is None}
    return merged((OfProduct(of.product_id) if of.product_id in unnamed else of, each) for of, each in units.items())


def is_repeated(
    operation: Operation,
    locked: LockedTransfer,
    command: str,
    command_id: str | None,
    units: Mapping[OfProduct, int] | None,
) -> bool:
    """Whether this part of the goods was booked before, by an operation that isn't stored any more.

    Raises:
        OperationConflict: It was booked with other quantities.
    """
    if command_id is None or not (booked := locked.moved_by(operation)):
        return False
    if units is not None:
        another = done_differently(command, command_id, "transfer", locked.transfer.transfer_number)
        asked = {of: Taken(each, 0) for of, each in units.items()}
        require_same(_as_named(booked, asked), _as_named(asked, asked), otherwise=another)
    return True


def due_again(connection: Connection, locked: LockedTransfer) -> None:
    """Let the transfer be due by the oldest departure that is still on its way, once the first one has arrived."""
    left_at = transit.oldest_departure(connection, locked)
    if left_at is not None:
        locked.change(due_at=locked.transfer.due_at(left_at))


def stored_transfer(connection: Connection, transfer_number: str) -> StoredTransfer:
    """The transfer as it is in this transaction."""
    return StoredTransfer.model_validate(read_transfer(connection, transfer_number, receipts=RECEIPTS_SHOWN))
