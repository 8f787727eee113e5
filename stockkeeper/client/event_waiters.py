"""Those who wait for something to happen, and the one follower of events that they share.

It begins with the first who waits and ends with the last. Whoever waits looks at the present state once the follower is
there: what is committed before that is seen by the look, and what comes later is an event after the follower's number.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from stockkeeper.client.connection import Connection
from stockkeeper.client.following import (
    ASKS_AGAIN_AFTER,
    ASKS_AGAIN_AT_LEAST_EVERY,
    databases_of,
    follow,
    merged,
)
from stockkeeper.contracts.errors import EventsForgotten, InvalidRequest, StockkeeperError, Unreachable
from stockkeeper.contracts.event import HOLD_KINDS, Event, EventKind, EventsPage, ReadEvents, type_of

R = TypeVar("R")

ENDS_OF_HOLDS = frozenset(
    type_of(kind) for kind in HOLD_KINDS - {EventKind.HOLD_MADE, EventKind.HOLD_CHANGED, EventKind.HOLD_WAITING}
)
"""Events of those who wait for the end of a hold; each may be that of some of its lines."""
LEVELS = frozenset({type_of(EventKind.LEVEL_CHANGED)})
"""Events of those who wait for stock."""


def about_product(product_id: int) -> str:
    """What those who wait for a product wait for."""
    return f"product/{product_id}"


async def look_patiently(look: Callable[[], Awaitable[R]]) -> R:
    """Look at the present state, again and again while nobody answers."""
    pause = ASKS_AGAIN_AFTER
    while True:
        try:
            return await look()
        except Unreachable:
            await asyncio.sleep(pause)
            pause = min(2 * pause, ASKS_AGAIN_AT_LEAST_EVERY)


class Waiter:
    """One who waits.

    Args:
        about: What for: the partition key of events, or a product.
        wants: Which of these events are worth a look.
    """

    def __init__(self, about: str, wants: Callable[[Event], bool]) -> None:
        self.about = about
        self.wants = wants
        self._call = asyncio.Event()
        self._failure: BaseException | None = None

    def call(self, failure: BaseException | None = None) -> None:
        """Have it look at the present state; or end with a failure."""
        self._failure = failure or self._failure
        self._call.set()

    async def called(self) -> None:
        """Wait until there is a reason to look.

        Raises:
            StockkeeperError: Events can't be followed.
        """
        await self._call.wait()
        self._call.clear()
        if self._failure is not None:
            raise StockkeeperError(f"events can't be followed: {self._failure}") from self._failure


class SharedLooks:
    """Looks at the same thing, shared by all who want one at the same time: a sold-out item has many who wait."""

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[Any]] = {}
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def look(self, at: Hashable, look: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """What a look sees that begins from here on: one that is under way may have seen less.

        Args:
            at: By what looks at the same thing are known.
            look: Looks.
        """
        if at not in self._next:
            self._next[at] = asyncio.create_task(self._after_the_one_before(at, look))
        seen: R = await asyncio.shield(self._next[at])
        return seen

    async def _after_the_one_before(self, at: Hashable, look: Callable[[], Coroutine[Any, Any, R]]) -> R:
        if (before := self._under_way.get(at)) is not None:
            await asyncio.wait({before})
        self._under_way[at] = this = self._next.pop(at)
        try:
            return await look()
        finally:
            if self._under_way.get(at) is this:
                del self._under_way[at]


class Waiters:
    """All who wait in one client.

    Args:
        connection: The client's.

    Attributes:
        looks: The looks that they share.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.looks = SharedLooks()
        self._waiting: dict[str, set[Waiter]] = {}
        self._types: frozenset[str] = frozenset()
        self._cursors: dict[str, int] = {}
        self._follower: asyncio.Task[None] | None = None
        self._is_there = asyncio.Event()

    @asynccontextmanager
    async def waiter(
        self, types: frozenset[str], about: str, wants: Callable[[Event], bool] = lambda _: True
    ) -> AsyncIterator[Waiter]:
        """Wait for events of these types about something; from here on none is missed.

        Raises:
            StockkeeperError: Events can't be followed.
        """
        waiter = Waiter(about, wants)
        self._waiting.setdefault(about, set()).add(waiter)
        try:
            self._follow(types)
            is_there = asyncio.create_task(self._is_there.wait())
            failed = asyncio.create_task(waiter.called())
            try:
                done, _ = await asyncio.wait({is_there, failed}, return_when=asyncio.FIRST_COMPLETED)
                if failed in done:
                    failed.result()
                    # An event that is about it: the follower is there.
                    waiter.call()
            finally:
                is_there.cancel()
                failed.cancel()
            yield waiter
        finally:
            self._waiting[about].discard(waiter)
            if not self._waiting[about]:
                del self._waiting[about]
            if not self._waiting:
                self._end()

    @property
    def is_following(self) -> bool:
        """Whether anybody waits, and so events are followed."""
        return self._follower is not None

    def _follow(self, types: frozenset[str]) -> None:
        """Follow these types, too: from where the follower is, if there is one."""
        if self._follower is not None and not self._follower.done() and types <= self._types:
            return
        if self._follower is not None:
            self._follower.cancel()
        self._types |= types
        self._follower = asyncio.create_task(self._run())

    def _end(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
        self._follower = None
        self._types = frozenset()
        self._cursors.clear()
        self._is_there = asyncio.Event()

    async def _run(self) -> None:
        connections = databases_of(self._connection)
        streams = [self._pages(queue, connection) for queue, connection in connections.items()]
        try:
            async for queue, page in merged(streams):
                self._cursors[queue] = page.cursor
                for event in page.events:
                    self._tell(event)
                if len(self._cursors) == len(connections):
                    self._is_there.set()
        except Exception as failure:  # noqa: BLE001 - all who wait would wait for ever
            self._call_all(failure)

    async def _pages(self, queue: str, connection: Connection) -> AsyncGenerator[tuple[str, EventsPage]]:
        is_lost = False
        while True:
            pages = follow(connection, ReadEvents(after=self._cursors.get(queue), types=sorted(self._types)))
            try:
                async for page in pages:
                    yield queue, page
                    if is_lost:
                        # Events were gone, by a restore or because nobody had answered for very long: all have to look.
                        is_lost = False
                        self._call_all()
            except (EventsForgotten, InvalidRequest):
                if self._cursors.pop(queue, None) is None:
                    raise
                is_lost = True
            finally:
                await pages.aclose()

    def _tell(self, event: Event) -> None:
        abouts = {event.partitionkey}
        if "product_id" in event.data:
            abouts.add(about_product(event.data["product_id"]))
        for about in abouts:
            for waiter in self._waiting.get(about, ()):
                if waiter.wants(event):
                    waiter.call()

    def _call_all(self, failure: BaseException | None = None) -> None:
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.call(failure)


def waiters_of(connection: Connection) -> Waiters:
    """Those who wait by this connection."""
    if connection.waiters is None:
        connection.waiters = Waiters(connection)
    return connection.waiters
