"""Writes `database/schema.sql` anew: `python -m devstack.schema` migrates a throwaway PostgreSQL and renders it."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from database.migrate import upgrade
from database.schema import render_schema
from database.sessions import connect
from devstack.postgres import EmbeddedPostgres


def main() -> None:
    """Print what a database holds after all migrations."""
    with TemporaryDirectory() as directory, EmbeddedPostgres(Path(directory), fast=True) as server:
        engine = connect(server.url)
        upgrade(engine)
        with engine.connect() as connection:
            sys.stdout.write(render_schema(connection))
        engine.dispose()


if __name__ == "__main__":
    main()
