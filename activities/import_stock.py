"""Opening stock: on hand before Stockkeeper is used, booked as the first movement of each item."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Index, Select, and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from database import ledger
from database.import_file import Incoming
from database.import_file_checks import problem, refuse_if_any
from database.locks import lock_items
from database.operations import Operation
from database.tables import inventory_items, stock_movements
from stockkeeper.contracts.import_file import Applied, ApplyImportStep
from stockkeeper.domain.stock import ItemKey, MovementType

OPENING_STOCK = "opening stock"
"""The reason of these movements, by which a later import recognises them."""

_ITEMS_AT_ONCE = 50_000


class _Shelf(NamedTuple):
    """One row: an item, its opening stock in units, and whether it ever had a movement."""

    item: ItemKey
    quantity: int
    has_moved: bool


def book_opening_stock(
    connection: Connection, operation: Operation, step: ApplyImportStep, incoming: Incoming
) -> Applied:
    """Create the items, lock them, and book an ADJUSTMENT for each that never had a movement.

    An item with the same opening stock is left alone, so that a repeat doesn't undo later movements.

    Locks: new items by inserting them, then all items, both sorted by (warehouse_id, product_id).

    Raises:
        InvalidRequest: An item has movements already, and its opening stock was another quantity.
    """
    rows = incoming.table
    Index("incoming_items", rows.c.warehouse_id, rows.c.product_id).create(connection)
    empty = _create_items(connection, incoming)
    total = 0
    for chunk in _chunks(connection, incoming):
        lock_items(connection, (shelf.item for shelf in chunk))
        total += len(chunk)
    refuse_if_any(connection, [_stocked_otherwise(incoming)])
    booked = 0
    for chunk in _chunks(connection, incoming):
        lines = [(shelf.item, shelf.quantity) for shelf in chunk if shelf.quantity and not shelf.has_moved]
        if lines:
            ledger.move(
                connection,
                operation,
                MovementType.ADJUSTMENT,
                lines,
                reference_id=step.import_id,
                reason=OPENING_STOCK,
            )
        booked += len(lines)
    inserted = booked + empty
    return Applied(rows=total, inserted=inserted, updated=0, unchanged=total - inserted)


def _create_items(connection: Connection, incoming: Incoming) -> int:
    """Create the missing items, and return how many of them have an opening stock of zero."""
    rows = incoming.table
    # Sorted, so that two imports of the same items can't wait for each other in a circle.
    wanted = select(rows.c.warehouse_id, rows.c.product_id).order_by(rows.c.warehouse_id, rows.c.product_id)
    created = (
        insert_or_ignore(inventory_items)
        .from_select(["warehouse_id", "product_id"], wanted)
        .on_conflict_do_nothing()
        .returning(inventory_items.c.warehouse_id, inventory_items.c.product_id)
        .cte("created")
    )
    empty = select(func.count()).select_from(rows.join(created, incoming.matches(created))).where(rows.c.quantity == 0)
    return int(connection.execute(empty).scalar_one())


def _chunks(connection: Connection, incoming: Incoming) -> Iterator[list[_Shelf]]:
    """The rows with their items in lock order, in chunks that keep memory small."""
    rows, item = incoming.table, inventory_items
    key = tuple_(rows.c.warehouse_id, rows.c.product_id)
    after = ItemKey(0, 0)
    while True:
        found = connection.execute(
            select(rows.c.warehouse_id, rows.c.product_id, rows.c.quantity, item.c.last_moved_at.is_not(None))
            .select_from(rows.join(item, incoming.matches(item)))
            .where(key > after)
            .order_by(rows.c.warehouse_id, rows.c.product_id)
            .limit(_ITEMS_AT_ONCE)
        )
        shelves = [_Shelf(ItemKey(row[0], row[1]), row[2], row[3]) for row in found]
        if not shelves:
            return
        yield shelves
        after = shelves[-1].item


def _stocked_otherwise(incoming: Incoming) -> Select[Any]:
    """Rows whose item has movements, and had another opening stock or none. Their items are locked."""
    rows, item, movement = incoming.table, inventory_items, stock_movements
    opening = (
        select(movement.c.quantity)
        .where(
            movement.c.warehouse_id == rows.c.warehouse_id,
            movement.c.product_id == rows.c.product_id,
            movement.c.movement_type == MovementType.ADJUSTMENT,
            movement.c.reason == OPENING_STOCK,
        )
        .order_by(movement.c.created_at)
        .limit(1)
        .correlate(rows)
        .scalar_subquery()
    )
    has_moved: ColumnElement[bool] = and_(
        item.c.last_moved_at.is_not(None), func.coalesce(opening, 0) != rows.c.quantity
    )
    message = "already has stock: book an adjustment"
    return (
        problem(rows.c.line, "quantity", message).select_from(rows.join(item, incoming.matches(item))).where(has_moved)
    )
