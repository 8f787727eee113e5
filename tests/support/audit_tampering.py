"""What nobody in production may do to the books; the activities see it, and at the end it never was.

All of it happens in one transaction, which the activities work in as well, as the worker's role and with all triggers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, text

from database.sessions import Database


@dataclass(frozen=True)
class Tampered(Database):
    """The database within one transaction, with what has been done to it there."""

    connection: Connection

    @contextmanager
    def transaction(self, *, steps: int = 0) -> Iterator[Connection]:
        """A part of it that is taken back on any exception, and that is checked as at a commit."""
        del steps
        with self.connection.begin_nested():
            yield self.connection
            self.connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        self.connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Nobody else writes here."""
        yield self.connection

    def tamper(self, change: str, **of: Any) -> None:
        """Change the tables without asking anybody; something has to change."""
        with self.as_owner() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            assert connection.execute(text(change), of).rowcount
            connection.execute(text("SET LOCAL session_replication_role = origin"))

    @contextmanager
    def as_owner(self) -> Iterator[Connection]:
        """Do what only the database's owner may, by the rules."""
        self.connection.execute(text("RESET ROLE"))
        yield self.connection
        self.connection.execute(text("SET LOCAL ROLE stockkeeper_worker"))


@contextmanager
def tampering(engine: Engine) -> Iterator[Tampered]:
    """Somebody has got at the books; all is as before at the end."""
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL ROLE stockkeeper_worker"))
        yield Tampered(engine, connection)
        connection.rollback()
