"""What the migrations have in common."""

from typing import NoReturn

from sqlalchemy import Connection, text

BEFORE_REVISIONS_WERE_KEPT = "0026"
"""The last revision that isn't in ``schema_revisions``."""


def write_down(connection: Connection, revision: str, *, serves_older_workers: bool) -> None:
    """Keep whether workers of the revision before go on with this one."""
    connection.execute(
        text("INSERT INTO schema_revisions (revision, serves_older_workers) VALUES (:revision, :serves)"),
        {"revision": revision, "serves": serves_older_workers},
    )


def no_way_back() -> NoReturn:
    """Refuse to go back to a version that doesn't know what has been written since.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError("there is no way back: restore a backup instead")
