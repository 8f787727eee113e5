"""Migrations: bring a database to the newest revision of the schema, and tell whether a worker fits the one it has.

A database may be newer than a worker: then it serves the worker if every migration since was declared to serve older
workers, which the database itself knows (``schema_revisions``, ADR 0052).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Boolean, Column, Connection, Engine, Table, Text, inspect, select, text
from sqlalchemy.exc import OperationalError

from database.columns import INSTANT, METADATA, needed
from database.sessions import reaching
from stockkeeper.domain.errors import StockkeeperError

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 5_766_420_018
"""An arbitrary number, the same in all versions: two set-ups at once wait for each other."""
_TABLE_WITHIN = "5s"
"""How long a migration waits for a table, while whoever wants the table next waits behind it."""

revisions = Table(
    "schema_revisions",
    METADATA,
    Column("revision", Text, primary_key=True),
    needed("serves_older_workers", Boolean),
    needed("applied_at", INSTANT, server_default=text("now()")),
)


class AnotherSchema(StockkeeperError):
    """The database's schema isn't one that this version of the code can work on; the message says what to do."""


def _config() -> "Config":
    # A worker, which doesn't migrate, would begin a third of a second later.
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "database:migrations")
    return config


@cache
def revisions_of_this_version() -> Sequence[str]:
    """The revisions that this version of the code knows, the oldest first: the numbers of its migrations' files."""
    files = (Path(__file__).parent / "migrations" / "versions").glob("[0-9]*_*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def newest_revision() -> str:
    """The revision that this version of the code needs."""
    return revisions_of_this_version()[-1]


def current_revision(engine: Engine) -> str | None:
    """The revision that the database has; None for an empty one.

    Raises:
        Unreachable: The database can't be reached.
    """
    with reaching(engine), engine.connect() as connection:
        return _revision_of(connection)


def require_schema(engine: Engine) -> str:
    """Refuse a schema that this version can't work on, rather than to fail at the first order.

    Returns:
        The database's revision: the one that this version needs, or a later one that serves it.

    Raises:
        AnotherSchema: It can't work on it.
        Unreachable: The database can't be reached.
    """
    with reaching(engine), engine.connect() as connection:
        return _require(connection, _revision_of(connection))


def not_for_workers_of(engine: Engine, revision: str | None) -> Sequence[str]:
    """The migrations since a revision that its workers can't go on after."""
    if revision is None:
        return []
    with reaching(engine), engine.connect() as connection:
        return _breaking(_kept(connection), revision)


def upgrade(engine: Engine) -> str | None:
    """Run the missing migrations in one transaction; safe to call again, and from several places at once.

    A database of a newer version that serves this one is left as it is.

    Returns:
        The revision that the database had before.

    Raises:
        AnotherSchema: The database is of a newer version that doesn't serve this one.
        StockkeeperError: A table was in use for too long; nothing has changed.
        Unreachable: The database can't be reached.
    """
    with reaching(engine), engine.begin() as connection, _patience(connection):
        before = _revision_of(connection)
        if _is_of_another_version(before):
            _require(connection, before)
            return before
        from alembic import command  # noqa: PLC0415 - as `_config`

        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before


@contextmanager
def _patience(connection: Connection) -> Iterator[None]:
    """Wait for another set-up as long as it takes, but for no table that is in use."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))  # A large table takes longer than any step may.
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = '{_TABLE_WITHIN}'"))
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
            raise
        raise StockkeeperError(
            f"a table that a migration changes was in use for {_TABLE_WITHIN}, and nothing has changed: "
            "run `stockkeeper setup` again, at a quieter time"
        ) from error


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def _is_of_another_version(found: str | None) -> bool:
    """Whether it is a revision that this version has never heard of."""
    return found is not None and found not in revisions_of_this_version()


def _require(connection: Connection, found: str | None) -> str:
    ours = newest_revision()
    if found == ours:
        return found
    at = f"the database is at revision {found or 'none'}, this version needs {ours}"
    if found is None or not _is_of_another_version(found):
        raise AnotherSchema(f"{at}: run `stockkeeper setup`")
    kept = _kept(connection)
    if ours not in kept:
        raise AnotherSchema(f"{at}, which it never had: it belongs to another program")
    if breaking := _breaking(kept, ours):
        raise AnotherSchema(f"{at}: migration {breaking[0]} doesn't serve older workers, so start the newer version")
    return found


def _kept(connection: Connection) -> Mapping[str, bool]:
    """The revisions that the database has had, each with whether workers of the one before go on; the first first."""
    if not inspect(connection).has_table(revisions.name):
        return {}
    query = select(revisions.c.revision, revisions.c.serves_older_workers).order_by(revisions.c.revision)
    return {row.revision: row.serves_older_workers for row in connection.execute(query)}


def _breaking(kept: Mapping[str, bool], since: str) -> list[str]:
    return [revision for revision, serves in kept.items() if revision > since and not serves]
