"""Statements that the database itself refuses, whatever the code thinks."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

Roles = tuple[Engine, Engine]
"""The owner of the database, and the worker's role."""


@dataclass(frozen=True)
class Guarded:
    """A document that the database guards.

    Attributes:
        number: The document's number, which statements get as ``:number``.
        stays: A context that fails if anything of the document or of its items has changed at its end.
    """

    number: str
    stays: Callable[[], AbstractContextManager[None]]

    def run(self, connection: Connection, statement: str, **values: Any) -> None:
        """Write one row."""
        assert connection.execute(text(statement), {"number": self.number} | values).rowcount == 1

    @contextmanager
    def refused(self, opened: Engine, message: str) -> Iterator[Connection]:
        """A transaction that can't be committed, and leaves everything as it was."""
        with self.stays(), pytest.raises(IntegrityError, match=message), opened.begin() as connection:
            yield connection

    def refuses(self, opened: Engine | Iterable[Engine], statement: str, message: str, **values: Any) -> None:
        """The statement by itself can't be committed, in none of these roles."""
        for each in [opened] if isinstance(opened, Engine) else opened:
            with self.refused(each, message) as connection:
                self.run(connection, statement, **values)

    def forbids(self, opened: Engine, statement: str, message: str, error: type[DBAPIError] = ProgrammingError) -> None:
        """The statement can't even be made: the role has no right to it, unless another error says why."""
        with self.stays(), pytest.raises(error, match=message), opened.begin() as connection:
            connection.exec_driver_sql(statement)
