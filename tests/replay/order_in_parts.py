"""The ways that an order with lines in two databases can go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import text

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.corrections import FOUND, correct_stock
from tests.support.database_apart import database_apart
from tests.support.order_in_parts import OrdersInParts, in_parts
from tests.support.shop import Shop
from tests.support.wire import Json, line, refusal
from worker import build_database, working

SOUTH = "south"
_OTHER_IDS = text("ALTER SEQUENCE warehouses_warehouse_id_seq RESTART WITH 1000000")


class OrderInPartsScenes(Scenes[OrdersInParts]):
    """Each scene's name is the order's reference."""

    service = OrdersInParts
    references = "{}_in_parts"
    under_way = frozenset({"held"})

    async def held(self, name: str) -> None:
        async with self._south() as south:
            await self._hold(name, self._shop.item(5), south.item(5))

    async def shipped(self, name: str) -> None:
        """A part leaves, a part is given up, and the rest leaves."""
        reference, north = self.reference_of(name), self._shop.item(5)
        async with self._south() as other:
            await self._hold(name, north, south := other.item(5))
            await self._caller.update(reference, "placed")
            await self._caller.fulfill(reference, [line(north, 1), line(south, 1)], fulfillment_id="parcel-1")
            less = {"performed_by": "shop", "reason": "one less", "lines": [line(south, 1)]}
            await self._caller.update(reference, "release", less)
            await self._caller.fulfill(reference)
            await self._caller.result(reference)

    async def cancelled(self, name: str) -> None:
        """Its deadline has moved before, and more was to be shipped than is held."""
        north = self._shop.item(5)
        async with self._south() as south:
            await self._hold(name, north, south.item(5))
            await self._caller.extend(self.reference_of(name), 60)
            await refusal(self._caller.fulfill(self.reference_of(name), [line(north, 9)]))
            await self._caller.cancel(self.reference_of(name))
            await self._caller.result(self.reference_of(name))

    async def expired(self, name: str) -> None:
        async with self._south() as south:
            await self._hold(name, self._shop.item(5), south.item(5), ttl_minutes=0.01)
            await self._caller.result(self.reference_of(name))

    async def short(self, name: str) -> None:
        """What one database has held is released, because the other one is short."""
        async with self._south() as south:
            await refusal(self._hold(name, self._shop.item(5), south.item(2)))
            await self._caller.result(self.reference_of(name))

    async def gave_way(self, name: str) -> None:
        """What one database has promised isn't there."""
        async with self._south() as other:
            await self._hold(name, self._shop.item(5), south := other.item(5))
            correct_stock(other.engine, {south: -4}, datetime.now(UTC))
            await self._caller.update(self.reference_of(name), "give_way", {"performed_by": "carl", "reason": FOUND})
            await self._caller.result(self.reference_of(name))

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one."""
        reference, north = self.reference_of(name), self._shop.item(5)
        async with self._south() as other:
            await self._hold(name, north, south := other.item(5))
            await self._caller.fulfill(reference, [line(north, 3)])
            await self._continue(reference)
            await self._caller.fulfill(reference, [line(south, 1)])
            await self._caller.fulfill(reference)
            await self._caller.result(reference)

    async def _hold(self, name: str, north: ItemKey, south: ItemKey, **other: Json) -> None:
        parts = ((self._stage.settings.task_queue, [(north, 3)]), (SOUTH, [(south, 3)]))
        await self._caller.ask_raw(self.reference_of(name), [in_parts(self.reference_of(name), *parts, **other)])

    @asynccontextmanager
    async def _south(self) -> AsyncIterator[Shop]:
        """Another database with a worker of its own."""
        with database_apart(self._engine, self._stage.settings) as (engine, there):
            with engine.begin() as connection:
                connection.execute(_OTHER_IDS)
            database = build_database(there)
            on_its_queue = there.model_copy(update={"task_queue": SOUTH})
            async with working(self._stage.ours, database, on_its_queue):
                yield Shop(engine)
            database.engine.dispose()
