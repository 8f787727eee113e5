"""Heartbeats of an activity that waits for the database."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from temporalio import activity

_EVERY_SECONDS = 3.0


@contextmanager
def heartbeats() -> Iterator[None]:
    """Send Temporal a heartbeat every few seconds, from a second thread, while the first waits for the database.

    If the process dies, the heartbeats stop and Temporal gives the activity to another worker.
    """
    done = threading.Event()
    context = contextvars.copy_context()

    def beat() -> None:
        while not done.wait(_EVERY_SECONDS):
            context.run(activity.heartbeat)

    thread = threading.Thread(target=beat, name="heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@asynccontextmanager
async def heartbeats_in_the_loop() -> AsyncIterator[None]:
    """The same of an activity that waits in the event loop."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
