"""Limits of the database: what is asked for waits, says why, and is done when there is room again."""

import asyncio
import logging
import re
from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, event, make_url, text
from temporalio.client import Client, WorkflowUpdateFailedError

from tests.support.books import level
from tests.support.outages import Outages
from tests.support.reservation import Orders
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import at_once, eventually
from worker import Settings, build_database, working

SDK_LOG = "temporalio.activity"
STEPS_LOG = "stockkeeper.steps"


def log_of_attempts(caplog: pytest.LogCaptureFixture) -> set[tuple[str, bool]]:
    """What the log says of attempts, and whether it has a stack; without their numbers."""
    return {
        (re.sub(r"^attempt \d+ ", "attempt N ", record.getMessage()), bool(record.exc_info))
        for record in caplog.records
        if record.name == SDK_LOG
    }


async def test_a_run_whose_database_is_away_says_so_and_the_attempts_say_why_in_one_line(
    orders: Orders, outages: Outages, shop: Shop, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    item = shop.item(10)
    reference = new_reference()
    await orders.reserve(reference, (item, 4))
    name = str(engine.url.database)
    why = f'the database is away: database "{name}" is not currently accepting connections'

    async def details() -> str:
        return (await orders.metadata(reference)).current_details

    # From anybody else: what doesn't fit is noted, and a step that isn't under way isn't waited for.
    await orders.signal(reference, "attempt_failed", {"step": 7})
    late = {"step": "fulfill_reservation", "attempt": 9, "failed_at": "2026-01-01T00:00:00Z", "why": "late"}
    await orders.signal(reference, "attempt_failed", late)
    [note] = await orders.noted(reference, 1)
    assert "signal attempt_failed refused: InvalidRequest: step: Input should be a valid string" in note
    before = await details()
    caplog.set_level(logging.INFO, logger=STEPS_LOG)
    with caplog.at_level(logging.INFO, logger=SDK_LOG), outages.database_away():
        shipping = asyncio.ensure_future(orders.fulfill(reference))
        await eventually(details, lambda seen: seen.startswith("**waiting for the database** since "))
        told = await eventually(details, lambda seen: "attempt 4" in seen)
        [pending] = (await orders.handle(reference).describe()).raw_description.pending_activities
        assert not shipping.done()
    first, _, rest = told.partition("\n\n")
    assert re.fullmatch(
        r"\*\*waiting for the database\*\*, attempt 4 since \d{4}-\d\d-\d\d \d\d:\d\d UTC: "
        rf"{re.escape(why)}\. It goes on by itself; \*Pending Activities\* has the latest attempt\.",
        first,
    )
    assert rest == before
    failure = pending.last_failure
    assert (failure.message, failure.application_failure_info.type, failure.HasField("cause")) == (
        *(why, "DatabaseAway", False),
    )
    assert (await shipping)["status"] == "FULFILLED"
    assert (await details()).startswith(f"**FULFILLED** · Everything has left for order {reference}.\n")
    failed = f"attempt N of fulfill_reservation for reservation-{reference} failed"
    # The first may have had a connection that was being cut.
    cut = "DatabaseLost: the connection to the database was lost: terminating connection due to administrator command"
    # Others' runs, such as a subscriber of events, have steps meanwhile as well.
    own = {each for each in log_of_attempts(caplog) if reference in each[0]}
    assert own - {(f"{failed}: {cut}", False)} == {(f"{failed}: DatabaseAway: {why}", False)}
    # Three in the workflow's task, and four or more through the queue.
    [recovered] = [each for each in caplog.records if each.name == STEPS_LOG and reference in each.getMessage()]
    assert re.fullmatch(
        rf"recovered: fulfill_reservation of reservation-{reference}, done at attempt \d+ after [\d.]+ s "
        rf"\(reservation-{reference}/fulfill/[\w-]+\)",
        recovered.getMessage(),
    )
    assert vars(recovered)["stockkeeper"]["attempt"] > 3 + 4
    assert level(engine, item) == (6, 0)


async def test_a_row_that_stays_locked_holds_up_those_who_want_it_and_nobody_else(
    orders: Orders, shop: Shop, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Those are more than a worker carries out at a time, and more than it has connections."""
    popular, other = shop.items(2, units=100)
    async with locked(engine, popular) as lock:
        held_up = [asyncio.ensure_future(orders.reserve(new_reference(), (popular, 2))) for _ in range(45)]
        await lock.has_somebody_waiting()
        for _ in range(5):
            assert (await orders.reserve(new_reference(), (other, 3)))["status"] == "ACTIVE"
        assert not any(each.done() for each in held_up)
    assert {state["status"] for state in await asyncio.gather(*held_up)} == {"ACTIVE"}
    assert [level(engine, each) for each in (popular, other)] == [(100, 90), (100, 15)]
    whys = {message.rpartition(": ")[2] for message, _ in log_of_attempts(caplog)}
    assert "lock timeout" in whys
    assert "no connection to the database came free" not in whys


@pytest.fixture
def narrow_login(engine: Engine) -> Iterator[str]:
    """The database's address for a login that is a worker's, and may have four connections."""
    login = new_reference("worker").replace("-", "_")
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {login} LOGIN PASSWORD 'narrow' CONNECTION LIMIT 4"))
        connection.execute(text(f"GRANT stockkeeper_worker TO {login}"))
    yield engine.url.set(username=login, password="narrow").render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP ROLE {login}"))


async def test_a_server_that_takes_no_more_connections_delays_orders_and_refuses_none(
    narrow_login: str,
    our_client: Client,
    plain_client: Client,
    settings: Settings,
    shop: Shop,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At first it has none for the worker, and then four; the worker wants twenty.

    Three of the four listen for stock and for events, and number these.
    """
    item = shop.item(20)
    queue = new_reference("queue")
    narrow = settings.model_copy(update={"database_url": SecretStr(narrow_login), "task_queue": queue})
    database = build_database(narrow)
    libpq = narrow_login.replace("+psycopg", "")
    orders = Orders(plain_client, queue)
    login = make_url(narrow_login).username
    told = f'DatabaseAway: the database takes no more connections: too many connections for role "{login}"'

    async def whys() -> set[str]:
        return {message.partition(" failed: ")[2] for message, _ in log_of_attempts(caplog)}

    others = [psycopg.connect(libpq) for _ in range(4)]
    async with working(our_client, database, narrow):
        calls = [orders.reserve(new_reference(), (item, 2)) for _ in range(12)]
        answering = asyncio.gather(*calls, return_exceptions=True)
        await eventually(whys, lambda seen: told in seen)
        assert not answering.done()
        for other in others:
            other.close()
        answers = await answering
    database.engine.dispose()
    refused = [str(each.cause) for each in answers if isinstance(each, WorkflowUpdateFailedError)]
    short = f"product {item.product_id} in warehouse {item.warehouse_id}: requested 2, available 0"
    assert refused == [f"InsufficientStock: {short}"] * 2
    assert [each["status"] for each in answers if not isinstance(each, BaseException)] == ["ACTIVE"] * 10
    assert level(engine, item) == (20, 20)
    assert await whys() == {told}


async def test_a_thousand_lines_of_which_one_stays_locked_do_not_keep_small_orders_waiting(
    our_client: Client, plain_client: Client, settings: Settings, shop: Shop, engine: Engine
) -> None:
    """It has locked all of its other items by then, and gives them up; here after half a second instead of five."""
    warehouse = shop.warehouse()
    items = sorted(shop.item(10, warehouse=warehouse) for _ in range(200))
    queue = new_reference("queue")
    database = build_database(settings)
    event.listen(database.engine, "connect", _wait_for_half_a_second)
    orders = Orders(plain_client, queue)
    async with working(our_client, database, settings.model_copy(update={"task_queue": queue})):
        async with locked(engine, items[-1]) as lock:
            large = asyncio.ensure_future(orders.reserve(new_reference(), *((item, 1) for item in items * 5)))
            await lock.has_somebody_waiting()
            small = [orders.reserve(new_reference(), (item, 2)) for item in items[:20]]
            assert {state["status"] for state in await at_once(*small)} == {"ACTIVE"}
            assert not large.done()
        assert len((await large)["lines"]) == 1_000
    database.engine.dispose()
    assert [level(engine, item) for item in (items[0], items[-1])] == [(10, 7), (10, 5)]


def _wait_for_half_a_second(driver: psycopg.Connection[object], _record: object) -> None:
    driver.execute("SET lock_timeout = '500ms'")
    driver.commit()
