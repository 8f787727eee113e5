"""A database that goes away for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

_TERMINATE = text("""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'stockkeeper-worker' AND datname = :database
""")


class Outages:
    """Acts on the server from beside the database."""

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url).set(drivername="postgresql+psycopg")
        self._name = str(url.database)
        self._engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)

    def cut_connections(self) -> int:
        """Cut every connection that a worker has to the database; how many."""
        with self._engine.connect() as connection:
            return self._cut(connection)

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """No worker reaches the database."""
        with self._engine.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false"))
            try:
                self._cut(connection)
                yield
            finally:
                connection.execute(text(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true"))

    def _cut(self, connection: Connection) -> int:
        return int(connection.execute(_TERMINATE, {"database": self._name}).scalar_one())
