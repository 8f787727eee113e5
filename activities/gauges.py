"""The gauges of a worker: its database connections, its pending notices, and the figures of the whole database.

They are looked at every half minute, as long as the worker works. The figures are the same for every worker on a
database, so that any of them will do; each says when it has read them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from activities.measured import PendingNotices
from activities.metrics import Metrics
from activities.trouble import trouble_of
from database.figures import Figure, read_figures
from database.sessions import Database
from stockkeeper.contracts.reorder import REQUESTED_BY
from stockkeeper.domain.errors import DomainError

EVERY = timedelta(seconds=30)

_log = logging.getLogger("stockkeeper.metrics")


class MostInUse:
    """The most connections of an engine that were in use at a time.

    Args:
        engine: Its connections are counted from now on.
    """

    def __init__(self, engine: Engine) -> None:
        self._pool = cast("QueuePool", engine.pool)
        self._most = 0
        event.listen(engine, "checkout", self._taken)

    def _taken(self, *_: object) -> None:
        self._most = max(self._most, self._pool.checkedout())

    def look(self) -> tuple[int, int, int]:
        """The connections there may be, those in use now, and the most in use since the last look."""
        now = self._pool.checkedout()
        most, self._most = max(self._most, now), 0
        return self._pool.size(), now, most


class Gauges:
    """Looks again and again.

    Args:
        metrics: The worker's.
        database: The database.
        pending: The notices that are tried again.
    """

    def __init__(self, metrics: Metrics, database: Database, pending: PendingNotices) -> None:
        self._metrics = metrics
        self._database = database
        self._pending = pending
        self._most_in_use = MostInUse(database.engine)

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Look as long as the worker works."""
        looking = asyncio.create_task(self._look_again_and_again())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])

    async def look(self) -> None:
        """Show everything as it is now; without the database, its figures stay as they were, with their time."""
        self._metrics.pool(*self._most_in_use.look())
        self._metrics.notices_pending(*self._pending.at(datetime.now(UTC)))
        read_at = time.time()
        try:
            figures = await asyncio.to_thread(self._read)
        except (SQLAlchemyError, DomainError) as error:
            trouble = trouble_of(error) if isinstance(error, DBAPIError) else None
            _log.warning("the figures for the metrics can't be read: %s", trouble.message if trouble else error)
        else:
            self._metrics.figures(figures, read_at)

    def _read(self) -> list[Figure]:
        with self._database.snapshot() as connection:
            return read_figures(connection, as_of=datetime.now(UTC), reorder=REQUESTED_BY)

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - metrics without a look are worse than one that says so
                _log.exception("the gauges can't be looked at")
            await asyncio.sleep(EVERY.total_seconds())
