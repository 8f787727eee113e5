"""Numbers events once they are committed, and forgets old ones: one thread in each worker's process.

It is woken by each transaction that its own process commits, and looks once a second for what others have written, such
as a worker that was killed between its commit and its numbering. Those of several workers take turns. When none waits,
it deletes some of the events that are older than they are to be kept.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from activities.listening import why
from database.events import NUMBERED_AT_ONCE, are_waiting, forget_events, number_events
from database.sessions import Database

LOOK_ANYWAY_SECONDS = 1.0
FORGOTTEN_AT_ONCE = 500
"""Events that are deleted in one transaction: some milliseconds, for which numbering waits."""
LOOK_FOR_OLD_ONES_SECONDS = 60.0

_log = logging.getLogger("stockkeeper.events")


class EventNumbering:
    """One process's numbering.

    Args:
        database: The database.
        kept: How long events are kept after they have happened.
    """

    def __init__(self, database: Database, kept: timedelta) -> None:
        self._database = database
        self._kept = kept
        self._forgets_at = time.monotonic()
        self._stopped = threading.Event()

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Number events as long as the worker works, and those of its last steps when it ends."""
        thread = threading.Thread(target=self._work, name="event-numbering", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._database.committed.set()
            await asyncio.get_running_loop().run_in_executor(None, thread.join, LOOK_ANYWAY_SECONDS)

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._database.engine.connect() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                    # It is held for as long as the worker works: another one may come into the pool for it.
                    connection.detach()
                    self._number(connection)
            except (SQLAlchemyError, psycopg.Error) as error:
                _log.warning("events can't be numbered: %s", why(error))
            except Exception:  # noqa: BLE001 - followers of events depend on this thread
                _log.exception("events can't be numbered")
            self._stopped.wait(LOOK_ANYWAY_SECONDS)

    def _number(self, connection: Connection) -> None:
        is_woken = False
        while True:
            # Before it looks: what is committed from here on wakes it again.
            self._database.committed.clear()
            is_last = self._stopped.is_set()
            # A step that has just committed has most likely written events.
            if is_woken or are_waiting(connection):
                while number_events(connection) == NUMBERED_AT_ONCE:
                    pass
            if is_last:
                return
            self._forget(connection)
            is_woken = self._database.committed.wait(LOOK_ANYWAY_SECONDS)

    def _forget(self, connection: Connection) -> None:
        """Delete some old events, if it is time; of many, some at each look for new ones."""
        if (now := time.monotonic()) < self._forgets_at:
            return
        forgotten = forget_events(connection, datetime.now(UTC) - self._kept, FORGOTTEN_AT_ONCE)
        if forgotten < FORGOTTEN_AT_ONCE:
            self._forgets_at = now + LOOK_FOR_OLD_ONES_SECONDS
