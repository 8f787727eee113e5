"""Fixed statements, sent together: one round trip for many.

The hot path goes past SQLAlchemy's building of statements, and past the driver's cursors: its statements are texts that
never change, which are prepared once for each connection, and everything that a step reads or writes is sent at once,
in libpq's pipeline. The connection is still the engine's, with its pool, its settings, its role and its errors.

Values go over as arrays, one for each column, and the server unnests them: the text of a statement doesn't depend on
the number of rows. An array is written here as PostgreSQL's own text, and cast in the statement; one of thousands of
numbers may be binary (`database.binary_arrays`).

All of them find rows by key, and are planned once for each connection, for that: left to itself the server plans them
anew at each call, which takes longer than carrying them out, and reads a table from end to end as long as its
statistics say that it is small.
"""

import hashlib
import re
import select
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from time import perf_counter
from typing import Any, NamedTuple, cast

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from database.measures import tally_of
from database.tracing import around_pipeline

_SETTINGS = {"plan_cache_mode": ("force_generic_plan", "auto"), "enable_seqscan": ("off", "on")}
# Words of the text, not the tag of the result: of several statements in one text, the driver looks at each one's tag.
_DROPS_PREPARED = re.compile(r"\b(?:ALTER|DROP|DISCARD|DEALLOCATE|ROLLBACK)\b", re.IGNORECASE)
_PREPARED = "statements prepared by database.pipeline"


class Statement(NamedTuple):
    """A fixed text with a ``%s`` for each value, and the values: sent as text, bytes as binary, or None."""

    text: str
    values: Sequence[object] = ()


def _setting(at: int) -> Statement:
    settings = (f"set_config('{name}', '{values[at]}', true)" for name, values in _SETTINGS.items())
    return Statement(f"SELECT {', '.join(settings)}")


_BY_KEY, _AS_BEFORE, _COMMIT = _setting(0), _setting(1), Statement("COMMIT")


def numbers(values: Iterable[int | None]) -> str:
    """An array of whole numbers, to be cast to ``bigint[]``."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def floats(values: Iterable[float | None]) -> str:
    """An array of floats, to the last digit, to be cast to ``double precision[]``."""
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def instants(values: Iterable[datetime | None]) -> str:
    """An array of instants, to be cast to ``timestamptz[]``."""
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """An array of texts, to be cast to ``text[]``."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def words(values: Sequence[str | None]) -> str:
    """The same of thousands of texts that are few different ones."""
    quoted = {value: "NULL" if value is None else _quoted(value) for value in set(values)}
    return "{" + ",".join([quoted[value] for value in values]) + "}"


def _quoted(value: str) -> str:
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if '"' in value:
        value = value.replace('"', '\\"')
    return f'"{value}"'


def send(connection: Connection, statements: Sequence[Statement], *, commit: bool = False) -> list[list[Any]]:
    """Carry out statements in one round trip, within the connection's transaction.

    Args:
        connection: The transaction.
        statements: They see each other's changes, in this order. If one fails, the rest isn't carried out.
        commit: Commit in the same round trip, unless the transaction is a part of another.

    Returns:
        For each statement its rows, as tuples; empty if it returns none.

    Raises:
        DBAPIError: As SQLAlchemy raises it. A connection that was lost is thrown out of the pool, with all as old.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    last = _COMMIT if commit and not connection.in_nested_transaction() else _AS_BEFORE
    try:
        if (prepared := connection.info.get(_PREPARED)) is None:
            prepared = connection.info[_PREPARED] = _prepared_on(driver)
        began = perf_counter()
        with around_pipeline(statements, commits=last is _COMMIT):
            results = _exchange(driver.pgconn, [_BY_KEY, *statements, last], prepared)
        if (tally := tally_of(connection)) is not None:
            tally.measures.round_trip(perf_counter() - began, commits=last is _COMMIT)
    except psycopg.Error as error:
        if driver.closed:
            # Which fails, so that SQLAlchemy sees that the connection is lost. It doesn't know why.
            with suppress(DBAPIError):
                connection.exec_driver_sql("SELECT 1")
        raise DBAPIError.instance(
            "a pipeline",
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=driver.closed,
            dialect=connection.dialect,
        ) from error
    loading: Any = Transformer(driver)
    return [_rows(loading, result) for result in results[1 : len(statements) + 1]]


def forget_prepared(connection: Connection) -> None:
    """Forget which statements are prepared on a connection: after a rollback, the driver may drop all there are."""
    if not connection.invalidated:  # Another one in its place has none.
        connection.info.pop(_PREPARED, None)


def forget_prepared_after(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    """Forget which statements are prepared after one at which the driver drops all there are, as after a rollback."""
    if _DROPS_PREPARED.search(statement):
        forget_prepared(connection)


def forget_prepared_at_reset(driver: "psycopg.Connection[Any]", record: ConnectionPoolEntry, _state: object) -> None:
    """Forget which statements are prepared if the pool is about to roll back what nobody has ended.

    A pipeline begins a transaction by itself, which SQLAlchemy then doesn't know of.
    """
    if driver.pgconn.transaction_status != pq.TransactionStatus.IDLE:
        record.info.pop(_PREPARED, None)


def _prepared_on(driver: "psycopg.Connection[Any]") -> set[bytes]:
    """The names of the statements that are prepared on a connection, once the driver has dropped what it wants to."""
    found = driver.execute("SELECT name FROM pg_prepared_statements", prepare=False)
    return {name.encode() for (name,) in found}


@cache
def _named(text: str) -> tuple[bytes, bytes]:
    """The name of a prepared statement, and its text as the server takes it."""
    first, *others = text.split("%s")
    numbered = first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"stock_{digest}".encode(), numbered.encode()


def _exchange(server: pq.abc.PGconn, statements: Sequence[Statement], prepared: set[bytes]) -> list[pq.abc.PGresult]:
    """Send statements and take their results; a transaction is begun if there is none.

    Raises:
        psycopg.Error: The first that fails.
    """
    newly: dict[int, bytes] = {}
    asked: list[int] = []
    sent = 0
    begins = server.transaction_status == pq.TransactionStatus.IDLE
    encoded = [[_encoded(value) for value in values] for _, values in statements]
    server.enter_pipeline_mode()
    if begins:
        server.send_query_params(b"BEGIN", None)
        sent += 1
    for (text, given), values in zip(statements, encoded, strict=True):
        name, numbered = _named(text)
        if name not in prepared and name not in newly.values():
            server.send_prepare(name, numbered)
            newly[sent] = name
            sent += 1
        server.send_query_prepared(name, values, _formats(given), pq.Format.BINARY)
        asked.append(sent)
        sent += 1
    server.pipeline_sync()
    results = _results(server)
    server.exit_pipeline_mode()
    prepared.update(name for at, name in newly.items() if results[at].status == pq.ExecStatus.COMMAND_OK)
    _raise_first(results)
    return [results[at] for at in asked]


def _results(server: pq.abc.PGconn) -> list[pq.abc.PGresult]:
    """The results up to the end of the pipeline; what is still to be sent is sent meanwhile.

    Raises:
        psycopg.Error: The connection is lost: as the server has said it, if it has.
    """
    results: list[pq.abc.PGresult] = []
    try:
        _send_all(server)
        _receive(server, results)
    except psycopg.OperationalError:
        while (result := server.get_result()) is not None:
            results.append(result)
        # What has no code isn't the server's: libpq says so that the connection is lost.
        _raise_first(result for result in results if result.error_field(pq.DiagnosticField.SQLSTATE))
        raise
    return results


def _send_all(server: pq.abc.PGconn) -> None:
    waiting = select.poll()
    waiting.register(server.socket, select.POLLIN | select.POLLOUT)
    while server.flush():
        if waiting.poll()[0][1] & ~select.POLLOUT:
            server.consume_input()


def _receive(server: pq.abc.PGconn, results: list[pq.abc.PGresult]) -> None:
    waiting = select.poll()
    waiting.register(server.socket, select.POLLIN)
    while True:
        while server.is_busy():
            waiting.poll()
            server.consume_input()
        result = server.get_result()
        if result is None:
            if server.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError("the connection is lost")
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            return
        else:
            results.append(result)


def _raise_first(results: Iterable[pq.abc.PGresult]) -> None:
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result)


def _encoded(value: object) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    encoded = str(value).encode()
    if b"\0" in encoded:
        raise psycopg.DataError("PostgreSQL text can't contain NUL (0x00) bytes")
    return encoded


def _formats(values: Sequence[object]) -> list[int] | None:
    """Of the values of a statement; None: all of them are text."""
    if not any(isinstance(value, bytes) for value in values):
        return None
    return [pq.Format.BINARY if isinstance(value, bytes) else pq.Format.TEXT for value in values]


def _rows(loading: Any, result: pq.abc.PGresult) -> list[Any]:
    if result.status != pq.ExecStatus.TUPLES_OK:
        return []
    loading.set_pgresult(result)
    rows: list[Any] = loading.load_rows(0, result.ntuples, tuple)
    return rows
