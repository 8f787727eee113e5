"""Stock of a file: opening stock is booked, and differences of items that have stock are handed on as adjustments."""

from collections.abc import Iterator

from sqlalchemy import Connection, Index, func, null, select, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from database import ledger
from database.adjustment import waiting_items
from database.import_file import Incoming
from database.imported_files import applications_of, keep_quantities, said_by, warehouses_in_use
from database.locks import lock_items
from database.operations import Operation
from database.tables import inventory_items
from stockkeeper.contracts.import_file import (
    SKIPPED_NAMED,
    Applied,
    ApplyImportStep,
    ImportProblem,
    WantedAdjustment,
)
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import OPENING_STOCK
from stockkeeper.domain.stock import ItemKey, MovementType
from stockkeeper.domain.stock_file import SKIPPED, Effect, StockRow, adjustment_number, adjustments_of, skipped_because

_ITEMS_AT_ONCE = 50_000
_MOST_DIFFERENT = 50_000
"""Items that a file may correct: their differences travel in one answer."""


def apply_stock(connection: Connection, operation: Operation, step: ApplyImportStep, incoming: Incoming) -> Applied:
    """Create the items, lock them, book opening stock, and say which adjustments bring the others to the file's units.

    Locks: new items by inserting them, then all items, both sorted by (warehouse_id, product_id).

    Raises:
        InvalidRequest: Too many items differ.
    """
    Index("incoming_items", incoming.table.c.warehouse_id, incoming.table.c.product_id).create(connection)
    empty = _create_items(connection, incoming)
    for chunk in stock_rows(connection, incoming, step.import_id):
        lock_items(connection, (row.item for row in chunk))
    total = opened = 0
    different: list[StockRow] = []
    skipped: list[StockRow] = []
    for chunk in stock_rows(connection, incoming, step.import_id):
        total += len(chunk)
        lines = [(row.item, row.quantity) for row in chunk if row.effect is Effect.OPENED]
        if lines:
            ledger.move(
                connection,
                operation,
                MovementType.ADJUSTMENT,
                lines,
                reference_id=step.import_id,
                reason=OPENING_STOCK,
            )
        opened += len(lines)
        different += [row for row in chunk if row.effect is Effect.ADJUSTED]
        skipped += [row for row in chunk if row.effect in SKIPPED]
    if len(different) > _MOST_DIFFERENT:
        raise InvalidRequest(f"{len(different)} items differ, {_MOST_DIFFERENT} at most in one file; split it")
    keep_quantities(connection, incoming.table, step.import_id, {row.line for row in skipped})
    application = applications_of(connection, step.import_id) + 1
    inserted = opened + empty
    return Applied(
        rows=total,
        inserted=inserted,
        updated=len(different),
        unchanged=total - inserted - len(different) - len(skipped),
        adjustments=[
            WantedAdjustment(
                adjustment_number=adjustment_number(step.import_id, application, each),
                warehouse_id=each.warehouse_id,
                lines=list(each.lines),
            )
            for each in adjustments_of(different)
        ],
        skipped=[
            ImportProblem(line=row.line, column="quantity", message=skipped_because(row))
            for row in sorted(skipped, key=lambda row: row.line)[:SKIPPED_NAMED]
        ],
        skipped_total=len(skipped),
    )


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


def stock_rows(connection: Connection, incoming: Incoming, import_id: str) -> Iterator[list[StockRow]]:
    """The rows with their items in lock order, in chunks that keep memory small. Locks nothing.

    An item that was never stocked has no row, and counts as one without a movement.
    """
    rows, item = incoming.table, inventory_items
    key = tuple_(rows.c.warehouse_id, rows.c.product_id)
    in_use = warehouses_in_use(connection, rows)
    waiting = waiting_items(connection)
    after = ItemKey(0, 0)
    while True:
        found = connection.execute(
            select(
                rows.c.line,
                rows.c.warehouse_id,
                rows.c.product_id,
                rows.c.quantity,
                (rows.c.expected_quantity if "expected_quantity" in rows.c else null()).label("expected"),
                func.coalesce(item.c.quantity_on_hand, 0).label("on_hand"),
                item.c.last_moved_at.is_not(None).label("has_moved"),
                said_by(rows, import_id).label("said"),
            )
            .select_from(rows.outerjoin(item, incoming.matches(item)))
            .where(key > after)
            .order_by(rows.c.warehouse_id, rows.c.product_id)
            .limit(_ITEMS_AT_ONCE)
        )
        chunk = [
            StockRow(
                line=row.line,
                item=ItemKey(row.warehouse_id, row.product_id),
                quantity=row.quantity,
                expected=row.expected,
                on_hand=row.on_hand,
                has_moved=row.has_moved,
                in_use=row.warehouse_id in in_use,
                said_by_this_file=row.said,
                waits=waiting.get(ItemKey(row.warehouse_id, row.product_id)),
            )
            for row in found
        ]
        if not chunk:
            return
        yield chunk
        after = chunk[-1].item
