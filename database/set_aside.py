"""Units set aside: on hand, and not to be promised, because of what they are (`StockState`).

What is set aside can't be held, shipped, transferred, sent back or taken by a correction. It becomes available again,
or leaves the books, by the document that answers for it, an inspection.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from database import holds, ledger
from database.corrections import Correction
from database.locked_stock import LockedStock
from database.operations import Operation
from database.stock_rows import Moving, StockItem
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.lot import LotOnHand, StockState
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey, MovementType


class _Units(NamedTuple):
    """Units of one item, and of one lot of it if it is tracked."""

    item: StockItem
    lot: LotOnHand | None
    quantity: int

    @property
    def free(self) -> int:
        """Units that nobody holds and that aren't set aside."""
        of = self.lot or self.item
        return of.on_hand - of.reserved - of.unavailable

    @property
    def not_set_aside(self) -> int:
        """Units that aren't set aside yet, those that are held as well."""
        of = self.lot or self.item
        return of.on_hand - of.unavailable


def set_aside(
    stock: LockedStock,
    operation: Operation,
    state: StockState,
    units: Iterable[Moving],
    *,
    held_too: bool = False,
    reason: str,
    as_of: datetime,
    document: str,
) -> Correction:
    """Set units on hand aside: all of them, or none.

    Args:
        stock: The stock, with the items.
        operation: The person and the run behind it.
        state: What they are.
        units: Items and units; of a tracked product with the lot. The same ones on two lines count together.
        held_too: Whether units that are held may be set aside as well, because they are suspected: their holders get
            other lots, and those for whom nothing is left give way.
        reason: One sentence for the holders that give way.
        as_of: The workflow's time.
        document: The number of the document that answers for them.

    Returns:
        Whether an item fell below its reorder point, and the holds that gave way, by item.

    Raises:
        InsufficientStock: Fewer are there, or, unless held ones may be set aside, fewer are free.
        InvalidRequest: A tracked item's lot isn't named or isn't there; or another one's is named.
    """
    wanted = _by_lot(stock, units)
    short = [
        Shortage(item.key.product_id, item.key.warehouse_id, each.quantity, there)
        for each in wanted
        for item, there in [(each.item, each.not_set_aside if held_too else each.free)]
        if there < each.quantity
    ]
    if short:
        raise InsufficientStock.of(short)
    short_before = {each.item.key for each in wanted if each.item.is_short}
    gave_way: dict[ItemKey, list[ItemHold]] = {}
    for each in wanted:
        if (held := each.quantity - each.free) > 0:
            why = f"gave way, {each.quantity} set aside: {reason}"
            ended = _give_up(stock, operation, each, held, reason=why, as_of=as_of, document=document)
            if ended:
                gave_way.setdefault(each.item.key, []).extend(ended)
        ledger.set_aside(stock, each.item, each.lot, state, each.quantity)
    fell_below = any(each.item.is_short for each in wanted if each.item.key not in short_before)
    return Correction(fell_below=fell_below, gave_way=gave_way)


def set_coming_aside(stock: LockedStock, state: StockState, units: Iterable[Moving]) -> None:
    """Set units aside that have just come, and that nobody can hold yet; of tracked products their lots are named."""
    for each in _by_lot(stock, units):
        ledger.set_aside(stock, each.item, each.lot, state, each.quantity)


def release(stock: LockedStock, state: StockState, units: Iterable[Moving]) -> None:
    """Make units available again that are set aside.

    The caller's document answers for so many of them in this state.

    Raises:
        InvalidRequest: A tracked item's lot isn't named or isn't there; or another one's is named.
    """
    for each in _by_lot(stock, units):
        ledger.set_aside(stock, each.item, each.lot, state, -each.quantity)


def scrap(
    stock: LockedStock,
    operation: Operation,
    state: StockState,
    units: Iterable[Moving],
    *,
    reference_id: str,
    reason: str,
) -> None:
    """Take units off the books that are set aside, by an ADJUSTMENT movement for each item and lot.

    The caller's document answers for so many of them in this state.

    Raises:
        InvalidRequest: A tracked item's lot isn't named or isn't there; or another one's is named; or an item's on hand
            isn't what its movements have left.
    """
    gone = _by_lot(stock, units)
    ledger.require_on_the_ledger(stock, sorted({each.item.key for each in gone}))
    for each in gone:
        ledger.set_aside(stock, each.item, each.lot, state, -each.quantity)
    moving = [Moving(each.item.key, -each.quantity, each.lot.number if each.lot else None) for each in gone]
    ledger.move_units(stock, operation, MovementType.ADJUSTMENT, moving, reference_id=reference_id, reason=reason)


def _by_lot(stock: LockedStock, units: Iterable[Moving]) -> Sequence[_Units]:
    """The units by item and lot, in lock order; an item that was never stocked has none."""
    added: dict[tuple[ItemKey, str], int] = {}
    for each in units:
        key = each.item, each.lot_number or ""
        added[key] = added.get(key, 0) + each.quantity
    return [
        _Units(item, ledger.lot_of(item, number or None) if item.exists else None, quantity)
        for (key, number), quantity in sorted(added.items())
        for item in [stock.items[key]]
    ]


def _give_up(
    stock: LockedStock,
    operation: Operation,
    each: _Units,
    units: int,
    *,
    reason: str,
    as_of: datetime,
    document: str,
) -> list[ItemHold]:
    """Free units that are held; see `holds.give_way` and `holds.give_up_lot`."""
    key = each.item.key
    if each.lot is None:
        return holds.give_way(stock, operation, key, units, reason=reason, as_of=as_of, document=document)
    return holds.give_up_lot(
        stock, operation, key, each.lot.number, units, reason=reason, as_of=as_of, document=document
    )
