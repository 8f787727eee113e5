"""What the migrations have in common."""

from typing import NoReturn

from alembic import op
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from stockkeeper.domain.errors import StockkeeperError

BEFORE_REVISIONS_WERE_KEPT = "0026"
"""The last revision that isn't in ``schema_revisions``."""


def write_down(connection: Connection, revision: str, *, serves_older_workers: bool) -> None:
    """Keep whether workers of the revision before go on with this one."""
    connection.execute(
        text("INSERT INTO schema_revisions (revision, serves_older_workers) VALUES (:revision, :serves)"),
        {"revision": revision, "serves": serves_older_workers},
    )


def require_role(name: str) -> None:
    """Make a role that can't log in, unless it is there; with a password and limits `deploy/postgresql` makes it.

    Raises:
        StockkeeperError: It isn't there, and whoever migrates may make no roles.
    """
    connection = op.get_bind()
    if connection.execute(text("SELECT FROM pg_roles WHERE rolname = :name"), {"name": name}).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(text(f"CREATE ROLE {name} NOLOGIN"))
    except DBAPIError as error:
        if isinstance(error.orig, DuplicateObject | UniqueViolation):
            return  # Roles belong to the whole server: another database's set-up has made it meanwhile.
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise StockkeeperError(
            f"the role {name} is missing, this user may make no roles, and nothing has changed: run "
            "deploy/postgresql/roles.sh (docs/deployment.md), then `stockkeeper setup` again"
        ) from None


def no_way_back() -> NoReturn:
    """Refuse to go back to a version that doesn't know what has been written since.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError("there is no way back: restore a backup instead")
