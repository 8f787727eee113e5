"""A worker that tells nobody what it changes of stock, for `benchmarks.events_cost`: `worker.py` without events."""

import contextlib
from collections.abc import AsyncIterator

import worker
from activities.event_numbering import EventNumbering
from database.locked_stock import LockedStock
from database.stock_events import Untold


def _tell_nobody(stock: LockedStock, operation: object) -> None:
    del operation
    stock._untold = Untold()  # noqa: SLF001 - what is measured is the cost of what comes instead
    stock.waiting.take_untold()


@contextlib.asynccontextmanager
async def _without_numbers(_numbering: EventNumbering) -> AsyncIterator[None]:
    yield


if __name__ == "__main__":
    LockedStock.tell = _tell_nobody  # type: ignore[assignment, method-assign]
    EventNumbering.while_working = _without_numbers  # type: ignore[assignment, method-assign]
    worker.main()
