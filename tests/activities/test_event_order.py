"""The order of events, raced on a real PostgreSQL: no gaps, none missed, conflicting transactions as they committed."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from database.events import NewEvent, are_waiting, forget_events, insert_events, number_events, read_events, span
from database.operations import Operation
from database.pipeline import send
from stockkeeper.domain.event import EventKind
from tests.support.database_apart import database_apart
from worker import Settings

WRITERS, TRANSACTIONS, ITEMS = 6, 50, 5


@pytest.fixture(scope="module")
def apart(engine: Engine, settings: Settings) -> Iterator[Engine]:
    """A database where nobody else writes or numbers events."""
    with database_apart(engine, settings) as (made, _):
        with made.begin() as connection:
            connection.execute(text("CREATE TABLE raced (item bigint PRIMARY KEY, version bigint NOT NULL DEFAULT 0)"))
            connection.execute(text("INSERT INTO raced (item) SELECT generate_series(1, :items)"), {"items": ITEMS})
        yield made


def event(item: int, version: int, writer: str = "writer") -> NewEvent:
    return NewEvent(
        EventKind.LEVEL_CHANGED,
        f"item/1/{item}",
        {"version": version},
        Operation(f"{writer}/{item}/{version}", writer, {}, "writer", "run", "writer"),
    )


def write(connection: Connection, *events: NewEvent) -> None:
    send(connection, [insert_events(events)])


def number_all(engine: Engine) -> int:
    numbered = 0
    while True:
        with engine.begin() as connection:
            if (one := number_events(connection, most=10_000)) == 0:
                return numbered
        numbered += one


def changed(connection: Connection, item: int) -> int:
    return int(
        connection.execute(
            text("UPDATE raced SET version = version + 1 WHERE item = :item RETURNING version"), {"item": item}
        ).scalar_one()
    )


def numbers_after(engine: Engine, cursor: int) -> list[int]:
    with engine.connect() as connection:
        found = read_events(connection, after=cursor, through=span(connection).last, most=10_000)
    return [each["number"] for each in found]


@contextmanager
def threads_until_done(pool: ThreadPoolExecutor, *calls: Callable[[], None]) -> Iterator[None]:
    """Call each again and again in a thread of its own, until the block is done."""
    done = threading.Event()

    def again(call: Callable[[], None]) -> None:
        while not done.is_set():
            call()

    running = [pool.submit(again, call) for call in calls]
    try:
        yield
    finally:
        done.set()
    for each in running:
        each.result()


class Writer:
    """Changes items under their locks, each with an event, and now and then thinks better of it."""

    def __init__(self, engine: Engine, at: int) -> None:
        self._engine, self._name, self._chance = engine, f"writer-{at}", random.Random(at)
        self.committed = set[tuple[int, int]]()

    def write(self) -> None:
        for _ in range(TRANSACTIONS):
            self._one(sorted(self._chance.sample(range(1, ITEMS + 1), self._chance.randint(1, 3))))

    def _one(self, items: list[int]) -> None:
        # The items come in one order, so that no two writers wait for each other.
        wrote = set()
        with self._engine.connect() as connection:
            for item in items:
                version = changed(connection, item)
                write(connection, event(item, version, self._name))
                wrote.add((item, version))
                connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": self._chance.random() * 0.004})
            if self._chance.random() < 0.25:
                connection.rollback()
                return
            connection.commit()
        self.committed |= wrote


class Reader:
    """Follows the log by its cursor alone."""

    def __init__(self, engine: Engine, cursor: int, most: int) -> None:
        self._engine, self.cursor, self._most = engine, cursor, most
        self.numbers, self.seen = list[int](), list[tuple[int, int]]()

    def read(self) -> None:
        with self._engine.connect() as connection:
            found = read_events(connection, after=self.cursor, through=span(connection).last, most=self._most)
        for each in found:
            self.cursor = each["number"]
            self.numbers.append(each["number"])
            self.seen.append((int(each["subject"].split("/")[2]), each["data"]["version"]))


def test_readers_miss_no_event_and_see_each_once_in_the_order_of_commits(apart: Engine) -> None:
    with apart.connect() as connection:
        before = span(connection).last
        versions = {row.item: row.version for row in connection.execute(text("SELECT item, version FROM raced"))}
    writers = [Writer(apart, at) for at in range(WRITERS)]
    readers = [Reader(apart, before, most) for most in (13, 10_000)]

    def numberer() -> None:
        with apart.begin() as connection:
            number_events(connection, most=7)

    with (
        ThreadPoolExecutor(WRITERS + 4) as pool,
        threads_until_done(pool, numberer, numberer, *(reader.read for reader in readers)),
    ):
        for each in [pool.submit(writer.write) for writer in writers]:
            each.result()
    number_all(apart)
    wanted = set().union(*(writer.committed for writer in writers))
    for reader in readers:
        while reader.cursor < before + len(wanted):
            reader.read()
        assert reader.numbers == list(range(before + 1, before + 1 + len(wanted)))
        assert set(reader.seen) == wanted
        for item, version in versions.items():
            # Each version is one more than the one that was committed before it, so this is the order of commits.
            found = [seen for this, seen in reader.seen if this == item]
            assert found == list(range(version + 1, version + 1 + len(found)))
    with apart.connect() as connection:
        assert not are_waiting(connection)


def looked_from(engine: Engine) -> tuple[int, int | None]:
    with engine.connect() as connection:
        row = connection.execute(text("SELECT looked_from, marked_id FROM event_log")).one()
    return row.looked_from, row.marked_id


def last_id(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT last_value FROM outbox_outbox_id_seq")).scalar_one())


def write_many(engine: Engine, many: int) -> None:
    with engine.begin() as connection:
        write(connection, *(event(1, at) for at in range(many)))


def settle(engine: Engine) -> None:
    """Let numbering come to where it begins next."""
    number_all(engine)
    for _ in range(3):
        with engine.begin() as connection:
            number_events(connection)


def test_numbering_begins_behind_what_it_has_numbered(apart: Engine) -> None:
    write_many(apart, 1001)
    settle(apart)
    assert looked_from(apart) == (last_id(apart) + 1, None)


def test_numbering_comes_back_for_whoever_has_drawn_an_id_and_commits_late(apart: Engine) -> None:
    settle(apart)
    with apart.connect() as late:
        late.begin()
        write(late, event(2, 1))
        drawn = last_id(apart)
        write_many(apart, 3000)
        settle(apart)
        with apart.connect() as connection:
            last = span(connection).last
        # As long as that transaction is open, nothing above its id is passed by.
        assert looked_from(apart)[0] <= drawn
        late.commit()
    number_all(apart)
    with apart.connect() as connection:
        [found] = read_events(connection, after=last, through=last + 1, most=10)
    assert (found["number"], found["subject"]) == (last + 1, "item/1/2")
    settle(apart)
    assert looked_from(apart)[0] > drawn


def test_a_reader_that_stays_open_holds_nothing_up(apart: Engine) -> None:
    with apart.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        span(reader)
        write_many(apart, 1001)
        settle(apart)
        assert looked_from(apart) == (last_id(apart) + 1, None)


def test_a_writer_has_a_transaction_id_before_it_draws_an_id_of_the_outbox(apart: Engine) -> None:
    drawn = last_id(apart)
    with apart.connect() as connection:
        # Triggers come in the order of their names.
        connection.execute(
            text("""
                CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'has one: %', pg_current_xact_id_if_assigned() IS NOT NULL;
                END $$
            """)
        )
        connection.execute(
            text("CREATE TRIGGER outbox_then BEFORE INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION look()")
        )
        connection.commit()
    try:
        with apart.connect() as connection, pytest.raises(DBAPIError, match="has one: t"):
            write(connection, event(3, 1))
        assert last_id(apart) == drawn
    finally:
        with apart.begin() as connection:
            connection.execute(text("DROP FUNCTION look() CASCADE"))


def test_the_oldest_are_forgotten_page_by_page_and_the_last_number_stays(apart: Engine) -> None:
    settle(apart)
    with apart.connect() as connection:
        kept = span(connection)
    write_many(apart, 25)
    number_all(apart)
    with apart.connect() as connection:
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    write_many(apart, 5)
    number_all(apart)
    last = kept.last + 30

    def forget(most: int) -> int:
        with apart.begin() as connection:
            return forget_events(connection, now, most)

    assert forget(kept.last + 10 - kept.forgotten) == kept.last + 10 - kept.forgotten
    with apart.connect() as connection:
        assert span(connection) == (kept.last + 10, last)
    assert numbers_after(apart, 0) == list(range(kept.last + 11, last + 1))
    # The rest of those before that instant; then none.
    assert forget(100) == 15
    assert forget(100) == 0
    assert numbers_after(apart, 0) == list(range(kept.last + 26, last + 1))
    with apart.connect() as connection:
        assert span(connection) == (kept.last + 25, last)
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert forget(100) == 5
    # With none left, the next one has the next number.
    write_many(apart, 1)
    number_all(apart)
    assert numbers_after(apart, 0) == [last + 1]
