"""Steps that come at the same time in one worker, so that they share a transaction."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from database import gathering
from database.sessions import Database
from tests.support.meetings import WAIT_SECONDS

Call = Callable[[], Any]


def outcome(call: Call) -> Any:
    """What the call answers, or the error that it ends with."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this call's outcome
        return error


def persistently(call: Call) -> Any:
    """What the call answers when it is tried again as Temporal does, for as long as the database is busy."""
    while True:
        try:
            return call()
        except ApplicationError as error:
            if error.type != "DatabaseBusy":
                raise


class _Patience:
    """Steps wait for each other as long as it takes, while anybody lets some gather; two workers may at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._patients = 0
        self._usual = gathering._PATIENCE_SECONDS

    def __enter__(self) -> None:
        self._count(1)

    def __exit__(self, *_: object) -> None:
        self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self._patients += more
            seconds = WAIT_SECONDS if self._patients else self._usual
            setattr(gathering, "_PATIENCE_SECONDS", seconds)  # noqa: B010


_PATIENCE = _Patience()


def together(database: Database, *calls: Call) -> list[Any]:
    """Let steps gather in this order while another call is under way, and then go on together; their outcomes.

    The first of them carries out all. Those of a group that fails are tried alone, all at once.
    """
    under_way, end = Event(), Event()

    def until_the_end(_: Sequence[object]) -> None:
        under_way.set()
        assert end.wait(WAIT_SECONDS)

    waiting: Sequence[object] = database.gathering._waiting
    with ThreadPoolExecutor(len(calls) + 1) as threads, _PATIENCE:
        try:
            threads.submit(database.gathering.join, None, until_the_end)
            assert under_way.wait(WAIT_SECONDS)
            begun = []
            for number, call in enumerate(calls, 1):
                begun.append(threads.submit(outcome, call))
                deadline = time.monotonic() + WAIT_SECONDS
                while len(waiting) < number:
                    assert not begun[-1].done(), f"step {number} ended before it gathered: {begun[-1].result()!r}"
                    assert time.monotonic() < deadline, f"step {number} doesn't gather"
                    time.sleep(0.001)
        finally:
            end.set()
        return [each.result(WAIT_SECONDS) for each in begun]


_TRANSACTIONS = text("""
    SELECT count(*), count(DISTINCT xmin::text) FROM operations WHERE operation_id = ANY (:operations)
""")


def transactions(engine: Engine, *operation_ids: str) -> tuple[int, int]:
    """How many of these operations are stored, and by how many transactions."""
    with engine.connect() as connection:
        stored, by = connection.execute(_TRANSACTIONS, {"operations": list(operation_ids)}).one()
        return int(stored), int(by)
