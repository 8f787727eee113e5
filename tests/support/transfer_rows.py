"""A transfer in the database: its rows, its holds, its movements, and where its units are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support import rows
from tests.support.books import level

_ROW = rows.DocumentRow("transfer_orders", "transfer_number")


stored = _ROW.stored
"""The transfer's row."""


locked_transfer = _ROW.locked
"""Hold the transfer's row."""


movements = rows.movements
"""The transfer's stock movements."""


_HOLD = text("""
    SELECT warehouse_id, product_id, quantity, quantity_fulfilled, status, expires_at
    FROM reservations WHERE reference_type = 'TRANSFER' AND reference_id = :number ORDER BY reservation_id
""")


_NAMES = text("""
    SELECT source.name, destination.name FROM transfer_orders
    JOIN warehouses AS source ON source.warehouse_id = from_warehouse_id
    JOIN warehouses AS destination ON destination.warehouse_id = to_warehouse_id
    WHERE transfer_number = :number
""")


_IN_TRANSIT = text("""
    SELECT line_number, kind, quantity, balance_after, receipt_id, performed_by, reason
    FROM transit_movements JOIN transfer_orders USING (transfer_id)
    WHERE transfer_number = :number ORDER BY transit_movement_id
""")


_EVERYWHERE = text("""
    SELECT coalesce(sum(in_transit), 0), coalesce(sum(damaged), 0), coalesce(sum(written_off), 0)
    FROM transfer_order_lines JOIN transfer_orders USING (transfer_id)
    WHERE product_id = ANY (:products) AND (from_warehouse_id = ANY (:places) OR to_warehouse_id = ANY (:places))
""")


def hold(engine: Engine, number: str) -> list[tuple[Any, ...]]:
    """What it holds or held at the source: where, what, units, units that left, status and deadline, in order."""
    return rows.found(engine, _HOLD, number)


def named(engine: Engine, number: str) -> str:
    """What notices call it."""
    with engine.connect() as connection:
        source, destination = connection.execute(_NAMES, {"number": number}).one()
    return f"transfer {number}, {source} → {destination}"


def transit(engine: Engine, number: str) -> list[tuple[Any, ...]]:
    """What it has done to the units in transit: line, kind, units, balance, receipt, by whom and the reason."""
    return rows.found(engine, _IN_TRANSIT, number)


class Whereabouts(NamedTuple):
    """Where the units of some products are; their sum never changes by a transfer."""

    on_hand: tuple[int, ...]
    in_transit: int
    damaged: int
    written_off: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.on_hand) + self.in_transit + self.damaged + self.written_off


def whereabouts(engine: Engine, products: Sequence[int], places: Sequence[int]) -> Whereabouts:
    """Where the units of these products are: on hand in each place, in order, and on transfers of these places."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        on_hand = {
            row.warehouse_id: int(row.units)
            for row in connection.execute(
                text("""
                    SELECT warehouse_id, sum(quantity_on_hand) AS units FROM inventory_items
                    WHERE product_id = ANY (:products) AND warehouse_id = ANY (:places) GROUP BY warehouse_id
                """),
                {"products": list(products), "places": list(places)},
            )
        }
        rest = connection.execute(_EVERYWHERE, {"products": list(products), "places": list(places)}).one()
    return Whereabouts(tuple(on_hand.get(place, 0) for place in places), *map(int, rest))


@asynccontextmanager
async def conserved(engine: Engine, products: Sequence[int], places: Sequence[int]) -> AsyncIterator[None]:
    """Whenever one looks meanwhile, and in the end, as many units are somewhere as before."""
    total = whereabouts(engine, products, places).total
    over = asyncio.Event()

    async def look() -> None:
        looked_last = False
        while not looked_last:
            looked_last = over.is_set()
            found = await asyncio.to_thread(whereabouts, engine, products, places)
            assert found.total == total, found
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        yield
        over.set()


def stocked(engine: Engine, item: ItemKey) -> tuple[int, int] | None:
    """Units on hand and reserved; None for an item that was never stocked."""
    with engine.connect() as connection:
        there = connection.execute(
            text("SELECT 1 FROM inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"),
            item._asdict(),
        ).one_or_none()
    return None if there is None else level(engine, item)
