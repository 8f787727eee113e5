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

from database.locked_stock import LockedStock
from database.operations import Operation
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Movement
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.stock import ItemKey, MovementType

_A_MICROSECOND = timedelta(microseconds=1)

_SET_BUFFER = text("""
    UPDATE inventory_items SET quantity_buffer = :units
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


def reserve_units(stock: LockedStock, units: Mapping[ItemKey, int]) -> bool:
    """Add units to the reserved quantity of these items; negative ones release.

    Returns:
        Whether an item fell below its reorder point by this.

    Raises:
        InvalidRequest: Units are to be added, and the item's on hand isn't what its movements have left.
        RuntimeError: An item has no row, which its lock would have shown.
    """
    found = [item for key in sorted(units) if (item := stock.items.get(key)) is not None and item.exists]
    if len(found) != len(units):
        raise RuntimeError(f"{len(units)} items to reserve on, {len(found)} found")
    require_on_the_ledger(stock, [item.key for item in found if units[item.key] > 0])
    fell_below = False
    for item in found:
        was_below = item.is_below
        item.reserved += units[item.key]
        item.held += units[item.key]
        item.has_changed = True
        fell_below |= item.is_below and not was_below
    return fell_below


def move_units(
    stock: LockedStock,
    operation: Operation,
    movement_type: MovementType,
    lines: Iterable[tuple[ItemKey, int]],
    *,
    reference_id: str,
    reason: str,
    from_reserved: bool = False,
) -> None:
    """Change on hand, by a movement for each line. Lines of the same item follow each other by a microsecond.

    Args:
        stock: The stock; the step has said that it moves some.
        operation: The person and the run behind it.
        movement_type: The kind of movement.
        lines: Items and units: positive in, negative out. An item may have several lines.
        reference_id: The number of the document behind it: an order, a purchase order, a transfer.
        reason: One sentence for readers of the ledger.
        from_reserved: The units were reserved, so that the reserved quantity changes as well.

    Raises:
        InvalidRequest: An item's on hand isn't what its movements have left.
        RuntimeError: An item has no row, which its lock would have shown.
    """
    moving = list(lines)
    found = [(item, units) for key, units in moving if (item := stock.items.get(key)) is not None and item.exists]
    if len(found) != len(moving):
        raise RuntimeError(f"{len(moving)} movements to write, {len(found)} written")
    require_on_the_ledger(stock, sorted({key for key, _ in moving}))
    occurred_at = operation.occurred_at
    for item, units in found:
        at = stock.now if item.last_moved_at is None else max(stock.now, item.last_moved_at + _A_MICROSECOND)
        item.on_hand += units
        item.moved += units
        item.balance, item.last_moved_at, item.has_changed = item.on_hand, at, True
        if from_reserved:
            item.reserved += units
            item.held += units
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
            )
        )


def reserve(connection: Connection, units: Mapping[ItemKey, int]) -> bool:
    """`reserve_units` for a step with a transaction of its own. The caller has locked the items."""
    if not units:
        return False
    with locked_stock(connection, Wants(items=list(units))) as stock:
        return reserve_units(stock, units)


def move(
    connection: Connection,
    operation: Operation,
    movement_type: MovementType,
    lines: Iterable[tuple[ItemKey, int]],
    *,
    reference_id: str,
    reason: str,
) -> None:
    """`move_units` for a step with a transaction of its own. The caller has locked the items."""
    moving = list(lines)
    with locked_stock(connection, Wants(items=[item for item, _ in moving], moves=True)) as stock:
        move_units(stock, operation, movement_type, moving, reference_id=reference_id, reason=reason)


def set_buffer(connection: Connection, item: ItemKey, units: int) -> None:
    """Keep so many units of an item from new holds. The caller has locked it."""
    connection.execute(_SET_BUFFER, {**item._asdict(), "units": units})


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
