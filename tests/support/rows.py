"""Rows of documents and of the ledger, and rows that another session has locked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, TextClause, text

from stockkeeper.domain.stock import ItemKey
from tests.support.wire import eventually

_LOCK = text("""
    SELECT 1 FROM inventory_items
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) FOR UPDATE
""")
_MOVEMENTS = text("""
    SELECT warehouse_id, product_id, movement_type, quantity, balance_after, performed_by, reason
    FROM stock_movements WHERE reference_id = :number ORDER BY movement_id
""")
_WAITING = text("""
    SELECT pid, xact_start FROM pg_stat_activity WHERE :locker = ANY (pg_blocking_pids(pid))
""")


class LockedItem:
    """An item that a session of its own holds."""

    def __init__(self, engine: Engine, session: int) -> None:
        self._engine = engine
        self._session = session

    async def has_somebody_waiting(self) -> None:
        """Return once a transaction waits for the item."""
        await eventually(self._waiting, bool)

    async def has_another_waiting(self) -> None:
        """Return once a transaction waits that doesn't yet: whoever waits now has given up, and tries again."""
        now = await self._waiting()
        await eventually(self._waiting, lambda waiting: bool(waiting - now))

    async def _waiting(self) -> set[tuple[Any, ...]]:
        def waiting() -> set[tuple[Any, ...]]:
            with self._engine.connect() as connection:
                return {tuple(row) for row in connection.execute(_WAITING, {"locker": self._session})}

        return await asyncio.to_thread(waiting)


def locked(engine: Engine, item: ItemKey) -> AbstractAsyncContextManager[LockedItem]:
    """Nobody else gets at the item meanwhile."""
    return _locked(engine, _LOCK, item._asdict())


@asynccontextmanager
async def _locked(engine: Engine, lock: TextClause, values: dict[str, Any]) -> AsyncIterator[LockedItem]:
    with engine.begin() as connection:
        assert connection.execute(lock, values).one()
        yield LockedItem(engine, connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def found(engine: Engine, query: TextClause, number: str) -> list[tuple[Any, ...]]:
    """The rows of a query for a document's number."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"number": number})]


def movements(engine: Engine, number: str) -> list[tuple[Any, ...]]:
    """The stock movements of a document: item, type, units, balance, actor and reason, in order."""
    return found(engine, _MOVEMENTS, number)


@dataclass(frozen=True)
class DocumentRow:
    """The row of a document, found by its number."""

    table: str
    number_field: str

    def stored(self, engine: Engine, number: str) -> Row[Any]:
        """The row."""
        with engine.connect() as connection:
            return connection.execute(text(self._query), {"number": number}).one()

    def locked(self, engine: Engine, number: str) -> AbstractAsyncContextManager[LockedItem]:
        """Hold the row, so that every command to the document waits."""
        return _locked(engine, text(f"{self._query} FOR UPDATE"), {"number": number})

    @property
    def _query(self) -> str:
        return f"SELECT * FROM {self.table} WHERE {self.number_field} = :number"
