"""Holds that gave way, as facts: which line, how many units, to which document, and whether it was held again."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text, bindparam, text

from database.columns import INSTANT, METADATA, item_key, key_of, needed
from database.document import read_rows
from database.locks import ITEM_ARRAYS, item_arrays
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
