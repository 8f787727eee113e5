"""Rows that somebody else has locked, so that a test can say what happens in which order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.wire import eventually

_LOCK = text("""
    SELECT 1 FROM inventory_items
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) FOR UPDATE
""")
_WAITING = text("""
    SELECT count(*) FROM pg_stat_activity WHERE :locker = ANY (pg_blocking_pids(pid))
""")


class LockedItem:
    """An item that a session of its own holds."""

    def __init__(self, engine: Engine, session: int) -> None:
        self._engine = engine
        self._session = session

    async def has_somebody_waiting(self) -> None:
        """Return once a transaction waits for the item."""
        await eventually(self._waiting, lambda waiting: waiting > 0)

    async def has_nobody_waiting(self) -> None:
        """Return once whoever waited has given up."""
        await eventually(self._waiting, lambda waiting: waiting == 0)

    async def _waiting(self) -> int:
        def count() -> int:
            with self._engine.connect() as connection:
                return int(connection.execute(_WAITING, {"locker": self._session}).scalar_one())

        return await asyncio.to_thread(count)


@asynccontextmanager
async def locked(engine: Engine, item: ItemKey) -> AsyncIterator[LockedItem]:
    """Nobody else gets at the item meanwhile."""
    with engine.begin() as connection:
        connection.execute(_LOCK, item._asdict())
        session = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        yield LockedItem(engine, session)
