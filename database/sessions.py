"""Connections and transactions: one engine for a process, one transaction for a call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import QueuePool

from database.gathering import Gathering
from database.measures import Measures, measuring, time_statements
from database.patience import Patience
from database.pipeline import forget_prepared, forget_prepared_after, forget_prepared_at_reset
from database.stalled import Stalled, allow
from stockkeeper.domain.errors import StockkeeperError, Unreachable

_SETTINGS = {
    "timezone": "UTC",
    # A row that stays locked for five seconds belongs to a transaction in trouble: better to try again later.
    "lock_timeout": "5s",
    # Less than any activity's start-to-close timeout, so that the database gives up first and the row is free
    # before the retry wants it.
    "statement_timeout": "9s",
    "idle_in_transaction_session_timeout": "30s",
}
TRANSACTION_SECONDS = 25
"""A worker's transaction, with its commit: less than an attempt through the task queue has (`policies.LOCKED_WRITE`).

A statement's limit doesn't count while a commit fires deferred triggers. PostgreSQL has this one since 17."""
STALLED_SECONDS = TRANSACTION_SECONDS + 5
"""After that time no answer comes any more: the server has given the transaction up, unless it is stopped itself."""
BULK_SECONDS = 55 * 60
"""For transactions over a whole file or a whole warehouse."""
_SINCE_17 = 170_000
_NETWORK = {
    # Of a host that isn't there: an attempt has ten seconds.
    "connect_timeout": 5,
    # What was sent and isn't acknowledged, and whether the other side is still there.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


@dataclass(frozen=True)
class Database:
    """The database of the stock: its engine, the kinds of transaction on it, and where steps gather to share one.

    Attributes:
        measures: Who is told what is measured of its transactions; None: nothing is measured.
        stalled: Its connections in use, which are closed if they are so for too long.
        patience: Who of its transactions may wait long for a lock: half as many as there are connections.
        committed: Set after each transaction: who waits for what they write is woken, and clears it.
    """

    engine: Engine
    measures: Measures | None = field(default=None, kw_only=True, repr=False, compare=False)
    stalled: Stalled = field(init=False, repr=False, compare=False)
    patience: Patience = field(init=False, repr=False, compare=False)
    gathering: Gathering[Any] = field(default_factory=Gathering, init=False, repr=False, compare=False)
    committed: Event = field(default_factory=Event, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stalled", Stalled(self.engine, STALLED_SECONDS))
        connections = cast("QueuePool", self.engine.pool).size()
        object.__setattr__(self, "patience", Patience(max(1, connections // 2)))
        if self.measures is not None:
            time_statements(self.engine, self.measures)

    @contextmanager
    def transaction(self, *, steps: int = 0) -> Iterator[Connection]:
        """One transaction at READ COMMITTED: committed at the end, rolled back on any exception.

        Rows are locked by name (`database.locks`), so every statement after a lock sees what was committed before it.

        Args:
            steps: How many steps share it, to be measured; 0: it isn't a step's.

        Raises:
            HeldUp: A row is locked for which many transactions of this worker wait already.
        """
        with (
            measuring(self.measures, steps) as measured,
            self.engine.begin() as connection,
            self.patience.within(connection),
        ):
            measured.begin(connection)
            yield connection
            measured.is_done(connection)
        self.committed.set()

    @contextmanager
    def rehearsal(self) -> Iterator[Connection]:
        """One transaction at READ COMMITTED that is rolled back at the end, whatever happens in it."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One read-only transaction that sees a single instant."""
        with self.engine.connect().execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        ) as connection:
            yield connection


@contextmanager
def reaching(engine: Engine) -> Iterator[None]:
    """Turn connection errors into one line for the person who has started a program.

    Raises:
        Unreachable: No server answers there, or it refuses this user. The password isn't in the message.
    """
    try:
        yield
    except OperationalError as error:
        where = f"{engine.url.host}:{engine.url.port or 5432}"
        why = str(error.orig).strip().splitlines()[0]
        raise Unreachable(f"no PostgreSQL answers at {where} to {engine.url.username}: {why}") from error


def connect(
    url: str,
    *,
    pool_size: int = 5,
    within_seconds: float = 30,
    role: str | None = None,
    application_name: str = "stockkeeper",
    transaction_seconds: int | None = None,
) -> Engine:
    """An engine for this database; it connects when it is first used.

    Args:
        url: ``postgresql://user:password@host:port/database``.
        pool_size: Connections at most.
        within_seconds: How long a transaction waits for one of them, if all are taken.
        role: The role to act as, such as ``stockkeeper_worker``; None: as the user in the URL.
        application_name: The name of these connections in the database's views.
        transaction_seconds: How long a transaction may take, with its commit, before the server ends it; None: as long
            as its statements take.

    Raises:
        StockkeeperError: The URL is malformed.
    """
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
    except ArgumentError:
        # Not the error's own words: they repeat the URL, which may have a password.
        raise StockkeeperError(
            "DATABASE_URL isn't one: it should be postgresql://user:password@host:port/database"
        ) from None
    settings = _SETTINGS | {"application_name": application_name} | ({"role": role} if role else {})
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=within_seconds,
        # The connection that was used last has its plans and its catalogue at hand.
        pool_use_lifo=True,
        # Values may be personal data; they stay out of error messages, which end up in workflow histories.
        hide_parameters=True,
        connect_args=_NETWORK | {"options": " ".join(f"-c {name}={value}" for name, value in settings.items())},
        # No ping before each use: it would cost every call a round trip, and a connection that died while idle costs
        # one attempt, after which the pool has thrown out all that are as old.
        pool_pre_ping=False,
    )
    event.listen(engine, "rollback", forget_prepared)
    event.listen(engine, "rollback_savepoint", lambda connection, *_: forget_prepared(connection))
    event.listen(engine, "after_cursor_execute", forget_prepared_after)
    event.listen(engine, "reset", forget_prepared_at_reset)
    if transaction_seconds is not None:
        event.listen(engine, "connect", partial(_limit_transactions, transaction_seconds))
    return engine


def _limit_transactions(seconds: int, driver: psycopg.Connection[Any], _record: object) -> None:
    # Not among the options: an older server would refuse the connection for a setting that it doesn't know.
    if driver.info.server_version >= _SINCE_17:
        driver.execute(f"SET transaction_timeout = '{seconds}s'")
        driver.commit()


def allow_bulk(connection: Connection) -> None:
    """Let this transaction take as long as a large file or warehouse may take."""
    allow(connection, BULK_SECONDS)
    use_one_core(connection)
    settings = {"statement_timeout": [f"{BULK_SECONDS}s"]}
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    if driver.info.server_version >= _SINCE_17:
        # A timer that runs isn't moved: it is ended, and another one begun.
        settings["transaction_timeout"] = ["0", f"{BULK_SECONDS}s"]
    calls = [f"set_config('{name}', '{value}', true)" for name, values in settings.items() for value in values]
    connection.execute(text(f"SELECT {', '.join(calls)}"))


def use_one_core(connection: Connection) -> None:
    """Let this transaction use one core at most, whatever the server's own setting: orders come meanwhile."""
    connection.execute(text("SELECT set_config('max_parallel_workers_per_gather', '0', true)"))
