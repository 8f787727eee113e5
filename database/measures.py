"""What is measured of a worker's transactions, and what they have changed of holds and waits, once it is committed.

A `Database` is measured if it was given `Measures`; what becomes of the figures is not known here. Each transaction
then has a `Tally`, which everything that works on its connection finds by `tally_of`.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, Protocol, cast

import psycopg
from psycopg import pq
from sqlalchemy import Connection, Engine, event

GAVE_WAY = "GAVE_WAY"
"""The end of a hold that gave way to a correction; others have the status of the hold."""

_TALLY = "tally of database.measures"
_BEGAN = "statement of database.measures began"


class Measures(Protocol):
    """Who is told what was measured, from any thread, and at once."""

    def round_trip(self, seconds: float, *, commits: bool) -> None:
        """Statements were carried out in one round trip, or a transaction was committed; both is a commit."""
        ...

    def committed(self, tally: "Tally") -> None:
        """A transaction was committed."""
        ...


@dataclass(slots=True)
class Tally:
    """What one transaction has changed.

    Attributes:
        measures: Who is told.
        steps: How many steps share it; 0: it isn't a step's.
        placed: New holds by type of their reference.
        held_again: Holds that gave way before and are held again.
        ended: Holds by how they have ended.
        overdue_since: Deadlines of holds that have expired.
        waits_begun: Orders that wait from now on.
        waits_ended: Orders that wait no more, by how that has ended.
    """

    measures: Measures
    steps: int = 0
    placed: Counter[str] = field(default_factory=Counter)
    held_again: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    overdue_since: list[datetime] = field(default_factory=list)
    waits_begun: int = 0
    waits_ended: Counter[str] = field(default_factory=Counter)


class Measuring:
    """One transaction that is measured: it is told when the work in it is done, and when it is committed."""

    def __init__(self, measures: Measures, steps: int) -> None:
        self._tally = Tally(measures, steps)
        self._committing_since: float | None = None

    def begin(self, connection: Connection) -> None:
        """Let what works on the connection find the tally."""
        connection.info[_TALLY] = self._tally

    def is_done(self, connection: Connection) -> None:
        """The commit is next, unless a pipeline has made it."""
        driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        if driver.info.transaction_status != pq.TransactionStatus.IDLE:
            self._committing_since = perf_counter()

    def is_committed(self) -> None:
        """Tell what has become of it."""
        measures = self._tally.measures
        if self._committing_since is not None:
            measures.round_trip(perf_counter() - self._committing_since, commits=True)
        measures.committed(self._tally)


class _Unmeasured(Measuring):
    """A transaction that isn't measured."""

    def __init__(self) -> None:
        """There is nothing to keep."""

    def begin(self, connection: Connection) -> None:
        """Leave the connection as it is."""

    def is_done(self, connection: Connection) -> None:
        """Take no time."""

    def is_committed(self) -> None:
        """Record nothing."""


_UNMEASURED = _Unmeasured()


@contextmanager
def measuring(measures: Measures | None, steps: int) -> Iterator[Measuring]:
    """Measure the transaction that is made within; if it fails, there is nothing to tell."""
    this = _UNMEASURED if measures is None else Measuring(measures, steps)
    yield this
    this.is_committed()


def tally_of(connection: Connection) -> Tally | None:
    """The tally of the transaction on a connection; None: it isn't measured.

    Where a transaction that is never committed follows a measured one, it is the tally of that, which nobody reads
    again.
    """
    found: Tally | None = connection.info.get(_TALLY)
    return found


def time_statements(engine: Engine, measures: Measures) -> None:
    """Measure the engine's own statements, one round trip each; pipelines measure themselves."""
    event.listen(engine, "before_cursor_execute", _begins)
    event.listen(engine, "after_cursor_execute", partial(_ends, measures))


def _begins(connection: Connection, *_: object) -> None:
    connection.info[_BEGAN] = perf_counter()


def _ends(measures: Measures, connection: Connection, *_: object) -> None:
    measures.round_trip(perf_counter() - connection.info[_BEGAN], commits=False)
