"""Backups of the embedded stack, and of any PostgreSQL: `python -m devstack.backup save|restore`.

`save` works while everything runs: `pg_dump` sees one moment of the database, and SQLite's own backup one moment of the
dev server's file. The two moments differ; `stockkeeper doctor --after-restore` brings both to the same.
"""

import argparse
import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from database.about import EXPORTER_ROLE, READER_ROLE, WORKER_ROLE
from devstack.postgres import PROGRAMS, EmbeddedPostgres
from devstack.processes import StackError
from starter.cli.context import DATA_DIR, STACK_FILE, running_here
from stockkeeper.domain.errors import StockkeeperError

DATABASE_FILE = "stockkeeper.dump"
TEMPORAL_FILE = "temporal.db"


def dump_database(database_url: str, to: Path) -> None:
    """Write a database as it is at this moment into a file, in PostgreSQL's own archive format.

    Raises:
        StackError: With what `pg_dump` has said.
    """
    url = make_url(database_url)
    _run("pg_dump", "--format=custom", f"--file={to}", f"--dbname={url.database}", url=url)


def load_database(file: Path, database_url: str) -> None:
    """Fill an empty database from a file of `dump_database`, all or nothing.

    Raises:
        StackError: With what `pg_restore` has said.
    """
    url = make_url(database_url)
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        # Roles belong to the server and are in no database's dump; the grants in it need these.
        for role in (WORKER_ROLE, READER_ROLE, EXPORTER_ROLE):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                connection.execute(f"CREATE ROLE {role} NOLOGIN")
    options = ("--no-owner", "--exit-on-error", "--single-transaction")
    _run("pg_restore", *options, f"--dbname={url.database}", str(file), url=url)


def copy_temporal(file: Path, to: Path) -> None:
    """Copy the dev server's file as it is at this moment, while the server runs.

    Raises:
        StackError: It isn't there.
    """
    if not file.exists():
        raise StackError(f"{file} isn't there: is this the data directory of `stockkeeper up`?")
    to.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(to)) as target,
    ):
        source.backup(target)


def save(data_dir: Path, directory: Path) -> None:
    """Back the stack up that runs on a data directory.

    Raises:
        StackError: It doesn't run, or can't be copied.
    """
    stack = running_here(data_dir)
    if stack is None:
        raise StackError(
            f"no stack is up on {data_dir}: `stockkeeper up` keeps its addresses in {data_dir / STACK_FILE}"
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    dump_database(stack["database_url"], directory / DATABASE_FILE)
    copy_temporal(data_dir / "temporal" / "temporal.db", directory / TEMPORAL_FILE)


def restore(directory: Path, data_dir: Path) -> None:
    """Make a new data directory of a backup; nothing that exists is overwritten.

    Raises:
        StackError: The directory exists, or the backup isn't whole.
    """
    for file in (DATABASE_FILE, TEMPORAL_FILE):
        if not (directory / file).exists():
            raise StackError(f"{directory / file} is missing: it isn't a whole backup")
    if data_dir.exists():
        raise StackError(f"{data_dir} exists: restore into a new directory, and keep the old one until all is well")
    (data_dir / "temporal").mkdir(mode=0o700, parents=True)
    data_dir.chmod(0o700)
    copy_temporal(directory / TEMPORAL_FILE, data_dir / "temporal" / "temporal.db")
    with EmbeddedPostgres(data_dir / "postgres") as postgres:
        load_database(directory / DATABASE_FILE, postgres.url)


def _run(program: str, *arguments: str, url: URL) -> None:
    where = {"PGHOST": url.host, "PGPORT": str(url.port or 5432), "PGUSER": url.username, "PGPASSWORD": url.password}
    done = subprocess.run(
        [PROGRAMS / program, "--no-password", *arguments],
        env=os.environ | {name: value for name, value in where.items() if value},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"{program} failed: {done.stderr.strip()}")


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def main() -> None:
    """Save or restore, and say where it is now."""
    parser = argparse.ArgumentParser(prog="python -m devstack.backup", description=__doc__)
    parser.add_argument("what", choices=["save", "restore"])
    parser.add_argument("directory", type=Path, help="the backup")
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, help="of `stockkeeper up`; to restore, a new one")
    asked = parser.parse_args()
    try:
        if asked.what == "save":
            save(asked.data_dir, asked.directory)
            sys.stdout.write(f"saved in {asked.directory}: {DATABASE_FILE}, {TEMPORAL_FILE}\n")
        else:
            restore(asked.directory, asked.data_dir)
            sys.stdout.write(
                f"restored into {asked.data_dir}: put it in the place of .stockkeeper, start it with `stockkeeper up "
                "--no-worker`, then `stockkeeper doctor --after-restore`\n"
            )
    except StockkeeperError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
