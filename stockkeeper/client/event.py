"""Events: what has changed, from any number on that is kept, and then as it happens."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import TypeVar

from stockkeeper.client.calls import checked
from stockkeeper.client.connection import Connection
from stockkeeper.client.event_waiters import LEVELS, about_product, look_patiently, waiters_of
from stockkeeper.client.following import databases_of, follow, merged
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_ids
from stockkeeper.client.questions import ask
from stockkeeper.client.stock import OneOrMore, StockNow, names_and_ids
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.event import (
    PREFIX,
    Event,
    EventsPage,
    LevelChanged,
    ReadEvents,
    type_of,
)
from stockkeeper.contracts.question import READ_EVENTS_AFTER
from stockkeeper.contracts.reservation import ReservationLine
from stockkeeper.contracts.stock import StockLevel

R = TypeVar("R")


class Events(StockNow):
    """Reading events."""

    async def events(
        self,
        *,
        after: int | Mapping[str, int] | None = None,
        types: Sequence[str] = (),
        product: OneOrMore | None = None,
        sku: str | None = None,
        keys: Sequence[str] = (),
        database: str | None = None,
        follow_on: bool = True,
        patient: bool = True,
    ) -> AsyncIterator[Event]:
        """Events in the order in which they were committed: those of the past, and then each as it happens.

        None is left out and none comes twice. `Event.number` is the cursor: keep it with what you have made of the
        event, in one transaction, and go on from it after a restart. Nobody polls: the question waits in a worker.

        Several databases have an order each. Their events come merged as they are read, and the cursors are kept by
        `Event.database`.

        Args:
            after: The number of the last event that was seen; 0: from the beginning; None: only what comes. Of several
                databases: their task queues and the numbers; one that isn't among them begins with what comes.
            types: Only these types, such as ``stockkeeper.level.changed``, or ``level.changed``.
            product: Only events about this product or these.
            sku: The same, of one product by its SKU.
            keys: Only events with these partition keys, such as ``order/1042``.
            database: Only those of this one of several databases, by its task queue.
            follow_on: Whether to go on with what comes; False: it ends with the latest event of now.
            patient: Whether to ask on for as long as nobody answers; False: see `Unreachable` below.

        Raises:
            EventsForgotten: Events after that number aren't all kept any more.
            InvalidRequest: There is no such type; or the number is beyond the last event of the database.
            UnknownProduct: Nothing has that SKU.
            Unreachable: Nobody has answered for ``answer_within``; only if it isn't ``patient``.
        """
        products, product_ids = names_and_ids(_with_sku(product, sku))
        asked = checked(
            ReadEvents,
            types=[each if each.startswith(PREFIX) else type_of(each) for each in types],
            products=products,
            product_ids=product_ids,
            keys=list(keys),
        )
        begins = _cursors(after, self._databases(database))
        streams = [
            _until_the_end(
                connection, asked.model_copy(update={"after": begins[queue]}), patient=patient, follow_on=follow_on
            )
            for queue, connection in self._databases(database).items()
        ]
        async for page in _one_by_one(streams) if not follow_on else merged(streams):
            for event in page.events:
                yield event

    async def events_cursor(self, database: str | None = None) -> int:
        """The number of the latest event: follow from it to see all that comes from now on.

        Args:
            database: Of several databases, which one, by its task queue.

        Raises:
            InvalidRequest: There are several databases, and none is named.
            Unreachable: No worker answers.
        """
        cursors = await self._cursors_now(database)
        if len(cursors) > 1:
            raise InvalidRequest(f"database: each has numbers of its own; name one of {', '.join(cursors)}")
        return next(iter(cursors.values()))

    async def events_cursors(self) -> dict[str, int]:
        """The number of the latest event of each database, by its task queue.

        Raises:
            Unreachable: No worker answers.
        """
        return await self._cursors_now(None)

    async def available_again(
        self, product: Named, warehouse: Named | None = None, quantity: int = 1
    ) -> list[StockLevel]:
        """Wait until so many units of a product are available, and answer with the levels that have any.

        They aren't held by that: others may have been told as well. All who wait in one client, here and for the ends
        of holds, share one question to a worker. While nobody answers, it waits on.

        Args:
            product: The product.
            warehouse: Where; None: in all warehouses together.
            quantity: How many units.

        Raises:
            InvalidRequest: The quantity isn't a number above zero.
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers at first.
        """
        if quantity < 1:
            raise InvalidRequest("quantity: must be more than 0")
        product_id, place = await self._item(product, warehouse)

        def may_have_come(event: Event) -> bool:
            level = LevelChanged.model_validate(event.data)
            if place is None:
                return level.quantity_available > 0
            return level.warehouse_id == place and level.quantity_available >= quantity

        async def levels_now() -> list[StockLevel]:
            return [level async for level in self.levels(product_id, place) if level.quantity_available > 0]

        waiters = waiters_of(self.connection)

        async def look() -> list[StockLevel]:
            return await waiters.looks.look((product_id, place), levels_now)

        async with waiters.waiter(LEVELS, about_product(product_id), may_have_come) as waiter:
            levels = await look()
            while sum(level.quantity_available for level in levels) < quantity:
                await waiter.called()
                levels = await look_patiently(look)
        return levels

    async def _item(self, product: Named, warehouse: Named | None) -> tuple[int, int | None]:
        """The ids of a product and a warehouse."""
        wanted, _ = await with_ids(
            self.connection,
            ReservationLine,
            product_id=product,
            warehouse_id=warehouse,
            quantity=1,
        )
        return wanted.product_id, wanted.warehouse_id

    async def _cursors_now(self, database: str | None) -> dict[str, int]:
        connections = self._databases(database)
        pages = await asyncio.gather(
            *(ask(each, READ_EVENTS_AFTER, ReadEvents(after=None)) for each in connections.values())
        )
        return {queue: page.cursor for queue, page in zip(connections, pages, strict=True)}

    def _databases(self, database: str | None) -> dict[str, Connection]:
        """The databases that are followed, by their task queues."""
        found = databases_of(self.connection)
        if database is None:
            return found
        if database not in found:
            raise InvalidRequest(f"database: there is no {database!r}; there are {', '.join(found)}")
        return {database: found[database]}


def _with_sku(product: OneOrMore | None, sku: str | None) -> list[Named]:
    named: list[Named] = [] if product is None else [product] if isinstance(product, int | str) else list(product)
    return named if sku is None else [*named, sku]


def _cursors(after: int | Mapping[str, int] | None, queues: Mapping[str, object]) -> dict[str, int | None]:
    """The number to begin after, of each database.

    Raises:
        InvalidRequest: It is of one database, and there are several; or it is of a database that isn't followed.
    """
    if isinstance(after, Mapping):
        if unknown := [queue for queue in after if queue not in queues]:
            raise InvalidRequest(f"after: there is no database {unknown[0]!r}; there are {', '.join(queues)}")
        return {queue: after.get(queue) for queue in queues}
    if after is not None and len(queues) > 1:
        raise InvalidRequest(
            f"after: each database has numbers of its own; give the number of each by its task queue: "
            f"{', '.join(queues)}"
        )
    return dict.fromkeys(queues, after)


async def _until_the_end(
    connection: Connection, asked: ReadEvents, *, patient: bool, follow_on: bool
) -> AsyncGenerator[EventsPage]:
    """Pages for ever, or up to the event that is the latest when the first page is read."""
    end: int | None = None
    pages = follow(connection, asked, patient=patient)
    try:
        async for page in pages:
            end = page.last_number if end is None else end
            if not follow_on and page.cursor >= end:
                yield page.model_copy(update={"events": [each for each in page.events if each.number <= end]})
                return
            yield page
    finally:
        await pages.aclose()


async def _one_by_one(streams: Sequence[AsyncGenerator[R]]) -> AsyncGenerator[R]:
    for stream in streams:
        async for found in stream:
            yield found
