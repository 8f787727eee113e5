"""The ledger: on hand changes by a movement and in no other way.

An item and its movements are changed together in memory, under the item's lock (`database.locked_stock`), and written
together; a trigger checks at commit that they agree. `created_at` is the database's clock, read under the item's lock
and moved past the item's previous movement: within an item later movements have later instants, and each balance
follows from the one before. `occurred_at` is when the goods moved, where that was booked later; it says nothing about
balances.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from sqlalchemy import Connection, text

from database.item_events import tell_levels
from database.locked_stock import LockedStock
from database.operations import Operation
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Aside, Movement, Moving, StockItem
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import LotOnHand, StockState, Tracking
from stockkeeper.domain.stock import ItemKey, MovementType

_A_MICROSECOND = timedelta(microseconds=1)

_SET_BUFFER = text("""
    UPDATE inventory_items SET quantity_buffer = :units
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND quantity_buffer <> :units
""")


def reserve_units(stock: LockedStock, units: Mapping[ItemKey, int]) -> None:
    """Add units to the reserved quantity of these items; negative ones release.

    Raises:
        InvalidRequest: Units are to be added, and the item's on hand isn't what its movements have left.
        RuntimeError: An item has no row, which its lock would have shown.
    """
    found = [item for key in sorted(units) if (item := stock.items.get(key)) is not None and item.exists]
    if len(found) != len(units):
        raise RuntimeError(f"{len(units)} items to reserve on, {len(found)} found")
    require_on_the_ledger(stock, [item.key for item in found if units[item.key] > 0])
    for item in found:
        item.reserved += units[item.key]
        item.held += units[item.key]
        stock.change_item(item)


def move_units(
    stock: LockedStock,
    operation: Operation,
    movement_type: MovementType,
    lines: Iterable[Moving],
    *,
    reference_id: str,
    reason: str,
    from_reserved: bool = False,
) -> None:
    """Change on hand, by a movement for each line. Lines of the same item follow each other by a microsecond.

    Lots that come have been taken in before (`LockedStock.take_in_lots`).

    Args:
        stock: The stock; the step has said that it moves some.
        operation: The person and the run behind it.
        movement_type: The kind of movement.
        lines: Items and units: positive in, negative out. An item may have several lines.
        reference_id: The number of the document behind it: an order, a purchase order, a transfer.
        reason: One sentence for readers of the ledger.
        from_reserved: The units were reserved, so that the reserved quantity changes as well.

    Raises:
        InvalidRequest: An item's on hand isn't what its movements have left; or units of a tracked product name no lot
            that is there, or others do.
        RuntimeError: An item has no row, which its lock would have shown.
    """
    moving = list(lines)
    found = [(item, each) for each in moving if (item := stock.items.get(each.item)) is not None and item.exists]
    if len(found) != len(moving):
        raise RuntimeError(f"{len(moving)} movements to write, {len(found)} written")
    require_on_the_ledger(stock, sorted({each.item for each in moving}))
    lots = [lot_of(item, each.lot_number) for item, each in found]
    occurred_at = operation.occurred_at
    for (item, (_, units, _)), lot in zip(found, lots, strict=True):
        at = stock.now if item.last_moved_at is None else max(stock.now, item.last_moved_at + _A_MICROSECOND)
        item.on_hand += units
        item.moved += units
        item.balance, item.last_moved_at = item.on_hand, at
        if from_reserved:
            item.reserved += units
            item.held += units
        if lot is not None:
            lot.on_hand += units
            lot.reserved += units if from_reserved else 0
        stock.change_item(item)
        stock.add_movement(
            Movement(
                item.key,
                movement_type,
                units,
                item.balance,
                reference_id,
                reason,
                operation,
                at,
                occurred_at if occurred_at is not None and occurred_at < at else None,
                None if lot is None else lot.number,
                None if lot is None else lot.on_hand,
            )
        )


def lot_of(item: StockItem, lot_number: str | None) -> LotOnHand | None:
    """The lot of units of an item; None: it isn't tracked.

    Raises:
        InvalidRequest: A tracked item's lot isn't named or isn't there; or another one's is named.
    """
    if lot_number is None:
        if item.is_tracked:
            kind = "serial number" if item.tracking is Tracking.SERIAL else "lot number"
            raise InvalidRequest(f"{item.sku} is tracked: name the {kind} of its units")
        return None
    if not item.is_tracked:
        raise InvalidRequest(f"{item.sku} isn't tracked by lot: leave out lot {lot_number}")
    if (lot := item.lots.get(lot_number)) is None:
        raise InvalidRequest(f"{item.name} has no lot {lot_number}")
    return lot


def set_aside(stock: LockedStock, item: StockItem, lot: LotOnHand | None, state: StockState, units: int) -> None:
    """Set units on hand aside for a reason, so that they can't be promised; negative ones are released from it.

    The caller has looked whether so many are free, or set aside. Of a tracked item the lot is given.
    """
    item.unavailable += units
    item.set_aside += units
    if lot is not None:
        lot.unavailable += units
    stock.change_item(item)
    stock.add_aside(Aside(item.key, "" if lot is None else lot.number, state, units))


def move(
    connection: Connection,
    operation: Operation,
    movement_type: MovementType,
    lines: Iterable[Moving],
    *,
    reference_id: str,
    reason: str,
) -> None:
    """`move_units` for a step with a transaction of its own. The caller has locked the items."""
    moving = list(lines)
    with locked_stock(connection, Wants(items=[each.item for each in moving], moves=True), operation) as stock:
        move_units(stock, operation, movement_type, moving, reference_id=reference_id, reason=reason)


def set_buffer(connection: Connection, operation: Operation, item: ItemKey, units: int) -> None:
    """Keep so many units of an item from new holds, and tell it. The caller has locked it."""
    if connection.execute(_SET_BUFFER, {**item._asdict(), "units": units}).rowcount:
        tell_levels(connection, operation, [item])


def require_on_the_ledger(stock: LockedStock, items: Iterable[ItemKey]) -> None:
    """Refuse to go on with stock that was put in past the ledger: no movement could follow the last one.

    Raises:
        InvalidRequest: On hand of one of these items isn't what its movements have left.
    """
    for key in items:
        item = stock.items[key]
        if item.on_hand != item.balance:
            raise InvalidRequest(
                f"{item.name} has {item.on_hand} on hand, but its movements have left {item.balance}: the difference "
                "has no movement; run `stockkeeper audit` and repair its finding first"
            )
