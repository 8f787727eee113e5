"""Counts in the database: their rows, entries and movements."""

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support import rows

_ROW = rows.DocumentRow("cycle_counts", "count_number")


stored = _ROW.stored
"""The count's row."""


locked_count = _ROW.locked
"""Hold the count's row."""


movements = rows.movements
"""The count's stock movements."""


_ENTRIES = text("""
    SELECT product_id, counted_by, counted_quantity, system_quantity
    FROM cycle_count_entries JOIN cycle_counts USING (count_id)
    WHERE count_number = :number ORDER BY counted_at, product_id, entry_number
""")


_LAST_COUNT = text("""
    SELECT last_counted_at, last_count_was_off FROM inventory_items
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


_NUMBERS = text("SELECT count_number FROM cycle_counts WHERE warehouse_id = :warehouse_id ORDER BY count_id")


def entries(engine: Engine, number: str) -> list[tuple[Any, ...]]:
    """Each time that somebody counted: what, who, how many there were, and how many the books had."""
    return rows.found(engine, _ENTRIES, number)


def last_count(engine: Engine, item: ItemKey) -> tuple[datetime | None, bool]:
    """When the item was counted last, and whether that was beyond tolerance."""
    with engine.connect() as connection:
        at, was_off = connection.execute(_LAST_COUNT, item._asdict()).one()
        return at, was_off


def counts_of(engine: Engine, warehouse_id: int) -> list[str]:
    """The numbers of all counts of a warehouse."""
    with engine.connect() as connection:
        return list(connection.execute(_NUMBERS, {"warehouse_id": warehouse_id}).scalars())
