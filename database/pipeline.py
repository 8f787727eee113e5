"""Fixed statements, sent together: one round trip for many.

The hot path goes past SQLAlchemy's building of statements: its statements are texts that never change, so the driver
prepares them once for each connection, and everything a step reads or writes is sent at once, in psycopg's pipeline.
The connection is still the engine's, with its pool, its settings, its role and its errors.

Values go over as arrays, one for each column, and the server unnests them: the text of a statement doesn't depend on
the number of rows. An array is written here as PostgreSQL's own text and cast in the statement, because the driver
would choose a type by the size of the numbers, and prepare the statement again for each.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


class Statement(NamedTuple):
    """A fixed text with a ``%s`` for each value, and the values."""

    text: str
    values: Sequence[object] = ()


def numbers(values: Iterable[int | None]) -> str:
    """An array of whole numbers, to be cast to ``bigint[]``."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def instants(values: Iterable[datetime | None]) -> str:
    """An array of instants, to be cast to ``timestamptz[]``."""
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """An array of texts, to be cast to ``text[]``."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


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
    driver = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)
    try:
        with driver.pipeline():
            sent = [driver.execute(text, values, binary=True) for text, values in statements]
            if commit and not connection.in_nested_transaction():
                driver.commit()
        return [cursor.fetchall() if cursor.description else [] for cursor in sent]
    except psycopg.Error as error:
        if driver.closed:
            connection.exec_driver_sql("SELECT 1")  # Which fails, so that SQLAlchemy sees that the connection is lost.
        raise DBAPIError.instance(
            "a pipeline", None, error, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from error
