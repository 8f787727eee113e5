"""A database that is newer than a worker: which migrations serve it, and what a setup of its version does."""

from collections.abc import Mapping

import pytest
from alembic import command
from sqlalchemy import Engine, select, text

from database import migrate
from database.migrate import (
    AnotherSchema,
    current_revision,
    newest_revision,
    not_for_workers_of,
    require_schema,
    upgrade,
)
from database.migrations.common import BEFORE_REVISIONS_WERE_KEPT, write_down
from stockkeeper.domain.errors import StockkeeperError
from tests.support.migrations import scripts


def upgrade_to(engine: Engine, revision: str) -> None:
    """The migrations up to this one."""
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def newer_version(engine: Engine, *, serves_older_workers: bool, revision: str = "9998") -> None:
    """What the migration of a version leaves that this one has never heard of."""
    with engine.begin() as connection:
        write_down(connection, revision, serves_older_workers=serves_older_workers)
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


@pytest.fixture
def migrated(empty: Engine) -> Engine:
    """A database of this version."""
    upgrade(empty)
    return empty


def test_a_worker_takes_its_own_schema_and_a_newer_one_that_serves_it(migrated: Engine) -> None:
    assert require_schema(migrated) == newest_revision()
    newer_version(migrated, serves_older_workers=True)
    newer_version(migrated, serves_older_workers=True, revision="9999")
    assert require_schema(migrated) == "9999"


def test_a_worker_refuses_a_newer_schema_one_of_whose_migrations_does_not_serve_it(migrated: Engine) -> None:
    newer_version(migrated, serves_older_workers=False)
    newer_version(migrated, serves_older_workers=True, revision="9999")
    with pytest.raises(AnotherSchema) as refused:
        require_schema(migrated)
    assert str(refused.value) == (
        f"the database is at revision 9999, this version needs {newest_revision()}: "
        "migration 9998 doesn't serve older workers, so start the newer version"
    )
    assert not_for_workers_of(migrated, newest_revision()) == ["9998"]
    assert not_for_workers_of(migrated, None) == []


def test_a_worker_refuses_an_older_schema_and_none(empty: Engine) -> None:
    for found, upgraded in [("none", False), (BEFORE_REVISIONS_WERE_KEPT, True)]:
        if upgraded:
            upgrade_to(empty, found)
        with pytest.raises(AnotherSchema) as refused:
            require_schema(empty)
        assert str(refused.value) == (
            f"the database is at revision {found}, this version needs {newest_revision()}: run `stockkeeper setup`"
        )


def test_a_worker_refuses_the_schema_of_another_program(empty: Engine) -> None:
    upgrade_to(empty, BEFORE_REVISIONS_WERE_KEPT)
    with empty.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'c0ffee'"))
    for asked in (require_schema, upgrade):
        with pytest.raises(AnotherSchema) as refused:
            asked(empty)
        assert str(refused.value) == (
            f"the database is at revision c0ffee, this version needs {newest_revision()}, which it never had: "
            "it belongs to another program"
        )
    assert current_revision(empty) == "c0ffee"


def test_the_setup_of_an_older_version_leaves_a_newer_schema_as_it_is(migrated: Engine) -> None:
    newer_version(migrated, serves_older_workers=True)
    assert upgrade(migrated) == "9998"
    assert current_revision(migrated) == "9998"
    newer_version(migrated, serves_older_workers=False, revision="9999")
    with pytest.raises(AnotherSchema, match="migration 9999 doesn't serve older workers"):
        upgrade(migrated)
    assert current_revision(migrated) == "9999"


def test_a_migration_of_a_table_in_use_changes_nothing_and_says_so(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(empty, BEFORE_REVISIONS_WERE_KEPT)
    monkeypatch.setattr(migrate, "_TABLE_WITHIN", "50ms")
    with empty.begin() as user:
        user.execute(text("LOCK TABLE alembic_version IN SHARE MODE"))
        with pytest.raises(StockkeeperError) as refused:
            upgrade(empty)
    assert str(refused.value) == (
        "a table that a migration changes was in use for 50ms, and nothing has changed: "
        "run `stockkeeper setup` again, at a quieter time"
    )
    assert current_revision(empty) == BEFORE_REVISIONS_WERE_KEPT


def columns(engine: Engine) -> Mapping[tuple[str, str], tuple[str, bool]]:
    """Each column of the tables, with its type, and whether a row may be written without it."""
    query = text("""
        SELECT table_name, column_name, data_type,
            is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS'
        FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
    """)
    with engine.connect() as connection:
        return {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(query)}


def test_what_older_workers_read_and_write_stays_after_migrations_that_serve_them(empty: Engine) -> None:
    later = [script for script in reversed([*scripts()]) if script.revision > BEFORE_REVISIONS_WERE_KEPT]
    upgrade_to(empty, BEFORE_REVISIONS_WERE_KEPT)
    for script in later:
        before = columns(empty)
        upgrade_to(empty, script.revision)
        after = columns(empty)
        if script.module.serves_older_workers:
            tables = {table for table, _ in before}
            assert before.items() <= after.items(), script.revision
            new = {column: may_be_left_out for column, (_, may_be_left_out) in after.items() if column not in before}
            assert all(may_be_left_out for (table, _), may_be_left_out in new.items() if table in tables)
    with empty.connect() as connection:
        kept = connection.execute(select(migrate.revisions.c.revision, migrate.revisions.c.serves_older_workers))
        assert {row[0]: row[1] for row in kept} == {each.revision: each.module.serves_older_workers for each in later}


def test_revisions_are_numbered_one_after_another() -> None:
    numbers = [script.revision for script in reversed([*scripts()])]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
