"""Heartbeats of an activity that waits for the database, or for another service."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from temporalio import activity

_EVERY_SECONDS = 3.0


class _Reported:
    """What the activity has reported: the next attempt finds the details of the last heartbeat, and of no other."""

    def __init__(self) -> None:
        self._details: tuple[Any, ...] = tuple(activity.info().heartbeat_details)
        self._one_at_a_time = threading.Lock()

    def beat(self, *details: Any) -> None:
        """Send a heartbeat: with new details, or with those of the last one."""
        with self._one_at_a_time:
            self._details = details or self._details
            activity.heartbeat(*self._details)


_REPORTED: contextvars.ContextVar[_Reported] = contextvars.ContextVar("_REPORTED")


def report(*details: Any) -> None:
    """Send a heartbeat with details for the next attempt; the heartbeats that follow by themselves keep them."""
    reported = _REPORTED.get(None)
    (reported.beat if reported is not None else activity.heartbeat)(*details)


@contextmanager
def heartbeats() -> Iterator[None]:
    """Send Temporal a heartbeat every few seconds, from a second thread, while the first waits for the database.

    If the process dies, the heartbeats stop and Temporal gives the activity to another worker.
    """
    done = threading.Event()
    reported = _Reported()
    token = _REPORTED.set(reported)
    context = contextvars.copy_context()

    def beat() -> None:
        while not done.wait(_EVERY_SECONDS):
            # The worker's loop takes it within ten seconds, unless it is held up: then the next one may go through.
            with suppress(TimeoutError):
                context.run(reported.beat)

    thread = threading.Thread(target=beat, name="heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _REPORTED.reset(token)


@asynccontextmanager
async def heartbeats_in_the_loop() -> AsyncIterator[None]:
    """The same of an activity that waits in the event loop."""
    reported = _Reported()
    token = _REPORTED.set(reported)

    async def beat() -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            reported.beat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        _REPORTED.reset(token)
