"""A thread that listens for notifications of the database, and begins again after a connection that was lost."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from activities.trouble import trouble_of
from database.notifications import Notifications
from database.sessions import Database

_RECONNECT_SECONDS = 1.0


def why(error: Exception) -> str:
    """What a log says of an error of the database, without its values."""
    trouble = trouble_of(error) if isinstance(error, DBAPIError) else None
    return trouble.message if trouble else type(error).__name__


class Listening:
    """One worker's listener on one channel, with a thread and a connection of its own.

    Args:
        database: The database.
        channel: The channel.
        name: The thread's name.
        log: Where it says that it can't listen.
        without: What the log says first when the connection fails: whom that hurts.
    """

    def __init__(self, database: Database, channel: str, *, name: str, log: logging.Logger, without: str) -> None:
        self._listened_to = database
        self._channel = channel
        self._name = name
        self._log = log
        self._without = without
        self._stopped = threading.Event()
        self._notifications: Notifications | None = None

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Listen as long as the worker works."""
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._work, args=(loop,), name=self._name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            if self._notifications is not None:
                self._notifications.interrupt()
            await loop.run_in_executor(None, thread.join, _RECONNECT_SECONDS)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopped.is_set():
            try:
                with Notifications(self._listened_to, self._channel) as notifications:
                    self._notifications = notifications
                    self._listen(notifications, loop)
            except (SQLAlchemyError, psycopg.Error) as error:
                self._log.warning("%s: %s", self._without, why(error))
            except CancelledError:
                # The worker ends, and with it what this thread waits for.
                return
            except Exception:  # noqa: BLE001 - others depend on this thread: better to begin again than to end
                self._log.exception("%s", self._without)
            finally:
                self._notifications = None
            self._stopped.wait(_RECONNECT_SECONDS)

    def _listen(self, notifications: Notifications, loop: asyncio.AbstractEventLoop) -> None:
        """Listen until it is stopped or the connection is lost. What came before is unknown: look at first."""
        raise NotImplementedError
