"""How long the database may take: the server ends what is slow, and the worker what has no answer any more."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.writes import database_errors
from database.locks import lock_items
from database.patience import HeldUp
from database.pipeline import Statement, send
from database.sessions import STALLED_SECONDS, TRANSACTION_SECONDS, Database, allow_bulk, connect
from stockkeeper.contracts.policies import LOCKED_WRITE
from tests.support.shop import Shop

SLOW_COMMIT = """
    CREATE TABLE slow_to_commit (units int);
    CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM pg_sleep(NEW.units); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER take_long AFTER INSERT ON slow_to_commit
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION take_long();
"""
HAND_OVER = "INSERT INTO slow_to_commit VALUES (60)"


@pytest.fixture
def hasty(engine: Engine) -> Iterator[Database]:
    """The database, whose transactions end after a second."""
    url = engine.url.render_as_string(hide_password=False)
    database = Database(connect(url, transaction_seconds=1))
    yield database
    database.engine.dispose()


@pytest.fixture
def slow_commit(engine: Engine) -> Iterator[None]:
    """A table whose rows take as many seconds to commit as they say."""
    with engine.begin() as connection:
        connection.execute(text(SLOW_COMMIT))
    yield
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE slow_to_commit; DROP FUNCTION take_long"))


@pytest.mark.parametrize(
    "write",
    [
        lambda connection: connection.exec_driver_sql(HAND_OVER),
        lambda connection: send(connection, [Statement(HAND_OVER)], commit=True),
    ],
    ids=["alone", "in a pipeline"],
)
def test_a_commit_that_takes_too_long_is_ended_and_nothing_is_stored(
    hasty: Database, engine: Engine, slow_commit: None, write: Callable[[Connection], object]
) -> None:
    del slow_commit
    with pytest.raises(ApplicationError) as caught, database_errors(), hasty.transaction() as connection:
        write(connection)
    assert (caught.value.type, caught.value.message, caught.value.non_retryable) == (
        *("DatabaseBusy", "transaction timeout", False),
    )
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM slow_to_commit")).scalar_one() == 0
    # The connection was lost; the next one is as good as new.
    with hasty.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_bulk_transaction_may_take_longer(hasty: Database) -> None:
    with hasty.transaction() as connection:
        allow_bulk(connection)
        settings = ("statement_timeout", "transaction_timeout")
        assert [connection.execute(text(f"SHOW {each}")).scalar_one() for each in settings] == ["55min", "55min"]
        assert connection.execute(text("SELECT true FROM pg_sleep(1.2)")).scalar_one()
    with hasty.transaction() as connection:
        assert connection.execute(text("SHOW transaction_timeout")).scalar_one() == "1s"


def test_a_worker_limits_its_transactions_within_an_attempt(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.execute(text("SHOW transaction_timeout")).scalar_one() == f"{TRANSACTION_SECONDS}s"
    assert STALLED_SECONDS > TRANSACTION_SECONDS
    assert LOCKED_WRITE["start_to_close_timeout"].total_seconds() > TRANSACTION_SECONDS


def test_half_of_the_connections_may_wait_long_for_a_lock_and_the_others_come_again(engine: Engine, shop: Shop) -> None:
    item = shop.item(1)
    database = Database(connect(engine.url.render_as_string(hide_password=False), pool_size=3))
    with engine.begin() as holder, database.transaction() as first:
        lock_items(holder, [item])
        with pytest.raises(ApplicationError) as caught, database_errors(), database.transaction() as second:
            lock_items(second, [item])
        assert first.execute(text("SHOW lock_timeout")).scalar_one() == "5s"
    error = caught.value
    assert (error.type, error.message, error.next_retry_delay) == (
        *("DatabaseBusy", "lock timeout", timedelta(milliseconds=250)),
    )
    with database.transaction() as next_one:
        assert next_one.execute(text("SHOW lock_timeout")).scalar_one() == "5s"
        lock_items(next_one, [item])
    database.engine.dispose()


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 8), (6, 8), (100, 8)], ids=str)
def test_a_step_that_is_held_up_comes_again_later_each_time(attempt: int, seconds: float) -> None:
    def be_held_up() -> None:
        with database_errors():
            raise HeldUp

    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=attempt, is_local=False)
    with pytest.raises(ApplicationError) as caught:
        environment.run(be_held_up)
    assert caught.value.next_retry_delay == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "ask",
    [
        lambda connection: connection.exec_driver_sql("SELECT pg_sleep(5)"),
        lambda connection: send(connection, [Statement("SELECT pg_sleep(5)")]),
    ],
    ids=["alone", "in a pipeline"],
)
def test_a_connection_without_an_answer_is_cut_and_its_thread_comes_free(
    engine: Engine, ask: Callable[[Connection], object]
) -> None:
    database = Database(connect(engine.url.render_as_string(hide_password=False)))
    is_asking = threading.Event()

    def wait_for_the_answer() -> ApplicationError | None:
        try:
            with database_errors(), database.transaction() as connection:
                connection.execute(text("SELECT 1"))
                is_asking.set()
                ask(connection)
        except ApplicationError as error:
            return error
        return None

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait_for_the_answer)
        assert is_asking.wait(10)
        assert database.stalled.cut() == 0
        assert database.stalled.cut(time.monotonic() + STALLED_SECONDS + 1) == 1
        error = waiting.result(4)
    assert error is not None
    assert error.type == "DatabaseLost"
    assert error.message.startswith("the connection to the database was lost: ")
    with database.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        allow_bulk(connection)
        assert database.stalled.cut(time.monotonic() + STALLED_SECONDS + 1) == 0
    assert database.stalled.cut(time.monotonic() + 24 * 3600) == 0
    database.engine.dispose()
