"""Connections that are in use for longer than the server itself lets any transaction be: nobody answers there any more.

The server's own limits end every transaction that it knows of. They are no help where the network swallows what is
sent, or the server is stopped: the thread would wait for ever, and with it one of the worker's slots. So its connection
is closed from outside, which it sees as any other loss.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, event

_LOOK_EVERY_SECONDS = 1.0
_UNTIL = "may be in use until"


class _Driver(Protocol):
    """The driver's connection."""

    def fileno(self) -> int:
        """The file descriptor of its socket."""
        ...


class Stalled:
    """The connections of an engine that are in use.

    Args:
        engine: Its connections are watched from now on.
        within_seconds: How long one may be in use: longer than the server lets a transaction be.
    """

    def __init__(self, engine: Engine, within_seconds: float) -> None:
        self._within_seconds = within_seconds
        self._in_use: dict[Any, _Driver] = {}
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "checkin", self._given_back)
        event.listen(engine, "detach", self._given_back)

    def _taken(self, driver: _Driver, record: Any, _proxy: object) -> None:
        record.info[_UNTIL] = time.monotonic() + self._within_seconds
        self._in_use[record] = driver

    def _given_back(self, _driver: _Driver | None, record: Any) -> None:
        self._in_use.pop(record, None)

    def cut(self, now: float | None = None) -> int:
        """Close the connections that have been in use for too long.

        Args:
            now: By the monotonic clock; None: now.

        Returns:
            How many those were.
        """
        instant = time.monotonic() if now is None else now
        overdue = [driver for record, driver in list(self._in_use.items()) if record.info[_UNTIL] < instant]
        for driver in overdue:
            # It may have been closed at this moment.
            with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(driver.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)
        return len(overdue)

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Look again and again, as long as a worker works."""

        async def look() -> None:
            while True:
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
                self.cut()

        looking = asyncio.create_task(look())
        try:
            yield
        finally:
            looking.cancel()


def allow(connection: Connection, seconds: float) -> None:
    """Let this use of a connection take longer."""
    connection.info[_UNTIL] = time.monotonic() + seconds
