"""Stock of a file: opening stock is booked, and differences of items that have stock are handed on as adjustments."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Index, and_, case, func, null, select, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from database import ledger
from database.adjustment import waiting_items
from database.arriving_lots import Arriving, take_in
from database.import_file import LAST_DAY, LOT, Incoming
from database.import_lots import lock_known_lots
from database.imported_files import applications_of, keep_quantities, said_by, warehouses_in_use
from database.locks import lock_items
from database.lot import lot_items
from database.operations import Operation
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving
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
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.stock import ItemKey, MovementType
from stockkeeper.domain.stock_file import (
    SKIPPED,
    Effect,
    RowLot,
    StockRow,
    adjustment_number,
    adjustments_of,
    skipped_because,
)

_ITEMS_AT_ONCE = 50_000
_MOST_DIFFERENT = 50_000
"""Items that a file may correct: their differences travel in one answer."""
_MOST_BYTES = 1_500_000
"""Bytes of that answer at most: Temporal takes 2 MB, and a line that names a lot is longer."""


def apply_stock(connection: Connection, operation: Operation, step: ApplyImportStep, incoming: Incoming) -> Applied:
    """Create the items, lock them, book opening stock, and say which adjustments bring the others to the file's units.

    Locks: the known lots, sorted by (product_id, number), then new items by inserting them, then all items, both sorted
    by (warehouse_id, product_id).

    Raises:
        InvalidRequest: Too many items or lots differ.
    """
    Index("incoming_items", incoming.table.c.warehouse_id, incoming.table.c.product_id).create(connection)
    lock_known_lots(connection, incoming)
    empty = _create_items(connection, incoming)
    for chunk in stock_rows(connection, incoming, step.import_id):
        lock_items(connection, (row.item for row in chunk))
    total = opened = 0
    different: list[StockRow] = []
    skipped: list[StockRow] = []
    for chunk in stock_rows(connection, incoming, step.import_id):
        total += len(chunk)
        opening = [row for row in chunk if row.effect is Effect.OPENED]
        if opening:
            _open(connection, operation, step, opening)
        opened += len(opening)
        different += [row for row in chunk if row.effect is Effect.ADJUSTED]
        skipped += [row for row in chunk if row.effect in SKIPPED]
    if len(different) > _MOST_DIFFERENT:
        raise InvalidRequest(f"{len(different)} items differ, {_MOST_DIFFERENT} at most in one file; split it")
    keep_quantities(connection, incoming.table, step.import_id, {row.line for row in skipped})
    application = applications_of(connection, step.import_id) + 1
    inserted = opened + empty
    applied = Applied(
        rows=total,
        inserted=inserted,
        updated=len(different),
        unchanged=total - inserted - len(different) - len(skipped),
        adjustments=[
            WantedAdjustment(
                adjustment_number=adjustment_number(step.import_id, application, each),
                warehouse_id=each.warehouse_id,
                lines=list(each.lines),
                lots=list(each.lots),
            )
            for each in adjustments_of(different)
        ],
        skipped=[
            ImportProblem(line=row.line, column="quantity", message=skipped_because(row))
            for row in sorted(skipped, key=lambda row: row.line)[:SKIPPED_NAMED]
        ],
        skipped_total=len(skipped),
    )
    if len(applied.model_dump_json().encode()) > _MOST_BYTES:
        raise InvalidRequest("the differences of this file are too many for one answer; split it")
    return applied


def _open(connection: Connection, operation: Operation, step: ApplyImportStep, rows: Sequence[StockRow]) -> None:
    """Book opening stock by a movement for each row; the caller has locked the items, and the lots that are known."""
    coming = [
        Arriving(row.item, LotFacts(row.lot.lot_number, row.lot.expires_on), row.quantity) for row in rows if row.lot
    ]
    moving = [Moving(row.item, row.quantity, row.lot.lot_number if row.lot else None) for row in rows]
    wants = Wants(
        items=[each.item for each in moving],
        lots=[(item.product_id, lot.lot_number) for item, lot, _ in coming],
        moves=True,
        as_of=step.as_of if coming else None,
    )
    with locked_stock(connection, wants, operation) as stock:
        take_in(stock, operation, coming)
        ledger.move_units(
            stock,
            operation,
            MovementType.ADJUSTMENT,
            moving,
            reference_id=step.import_id,
            reason=OPENING_STOCK,
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
    joined, of_row = rows.outerjoin(item, incoming.matches(item)), [rows.c.warehouse_id, rows.c.product_id]
    on_hand: ColumnElement[Any] = item.c.quantity_on_hand
    moved_at: ColumnElement[Any] = item.c.last_moved_at
    lot: list[ColumnElement[Any]] = [null(), null()]
    if LOT in rows.c:
        # An item with lots has a row for each.
        of_row.append(rows.c.line)
        is_lot = and_(incoming.matches(lot_items), lot_items.c.lot_number == rows.c[LOT])
        joined = joined.outerjoin(lot_items, is_lot)
        on_hand = case((rows.c[LOT].is_(None), on_hand), else_=lot_items.c.quantity_on_hand)
        moved_at = case((rows.c[LOT].is_(None), moved_at), else_=lot_items.c.last_moved_at)
        lot = [rows.c[LOT], rows.c[LAST_DAY] if LAST_DAY in rows.c else null()]
    in_use = warehouses_in_use(connection, rows)
    waiting = waiting_items(connection)
    after = [0] * len(of_row)
    while True:
        found = connection.execute(
            select(
                rows.c.line,
                rows.c.warehouse_id,
                rows.c.product_id,
                rows.c.quantity,
                (rows.c.expected_quantity if "expected_quantity" in rows.c else null()).label("expected"),
                func.coalesce(on_hand, 0).label("on_hand"),
                moved_at.is_not(None).label("has_moved"),
                said_by(rows, import_id).label("said"),
                lot[0].label("lot_number"),
                lot[1].label("expires_on"),
            )
            .select_from(joined)
            .where(tuple_(*of_row) > after)
            .order_by(*of_row)
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
                waits=waiting.get((ItemKey(row.warehouse_id, row.product_id), row.lot_number)),
                lot=None if row.lot_number is None else RowLot(row.lot_number, row.expires_on),
            )
            for row in found
        ]
        if not chunk:
            return
        yield chunk
        after = [*chunk[-1].item, chunk[-1].line][: len(of_row)]
