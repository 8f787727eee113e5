"""What a warehouse's past says of its plans, kept for four weeks of runs; and the items that are looked at for it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Column, Connection, Double, Integer, Table, select, text
from sqlalchemy.dialects.postgresql import insert

from database.columns import INSTANT, METADATA, key_of, needed
from stockkeeper.domain.stock import ItemKey

COUNTS_FOR = timedelta(weeks=4)
"""How long a look back counts: of the year that it looks at, four weeks are a thirteenth."""

warehouse_hindsights = Table(
    "warehouse_hindsights",
    METADATA,
    key_of("warehouses.warehouse_id"),
    needed("as_of", INSTANT),
    needed("history_days", Integer),
    needed("service_level", Double),
    Column("bulk_factor", Double),
    *(Column(f"spread_{name}", Double) for name in ("a", "b", "c", "least", "most", "days")),
    needed("widening", Double),
    needed("items", Integer),
    needed("orders", Double),
    needed("reached", Double),
)

# Every second, third and so on, if there are too many: the same ones each time.
_LOOKED_AT = text("""
    SELECT product_id FROM (
        SELECT product_id, row_number() OVER (ORDER BY product_id) - 1 AS place, count(*) OVER () AS items
        FROM inventory_items WHERE warehouse_id = :warehouse_id AND planning = 'auto'
    ) AS placed
    WHERE place % ceil(items / CAST(:most AS numeric)) = 0
    ORDER BY product_id
""")


class Asked(NamedTuple):
    """What a look back is asked with.

    Attributes:
        history_days: Days that planning looks at.
        service_level: Part of the cycles.
        bulk_factor: Which days are left out as bulk orders'; None: none.
    """

    history_days: int
    service_level: float
    bulk_factor: float | None


class StoredHindsight(NamedTuple):
    """A row of `warehouse_hindsights`; ``spread`` has its six numbers in the order of the columns, or is None."""

    spread: tuple[float, ...] | None
    widening: float
    items: int
    orders: float
    reached: float


def items_to_look_at(connection: Connection, warehouse_id: int, most: int) -> list[ItemKey]:
    """Items of a warehouse that are planned automatically, at most so many, spread over all of them."""
    found = connection.execute(_LOOKED_AT, {"warehouse_id": warehouse_id, "most": most}).scalars()
    return [ItemKey(warehouse_id, product_id) for product_id in found]


def read_hindsight(connection: Connection, warehouse_id: int, asked: Asked, as_of: datetime) -> StoredHindsight | None:
    """What a run of the last four weeks has found that asked the same; None: look back anew."""
    kept = warehouse_hindsights.c
    row = connection.execute(
        select(warehouse_hindsights).where(
            kept.warehouse_id == warehouse_id,
            kept.history_days == asked.history_days,
            kept.service_level == asked.service_level,
            kept.bulk_factor.is_not_distinct_from(asked.bulk_factor),
            kept.as_of <= as_of,
            kept.as_of > as_of - COUNTS_FOR,
        )
    ).one_or_none()
    if row is None:
        return None
    numbers = (row.spread_a, row.spread_b, row.spread_c, row.spread_least, row.spread_most, row.spread_days)
    return StoredHindsight(None if row.spread_a is None else numbers, row.widening, row.items, row.orders, row.reached)


def keep_hindsight(
    connection: Connection, warehouse_id: int, asked: Asked, as_of: datetime, found: StoredHindsight
) -> None:
    """Keep what was found, in place of what was found before. Locks: the warehouse's row."""
    names = ("a", "b", "c", "least", "most", "days")
    spread = found.spread or (None,) * len(names)
    values = {
        "as_of": as_of,
        **asked._asdict(),
        **{f"spread_{name}": value for name, value in zip(names, spread, strict=True)},
        "widening": found.widening,
        "items": found.items,
        "orders": found.orders,
        "reached": found.reached,
    }
    statement = insert(warehouse_hindsights).values(warehouse_id=warehouse_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["warehouse_id"], set_=values))
