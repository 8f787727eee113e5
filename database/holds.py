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
from database.operations import Operation
from database.stock_rows import GivenUp, GivenWay, HeldAgain, Reference
from stockkeeper.domain.errors import InsufficientStock
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
) -> bool:
    """Hold all of these lines, or none. Units that others wait for are left for them.

    If an item is short, holds on it that are overdue by ``as_of`` are released first, in the same transaction.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        reference: The order or transfer.
        lines: Units by item, as they were sourced if they were. The same item on two lines counts together.
        expires_at: The deadline of the hold; None: it has none.
        as_of: The workflow's time.
        waits_as: The order's own wait: only those who came before it come first. None: it doesn't wait.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InsufficientStock: With the numbers of every item that is short.
    """
    wanted = wanted_by_item((part.item, part.quantity) for part in lines)
    fell_below = _reserve(stock, operation, " ".join(reference), wanted, as_of, waits_as)
    for item, quantity, sourced_line in lines:
        stock.add_line(
            operation, reference, item, quantity, expires_at=expires_at, as_of=as_of, sourced_line=sourced_line
        )
    return fell_below


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
    fell_below = _reserve(stock, operation, operation.workflow_id, wanted, as_of)
    for line in lines:
        stock.change_line(replace(line, status=ReservationStatus.ACTIVE))
        stock.add_held_again(HeldAgain(line.reservation_id, operation, as_of))
    return fell_below


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
    fell_below = _reserve(stock, operation, " ".join(reference), wanted, as_of)
    for line in lines:
        stock.change_line(replace(line, status=ReservationStatus.ACTIVE, expires_at=expires_at))
    return fell_below


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
) -> None:
    """Take held units off the shelf, by a movement for each line that gives some.

    Args:
        stock: The stock.
        operation: The person and the run behind it.
        lines: The hold.
        taken: Units by reservation_id, as `stockkeeper.domain.reservation.plan_fulfilment` has them.
        movement_type: Why they leave: SALE or TRANSFER_OUT.
        reference_id: The document's number.
        reason: One sentence for readers of the ledger.
        as_of: The workflow's time.

    Raises:
        InvalidRequest: An item's on hand isn't what its movements have left.
    """
    giving = [line for line in lines if line.reservation_id in taken]
    ledger.move_units(
        stock,
        operation,
        movement_type,
        [(line.item, -taken[line.reservation_id]) for line in giving],
        reference_id=reference_id,
        reason=reason,
        from_reserved=True,
    )
    for line in giving:
        fulfilled = line.quantity_fulfilled + taken[line.reservation_id]
        _change(stock, operation, replace(line, quantity_fulfilled=fulfilled), as_of)


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
            replace(line, status=status), closed_by=operation.operation_id, closed_at=as_of, closed_reason=reason
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
        lowered = replace(line, quantity_released=line.quantity_released + units)
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
    ended = giving_way(open_holds(stock.connection, item), units, as_of)
    overdue = [hold for hold in ended if hold.is_overdue(as_of)]
    in_time = [hold for hold in ended if not hold.is_overdue(as_of)]
    for given_up, status, to in (
        (overdue, ReservationStatus.EXPIRED, None),
        (in_time, ReservationStatus.CANCELLED, document),
    ):
        lines = stock.take_in(line for hold in given_up for line in hold.lines)
        release(stock, operation, lines, status, reason=reason, as_of=as_of, gave_way_to=to)
    return in_time


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


def _reserve(
    stock: LockedStock,
    operation: Operation,
    needed_for: str,
    wanted: Mapping[ItemKey, int],
    as_of: datetime,
    waits_as: int | None = None,
) -> bool:
    """Reserve units of all of these items, or none; overdue holds are released where an item is short.

    So deadlines are exact without waiting for timers.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InsufficientStock: Even without the overdue holds it is short.
    """
    levels, queue = stock.levels(wanted), stock.waiting.queue(as_of)
    overdue: list[HeldLine] = []
    if short := shortages(wanted, queue.seen(levels, waits_as)):
        overdue = stock.overdue({(each.warehouse_id, each.product_id) for each in short}, as_of)
        freed = wanted_by_item((line.item, line.quantity_open) for line in overdue)
        after = {item: replace(level, reserved=level.reserved - freed.get(item, 0)) for item, level in levels.items()}
        if still_short := shortages(wanted, queue.seen(after, waits_as)):
            raise InsufficientStock.of(queue.explained(still_short, after, waits_as))
    ledger.require_on_the_ledger(stock, wanted)
    if overdue:
        reason = f"overdue, and needed for {needed_for}"
        release(stock, operation, overdue, ReservationStatus.EXPIRED, reason=reason, as_of=as_of)
    return ledger.reserve_units(stock, wanted)
