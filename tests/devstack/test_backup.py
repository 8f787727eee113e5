"""The embedded stack is backed up while it runs, and restored into a new directory."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from database.about import READER_ROLE, WORKER_ROLE
from devstack import backup
from devstack.backup import DATABASE_FILE, TEMPORAL_FILE, restore, save
from devstack.postgres import EmbeddedPostgres
from devstack.processes import StackError
from devstack.stack import StackInfo
from starter.cli.context import STACK_FILE
from tests.support.shop import Shop


def of_temporal(file: Path) -> list[tuple[str]]:
    """What is in a file that stands for the dev server's."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT run FROM runs").fetchall()


def test_a_stack_is_saved_while_it_runs_and_restored_beside_the_old_one(
    stack: StackInfo, engine: Engine, shop: Shop, tmp_path: Path
) -> None:
    del engine  # The schema has to be there first.
    item = shop.item(7)
    running, saved, new = tmp_path / "running", tmp_path / "saved", tmp_path / "new"
    (running / "temporal").mkdir(parents=True)
    (running / STACK_FILE).write_text(json.dumps({"database_url": stack.database_url}))
    with contextlib.closing(sqlite3.connect(running / "temporal" / "temporal.db")) as open_file:
        open_file.execute("PRAGMA journal_mode = wal")
        open_file.execute("CREATE TABLE runs (run text)")
        open_file.execute("INSERT INTO runs VALUES ('of monday')")
        open_file.commit()
        # Written, and not committed: it isn't of this moment.
        open_file.execute("INSERT INTO runs VALUES ('of tuesday')")
        save(running, saved)
    assert sorted(file.name for file in saved.iterdir()) == sorted([DATABASE_FILE, TEMPORAL_FILE])

    restore(saved, new)

    assert of_temporal(new / "temporal" / "temporal.db") == [("of monday",)]
    with EmbeddedPostgres(new / "postgres") as postgres, psycopg.connect(postgres.url) as connection:
        level = "SELECT quantity_on_hand FROM inventory_items WHERE (warehouse_id, product_id) = (%s, %s)"
        assert connection.execute(level, [*item]).fetchall() == [(7,)]
        may = "SELECT has_table_privilege(%s, 'stock_movements', %s)"
        rights = [connection.execute(may, [WORKER_ROLE, right]).fetchone() for right in ("INSERT", "SELECT", "UPDATE")]
        assert rights == [(True,), (True,), (False,)]
        reads = (
            "SELECT has_table_privilege(%s, 'reporting.levels', 'SELECT'), has_schema_privilege(%s, 'public', 'USAGE')"
        )
        assert connection.execute(reads, [READER_ROLE, READER_ROLE]).fetchone() == (True, False)
    before = {file: file.stat().st_mtime_ns for file in new.rglob("*")}
    with pytest.raises(StackError, match="exists: restore into a new directory"):
        restore(saved, new)
    assert {file: file.stat().st_mtime_ns for file in new.rglob("*")} == before


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (lambda directory: save(directory, directory / "saved"), "no stack is up on"),
        (
            lambda directory: restore(directory, directory / "new"),
            "stockkeeper.dump is missing",
        ),
        (lambda directory: backup.copy_temporal(directory / "none.db", directory / "copy.db"), "isn't there"),
    ],
)
def test_what_is_not_there_is_refused_and_leaves_nothing(
    make: Callable[[Path], None], refusal: str, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match=refusal):
        make(tmp_path)
    assert [*tmp_path.iterdir()] == []
