"""Following the events of each database, for whoever waits for them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import TypeVar

from stockkeeper.client.connection import Connection
from stockkeeper.client.questions import ask
from stockkeeper.contracts.errors import Unreachable
from stockkeeper.contracts.event import WAIT_AT_MOST_SECONDS, EventsPage, ReadEvents
from stockkeeper.contracts.question import READ_EVENTS_AFTER

R = TypeVar("R")

ASKS_AGAIN_AFTER = 0.2
"""Seconds after which a question that nobody has answered is asked again; twice as many each time."""
ASKS_AGAIN_AT_LEAST_EVERY = 5.0


async def follow(connection: Connection, asked: ReadEvents, *, patient: bool = True) -> AsyncGenerator[EventsPage]:
    """Follow the events of one database for ever, page by page; a page may be empty.

    Args:
        connection: To one database.
        asked: Which events. Without a number to begin after, the first page is empty and has the present end.
        patient: Whether to ask on when nobody answers.

    Raises:
        DomainError: The question was refused.
        Unreachable: Nobody has answered for as long as the connection's patience; only if it isn't to ask on.
    """
    wait = 0.0 if asked.after is None else WAIT_AT_MOST_SECONDS
    began, pause = time.monotonic(), ASKS_AGAIN_AFTER
    while True:
        within = connection.answer_within + timedelta(seconds=wait)
        try:
            page = await ask(
                connection,
                READ_EVENTS_AFTER,
                asked.model_copy(update={"wait_seconds": wait}),
                prefix="events",
                within=within,
            )
        except Unreachable:
            if not patient and time.monotonic() - began > connection.answer_within.total_seconds():
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, ASKS_AGAIN_AT_LEAST_EVERY)
            continue
        yield page
        # A worker that is stopping answers early, and so does one that doesn't know how to wait.
        wait = WAIT_AT_MOST_SECONDS
        began, pause = time.monotonic(), ASKS_AGAIN_AFTER
        asked = asked.model_copy(update={"after": page.cursor})


async def merged(streams: Sequence[AsyncGenerator[R]]) -> AsyncGenerator[R]:
    """What comes from any of several streams that have no end, each in its own order."""
    coming = {asyncio.ensure_future(anext(stream)): stream for stream in streams}
    try:
        while True:
            done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                stream = coming.pop(task)
                found = task.result()
                coming[asyncio.ensure_future(anext(stream))] = stream
                yield found
    finally:
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
        for stream in streams:
            await stream.aclose()


def databases_of(connection: Connection) -> dict[str, Connection]:
    """A connection to each database that is behind one, by its task queue."""
    if connection.databases is None:
        return {connection.task_queue: connection}
    return {queue: connection.at(queue) for queue in connection.databases.queues}
