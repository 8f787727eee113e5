"""Bridges: events handed on to a broker, in order, each at least once (`docs/events.md`, ADR 0095).

A bridge reads from where the broker's own memory says that it stopped, hands events on in their order, and goes on once
they are safe there. It keeps nothing itself: it may be killed at any time, and run anywhere, and two of them at once do
no harm but send twice.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import EventsForgotten
from stockkeeper.contracts.event import EVENTS_A_PAGE, Event

T = TypeVar("T")


class Sink(Protocol):
    """Where a bridge leads: a broker, such as NATS, Kafka or SQS."""

    async def cursor(self, database: str) -> int | None:
        """The number of the last event of a database that is safe here; None: none has ever been.

        A number that is too low only makes events come twice.

        Args:
            database: The task queue of that database's workers (`Event.database`).
        """
        ...

    async def put(self, events: Sequence[Event]) -> None:
        """Take events, which are in order, and return once all of them are safe, and `cursor` answers with the last.

        An event may come again after a failure, also long after: its ``source`` and ``id`` tell that it is the same.
        A failure that may pass, such as a broker that is away, is waited out here; whatever is raised ends the bridge.

        Args:
            events: At least one. Those of one database are in the order of their numbers, and follow its `cursor`.
        """
        ...


async def run_bridge(
    stock: Stockkeeper, sink: Sink, *, types: Sequence[str] = (), after: int | None = None, follow_on: bool = True
) -> int:
    """Hand events on; how many there were.

    It begins where the sink has stopped, and for the first time with the first event that is kept.

    Args:
        stock: Whose events.
        sink: Where they go.
        types: Only these types, such as ``level.changed``; empty: all.
        after: Begin after this number instead: after the sink has lost something, or events were forgotten before it
            had them. Only of one database.
        follow_on: Whether to go on with what comes, for ever; False: it ends with the latest event of now.

    Raises:
        EventsForgotten: Events after the last one that the sink has aren't all kept any more.
        InvalidRequest: There is no such type; or the number is beyond the database's last event, because the database
            was restored.
    """
    begin: int | dict[str, int]
    if after is None:
        begin = {database: await _begin(stock, sink, database) for database in await stock.events_cursors()}
    else:
        begin = after
    events = stock.events(after=begin, types=types, follow_on=follow_on)
    handed = 0
    async for batch in batches(events, EVENTS_A_PAGE):
        await sink.put(batch)
        handed += len(batch)
    return handed


async def _begin(stock: Stockkeeper, sink: Sink, database: str) -> int:
    """The number to begin after in one database."""
    if (cursor := await sink.cursor(database)) is not None:
        return cursor
    try:
        async for _ in stock.events(after={database: 0}, database=database, follow_on=False):
            break
    except EventsForgotten as forgotten:
        return forgotten.first_number - 1
    return 0


async def batches(source: AsyncIterator[T], most: int) -> AsyncGenerator[list[T]]:
    """What comes together in one list, at most so many: nothing waits for more to come.

    Args:
        source: One after the other.
        most: The most of them in one list.
    """
    following = asyncio.ensure_future(_next(source))
    try:
        while (found := await following) is not None:
            batch = found
            following = asyncio.ensure_future(_next(source))
            # What is at hand comes without a wait.
            while len(batch) < most and (await asyncio.wait({following}, timeout=0))[0]:
                if (found := following.result()) is None:
                    break
                batch += found
                following = asyncio.ensure_future(_next(source))
            yield batch
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await following


async def _next(source: AsyncIterator[T]) -> list[T] | None:
    """The next one; None: there is none any more."""
    try:
        return [await anext(source)]
    except StopAsyncIteration:
        return None
