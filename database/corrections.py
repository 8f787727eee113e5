"""Corrections: on hand is changed to the quantity that was found, by a count, an adjustment or an audit's repair.

Missing goods can't be promised: if more is reserved than is left, holds give way. Units that are set aside are no
correction's to take: they stand apart, and leave by their inspection. Every correction follows these rules: free units
go first, then those that are held, and one that would take more is refused. Of a tracked product that goes for each
lot: holders of a lot of which too little is left get another one, and give way where none is free.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from database import holds, ledger
from database.arriving_lots import Arriving, take_in
from database.given_way import OFFERS_SHOWN, read_offers
from database.locked_stock import LockedStock
from database.locks import create_items, lock_items
from database.lot import lock_lots
from database.operations import Operation, result_of
from database.pipeline import Statement, numbers, send, texts
from database.stock_reading import Wants, lock_stock, locked_stock
from database.stock_rows import Moving
from stockkeeper.domain.correction import Change, net_changes
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.lot import LotOnHand
from stockkeeper.domain.promise import Promise, promises_of
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey, Level, MovementType

_OF_LOTS = """
    SELECT item.warehouse_id, item.product_id, item.lot_number, quantity_on_hand - quantity_unavailable
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS wanted (warehouse_id, product_id, lot_number)
    CROSS JOIN LATERAL (
        SELECT * FROM lot_items AS item
        WHERE (item.warehouse_id, item.product_id, item.lot_number)
            = (wanted.warehouse_id, wanted.product_id, wanted.lot_number)
        OFFSET 0) AS item
"""

_LOOK = Operation("look", "look", {}, "nobody", "look", "look")
"""Stands for the operation of a correction that is only thought through."""


@dataclass(frozen=True)
class Correction:
    """The effects of a correction on others.

    Attributes:
        fell_below: Whether an item fell below its reorder point by this.
        gave_way: The holds that it ended, by item, and whose workflows have to be notified; without overdue ones.
        held_before: Holds that gave way earlier on items of which it has put units back (`database.given_way`).
    """

    fell_below: bool = False
    gave_way: Mapping[ItemKey, list[ItemHold]] = field(default_factory=dict)
    held_before: Sequence[Mapping[str, Any]] = ()


def lock_changed(connection: Connection, changes: Iterable[Change], *, arriving: bool = False) -> dict[ItemKey, Level]:
    """Lock what a correction changes, and read the levels of its items as they are then.

    Locks: the lots that it puts in, then the items, each in their order.

    Args:
        connection: The transaction. The caller has locked the document.
        changes: The changes.
        arriving: Whether items that were never stocked are created.

    Returns:
        A level for each item that has a row.
    """
    listed = list(changes)
    items = {each.item for each in listed}
    before = [create_items(items)] if arriving and items else []
    lots = _coming(listed)
    if statements := [*before, *([lock_lots(lots)] if lots else [])]:
        send(connection, statements)
    return lock_items(connection, items)


def require_on_hand(connection: Connection, changes: Iterable[Change], levels: Mapping[ItemKey, Level]) -> None:
    """Refuse to take off more than is on hand and not set aside; holds don't count here, because they give way.

    Args:
        connection: The transaction. The caller has locked the items.
        changes: The changes.
        levels: The levels of the locked items.

    Raises:
        InsufficientStock: With the numbers of every item that is short, and of every lot.
    """
    taken_off = [each for each in changes if each.quantity < 0]
    of_lots = [each for each in taken_off if each.lot is not None]
    lots: dict[tuple[ItemKey, str | None], int] = {}
    if of_lots:
        keys = (
            numbers(each.item.warehouse_id for each in of_lots),
            numbers(each.item.product_id for each in of_lots),
            texts(each.lot_number for each in of_lots),
        )
        [rows] = send(connection, [Statement(_OF_LOTS, keys)])
        lots = {(ItemKey(*row[:2]), row[2]): row[3] for row in rows}
    missing = []
    for item, units, lot in taken_off:
        level = levels.get(item, Level())
        there = level.not_set_aside if lot is None else lots.get((item, lot.lot_number), 0)
        if there + units < 0:
            number = None if lot is None else lot.lot_number
            missing.append(Shortage(item.product_id, item.warehouse_id, -units, there, lot_number=number))
    if missing:
        raise InsufficientStock.of(missing)


def correct(
    connection: Connection,
    operation: Operation,
    changes: Iterable[Change],
    levels: Mapping[ItemKey, Level],
    *,
    reference_id: str,
    reason: str,
    as_of: datetime,
) -> Correction:
    """Change on hand by an ADJUSTMENT movement for each item, or each of its lots; holds give way where they have to.

    Args:
        connection: The transaction. The caller has locked the changes (`lock_changed`).
        operation: The person and the run behind it.
        changes: Units by item, or by lot; those of the same count together.
        levels: The levels of the locked items.
        reference_id: The number of the count or the adjustment.
        reason: One sentence for readers of the ledger, and for the holders that give way.
        as_of: The workflow's time.

    Raises:
        InsufficientStock: Less is on hand and not set aside than is to be taken off. Nothing has changed.
        InvalidRequest: A lot isn't named of a product that is tracked, is named of another one, or says other days
            than are known of it. Nothing has changed.
    """
    moved = net_changes(changes)
    require_on_hand(connection, moved, levels)
    if not moved:
        return Correction()
    items = list(dict.fromkeys(each.item for each in moved))
    with locked_stock(connection, _wants(moved, as_of), operation) as stock:
        short_before = {item for item in items if stock.items[item].is_short}
        _put_in(stock, operation, moved, reference_id=reference_id, reason=reason)
        gave_way = _make_room(stock, operation, moved, levels, reason=reason, as_of=as_of, document=reference_id)
        rest = [Moving(each.item, each.quantity, each.lot_number) for each in moved if not _is_lot_put_in(each)]
        if rest:
            ledger.move_units(stock, operation, MovementType.ADJUSTMENT, rest, reference_id=reference_id, reason=reason)
        fell_below = any(stock.items[item].is_short for item in items if item not in short_before)
    put_back = list(dict.fromkeys(each.item for each in moved if each.quantity > 0))
    return Correction(
        fell_below=fell_below,
        gave_way=gave_way,
        held_before=tuple(read_offers(connection, as_of, OFFERS_SHOWN, items=put_back)) if put_back else (),
    )


def is_reviewed(connection: Connection, operation: Operation, command: str) -> bool:
    """Whether an earlier attempt at this approval was refused, and the holds that it would end were shown upon that.

    A worker may die between the two and Temporal's hearing of them. The command is then tried anew, and nobody has
    looked at the holds: it stays refused.

    Args:
        connection: Within the attempt's transaction.
        operation: The approval's.
        command: Its name in its operation id.
    """
    key = operation.operation_id.removeprefix(f"{operation.workflow_id}/{command}/")
    return result_of(connection, f"{operation.workflow_id}/review/{key}") is not None


def would_end(
    connection: Connection, changes: Iterable[Change], levels: Mapping[ItemKey, Level], as_of: datetime
) -> list[Promise]:
    """The promises that `correct` would break by these changes.

    Args:
        connection: The transaction. The caller has locked the changes (`lock_changed`).
        changes: Units by item, or by lot.
        levels: The levels of the locked items; an item without one was never stocked.
        as_of: The workflow's time, which decides about deadlines.

    Raises:
        InvalidRequest: As `correct` would.
    """
    moved = net_changes(changes)
    ending = {
        item: holds.ending(connection, item, too_much, as_of)
        for item, units, lot in moved
        if lot is None and (too_much := _too_much(levels.get(item, Level()), units)) > 0
    }
    if of_lots := [each for each in moved if each.lot is not None and levels.get(each.item, Level()).reserved]:
        # Which lots are free for whom shows only by giving them: that is done in memory, and never written.
        with_its_own = [each for each in moved if each.item in {other.item for other in of_lots}]
        stock = lock_stock(connection, [_wants(with_its_own, as_of)])
        _put_in(stock, _LOOK, with_its_own, reference_id="look", reason="look")
        ending |= _make_room(stock, _LOOK, of_lots, levels, reason="look", as_of=as_of, document="look")
    return promises_of(dict(sorted(ending.items())))


def _too_much(level: Level, units: int) -> int:
    """Units of an item that are promised, and won't be there after a change."""
    return level.reserved - (level.not_set_aside + units) if units else 0


def _is_lot_put_in(change: Change) -> bool:
    return change.lot is not None and change.quantity > 0


def _coming(changes: Iterable[Change]) -> list[tuple[int, str]]:
    """The lots that a correction puts in, by product and number."""
    return [
        (each.item.product_id, each.lot.lot_number) for each in changes if each.lot is not None and each.quantity > 0
    ]


def _wants(changes: Sequence[Change], as_of: datetime) -> Wants:
    items = list(dict.fromkeys(each.item for each in changes))
    return Wants(items=items, lots=_coming(changes), moves=True, as_of=as_of)


def _put_in(
    stock: LockedStock, operation: Operation, changes: Iterable[Change], *, reference_id: str, reason: str
) -> None:
    """Put units of lots in before others are taken off: whoever loses a lot may get these."""
    coming = [Arriving(item, lot, units) for item, units, lot in changes if lot is not None and units > 0]
    if not coming:
        return
    take_in(stock, operation, coming)
    moving = [Moving(item, units, lot.lot_number) for item, lot, units in coming]
    ledger.move_units(stock, operation, MovementType.ADJUSTMENT, moving, reference_id=reference_id, reason=reason)


def _make_room(
    stock: LockedStock,
    operation: Operation,
    changes: Iterable[Change],
    levels: Mapping[ItemKey, Level],
    *,
    reason: str,
    as_of: datetime,
    document: str,
) -> dict[ItemKey, list[ItemHold]]:
    """Let holds give way, or have other lots, where more is promised than is left.

    Returns:
        The holds that ended before their deadline, by item.
    """
    gave_way: dict[ItemKey, list[ItemHold]] = {}
    of_lots: dict[ItemKey, list[Change]] = {}
    for each in changes:
        if each.lot is not None:
            if each.quantity < 0:
                of_lots.setdefault(each.item, []).append(each)
            continue
        level = levels[each.item]
        if (too_much := _too_much(level, each.quantity)) > 0:
            why = f"gave way, {level.on_hand + each.quantity} on hand: {reason}"
            if ended := holds.give_way(
                stock, operation, each.item, too_much, reason=why, as_of=as_of, document=document
            ):
                gave_way[each.item] = ended
    for item, missing in of_lots.items():
        if ended := _give_up_lots(stock, operation, missing, reason=reason, as_of=as_of, document=document):
            gave_way[item] = ended
    return gave_way


def _give_up_lots(
    stock: LockedStock, operation: Operation, missing: Sequence[Change], *, reason: str, as_of: datetime, document: str
) -> list[ItemHold]:
    """Free units of several lots of an item, so that they can be taken off."""
    item = stock.items[missing[0].item]
    kept: list[tuple[LotOnHand, int]] = []
    # What is missing is nobody's other lot: it is kept from those that lose another one meanwhile.
    for each in missing:
        if (lot := ledger.lot_of(item, each.lot_number)) is not None and (free := min(lot.free, -each.quantity)):
            lot.unavailable += free
            kept.append((lot, free))
    ended = []
    for each in missing:
        lot = ledger.lot_of(item, each.lot_number)
        if lot is None:
            continue
        too_much = -each.quantity - sum(units for other, units in kept if other is lot)
        too_much -= lot.free
        if too_much > 0:
            left = lot.on_hand + each.quantity
            why = f"gave way, {left} of lot {lot.number} on hand: {reason}"
            ended += holds.give_up_lot(
                stock, operation, item.key, lot.number, too_much, reason=why, as_of=as_of, document=document
            )
        if (freed := -each.quantity - sum(units for other, units in kept if other is lot)) > 0:
            lot.unavailable += freed
            kept.append((lot, freed))
    for lot, units in kept:
        lot.unavailable -= units
    return ended
