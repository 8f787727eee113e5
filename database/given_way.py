"""Holds that gave way, as facts: which line, how many units, to which document, and whether it was held again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text, bindparam, insert, text
from sqlalchemy.dialects.postgresql import ARRAY

from database.columns import INSTANT, METADATA, item_key, key_of, needed
from database.document import read_rows
from database.locks import ITEM_ARRAYS, item_arrays
from database.operations import Operation
from stockkeeper.domain.reservation import HeldLine
from stockkeeper.domain.stock import ItemKey

given_way = Table(
    "given_way",
    METADATA,
    key_of("reservations.reservation_id"),
    Column("operation_id", Text, primary_key=True),
    needed("warehouse_id", BigInteger),
    needed("product_id", BigInteger),
    needed("quantity", BigInteger),
    needed("document", Text),
    needed("gave_way_at", INSTANT),
    Column("expires_at", INSTANT),
    Column("held_again_at", INSTANT),
    Column("held_again_by", Text),
    item_key("given_way_item"),
    Index("given_way_by_operation", "operation_id"),
    Index(
        "given_way_open",
        "warehouse_id",
        "product_id",
        "expires_at",
        postgresql_where=text("held_again_at IS NULL"),
    ),
)

OFFERS_SHOWN = 100
"""The most holds that a correction names which may be held again."""

# One row an order or transfer and item. A deadline that has come is owed nothing any more; a transfer has none.
_OFFERS = text("""
    SELECT reference_type, reference_id, given.warehouse_id, given.product_id,
        sum(given.quantity)::bigint AS quantity, max(given.expires_at) AS expires_at
    FROM given_way AS given
    JOIN unnest(:warehouse_ids, :product_ids) AS wanted (warehouse_id, product_id) USING (warehouse_id, product_id)
    JOIN reservations USING (reservation_id)
    WHERE held_again_at IS NULL AND (given.expires_at IS NULL OR given.expires_at > :as_of)
    GROUP BY reference_type, reference_id, given.warehouse_id, given.product_id
    ORDER BY min(given.gave_way_at), reference_type, reference_id, given.warehouse_id, given.product_id
    LIMIT :most
""").bindparams(*ITEM_ARRAYS, bindparam("as_of", type_=INSTANT))

_HOLD_AGAIN = text("""
    UPDATE given_way SET held_again_at = :as_of, held_again_by = :operation_id
    WHERE reservation_id = ANY (:reservation_ids) AND held_again_at IS NULL
    RETURNING reservation_id
""").bindparams(bindparam("reservation_ids", type_=ARRAY(BigInteger)), bindparam("as_of", type_=INSTANT))

_LINES = text("""
    SELECT reservation_id, quantity FROM given_way
    WHERE reservation_id = ANY (:reservation_ids) AND held_again_at IS NULL
""").bindparams(bindparam("reservation_ids", type_=ARRAY(BigInteger)))


def insert_given_way(
    connection: Connection, operation: Operation, lines: Iterable[HeldLine], document: str, as_of: datetime
) -> None:
    """Insert the lines that give way, with the units that they still held. The caller has locked their items.

    Args:
        connection: The transaction.
        operation: The step that ends them.
        lines: The lines, as they were before.
        document: The number of the correction; empty: they follow another line of their order or transfer.
        as_of: The workflow's time.
    """
    rows = [
        {
            "reservation_id": line.reservation_id,
            "operation_id": operation.operation_id,
            **line.item._asdict(),
            "quantity": line.quantity_open,
            "document": document,
            "gave_way_at": as_of,
            "expires_at": line.expires_at,
        }
        for line in lines
        if line.quantity_open
    ]
    if rows:
        connection.execute(insert(given_way), rows)


def read_offers(
    connection: Connection,
    as_of: datetime,
    most: int,
    *,
    items: Iterable[ItemKey],
) -> list[dict[str, Any]]:
    """Holds on these items that gave way and haven't been held again, the earliest first.

    Those whose deadline has come are left out: they are owed nothing any more.

    Args:
        connection: The transaction. Locks nothing.
        as_of: The time that decides about deadlines.
        most: How many at most.
        items: The items.
    """
    return read_rows(connection, _OFFERS, {"as_of": as_of, "most": most} | item_arrays(items))


def units_given_way(connection: Connection, lines: Sequence[HeldLine]) -> dict[int, int]:
    """Units by reservation_id, of these lines, that gave way and haven't been held again. The items are locked."""
    ids = [line.reservation_id for line in lines]
    return {row.reservation_id: row.quantity for row in connection.execute(_LINES, {"reservation_ids": ids})}


def close_offers(connection: Connection, operation: Operation, lines: Sequence[HeldLine], as_of: datetime) -> None:
    """Record that these lines are held again. The caller has locked their items."""
    of = {"reservation_ids": [line.reservation_id for line in lines], "operation_id": operation.operation_id}
    connection.execute(_HOLD_AGAIN, of | {"as_of": as_of})
