"""Holds: stock that is promised to an order or to a transfer.

An order's reservation and a transfer's hold at its source are the same rows, under the same locks and rules; neither
takes precedence. A hold is in `reservations` and its units are in `inventory_items`. Only goods that leave the shelf
are a movement. All of it is changed in memory, under the locks of the items (`database.locked_stock`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from database import ledger
from database.locked_stock import LockedStock
from database.locks import open_holds
from database.lots_of_holds import allot, exchange, give_back, pick, take_up, units_of_lot, with_lots
from database.operations import Operation
from database.stock_rows import GivenUp, GivenWay, HeldAgain, Moving, Reference, StockItem
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.lot import LotUnits
from stockkeeper.domain.reservation import HeldLine, ItemHold, ReservationStatus, giving_way
from stockkeeper.domain.sourcing import Part
from stockkeeper.domain.stock import ItemKey, MovementType, shortages, wanted_by_item


def place(
    stock: LockedStock,
    operation: Operation,
    reference: Reference,
    lines: Sequence[Part],
    *,
    expires_at: datetime | None,
    as_of: datetime,
    waits_as: int | None = None,
    minimum_days_left: int | None = None,
) -> bool:
    """Hold all of these lines, or none. Units that others wait for are left for them.

    Of a tracked product each line holds lots, first expired, first out (`stockkeeper.domain.lot`).

    If an item is short, holds on it that are overdue by ``as_of`` are released first, in the same transaction.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        reference: The order or transfer.
        lines: Units by item, as they were sourced if they were. The same item on two lines counts together.
        expires_at: The deadline of the hold; None: it has none.
        as_of: The workflow's time.
        waits_as: The order's own wait: only those who came before it come first. None: it doesn't wait.
        minimum_days_left: Days that each unit must have left; None: what its product asks for.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InsufficientStock: With the numbers of every item that is short.
    """
    wanted = wanted_by_item((part.item, part.quantity) for part in lines)
    at_ease = _reserve(
        stock, operation, " ".join(reference), wanted, as_of, waits_as=waits_as, minimum_days_left=minimum_days_left
    )
    for item, quantity, sourced_line in lines:
        stock.add_line(
            operation,
            reference,
            item,
            quantity,
            expires_at=expires_at,
            as_of=as_of,
            sourced_line=sourced_line,
            lots=allot(stock, item, quantity, minimum_days_left),
            minimum_days_left=minimum_days_left,
        )
    return any(item.is_short for item in at_ease)


def place_again(
    stock: LockedStock,
    operation: Operation,
    lines: Sequence[HeldLine],
    units: Mapping[int, int],
    *,
    as_of: datetime,
) -> bool:
    """Hold lines again that gave way, with the units and the deadline that they had; all of them or none.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        lines: The lines of one order that gave way.
        units: Units by reservation_id that each of them held.
        as_of: The workflow's time.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InsufficientStock: With the numbers of every item that is short.
    """
    wanted = wanted_by_item((line.item, units[line.reservation_id]) for line in lines)
    days = _days_of(lines)
    at_ease = _reserve(stock, operation, operation.workflow_id, wanted, as_of, minimum_days_left=days)
    for line in lines:
        again = replace(line, status=ReservationStatus.ACTIVE)
        stock.change_line(with_lots(again, allot(stock, line.item, units[line.reservation_id], days)))
        stock.add_held_again(HeldAgain(line.reservation_id, operation, as_of))
    return any(item.is_short for item in at_ease)


def place_anew(
    stock: LockedStock,
    operation: Operation,
    reference: Reference,
    lines: Sequence[HeldLine],
    *,
    expires_at: datetime,
    as_of: datetime,
) -> bool:
    """Hold lines again of which nothing has left, until another deadline; all of them or none.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        reference: The order.
        lines: Its lines, none of which is held.
        expires_at: The deadline.
        as_of: The workflow's time.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InsufficientStock: With the numbers of every item that is short.
    """
    wanted = wanted_by_item((line.item, line.quantity) for line in lines)
    days = _days_of(lines)
    at_ease = _reserve(stock, operation, " ".join(reference), wanted, as_of, minimum_days_left=days)
    for line in lines:
        anew = replace(line, status=ReservationStatus.ACTIVE, expires_at=expires_at)
        stock.change_line(with_lots(anew, allot(stock, line.item, line.quantity, days)))
    return any(item.is_short for item in at_ease)


def take(
    stock: LockedStock,
    operation: Operation,
    lines: Sequence[HeldLine],
    taken: Mapping[int, int],
    movement_type: MovementType,
    *,
    reference_id: str,
    reason: str,
    as_of: datetime,
    lots: Mapping[int, Sequence[LotUnits]] | None = None,
) -> dict[int, list[tuple[str | None, int]]]:
    """Take held units off the shelf, by a movement for each line that gives some; of a tracked product, for each lot.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        lines: The hold.
        taken: Units by reservation_id, as `stockkeeper.domain.reservation.plan_fulfilment` has them.
        movement_type: Why they leave: SALE or TRANSFER_OUT.
        reference_id: The document's number.
        reason: One sentence for readers of the ledger.
        as_of: The workflow's time.
        lots: The lots that were picked, by reservation_id, for lines where that was said; others give those they hold.

    Returns:
        The units of each lot that leave, by reservation_id; without lots, all units of the line.

    Raises:
        InvalidRequest: An item's on hand isn't what its movements have left, or a lot that was picked isn't free.
        InvalidState: A lot that is held may not leave any more, and no other one is free.
    """
    giving = [line for line in lines if line.reservation_id in taken]
    picked = pick(stock, giving, taken, lots or {})
    leaving = {line.reservation_id: [*picked.leaving(line, taken[line.reservation_id])] for line in giving}
    ledger.move_units(
        stock,
        operation,
        movement_type,
        [Moving(line.item, -units, number) for line in giving for number, units in leaving[line.reservation_id]],
        reference_id=reference_id,
        reason=reason,
        from_reserved=True,
    )
    for line in giving:
        fulfilled = line.quantity_fulfilled + taken[line.reservation_id]
        given = replace(line, quantity_fulfilled=fulfilled, lots=picked.lots_of(line))
        _change(stock, operation, given, as_of)
    return leaving


def hold_picked(
    stock: LockedStock, lines: Sequence[HeldLine], taken: Mapping[int, int], lots: Mapping[int, Sequence[LotUnits]]
) -> None:
    """Hold the lots that were picked in place of others, before they leave.

    Args:
        stock: The stock.
        lines: The hold.
        taken: Units by reservation_id that are to leave.
        lots: The lots that were picked for them, by reservation_id.

    Raises:
        InvalidRequest: A lot isn't there, may not leave, or isn't free; or its product isn't tracked.
    """
    for line in take_up(stock, [line for line in lines if line.reservation_id in lots], taken, lots):
        stock.change_line(line)


def release(
    stock: LockedStock,
    operation: Operation,
    lines: Sequence[HeldLine],
    status: ReservationStatus,
    *,
    reason: str,
    as_of: datetime,
    gave_way_to: str | None = None,
) -> None:
    """End the open rest of these lines, so that it becomes available.

    ``gave_way_to`` is the number of the correction that they give way to; empty: they follow another line.
    """
    still_held = [line for line in lines if line.quantity_open]
    ledger.reserve_units(stock, wanted_by_item((line.item, -line.quantity_open) for line in still_held))
    for line in still_held:
        if gave_way_to is not None:
            stock.add_given_way(GivenWay(line, gave_way_to, operation, as_of))
        stock.change_line(
            give_back(stock, replace(line, status=status), line.quantity_open),
            closed_by=operation.operation_id,
            closed_at=as_of,
            closed_reason=reason,
        )


def ending(connection: Connection, item: ItemKey, units: int, as_of: datetime) -> list[ItemHold]:
    """The holds that would give way before their deadline if so many units of an item are missing. It is locked."""
    return [hold for hold in giving_way(open_holds(connection, item), units, as_of) if not hold.is_overdue(as_of)]


def lower(
    stock: LockedStock,
    operation: Operation,
    lines: Sequence[HeldLine],
    given_up: Mapping[int, int],
    *,
    reason: str,
    as_of: datetime,
) -> None:
    """Give up held units, so that they become available; the rest stays held.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        lines: The hold.
        given_up: Units by reservation_id, as `stockkeeper.domain.reservation.plan_fulfilment` has them.
        reason: Why.
        as_of: The workflow's time.
    """
    giving = [line for line in lines if line.reservation_id in given_up]
    ledger.reserve_units(stock, wanted_by_item((line.item, -given_up[line.reservation_id]) for line in giving))
    for line in giving:
        units = given_up[line.reservation_id]
        stock.add_given_up(GivenUp(line.reservation_id, units, reason, operation, as_of))
        lowered = give_back(stock, replace(line, quantity_released=line.quantity_released + units), units)
        _change(stock, operation, lowered, as_of, reason=reason)


def give_way(
    stock: LockedStock,
    operation: Operation,
    item: ItemKey,
    units: int,
    *,
    reason: str,
    as_of: datetime,
    document: str,
) -> list[ItemHold]:
    """End holds on an item whose promised stock is missing, the latest first, until enough units are free.

    The lock of the item is enough: an order's or transfer's other lines are released by its own workflow, once that is
    notified. The item's holds are read here, as they are written: nothing else has changed them in this transaction.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        item: The item.
        units: How many units have to be given up.
        reason: One sentence for the holders that give way.
        as_of: The workflow's time.
        document: The number of the correction.

    Returns:
        The holds that ended before their deadline, whose workflows have to be notified.
    """
    return [
        hold
        for hold in giving_way(open_holds(stock.connection, item), units, as_of)
        if _ends_in_time(stock, operation, hold, reason=reason, as_of=as_of, document=document)
    ]


def give_up_lot(
    stock: LockedStock,
    operation: Operation,
    item: ItemKey,
    lot_number: str,
    units: int,
    *,
    reason: str,
    as_of: datetime,
    document: str,
    of: Sequence[ItemHold] | None = None,
) -> list[ItemHold]:
    """Free held units of a lot: their holders get other lots for them, and those for whom none is left give way.

    Of a hold no more units of the lot are exchanged than are missing; one that gives way does so whole.

    Whoever was promised last loses the lot first; of those who lose it, whoever was promised first gets another one
    first. What was said about `give_way` goes for this as well.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        item: The item, which is tracked.
        lot_number: The lot.
        units: How many of its units have to be given up.
        reason: One sentence for the holders that give way.
        as_of: The workflow's time.
        document: The number of the correction, or of the recall.
        of: The item's open holds that may hold units of the lot, as read in this transaction, the oldest first; None:
            all of the item's, which are read here.

    Returns:
        The holds that ended before their deadline, whose workflows have to be notified.
    """
    holders = [
        hold
        for read in (open_holds(stock.connection, item) if of is None else of)
        # As they are here: they may have lost another lot of the item already, or have ended by that.
        if units_of_lot((hold := _as_it_is(stock, read)).lines, lot_number)
    ]
    losers: list[tuple[ItemHold, int]] = []
    for hold in giving_way(holders, sum(each.quantity_open for each in holders), as_of):
        if units > 0:
            lost = min(units, units_of_lot(hold.lines, lot_number))
            losers.append((hold, lost))
            units -= lost
    ended = []
    for hold, lost in sorted(losers, key=lambda each: (not each[0].is_overdue(as_of), each[0].lines[0].reservation_id)):
        lines = stock.take_in(Reference(hold.reference_type, hold.reference_id), hold.lines)
        if not hold.is_overdue(as_of) and (others := exchange(stock, lines, lot_number, lost)) is not None:
            for line in others:
                stock.change_line(line)
        elif _ends_in_time(stock, operation, hold, reason=reason, as_of=as_of, document=document):
            ended.append(hold)
    return ended


def _as_it_is(stock: LockedStock, hold: ItemHold) -> ItemHold:
    """A hold that was read, with the open lines that it has by now in memory."""
    lines = stock.take_in(Reference(hold.reference_type, hold.reference_id), hold.lines)
    return replace(hold, lines=[line for line in lines if line.quantity_open])


def _ends_in_time(
    stock: LockedStock, operation: Operation, hold: ItemHold, *, reason: str, as_of: datetime, document: str
) -> bool:
    """End a hold that gives way; whether that is before its deadline."""
    is_overdue = hold.is_overdue(as_of)
    release(
        stock,
        operation,
        stock.take_in(Reference(hold.reference_type, hold.reference_id), hold.lines),
        ReservationStatus.EXPIRED if is_overdue else ReservationStatus.CANCELLED,
        reason=reason,
        as_of=as_of,
        gave_way_to=None if is_overdue else document,
    )
    return not is_overdue


def extend(stock: LockedStock, lines: Sequence[HeldLine], expires_at: datetime) -> None:
    """Set a new deadline on lines that still hold something."""
    for line in lines:
        if line.quantity_open:
            stock.change_line(replace(line, expires_at=expires_at))


def _change(
    stock: LockedStock, operation: Operation, line: HeldLine, as_of: datetime, *, reason: str | None = None
) -> None:
    """Set a line that has given units to what it is now: FULFILLED, once nothing of it is held."""
    if line.quantity_open:
        stock.change_line(line)
        return
    ended = replace(line, status=ReservationStatus.FULFILLED)
    stock.change_line(ended, closed_by=operation.operation_id, closed_at=as_of, closed_reason=reason)


def _days_of(lines: Sequence[HeldLine]) -> int | None:
    """The days that each unit of an order must have left, if it says so itself: the same on all of its lines."""
    return lines[0].minimum_days_left if lines else None


def _reserve(
    stock: LockedStock,
    operation: Operation,
    needed_for: str,
    wanted: Mapping[ItemKey, int],
    as_of: datetime,
    *,
    waits_as: int | None = None,
    minimum_days_left: int | None = None,
) -> list[StockItem]:
    """Reserve units of all of these items, or none; overdue holds are released where an item is short.

    So deadlines are exact without waiting for timers. Which lots are held is the caller's to say (`allot`).

    Returns:
        The items that weren't below their reorder point before: what is left to sell depends on the lots that are held.

    Raises:
        InsufficientStock: Even without the overdue holds it is short.
    """
    levels, queue = stock.levels(wanted, minimum_days_left=minimum_days_left), stock.waiting.queue(as_of)
    overdue: list[HeldLine] = []
    if short := shortages(wanted, queue.seen(levels, waits_as)):
        overdue = stock.overdue({(each.warehouse_id, each.product_id) for each in short}, as_of)
        after = stock.levels(wanted, minimum_days_left=minimum_days_left, without=overdue)
        if still_short := shortages(wanted, queue.seen(after, waits_as)):
            raise InsufficientStock.of(queue.explained(still_short, after, waits_as))
    ledger.require_on_the_ledger(stock, wanted)
    if overdue:
        reason = f"overdue, and needed for {needed_for}"
        release(stock, operation, overdue, ReservationStatus.EXPIRED, reason=reason, as_of=as_of)
    at_ease = [stock.items[key] for key in wanted if not stock.items[key].is_short]
    ledger.reserve_units(stock, wanted)
    return at_ease
