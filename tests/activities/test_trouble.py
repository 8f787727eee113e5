"""Trouble with the database in one line: its type, its words, and nothing behind it that hides them."""

import logging
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.attempts import is_told, log_attempts_in_one_line
from activities.writes import database_errors
from database.pipeline import Statement, send
from database.sessions import Database, connect
from stockkeeper.contracts.converter import DATA_CONVERTER, MAX_PENDING_FAILURE_BYTES

END_ME = "SELECT pg_terminate_backend(pg_backend_pid())"
ENDED = "the connection to the database was lost: terminating connection due to administrator command"


def _trouble(engine: Engine, do: Callable[[Connection], object]) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught, database_errors(), engine.begin() as connection:
        do(connection)
    return caught.value


def _told(error: ApplicationError) -> tuple[str | None, str, bool]:
    return error.type, error.message, error.non_retryable


def _failure(error: BaseException) -> Failure:
    failure = Failure()
    DATA_CONVERTER.failure_converter.to_failure(error, DATA_CONVERTER.payload_converter, failure)
    return failure


@pytest.mark.parametrize(
    "do",
    [
        lambda connection: connection.exec_driver_sql(END_ME),
        lambda connection: send(connection, [Statement(END_ME)]),
    ],
    ids=["alone", "in a pipeline"],
)
def test_a_connection_that_was_lost_says_why(engine: Engine, do: Callable[[Connection], object]) -> None:
    assert _told(_trouble(engine, do)) == ("DatabaseLost", ENDED, False)


def test_a_full_disk_is_told_and_tried_again(engine: Engine) -> None:
    full = (
        "DO $$BEGIN RAISE 'could not extend file \"base/5/1\": No space left on device' USING ERRCODE = '53100'; END$$"
    )
    assert _told(_trouble(engine, lambda connection: connection.exec_driver_sql(full))) == (
        *("DatabaseFull", 'the database\'s disk is full: could not extend file "base/5/1": No space left on device'),
        False,
    )


@pytest.fixture
def narrow_login(engine: Engine) -> Iterator[str]:
    """The address of the database for a login that may have one connection."""
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT 1"))
    yield engine.url.set(username="narrow", password="narrow").render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE narrow"))


def test_a_server_that_takes_no_more_connections_is_told_so_until_it_does(narrow_login: str) -> None:
    first, second = (Database(connect(narrow_login)) for _ in range(2))
    with first.transaction() as connection:
        connection.execute(text("SELECT 1"))
        assert _told(_trouble(second.engine, lambda connection: connection.execute(text("SELECT 1")))) == (
            *("DatabaseAway", 'the database takes no more connections: too many connections for role "narrow"', False),
        )
    first.engine.dispose()
    with second.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    second.engine.dispose()


def test_a_failure_that_is_tried_again_has_neither_the_drivers_error_nor_much_stack_behind_it(engine: Engine) -> None:
    failure = _failure(_trouble(engine, lambda connection: connection.exec_driver_sql(END_ME)))
    assert (failure.message, failure.HasField("cause")) == (ENDED, False)
    assert failure.ByteSize() < MAX_PENDING_FAILURE_BYTES


def _fail_deeply(levels: int, behind: int) -> None:
    if levels:
        _fail_deeply(levels - 1, behind)
    elif behind:
        try:
            _fail_deeply(0, behind - 1)
        except ValueError as error:
            raise ValueError(f"{behind}: " + "y" * 5_000) from error
    raise ValueError("0: " + "x" * 5_000)


@pytest.mark.parametrize(
    ("behind", "type_of_cause", "cause"),
    [(1, "ValueError", "0: " + "x" * 497), (9, "", "ValueError: 8: " + "y" * 485)],
)
def test_a_large_failure_keeps_its_message_the_end_of_its_stack_and_what_is_behind_it(
    behind: int, type_of_cause: str, cause: str
) -> None:
    with pytest.raises(ValueError, match="yyy") as caught:
        _fail_deeply(60, behind)
    failure = _failure(caught.value)
    assert failure.message == f"{behind}: " + "y" * 497
    assert failure.stack_trace.rstrip().endswith("from error")
    assert (failure.cause.application_failure_info.type, failure.cause.message) == (type_of_cause, cause)
    assert failure.ByteSize() <= MAX_PENDING_FAILURE_BYTES


def test_a_refusal_is_never_shortened() -> None:
    refusal = ApplicationError("z" * 5_000, type="InvalidRequest", non_retryable=True)
    assert _failure(refusal).message == "z" * 5_000


def test_a_run_is_told_a_few_times_soon_and_then_every_ten_minutes() -> None:
    assert [attempt for attempt in range(1, 101) if is_told(attempt)] == [4, 8, 16, 32, 40, 60, 80, 100]


def test_an_attempt_that_fails_by_a_fault_of_the_code_keeps_its_stack_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = logging.getLogger("temporalio.activity")
    log_attempts_in_one_line()

    def fail(error: Exception) -> None:
        log.warning("Completing activity as failed", exc_info=error)

    for error in (ApplicationError("deadlock", type="DatabaseBusy"), KeyError("sku")):
        ActivityEnvironment().run(fail, error)
    assert [(record.getMessage(), record.exc_info is not None) for record in caplog.records] == [
        ("attempt 1 of unknown for test failed: DatabaseBusy: deadlock", False),
        ("Completing activity as failed", True),
    ]
