"""What changes while a page is open, as server-sent events: a page asks anew for the part that has changed.

A stream is one question to a worker, which waits there for what comes; it carries the token of whoever looks. It ends
with its page, and after some minutes in any case, when the browser asks for another one and has to be signed in still.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from starter.console.sessions import Session
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import EventsForgotten, InvalidRequest, StockkeeperError
from stockkeeper.contracts.event import Event

STREAMS_OF_A_SESSION = 3
"""A browser has six connections to a site, and needs some for pages. The oldest stream ends."""
LASTS_SECONDS = 600.0
STILL_THERE_SECONDS = 15.0
"""Proxies end what says nothing for long."""
GATHERS_SECONDS = 0.3
"""What changes within it is told at once."""
ASKS_AGAIN_MILLISECONDS = 2_000

_log = logging.getLogger("stockkeeper.console")


@dataclass(frozen=True)
class Wanted:
    """What a page wants to hear of.

    Attributes:
        types: Types of events.
        products: Only about these products; empty: about any.
        after: The last event that the page has seen, by database; empty: what comes from now on.
    """

    types: Sequence[str]
    products: Sequence[int] = ()
    after: Mapping[str, int] = field(default_factory=dict)


class Streams:
    """The streams that are open, by session."""

    def __init__(self) -> None:
        self._of: dict[str, list[EventStream]] = {}

    def __len__(self) -> int:
        return sum(len(each) for each in self._of.values())

    def begin(self, session: Session, stream: "EventStream") -> None:
        """Count a stream; the oldest ones of the session end."""
        its = self._of.setdefault(session.key, [])
        its.append(stream)
        for oldest in its[:-STREAMS_OF_A_SESSION]:
            oldest.end()

    def end(self, session: Session, stream: "EventStream") -> None:
        """Forget a stream."""
        its = self._of.get(session.key, [])
        if stream in its:
            its.remove(stream)
        if not its:
            self._of.pop(session.key, None)


STREAMS = Streams()
"""Those of this process."""


class EventStream(Response):
    """The answer that goes on for as long as its page is open.

    Args:
        stock: The client.
        session: Whose page it is.
        wanted: What it wants to hear of.
        streams: The streams that are open.
    """

    media_type = "text/event-stream"

    def __init__(self, stock: Stockkeeper, session: Session, wanted: Wanted, streams: Streams = STREAMS) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._stock = stock
        self._session = session
        self._wanted = wanted
        self._streams = streams
        self._ended = asyncio.Event()
        self._changes = _Changes(dict(wanted.after))

    def end(self) -> None:
        """End it, because the session has newer ones."""
        self._ended.set()
        self._changes.something.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what happens, until the page is closed."""
        del scope
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        self._streams.begin(self._session, self)
        tasks = [
            asyncio.create_task(_closed(receive)),
            asyncio.create_task(self._write(send)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._streams.end(self._session, self)

    async def _write(self, send: Send) -> None:
        async def write(text: str, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": more})

        await write(f"retry: {ASKS_AGAIN_MILLISECONDS}\n\n")
        async with aclosing(self._messages()) as messages:
            async for message in messages:
                await write(message)
        await write("event: end\ndata: {}\n\n" if self._ended.is_set() else "", more=False)

    async def _messages(self) -> AsyncGenerator[str]:
        """What is to be sent, until the time is over or the stream is ended."""
        changes = self._changes
        follower = asyncio.create_task(self._follow(changes))
        over = asyncio.get_running_loop().time() + LASTS_SECONDS
        try:
            while not (self._ended.is_set() or self._session.is_over) and asyncio.get_running_loop().time() < over:
                with suppress(TimeoutError):
                    await asyncio.wait_for(changes.something.wait(), STILL_THERE_SECONDS)
                if self._ended.is_set() or self._session.is_over or (changes.failed and not changes.products):
                    return
                if changes.products:
                    await asyncio.sleep(GATHERS_SECONDS)
                    yield changes.taken()
                else:
                    yield ": still here\n\n"
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    async def _follow(self, changes: "_Changes") -> None:
        try:
            try:
                await self._add(changes, self._wanted.after or None)
            except (EventsForgotten, InvalidRequest):
                # The page is older than what is kept: it is asked for anew, and hears of what comes.
                changes.add_all(self._wanted.products)
                await self._add(changes, None)
        except StockkeeperError as error:
            # The browser asks again.
            _log.info("a stream of events ended: %s", type(error).__name__)
            changes.fail()

    async def _add(self, changes: "_Changes", after: Mapping[str, int] | None) -> None:
        wanted = self._wanted
        events = self._stock.events(types=wanted.types, product=list(wanted.products) or None, after=after)
        async with aclosing(cast("AsyncGenerator[Event]", events)) as stream:
            async for event in stream:
                changes.add(event)


class _Changes:
    """What has happened and isn't told yet."""

    def __init__(self, cursors: dict[str, int]) -> None:
        self.something = asyncio.Event()
        self.products: set[int] = set()
        self.failed = False
        self._cursors = cursors

    def add(self, event: Event) -> None:
        """Something has happened."""
        self.products.add(int(event.data.get("product_id", 0)))
        self._cursors[event.database] = event.number
        self.something.set()

    def add_all(self, products: Sequence[int]) -> None:
        """Nobody knows what has happened."""
        self.products.update(products or [0])
        self._cursors.clear()
        self.something.set()

    def fail(self) -> None:
        """Nothing more will be known."""
        self.failed = True
        self.something.set()

    def taken(self) -> str:
        """The message of all that has happened, with the place from which a stream goes on after it."""
        products = sorted(self.products)
        self.products.clear()
        if not self.failed:
            self.something.clear()
        place = json.dumps(self._cursors, separators=(",", ":"))
        return f"id: {place}\nevent: changed\ndata: {json.dumps({'products': products})}\n\n"


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
