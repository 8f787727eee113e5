"""Stockkeeper as a service calls it: `Stockkeeper.reserve`, a workflow for each order, on workers of their own."""

import asyncio
import threading
import uuid

from sqlalchemy import Engine

from benchmarks.peers.our_items import new_item, promised_units
from database.sessions import connect
from stockkeeper import InsufficientStock, Line, Stockkeeper

REFUSALS = (InsufficientStock,)
_loop = asyncio.new_event_loop()
_stock: Stockkeeper
_engine: Engine


def prepare(settings: dict[str, str]) -> None:
    """Nothing: whoever starts the workers has set up the stack."""
    del settings


def open(settings: dict[str, str]) -> None:  # noqa: A001 the name that all adapters have
    """Connect, with an event loop that all callers of the process share, as a service has it."""
    global _stock, _engine  # noqa: PLW0603 one service a process
    threading.Thread(target=_loop.run_forever, daemon=True).start()
    connecting = Stockkeeper.connect(settings["temporal_address"])
    _stock = asyncio.run_coroutine_threadsafe(connecting, _loop).result()
    _engine = connect(settings["url"])


def stock(units: int) -> int:
    """A product; its id."""
    return new_item(_engine, units)


def hold(item: int) -> None:
    """One order of one unit."""
    wanted = [Line(item, 1, quantity=1)]
    asked = _stock.reserve(uuid.uuid4().hex, wanted, performed_by="shop")
    asyncio.run_coroutine_threadsafe(asked, _loop).result()


def promised(item: int) -> int:
    """Units reserved."""
    return promised_units(_engine, item)
