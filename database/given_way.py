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

# One row an order or transfer and item. A deadline that has come is owed nothing any more; a transfer has none.
_OFFERS = text("""
    SELECT reference_type, reference_id, given.warehouse_id, warehouses.name AS warehouse, given.product_id, sku,
        sum(given.quantity)::bigint AS quantity, min(given.gave_way_at) AS gave_way_at,
        max(given.expires_at) AS expires_at, max(given.document) AS document
    FROM given_way AS given
    JOIN reservations USING (reservation_id)
    JOIN warehouses ON warehouses.warehouse_id = given.warehouse_id
    JOIN products ON products.product_id = given.product_id
    WHERE held_again_at IS NULL AND (given.expires_at IS NULL OR given.expires_at > :as_of)
        AND (:all_items OR (given.warehouse_id, given.product_id) IN (
            SELECT * FROM unnest(:warehouse_ids, :product_ids)))
        AND (CAST(:reference_id AS text) IS NULL OR (reference_type, reference_id) = ('ORDER', :reference_id))
    GROUP BY reference_type, reference_id, given.warehouse_id, warehouses.name, given.product_id, sku
    ORDER BY min(given.gave_way_at), reference_type, reference_id, given.warehouse_id, given.product_id
    LIMIT :most
""").bindparams(*ITEM_ARRAYS, bindparam("as_of", type_=INSTANT))

_HOLD_AGAIN = text("""
    UPDATE given_way SET held_again_at = :as_of, held_again_by = :operation_id
    WHERE reservation_id = ANY (:reservation_ids) AND held_again_at IS NULL
    RETURNING reservation_id
""").bindparams(bindparam("reservation_ids", type_=ARRAY(BigInteger)), bindparam("as_of", type_=INSTANT))

_LINES = text("""
    SELECT reservation_id FROM given_way
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
    items: Iterable[ItemKey] | None = None,
    reference_id: str | None = None,
) -> list[dict[str, Any]]:
    """Holds that gave way and haven't been held again, the earliest first; without those whose deadline has come.

    Args:
        connection: The transaction. Locks nothing.
        as_of: The time that decides about deadlines.
        most: How many at most.
        items: Only on these items; None: on all.
        reference_id: Only of this order.
    """
    of = {"as_of": as_of, "most": most, "all_items": items is None, "reference_id": reference_id}
    return read_rows(connection, _OFFERS, of | item_arrays(items or []))


def gave_way(connection: Connection, lines: Sequence[HeldLine]) -> set[int]:
    """The reservation_ids, of these lines, that gave way and haven't been held again. The items are locked."""
    ids = [line.reservation_id for line in lines]
    return set(connection.execute(_LINES, {"reservation_ids": ids}).scalars())


def close_offers(connection: Connection, operation: Operation, lines: Sequence[HeldLine], as_of: datetime) -> None:
    """Record that these lines are held again. The caller has locked their items."""
    of = {"reservation_ids": [line.reservation_id for line in lines], "operation_id": operation.operation_id}
    connection.execute(_HOLD_AGAIN, of | {"as_of": as_of})
