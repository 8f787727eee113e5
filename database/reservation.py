"""The reservation in the database: its table, and what reads it for people.

A reservation has no row above its lines. They are locked by `database.locks`, because the locks of their items guard
them, and change by `database.holds`, because a transfer's hold at its source is made of the same rows.
"""

from typing import Any

from sqlalchemy import Column, Connection, Index, Row, Table, Text, text
from sqlalchemy.types import BigInteger

from database.columns import INSTANT, METADATA, closing, counter, identity, item_key, needed, origin

reservations = Table(
    "reservations",
    METADATA,
    identity("reservation_id"),
    needed("product_id", BigInteger),
    needed("warehouse_id", BigInteger),
    needed("quantity", BigInteger),
    counter("quantity_fulfilled"),
    needed("reference_type", Text),
    needed("reference_id", Text),
    needed("status", Text, server_default=text("'ACTIVE'")),
    Column("expires_at", INSTANT),
    needed("created_at", INSTANT),
    needed("performed_by", Text),
    *origin(),
    *closing(),
    item_key("reservations_item"),
    Index("reservations_by_reference", "reference_type", "reference_id"),
    Index("reservations_by_item", "warehouse_id", "product_id", "created_at"),
    Index(
        "reservations_open_by_item",
        "warehouse_id",
        "product_id",
        "expires_at",
        postgresql_where=text("status = 'ACTIVE'"),
    ),
)

_NAMES = text("""
    SELECT reservation_id, sku, warehouses.name AS warehouse
    FROM reservations JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE reference_type = :reference_type AND reference_id = :reference_id
""")


def read_names(connection: Connection, reference_type: str, reference_id: str) -> dict[int, Row[Any]]:
    """The ``sku`` and the ``warehouse`` of each line, by reservation_id. Locks nothing."""
    found = connection.execute(_NAMES, {"reference_type": reference_type, "reference_id": reference_id})
    return {row.reservation_id: row for row in found}
