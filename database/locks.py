"""All locks, and the order in which every transaction takes them, on one page.

The order is the same in all transactions, so that they never wait for each other in a circle:

1. the operation: `database.operations.claim` locks it by its id, and a repeat waits there for the first; several, of
   steps that share a transaction, are locked in one order,
2. the document's row, if there is one (a purchase order, a transfer, a count, a return, an adjustment), after the
   audit's finding about it; or the whole table, for an import into the catalogue,
3. the lots that come with the step, against a change of their status (`database.lot.lock_lots`); or the lot whose
   status changes, against everybody,
4. the inventory items, sorted by (warehouse_id, product_id),
5. the supplier, for everything that its performance is kept in.

The daily demand is brought up to date in a transaction of its own, which locks the days of all warehouses and nothing
else.

A reservation has no row above its lines. The lines are guarded by their items: a transaction that decides on a line or
changes it holds the lock of the line's item. So a buyer who is short of stock can release another order's overdue hold
without a lock of that order: the lock of the item is enough.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, TextClause, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database.columns import INSTANT
from database.document import Document, fields_of
from database.lot import LINE_LOTS, held_lots
from database.pipeline import Statement, numbers, send, texts
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.reservation import HeldLine, ItemHold, ReservationStatus
from stockkeeper.domain.stock import ItemKey, Level

D = TypeVar("D")

ITEM_ARRAYS = (bindparam("warehouse_ids", type_=ARRAY(BigInteger)), bindparam("product_ids", type_=ARRAY(BigInteger)))
"""Parameters of statements over many items; `item_arrays` gives their values."""

# The items that a step wants, those of its products in any warehouse, and those of the lines of its references.
WANTED_ITEMS = """
    SELECT warehouse_id, product_id FROM unnest(%s::bigint[], %s::bigint[]) AS item (warehouse_id, product_id)
    UNION SELECT warehouse_id, product_id FROM inventory_items WHERE product_id = ANY (%s::bigint[])
    UNION SELECT held.warehouse_id, held.product_id
        FROM unnest(%s::text[], %s::text[]) AS of (reference_type, reference_id)
        CROSS JOIN LATERAL (
            SELECT warehouse_id, product_id FROM reservations AS held
            WHERE (held.reference_type, held.reference_id) = (of.reference_type, of.reference_id)
            OFFSET 0) AS held
"""

# One after another, in the order of their keys.
_LOCK_WANTED = f"""
    SELECT item.*
    FROM (SELECT * FROM ({WANTED_ITEMS}) AS wanted ORDER BY warehouse_id, product_id OFFSET 0) AS wanted
    CROSS JOIN LATERAL (
        SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved, quantity_buffer, quantity_unavailable,
            reorder_point, last_moved_at, is_tracked
        FROM inventory_items AS item
        WHERE (item.warehouse_id, item.product_id) = (wanted.warehouse_id, wanted.product_id)
        FOR NO KEY UPDATE) AS item
"""  # noqa: S608 - constants only

# The same of items that are given, without reading what the caller doesn't ask for; those that are below their point.
# Without the inner OFFSET the condition would be looked at before the lock, and the other items wouldn't be locked.
_LOCK_MANY = """
    SELECT warehouse_id, product_id
    FROM (
        SELECT warehouse_id, product_id
        FROM unnest(%s::bigint[], %s::bigint[]) AS item (warehouse_id, product_id)
        ORDER BY warehouse_id, product_id OFFSET 0) AS wanted
    CROSS JOIN LATERAL (
        SELECT is_below_reorder_point FROM inventory_items AS item
        WHERE (item.warehouse_id, item.product_id) = (wanted.warehouse_id, wanted.product_id)
        OFFSET 0 FOR NO KEY UPDATE) AS item
    WHERE is_below_reorder_point
"""

_CREATE_ITEMS = """
    INSERT INTO inventory_items (warehouse_id, product_id)
    SELECT warehouse_id, product_id
    FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (warehouse_id, product_id)
    WHERE NOT EXISTS (
        SELECT FROM inventory_items AS known
        WHERE (known.warehouse_id, known.product_id) = (wanted.warehouse_id, wanted.product_id))
    ORDER BY warehouse_id, product_id
    ON CONFLICT DO NOTHING
"""

_HELD_LINES = text(f"""
    SELECT reservation_id, warehouse_id, product_id, quantity, quantity_fulfilled, quantity_released, status,
        expires_at, sourced_line, minimum_days_left, {LINE_LOTS} AS lots
    FROM reservations
    WHERE reference_type = :reference_type AND reference_id = :reference_id
    ORDER BY reservation_id
""")  # noqa: S608 - constants only

_OPEN_HOLDS = text(f"""
    SELECT reservation_id, warehouse_id, product_id, quantity, quantity_fulfilled, quantity_released, status,
        expires_at, sourced_line, minimum_days_left, {LINE_LOTS} AS lots, reference_type, reference_id, workflow_id
    FROM reservations
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND status = 'ACTIVE'
    ORDER BY reservation_id
""")  # noqa: S608 - constants only

# The days of a new warehouse begin with its first movement, or now if there is none yet; two days earlier, so that the
# day is right in every time zone. Only new warehouses are looked at, so this needs no pass over the whole ledger.
_BEGIN_DEMAND = text("""
    INSERT INTO demand_days (warehouse_id, through)
    SELECT warehouse_id, least((
        SELECT min(created_at) FROM stock_movements AS moved WHERE moved.warehouse_id = new.warehouse_id
        ), :as_of)::date - 2
    FROM warehouses AS new
    WHERE NOT EXISTS (SELECT 1 FROM demand_days AS known WHERE known.warehouse_id = new.warehouse_id)
    ORDER BY warehouse_id
    ON CONFLICT DO NOTHING
""").bindparams(bindparam("as_of", type_=INSTANT))

_LOCK_DEMAND = text("SELECT warehouse_id FROM demand_days ORDER BY warehouse_id FOR NO KEY UPDATE")

# Against everybody: whoever brings the lot in has locked its key (FOR KEY SHARE), and so waits here, or is waited for.
_LOCK_LOT = text("""
    SELECT status, status_reason, recall_number FROM lots
    WHERE (product_id, lot_number) = (:product_id, :lot_number)
    FOR UPDATE
""")

_LOCK_SUPPLIERS = """
    SELECT supplier_id FROM suppliers WHERE supplier_id = ANY (%s::bigint[]) ORDER BY supplier_id FOR NO KEY UPDATE
"""


def item_arrays(items: Iterable[ItemKey]) -> dict[str, list[int]]:
    """The items, sorted, as two parallel arrays: the values of `ITEM_ARRAYS`."""
    keys = sorted(items)
    return {"warehouse_ids": [key.warehouse_id for key in keys], "product_ids": [key.product_id for key in keys]}


def lock_wanted(wanted: Sequence[object]) -> Statement:
    """Lock the items of `WANTED_ITEMS`, and read them as they are then. An item without a row isn't locked.

    Whatever is read of them beside that has to be read by a later statement: one that waits for a lock sees the locked
    rows as they are then, and everything else as it was before.

    Args:
        wanted: The values of `WANTED_ITEMS`.
    """
    return Statement(_LOCK_WANTED, wanted)


def lock_table(connection: Connection, table: Table) -> None:
    """Lock a whole table against other writers, for an import, which decides for each row whether it is new.

    Readers and the checks of foreign keys don't wait.
    """
    connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def lock_row(connection: Connection, table: Table, which: ColumnElement[bool]) -> Row[Any] | None:
    """Lock one row by a unique column, and read it as it is then; None if there is none.

    FOR NO KEY UPDATE, because its key never changes: the checks of foreign keys to it don't wait.
    """
    return connection.execute(select(table).where(which).with_for_update(key_share=True)).one_or_none()


def lock_document(connection: Connection, document: Document, number: str) -> Row[Any]:
    """Lock a document's header, and read it as it is then. Its lines are only changed under this lock.

    Raises:
        InvalidRequest: There is no such document.
    """
    row = lock_row(connection, document.header, document.number == number)
    if row is None:
        raise InvalidRequest(f"there is no {document.name} {number}")
    return row


def lock_with_lines(
    connection: Connection,
    document: Document,
    number: str,
    kind: type[D],
    *,
    status: type[StrEnum],
    line: Callable[..., Any],
    lines: TextClause,
    **more: TextClause,
) -> D:
    """Lock a document's header, and read the document as it is then.

    Args:
        connection: The transaction.
        document: The kind of document.
        number: Its number.
        kind: The dataclass to read it as, whose fields are named like columns of the header.
        status: Its statuses.
        line: Makes one of its ``lines`` from the columns of the statement.
        lines: Its lines, by the header's key.
        more: Its other fields, each the values of a statement's first column, by the header's key.

    Raises:
        InvalidRequest: There is no such document.
    """
    row = lock_document(connection, document, number)
    of = {document.key.name: row._asdict()[document.key.name]}
    document_as: Callable[..., D] = kind
    return document_as(
        **fields_of(row, kind) | {"status": status(row.status)},
        **{name: list(connection.execute(statement, of).scalars()) for name, statement in more.items()},
        lines=[line(*columns) for columns in connection.execute(lines, of)],
    )


def lock_lot(connection: Connection, product_id: int, lot_number: str) -> Row[Any] | None:
    """Lock a lot against everybody, for a change of its status: nothing of it arrives meanwhile. None: there is none.

    The items that have units of it are to be locked after it, and read then.
    """
    return connection.execute(_LOCK_LOT, {"product_id": product_id, "lot_number": lot_number}).one_or_none()


def lock_items(connection: Connection, items: Iterable[ItemKey]) -> dict[ItemKey, Level]:
    """Lock these items, and read their levels as they are then.

    FOR NO KEY UPDATE, because their keys never change: the checks of foreign keys to them don't wait.

    Returns:
        A level for each item that has a row. An item without one was never stocked: nothing is locked for it.
    """
    [rows] = send(connection, [_lock_just(items)])
    return _levels(rows)


def _lock_just(items: Iterable[ItemKey]) -> Statement:
    keys = sorted(set(items))
    places, products = numbers(key.warehouse_id for key in keys), numbers(key.product_id for key in keys)
    return lock_wanted((places, products, numbers(()), texts(()), texts(())))


def _levels(rows: Iterable[Sequence[int]]) -> dict[ItemKey, Level]:
    return {ItemKey(row[0], row[1]): Level(*row[2:6]) for row in rows}


def lock_many(warehouse_ids: bytes | str, product_ids: bytes | str) -> Statement:
    """Lock thousands of items, given as arrays, and read the keys of those that are below their reorder point then."""
    return Statement(_LOCK_MANY, (warehouse_ids, product_ids))


def create_items(items: Iterable[ItemKey]) -> Statement:
    """Create those of these items that were never stocked, with a level of zero; lock them by a later statement."""
    keys = sorted(items)
    return Statement(
        _CREATE_ITEMS, (numbers(key.warehouse_id for key in keys), numbers(key.product_id for key in keys))
    )


def lock_or_create_items(connection: Connection, items: Iterable[ItemKey]) -> dict[ItemKey, Level]:
    """Lock these items for incoming goods: an item that was never stocked is created with a level of zero."""
    wanted = set(items)
    _, rows = send(connection, [create_items(wanted), _lock_just(wanted)])
    return _levels(rows)


def read_reservation(connection: Connection, reference_type: str, reference_id: str) -> list[HeldLine]:
    """A reservation's lines in the order of the request. Locks nothing, so it is for showing and not for deciding."""
    rows = connection.execute(_HELD_LINES, {"reference_type": reference_type, "reference_id": reference_id})
    return [_held_line(row) for row in rows]


def open_holds(connection: Connection, item: ItemKey) -> list[ItemHold]:
    """All open holds on this item, the oldest first. The caller has locked the item."""
    found: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in connection.execute(_OPEN_HOLDS, item._asdict()):
        found.setdefault((row.reference_type, row.reference_id), []).append(row)
    return [
        ItemHold(reference_type, reference_id, rows[0].workflow_id, [_held_line(row) for row in rows])
        for (reference_type, reference_id), rows in found.items()
    ]


def lock_demand(connection: Connection, as_of: datetime) -> None:
    """Lock the daily demand of all warehouses against another roll-up; a new warehouse gets its row here."""
    connection.execute(_BEGIN_DEMAND, {"as_of": as_of})
    connection.execute(_LOCK_DEMAND)


def lock_suppliers(supplier_ids: Iterable[int]) -> Statement:
    """Lock suppliers' rows, which guard their performance on all products.

    A transaction that measures after waiting here sees what the one before has measured.
    """
    return Statement(_LOCK_SUPPLIERS, (numbers(sorted(supplier_ids)),))


def _held_line(row: Row[Any]) -> HeldLine:
    return HeldLine(
        row.reservation_id,
        ItemKey(row.warehouse_id, row.product_id),
        row.quantity,
        row.quantity_fulfilled,
        ReservationStatus(row.status),
        row.expires_at,
        row.quantity_released,
        row.sourced_line,
        held_lots(row.lots),
        row.minimum_days_left,
    )
