"""Events get numbers once they are committed: without gaps, and never before one that a reader has seen."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from activities.event_numbering import EventNumbering
from database.events import NewEvent, Span, insert_events, look_at_log, number_events, read_events, span
from database.figures import read_figures
from database.notifications import Notifications
from database.operations import Operation
from database.pipeline import send
from database.sessions import Database, connect
from devstack.doctor_database import judged_log
from stockkeeper.domain.event import EventKind
from tests.support.database_apart import database_apart
from tests.support.meetings import WAIT_SECONDS
from tests.support.shop import new_reference
from tests.support.wire import eventually
from worker import Settings

KEPT = timedelta(days=30)
HOUR = timedelta(hours=1)
BY_HAND = Operation("by hand", "test", {}, "tests", "test", "test")


@pytest.fixture(scope="module")
def apart(engine: Engine, settings: Settings) -> Iterator[Engine]:
    """A database where nobody else writes or numbers events."""
    with database_apart(engine, settings) as (made, _):
        yield made


def _write(connection: Connection, *subjects: str) -> None:
    send(connection, [insert_events(NewEvent(EventKind.PRODUCT_RENAMED, subject, {}, BY_HAND) for subject in subjects)])


def _number(engine: Engine) -> int:
    with engine.begin() as connection:
        return number_events(connection)


def _read(engine: Engine, after: int) -> list[tuple[int, str]]:
    with engine.connect() as connection:
        rows = read_events(connection, after=after, through=span(connection).last, most=100)
    return [(row["number"], row["subject"]) for row in rows]


def _last(engine: Engine) -> int:
    while _number(engine):
        pass
    with engine.connect() as connection:
        return span(connection).last


def test_one_that_commits_later_comes_later_and_leaves_no_gap(engine: Engine) -> None:
    last = _last(engine)
    with engine.begin() as slow:
        _write(slow, "slow")
        with engine.begin() as quick:
            _write(quick, "quick")
        with engine.connect() as given_up:
            _write(given_up, "given up")
            given_up.rollback()
        assert _number(engine) == 1
        assert _read(engine, last) == [(last + 1, "quick")]
    assert _number(engine) == 1
    assert _read(engine, last) == [(last + 1, "quick"), (last + 2, "slow")]
    assert (_number(engine), _read(engine, last + 2)) == (0, [])


def test_a_worker_numbers_what_it_commits_and_tells_the_number(database: Database, engine: Engine) -> None:
    last = _last(engine)

    async def commit() -> None:
        async with EventNumbering(database, KEPT).while_working():
            with Notifications(database, "stockkeeper_events") as notifications:
                with database.transaction() as connection:
                    _write(connection, "first", "second")
                assert await asyncio.to_thread(notifications.wait, WAIT_SECONDS) == {str(last + 2)}

    asyncio.run(commit())
    assert _read(engine, last) == [(last + 1, "first"), (last + 2, "second")]


def test_a_worker_numbers_what_another_process_has_left(database: Database, engine: Engine) -> None:
    last = _last(engine)

    async def look() -> None:
        async with EventNumbering(database, KEPT).while_working():
            with Notifications(database, "stockkeeper_events") as notifications:
                with engine.begin() as connection:
                    _write(connection, "left behind")
                assert await asyncio.to_thread(notifications.wait, WAIT_SECONDS) == {str(last + 1)}

    asyncio.run(look())
    assert _read(engine, last) == [(last + 1, "left behind")]


def test_a_worker_that_ends_numbers_what_its_last_step_has_written(database: Database, engine: Engine) -> None:
    last = _last(engine)

    async def end() -> None:
        async with EventNumbering(database, KEPT).while_working():
            with database.transaction() as connection:
                _write(connection, "last words")

    asyncio.run(end())
    assert _read(engine, last) == [(last + 1, "last words")]


def test_numbering_goes_on_after_its_connection_was_lost(
    database: Database, engine: Engine, settings: Settings
) -> None:
    last = _last(engine)
    name = new_reference("numbering")
    url = settings.database_url.get_secret_value()
    # Nothing but the numbering uses these connections, so whatever session has this name is the numbering's.
    numbering = Database(connect(url, pool_size=1, role=settings.database_role, application_name=name))
    end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name")

    async def lose() -> None:
        async with EventNumbering(numbering, KEPT).while_working():
            with Notifications(database, "stockkeeper_events") as notifications:
                _write_one(engine, "before")
                assert await asyncio.to_thread(notifications.wait, WAIT_SECONDS) == {str(last + 1)}
                with engine.begin() as connection:
                    assert connection.execute(end, {"name": name}).scalars().all() == [True]
                _write_one(engine, "after")
                assert await asyncio.to_thread(notifications.wait, WAIT_SECONDS) == {str(last + 2)}

    try:
        asyncio.run(lose())
    finally:
        numbering.engine.dispose()
    assert _read(engine, last) == [(last + 1, "before"), (last + 2, "after")]


def test_a_worker_forgets_what_is_older_than_it_is_kept(apart: Engine) -> None:
    with apart.begin() as connection:
        old = datetime.now(UTC) - KEPT
        send(
            connection,
            [
                insert_events(
                    NewEvent(EventKind.PRODUCT_RENAMED, f"{at}", {}, BY_HAND, at=old + timedelta(minutes=at))
                    for at in range(-1200, 0)
                )
            ],
        )
    _write_one(apart, "kept")
    last = _last(apart)

    async def work() -> None:
        async with EventNumbering(Database(apart), KEPT).while_working():
            await eventually(lambda: asyncio.to_thread(_span, apart), lambda seen: seen == (last - 1, last))

    asyncio.run(work())
    assert _read(apart, last - 1) == [(last, "kept")]
    with apart.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar_one() == 1


def _write_one(engine: Engine, subject: str) -> None:
    with engine.begin() as connection:
        _write(connection, subject)


def _span(engine: Engine) -> Span:
    with engine.connect() as connection:
        return span(connection)


def test_the_log_tells_what_waits_and_since_when(apart: Engine) -> None:
    last = _last(apart)
    with apart.begin() as connection:
        at = datetime.now(UTC) - timedelta(hours=1)
        send(
            connection,
            [insert_events(NewEvent(EventKind.PRODUCT_RENAMED, "late", {}, BY_HAND, at=each) for each in (at, None))],
        )
    with apart.connect() as connection:
        log = look_at_log(connection)
        figures = {each.name: each.value for each in read_figures(connection, as_of=at + HOUR, reorder="reorder")}
        forgotten = span(connection).forgotten
    assert (log.last, log.kept, log.waiting) == (last, last - forgotten, 2)
    assert 3600 <= log.oldest_seconds < 3660
    assert {name: value for name, value in figures.items() if name.startswith("events_")} == {
        "events_waiting": 2.0,
        "events_waiting_oldest_seconds": 3600.0,
        "events_kept": float(last - forgotten),
        "events_last_number": float(last),
    }
    check = judged_log(log)
    assert (check.name, check.ok) == ("events", False)
    assert check.detail.startswith(f"number {last} is the last, ")
    assert _last(apart) == last + 2
    with apart.connect() as connection:
        check = judged_log(look_at_log(connection))
    assert (check.ok, check.detail) == (True, f"number {last + 2} is the last, {last + 2 - forgotten:,} kept")
