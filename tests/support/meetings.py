"""Calls that meet: all of them reach the same row while somebody else has it, and go on from there."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, Engine, text
from temporalio.exceptions import ApplicationError

WAIT_SECONDS = 60.0
Outcome = tuple[str | None, Any]


class _HasStatus(Protocol):
    @property
    def status(self) -> str: ...


Call = Callable[[], _HasStatus]


def outcome(call: Call) -> Outcome:
    """The status that the call answers with, or the error that it is refused with."""
    try:
        return call().status, None
    except ApplicationError as error:
        return error.type, error.details[0] if error.details else error.message


@contextmanager
def held_rows(engine: Engine, rows: str, **of: Any) -> Iterator[Connection]:
    """Hold rows of a table, so that whoever wants them waits until the end."""
    with engine.begin() as holder:
        assert holder.execute(text(f"SELECT 1 FROM {rows} FOR UPDATE"), of).all()
        yield holder


def until_waiting(engine: Engine, sessions: int) -> None:
    """Return once so many sessions of the worker wait for a lock."""
    until_sessions(engine, sessions, "cardinality(pg_blocking_pids(pid)) > 0")


def until_sessions(engine: Engine, sessions: int, condition: str) -> None:
    """Return once the condition holds of so many of the worker's sessions."""
    query = text(f"""
        SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stockkeeper-worker' AND {condition}
    """)
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.execute(query).scalar_one() >= sessions:
                return
        time.sleep(0.01)
    pytest.fail(f"{sessions} sessions ought to wait")


def meet(engine: Engine, rows: str, calls: Sequence[Call], *, in_turn: bool = False, **of: Any) -> list[Outcome]:
    """All calls reach these rows while somebody else has them, and go on from there together.

    Args:
        engine: The database, as its owner.
        rows: A table and which of its rows: ``transfer_orders WHERE transfer_number = :number``.
        calls: What is done at once.
        in_turn: Whether each comes only when the one before it waits. Who waits first for a row gets it first.
        **of: The values in ``rows``.
    """
    with ThreadPoolExecutor(len(calls)) as threads:
        with held_rows(engine, rows, **of):
            begun = []
            for number, call in enumerate(calls, 1):
                begun.append(threads.submit(outcome, call))
                if in_turn:
                    until_waiting(engine, number)
            until_waiting(engine, len(calls))
        return [each.result(WAIT_SECONDS) for each in begun]
