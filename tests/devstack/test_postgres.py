"""The embedded PostgreSQL is durable, private, and alike on every machine."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from devstack.postgres import EmbeddedPostgres
from devstack.processes import StackError, free_port
from tests.devstack.processes import below, command_line, guards


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server nobody has used yet."""
    with EmbeddedPostgres(tmp_path / "idle", fast=True) as postgres:
        yield postgres


def settings_of(url: str, *names: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [connection.execute(f"SHOW {name}").fetchall()[0][0] for name in names]


def test_the_password_is_for_its_owner_only(tmp_path: Path, idle: EmbeddedPostgres) -> None:
    password_file = tmp_path / "idle" / "password"
    password = password_file.read_text()

    assert f":{password}@" in idle.url
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert not any(password in word for pid in guards() | below(*guards()) for word in command_line(pid))
    assert not any(password in log.read_text() for log in (tmp_path / "idle").glob("*.log"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(idle.url.replace(password, "guess"))


def test_the_directories_are_for_their_owner_only(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "new" / "postgres", fast=True):
        modes = {
            name: stat.S_IMODE((tmp_path / name).stat().st_mode)
            for name in ("new", "new/postgres", "new/postgres/data")
        }

    # Under root another account runs PostgreSQL, which has to pass through to its data.
    passage = 0o701 if os.geteuid() == 0 else 0o700
    assert modes == {"new": passage, "new/postgres": passage, "new/postgres/data": 0o700}


def test_a_directory_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StackError) as refusal:
        EmbeddedPostgres(tmp_path / "file" / "postgres").start()

    assert str(refusal.value) == f"{tmp_path}/file/postgres can't be used: File exists"


def test_data_whose_password_is_lost_is_not_replaced(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", fast=True):
        pass
    password_file = tmp_path / "postgres" / "password"
    password_file.unlink()

    with pytest.raises(StackError) as refusal:
        EmbeddedPostgres(tmp_path / "postgres", fast=True).start()

    assert str(refusal.value) == f"{password_file} is missing, and there is no way to the data without it"
    assert (tmp_path / "postgres" / "data" / "PG_VERSION").read_text() == "18\n"


def test_commits_are_durable_unless_the_data_is_thrown_away(tmp_path: Path) -> None:
    durability = ("fsync", "synchronous_commit", "full_page_writes")
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        assert settings_of(postgres.url, *durability) == ["on", "on", "on"]
    with EmbeddedPostgres(tmp_path / "postgres", fast=True) as postgres:
        assert settings_of(postgres.url, *durability) == ["off", "on", "off"]


def test_the_number_of_connections_can_be_set(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "many", fast=True, max_connections=250) as postgres:
        assert settings_of(postgres.url, "max_connections") == ["250"]


def test_the_database_is_alike_on_every_machine(idle: EmbeddedPostgres) -> None:
    with psycopg.connect(idle.url) as connection:
        database = connection.execute(
            "SELECT datname, pg_encoding_to_char(encoding), datlocprovider, datlocale, datcollate"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert database == ("stockkeeper", "UTF8", "b", "C.UTF-8", "C")
    assert settings_of(idle.url, "timezone", "max_connections", "shared_buffers") == ["UTC", "100", "128MB"]


def test_a_process_id_left_by_a_crash_does_not_stand_in_the_way(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", fast=True):
        pass
    # The number is a living process's again, as happens in a container that was started anew.
    (tmp_path / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")

    with EmbeddedPostgres(tmp_path / "postgres", fast=True) as postgres:
        assert settings_of(postgres.url, "fsync") == ["off"]


def test_what_keeps_postgresql_from_starting_is_shown(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", fast=True):
        pass
    (tmp_path / "postgres" / "data" / "postgresql.conf").write_text("no such setting\n")

    with pytest.raises(StackError, match=r"^PostgreSQL ended with status 1 at its start:\n(.*\n)*.*syntax error"):
        EmbeddedPostgres(tmp_path / "postgres", fast=True).start()


def test_the_port_asked_for_is_used_again_right_after_a_stop(tmp_path: Path) -> None:
    port = free_port()
    for _ in range(2):
        with EmbeddedPostgres(tmp_path / "again", port, fast=True) as postgres:
            assert settings_of(postgres.url, "port") == [str(port)]
