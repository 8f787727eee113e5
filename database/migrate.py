"""Migrations: bring a database to the newest revision of the schema, and read which one it has."""

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from database.sessions import reaching

_LOCK = 5_766_420_018
"""An arbitrary number, the same in all versions: two set-ups at once wait for each other."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "database:migrations")
    return config


def newest_revision() -> str:
    """The revision that this version of the code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("there are no migrations")
    return head


def current_revision(engine: Engine) -> str | None:
    """The revision that the database has; None for an empty one.

    Raises:
        Unreachable: The database can't be reached.
    """
    with reaching(engine), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> str | None:
    """Run the missing migrations in one transaction; safe to call again, and from several places at once.

    Returns:
        The revision that the database had before.

    Raises:
        Unreachable: The database can't be reached.
    """
    with reaching(engine), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        # A large table takes longer to rewrite than any step may.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        before = MigrationContext.configure(connection).get_current_revision()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before
