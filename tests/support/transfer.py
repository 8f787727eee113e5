"""Logistics as a foreign service: a Temporal client, the contract, and plain JSON."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row, text

from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.rows import LockedItem
from tests.support.shop import Shop, new_reference
from tests.support.wire import Caller, Json


def moved(item: ItemKey, quantity: int) -> dict[str, Json]:
    """A line of a transfer."""
    return {"product_id": item.product_id, "quantity": quantity}


def arrived(item: ItemKey, quantity: int, damaged: int | None = None) -> dict[str, Json]:
    """A line of a receipt; without damaged units, as most callers send it."""
    line = {"product_id": item.product_id, "quantity": quantity}
    return line if damaged is None else line | {"damaged_quantity": damaged}


def arrival(receipt_id: str, *lines: Json, **other: Json) -> dict[str, Json]:
    """A receipt."""
    return {"receipt_id": receipt_id, "performed_by": "dora", "lines": list(lines)} | other


def transfer(
    transfer_number: str, from_warehouse_id: int, to_warehouse_id: int, *lines: Json, **other: Json
) -> dict[str, Json]:
    """A transfer's start."""
    return {
        "transfer_number": transfer_number,
        "from_warehouse_id": from_warehouse_id,
        "to_warehouse_id": to_warehouse_id,
        "line_items": list(lines),
        "expected_transit_hours": None,
        "requested_by": "tom",
    } | other


class Transfers(Caller):
    """Logistics' side of transfers."""

    workflow_type = "TransferWorkflow"
    prefix = "transfer-"
    answer_to_start = "held"

    async def create(
        self, number: str, to_warehouse_id: int, items: Sequence[tuple[ItemKey, int]], **other: Json
    ) -> Json:
        """Start, and the state of what is held. All items are in the warehouse of the first."""
        lines = [moved(item, units) for item, units in items]
        start = transfer(number, items[0][0].warehouse_id, to_warehouse_id, *lines, **other)
        return await self.ask_raw(number, [start])

    async def dispatch(self, number: str) -> Json:
        """Everything leaves."""
        return await self.update(number, "dispatch", {"performed_by": "sid"})

    async def dispatched(
        self, number: str, to_warehouse_id: int, items: Sequence[tuple[ItemKey, int]], **other: Json
    ) -> Json:
        """Created and dispatched; the state in transit."""
        await self.create(number, to_warehouse_id, items, **other)
        return await self.dispatch(number)

    async def receive(self, number: str, receipt_id: str, *lines: Json, **other: Json) -> Json:
        """Goods have arrived."""
        return await self.update(number, "receive", arrival(receipt_id, *lines, **other))

    async def write_off(self, number: str, reason: str = "lost on the way") -> Json:
        """What is missing won't come."""
        return await self.update(number, "write_off", {"performed_by": "dora", "reason": reason})

    async def cancel(self, number: str, reason: str = "not needed") -> Json:
        """It isn't wanted any more."""
        return await self.update(number, "cancel", {"performed_by": "tom", "reason": reason})


class Journey(NamedTuple):
    """A transfer of one product: its number, and the item at both ends."""

    number: str
    source: ItemKey
    destination: ItemKey


async def journey(transfers: Transfers, shop: Shop, status: str = "IN_TRANSIT", **other: Json) -> Journey:
    """A new transfer of ten of twelve units that has come so far, to a place that never held the product."""
    source = shop.item(12)
    new = Journey(new_reference("load"), source, source._replace(warehouse_id=shop.warehouse()))
    state = await transfers.create(new.number, new.destination.warehouse_id, [(source, 10)], **other)
    if status == "IN_TRANSIT":
        state = await transfers.dispatch(new.number)
    assert state["status"] == status
    return new


class Units(NamedTuple):
    """A line of a state, in units."""

    quantity: int
    received: int = 0
    damaged: int = 0
    written_off: int = 0
    returned: int = 0
    in_transit: int = 0


def units(state: Json) -> list[Units]:
    """The lines of a state."""
    return [Units(*(each[name] for name in Units._fields)) for each in state["line_items"]]


def stored(engine: Engine, number: str) -> Row[Any]:
    """The transfer's row."""
    with engine.connect() as connection:
        query = text("SELECT * FROM transfer_orders WHERE transfer_number = :number")
        return connection.execute(query, {"number": number}).one()


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

_MOVEMENTS = text("""
    SELECT warehouse_id, product_id, movement_type, quantity, balance_after, performed_by, reason
    FROM stock_movements WHERE reference_id = :number ORDER BY movement_id
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
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(_HOLD, {"number": number})]


def named(engine: Engine, number: str) -> str:
    """What notices call it."""
    with engine.connect() as connection:
        source, destination = connection.execute(_NAMES, {"number": number}).one()
    return f"transfer {number}, {source} → {destination}"


def movements(engine: Engine, number: str) -> list[tuple[Any, ...]]:
    """What a transfer has done to stock: where, what, why, units, balance, by whom and the reason, in order."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(_MOVEMENTS, {"number": number})]


def transit(engine: Engine, number: str) -> list[tuple[Any, ...]]:
    """What it has done to the units in transit: line, kind, units, balance, receipt, by whom and the reason."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(_IN_TRANSIT, {"number": number})]


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
            await asyncio.sleep(0.02)

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


@asynccontextmanager
async def locked_transfer(engine: Engine, number: str) -> AsyncIterator[LockedItem]:
    """Nobody else gets at the transfer meanwhile."""
    with engine.begin() as connection:
        lock = text("SELECT 1 FROM transfer_orders WHERE transfer_number = :number FOR UPDATE")
        assert connection.execute(lock, {"number": number}).one()
        yield LockedItem(engine, connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
