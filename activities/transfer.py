"""The steps of a transfer: lock, decide, write, answer.

A step locks the transfer's row first, then the items of one of its warehouses, never of both: goods leave the source in
one step and arrive at the destination in another. So transfers in opposite directions can't wait for each other in a
circle. `stockkeeper.domain.transfer` decides, `database.transfer_reading` reads and `database.locked_transfer` writes.
Steps that come at the same time share a transaction (`activities.document_steps`). Arrivals and losses are in
`activities.transfer_goods`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items
from activities.document_steps import Plan, nothing
from activities.following import ALONE, require_not_joined
from activities.transfer_goods import (
    TransitSteps,
    by_lot,
    is_repeated,
    show_command,
    stored_transfer,
    units_by_product,
)
from activities.writes import UNCHANGED, Effect, columns_of, document_once, require_same
from database import holds, transit
from database.document import insert_document, is_stored
from database.homes import require_here
from database.locked_stock import LockedStock
from database.locked_transfer import LockedTransfer
from database.operations import Operation
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Reference
from database.transfer import TRANSFER
from stockkeeper.contracts.lot import units_of
from stockkeeper.contracts.messages import StockAnswer, state_of
from stockkeeper.contracts.transfer import (
    CancelTransferStep,
    DispatchTransferStep,
    HoldTransferStep,
    StoredTransfer,
    TransferActivities,
    TransferStep,
)
from stockkeeper.contracts.transfer_state import (
    REFERENCE_TYPE,
    PartLine,
    TransferLine,
    TransferRequest,
    TransferState,
)
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.errors import InsufficientStock, InvalidState
from stockkeeper.domain.reservation import (
    RESERVATION,
    ReservationStatus,
    WantedLine,
    plan_lots,
    require_given_way,
    status_of,
)
from stockkeeper.domain.sourcing import Part
from stockkeeper.domain.stock import ItemKey, MovementType, wanted_by_item
from stockkeeper.domain.transfer import OfLine, Transfer, TransferEvent, TransferStatus, TransitKind


class TransferSteps(TransitSteps, TransferActivities):
    """`TransferActivities` on PostgreSQL; above the limit, booking lost or damaged units takes two people."""

    @activity.defn(name="hold_transfer", no_thread_cancel_exception=True)
    def hold_transfer(self, step: HoldTransferStep) -> StoredTransfer:
        """Store the transfer, and hold its lines at the source by a TRANSFER reservation without a deadline.

        The hold is like any order's: if an item is short, overdue holds on it are released first.

        Locks: the source's items; the transfer's number is unique. Operation: ``{workflow}/hold``.

        Raises:
            UnknownWarehouse, UnknownProduct: The catalogue hasn't got one of those named.
            WarehouseElsewhere: Another database keeps the source.
            WarehouseMoving: One of them is about to move to another database.
            InsufficientStock: With the numbers of every item that is short. Nothing is stored.
            OperationConflict: A transfer with this number and other contents exists.
        """
        return self._once(step, lambda connection, operation: _hold(connection, operation, step))

    @activity.defn(name="dispatch_transfer", no_thread_cancel_exception=True)
    def dispatch_transfer(self, step: DispatchTransferStep) -> StoredTransfer:
        """Book units out of the source: held ones become a TRANSFER_OUT movement for each line, and are in transit.

        Locks: the transfer, then the source's items. Operation: ``{workflow}/dispatch/{dispatch_id or command}``.

        Raises:
            InvalidState: It has ended, everything has left already, or its hold has ended.
            InvalidRequest: A product isn't on the transfer, or more of it is wanted than is held. Nothing leaves.
            OperationConflict: A departure with this number and other quantities was booked.
        """

        def plan(locked: LockedTransfer, operation: Operation) -> Plan:
            transfer = locked.transfer
            if is_repeated(operation, locked, "dispatch", step.dispatch_id, by_lot(step.lines)):
                return Plan(Wants(), nothing)
            status = transfer.after_dispatch()
            transit.require_no_twin(locked, TransitKind.DISPATCHED, command_id=step.dispatch_id)

            def carry_out(stock: LockedStock) -> None:
                units, reason = _take(stock, operation, locked, step.lines, step.as_of)
                kind, name = TransitKind.DISPATCHED, step.dispatch_id
                transit.move(locked, stock, operation, kind, units, reason=reason, command_id=name)
                for of, leaving in units.items():
                    locked.lines[of.line_number]["held"] -= leaving
                _show_held_lots(locked, stock)
                left = sum(units.values())
                show_command(locked, operation, "departures", dispatch_id=name, quantity=left)
                times: dict[str, datetime | None] = {}
                if transfer.status is TransferStatus.PENDING:
                    times["dispatched_at"] = step.took_place_at
                if not transfer.in_transit:
                    # What has left before and is still on its way is due first.
                    times["due_at"] = transfer.due_at(step.took_place_at)
                locked.change(status=status, **times)

            return Plan(Wants(references=[hold_of(transfer)], moves=True, as_of=step.as_of), carry_out)

        return self._transfers.once(step, step.transfer_number, plan, name=step.dispatch_id)

    @activity.defn(name="cancel_transfer", no_thread_cancel_exception=True)
    def cancel_transfer(self, step: CancelTransferStep) -> StoredTransfer:
        """Release the hold, and book units in transit back into the source, by a TRANSFER_IN movement for each line.

        If its hold gave way, only that is released: units in transit go on.

        Locks: the transfer, then the source's items. Operation: ``{workflow}/cancel/{command}`` or
        ``{workflow}/give_way/{command}``.

        Raises:
            InvalidState: It has ended; or the step says that its hold gave way, and no line did.
        """

        def plan(locked: LockedTransfer, operation: Operation) -> Plan:
            hold = [hold_of(locked.transfer)]
            if step.gave_way:

                def give_way(stock: LockedStock) -> None:
                    end_hold(stock, operation, locked, reason=step.reason, as_of=step.as_of, gave_way=True)

                return Plan(Wants(references=hold), give_way)
            status, back = locked.transfer.after(TransferEvent.CANCEL), locked.transfer.lots_in_transit

            def cancel(stock: LockedStock) -> None:
                reason = f"back from transfer {step.transfer_number}, cancelled in transit: {step.reason}"
                transit.move(locked, stock, operation, TransitKind.RETURNED, back, reason=reason)
                _release(stock, operation, locked, reason=step.reason, as_of=step.as_of)
                locked.close(operation, status, step.as_of, reason=step.reason)

            return Plan(replace(transit.arrival(locked, back, is_back=True), references=hold), cancel)

        return self._transfers.once(step, step.transfer_number, plan)

    def _once(self, step: TransferStep, effect: Effect) -> StoredTransfer:
        return document_once(
            self._database,
            step,
            StoredTransfer,
            effect,
            lambda connection: stored_transfer(connection, step.transfer_number),
        )


def hold_of(transfer: Transfer) -> Reference:
    """The reference of a transfer's hold at its source."""
    return Reference(REFERENCE_TYPE, transfer.transfer_number)


def _take(
    stock: LockedStock,
    operation: Operation,
    locked: LockedTransfer,
    lines: Sequence[PartLine] | None,
    as_of: datetime,
) -> tuple[dict[OfLine, int], str]:
    """Take held units of a transfer off the shelf; the units by line and lot, and the reason in the ledger."""
    transfer = locked.transfer
    held = stock.lines_of(hold_of(transfer))
    if (hold := status_of(held)) is not ReservationStatus.ACTIVE:
        # Only held stock may leave, whatever has ended the hold.
        ended = f"the hold of transfer {transfer.transfer_number} {RESERVATION.words.statuses[hold]}"
        advice = "cancel the transfer and start another"
        if transfer.status is TransferStatus.IN_TRANSIT:
            advice = "the rest needs another transfer"
        raise InvalidState(f"{ended}; {advice}", str(hold), str(TransferEvent.DISPATCH))
    units = transfer.plan_dispatch(units_by_product(lines))
    reason = f"dispatched on transfer {transfer.transfer_number}"
    # Its lines were held in their order.
    taken = {held[line_number - 1].reservation_id: leaving for line_number, leaving in units.items()}
    wanted = [WantedLine(line.quantity, line.product_id, lots=units_of(line.lots)) for line in lines or ()]
    try:
        left = holds.take(
            stock,
            operation,
            held,
            taken,
            MovementType.TRANSFER_OUT,
            reference_id=transfer.transfer_number,
            reason=reason,
            as_of=as_of,
            lots=plan_lots(held, wanted, taken),
        )
    except InvalidState as refusal:
        # A lot that is held may not leave any more.
        raise InvalidState(refusal.message, str(transfer.status), str(TransferEvent.DISPATCH)) from None
    leaving_by_lot = {
        OfLine(line_number, lot): quantity
        for line_number in units
        for lot, quantity in left[held[line_number - 1].reservation_id]
    }
    return leaving_by_lot, reason


def _show_held_lots(locked: LockedTransfer, stock: LockedStock) -> None:
    """Let answers show the lots that are still held."""
    held = stock.lines_of(hold_of(locked.transfer))
    for (line_number, line), its in zip(locked.lines.items(), held, strict=False):
        expiries = {lot.lot_number: lot.expires_on for lot in its.lots}
        left = {lot.lot_number: lot.quantity_held for lot in its.lots} if its.quantity_open else {}
        for number in {lot["lot_number"]: None for lot in line.get("lots", ())} | left:
            locked.set_held(line_number, number, expiries.get(number), left.get(number, 0))


def end_hold(
    stock: LockedStock,
    operation: Operation,
    locked: LockedTransfer,
    *,
    reason: str,
    as_of: datetime,
    gave_way: bool = False,
) -> None:
    """Release the units still held at the source. Those in transit go on; with none, the transfer ends.

    Raises:
        InvalidState: It has ended; or ``gave_way`` is set, and no line of its hold gave way.
    """
    transfer = locked.transfer
    if gave_way:
        held = stock.lines_of(hold_of(transfer))
        if status_of(held) is ReservationStatus.FULFILLED:
            transfer.after(TransferEvent.GIVE_WAY)  # Everything has left: there is nothing to give up.
        require_given_way(held, *hold_of(transfer))
    status = transfer.after_giving_way()
    _release(stock, operation, locked, reason=reason, as_of=as_of, gave_way_to="" if gave_way else None)
    if status is not TransferStatus.IN_TRANSIT:
        locked.close(operation, status, as_of, reason=reason)


def _release(
    stock: LockedStock,
    operation: Operation,
    locked: LockedTransfer,
    *,
    reason: str,
    as_of: datetime,
    gave_way_to: str | None = None,
) -> None:
    held, status = stock.lines_of(hold_of(locked.transfer)), ReservationStatus.CANCELLED
    holds.release(stock, operation, held, status, reason=reason, as_of=as_of, gave_way_to=gave_way_to)
    for line in locked.shown["line_items"]:
        line["held"] = 0
    _show_held_lots(locked, stock)


def _hold(connection: Connection, operation: Operation, step: HoldTransferStep) -> StockAnswer | None:
    if is_stored(connection, TRANSFER, step.transfer_number):
        stored = stored_transfer(connection, step.transfer_number)
        another = already_exists("transfer", step.transfer_number)
        require_same(_contents(stored), _contents(step), otherwise=another)
        return UNCHANGED
    places = (step.from_warehouse_id, step.to_warehouse_id)
    require_not_joined(places, ALONE.get())
    products = {line.product_id for line in step.line_items}
    require_items(connection, {ItemKey(place, product) for place in places for product in products}, sold=False)
    lines = [{"product_id": line.product_id, "quantity": line.quantity} for line in step.line_items]
    header = columns_of(step, TRANSFER)
    insert_document(connection, operation, TRANSFER, lines, status=TransferStatus.PENDING, **header)
    held = [Part(ItemKey(step.from_warehouse_id, line.product_id), line.quantity) for line in step.line_items]
    units = wanted_by_item((part.item, part.quantity) for part in held)
    with locked_stock(
        connection, Wants(items=list(units), new_lines=len(held), units=units, as_of=step.as_of), operation
    ) as stock:
        reference = Reference(REFERENCE_TYPE, step.transfer_number)
        try:
            fell_below = holds.place(stock, operation, reference, held, expires_at=None, as_of=step.as_of)
        except InsufficientStock:
            require_here(connection, [step.from_warehouse_id])
            raise
    return StockAnswer(fell_below=fell_below)


def _contents(transfer: StoredTransfer | HoldTransferStep) -> object:
    """What two starts under one number must have in common to be the same transfer."""
    lines = [(line.product_id, line.quantity) for line in transfer.line_items]
    places = (transfer.from_warehouse_id, transfer.to_warehouse_id)
    return (*places, transfer.requested_by, transfer.expected_transit_hours, lines)


def show(connection: Connection, transfer_number: str, _as_of: datetime) -> TransferState | None:
    """The state of a transfer, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, TRANSFER, transfer_number):
        return None
    return state_of(TransferState, stored_transfer(connection, transfer_number))


def start_again(connection: Connection, number: str, _as_of: datetime, _person: str) -> TransferRequest:
    """The start of another run for a stored transfer: `devstack.restore`."""
    stored = stored_transfer(connection, number)
    return TransferRequest(
        transfer_number=number,
        from_warehouse_id=stored.from_warehouse_id,
        to_warehouse_id=stored.to_warehouse_id,
        line_items=[TransferLine(product_id=line.product_id, quantity=line.quantity) for line in stored.line_items],
        expected_transit_hours=stored.expected_transit_hours,
        requested_by=stored.requested_by,
    )
