"""The migrations: they make what the code names, and can be run at any time by anybody."""

import pkgutil
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

import database as rooms
from database import schema
from database.columns import METADATA
from database.migrate import current_revision, newest_revision, upgrade
from database.sessions import Database

# A document's tables are in its own room, so all rooms are needed for all tables.
for room in pkgutil.iter_modules(rooms.__path__, "database."):
    import_module(room.name)


def test_the_tables_of_the_code_are_those_of_the_database(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_columns_may_be_null_in_both_or_in_neither(engine: Engine) -> None:
    # What a view has follows from its tables.
    query = text("""
        SELECT table_name, column_name, is_nullable = 'YES'
        FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'
    """)
    with engine.connect() as connection:
        in_database = {(row[0], row[1]): row[2] for row in connection.execute(query)}
    assert in_database == {
        (table.name, column.name): column.nullable for table in METADATA.tables.values() for column in table.columns
    }


def test_the_written_schema_is_the_one_that_the_migrations_make(empty: Engine) -> None:
    upgrade(empty)
    written = Path(schema.__file__).with_suffix(".sql").read_text()
    with empty.connect() as connection:
        assert written == schema.render_schema(connection), "run `make schema`"


def test_an_upgrade_brings_an_empty_database_to_the_newest_revision(empty: Engine) -> None:
    assert current_revision(empty) is None
    assert upgrade(empty) is None
    assert current_revision(empty) == newest_revision()


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    assert upgrade(engine) == newest_revision()
    assert current_revision(engine) == newest_revision()


def test_two_upgrades_at_once_wait_for_each_other(empty: Engine) -> None:
    with ThreadPoolExecutor(2) as threads:
        before = list(threads.map(lambda _: upgrade(empty), range(2)))
    assert set(before) == {None, newest_revision()}
    assert current_revision(empty) == newest_revision()


VIEWS = {"items_below", "orderable_items", "audited_documents", "documents_say", "transfer_holds", "warehouse_places"}


def test_the_views_of_the_database_are_those_that_are_known_here(engine: Engine) -> None:
    query = text("SELECT table_name FROM information_schema.views WHERE table_schema = 'public'")
    with engine.connect() as connection:
        assert set(connection.execute(query).scalars()) == VIEWS


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_the_worker_may_read_every_view(database: Database, view: str) -> None:
    with database.transaction() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == "stockkeeper_worker"
        connection.execute(text(f"SELECT * FROM {view} LIMIT 1")).all()
