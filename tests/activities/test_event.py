"""Reading events: pages, filters, bounds, and who waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import event as of_events
from activities.event import EventPages, EventQuestions
from database.events import NewEvent, Span
from database.sessions import Database, connect
from stockkeeper.contracts.event import Event, EventsPage, ReadEvents
from stockkeeper.contracts.policies import events_queue
from stockkeeper.domain.event import EventKind
from tests.support.events import A_LEVEL, happen, last_number, level, operation
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually
from worker import Settings

QUEUE = "tea"


def _environment(queue: str = QUEUE) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, task_queue=events_queue(queue))
    return environment


@pytest.fixture
def questions(database: Database) -> EventQuestions:
    """The question, without anybody who listens."""
    return EventQuestions(database, QUEUE)


@asynccontextmanager
async def _asked(questions: EventQuestions, **fields: Any) -> AsyncIterator[asyncio.Task[EventsPage]]:
    """A question that is being answered."""
    task = asyncio.ensure_future(_environment().run(questions.read_events, ReadEvents(**fields)))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_an_event_is_a_cloud_event(database: Database, engine: Engine, shop: Shop) -> None:
    new = level(shop.product())
    [number] = happen(engine, new._replace(reason="a count"))
    page = EventPages(database, QUEUE).read(ReadEvents(keys=[new.subject]), number - 1, None)
    [event] = page.events
    assert event.model_dump(mode="json", exclude={"time"}) == {
        "specversion": "1.0",
        "id": str(number),
        "source": "stockkeeper",
        "type": "stockkeeper.level.changed",
        "subject": "TEA-100",
        "datacontenttype": "application/json",
        "data": {**A_LEVEL, "product_id": new.product_id},
        "dataversion": "1",
        "sequence": f"{number:019}",
        "partitionkey": new.subject,
        "database": "tea",
        "workflowid": "w-1",
        "runid": "r-1",
        "operationid": new.operation.operation_id,
        "performedby": "ann",
        "reason": "a count",
    }
    assert event.number == number
    several = EventPages(database, QUEUE, one_of_several=True)
    [event] = several.read(ReadEvents(keys=[new.subject], after="0"), number - 1, None).events
    assert (event.source, event.database) == ("stockkeeper/tea", "tea")
    with engine.connect() as connection:
        then = connection.execute(text("SELECT happened_at FROM events WHERE number = :number"), {"number": number})
        assert event.time == then.scalar_one()


def test_what_nobody_has_said_is_left_out_and_what_is_null_in_the_data_is_there() -> None:
    event = Event(
        id="7",
        source="stockkeeper",
        type="stockkeeper.hold.made",
        subject="1042",
        partitionkey="order/1042",
        database="tea",
        time=datetime(2026, 11, 30, 15, 20, tzinfo=UTC),
        data={"waiting_until": None},
        sequence=f"{7:019}",
        workflowid="w-1",
        runid="r-1",
        operationid="o-1",
        performedby="ann",
    )
    written = json.loads(event.as_json())
    assert "reason" not in written
    assert written["data"] == {"waiting_until": None}
    assert Event.model_validate_json(event.as_json()) == event


def test_one_whose_data_names_nothing_is_read_by_its_key(database: Database, engine: Engine) -> None:
    odd = level()._replace(data={}, subject=new_reference("odd"))
    [number] = happen(engine, odd)
    [event] = EventPages(database, QUEUE).read(ReadEvents(keys=[odd.subject]), number - 1, None).events
    assert (event.subject, event.data) == (odd.subject, {})
    with engine.connect() as connection:
        shown = connection.execute(text("SELECT subject FROM reporting.events WHERE number = :n"), {"n": number})
        assert shown.scalar_one() == odd.subject


def test_only_what_is_asked_for_is_read(database: Database, engine: Engine, shop: Shop) -> None:
    tea, cup = shop.product(), shop.product()
    held = {"reference_type": "ORDER", "reference_id": f"o-{tea}", "lines": [{"product_id": cup}]}
    begin = last_number(engine)
    of_tea, of_cup, of_hold = happen(
        engine,
        level(tea),
        level(cup),
        NewEvent(EventKind.HOLD_MADE, f"order/o-{tea}", held, operation()),
    )
    pages = EventPages(database, QUEUE)

    def read(**fields: Any) -> list[int]:
        asked = ReadEvents(**fields)
        return [each.number for each in pages.read(asked, begin, pages.product_ids(asked)).events]

    with engine.connect() as connection:
        sku = connection.execute(text("SELECT sku FROM products WHERE product_id = :id"), {"id": tea}).scalar_one()
    assert read(product_ids=[tea, cup]) == [of_tea, of_cup, of_hold]
    assert read(products=[sku]) == [of_tea]
    assert read(product_ids=[cup]) == [of_cup, of_hold]
    assert read(product_ids=[cup], types=["stockkeeper.hold.made"]) == [of_hold]
    assert read(product_ids=[cup], types=["stockkeeper.hold.expired"]) == []
    assert read(keys=[f"item/1/{cup}", f"order/o-{tea}"]) == [of_cup, of_hold]
    assert read(product_ids=[tea, cup], limit=2) == [of_tea, of_cup]


def test_a_page_is_bounded_in_events_and_bytes_and_in_numbers_that_are_looked_at(
    database: Database, engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = shop.product()
    begin = last_number(engine)
    numbers = happen(engine, *[level(product) for _ in range(7)])
    assert numbers == [*range(begin + 1, begin + 8)]
    pages = EventPages(database, QUEUE)

    def read(after: int, **fields: Any) -> tuple[list[int], int]:
        page = pages.read(ReadEvents(**fields), after, None)
        return [each.number for each in page.events], page.cursor

    assert read(begin, limit=2) == (numbers[:2], numbers[1])
    size = len(pages.read(ReadEvents(limit=1), begin, None).events[0].model_dump_json())
    monkeypatch.setattr(of_events, "BYTES_A_PAGE", 3 * size + size // 2)
    assert read(begin) == (numbers[:3], numbers[2])
    monkeypatch.setattr(of_events, "BYTES_A_PAGE", 1)
    assert read(begin) == (numbers[:1], numbers[0])
    monkeypatch.undo()
    monkeypatch.setattr(of_events, "LOOKED_AT", 4)
    # Nothing matches, and the cursor moves on all the same.
    assert read(begin, keys=["item/0/0"]) == ([], begin + 4)
    assert read(begin + 4, keys=["item/0/0"]) == ([], begin + 7)
    assert read(begin) == (numbers[:4], begin + 4)


async def test_without_a_number_it_begins_with_the_present_end(questions: EventQuestions, engine: Engine) -> None:
    end = last_number(engine)
    page = await _environment().run(questions.read_events, ReadEvents(after=None))
    assert (page.events, page.cursor, page.last_number) == ([], end, end)


async def test_numbers_that_nobody_can_go_on_from_are_refused(
    questions: EventQuestions, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusal(**fields: Any) -> tuple[str | None, str, Any]:
        with pytest.raises(ApplicationError) as caught:
            await _environment().run(questions.read_events, ReadEvents(**fields))
        return caught.value.type, caught.value.message, caught.value.details

    end = last_number(engine)
    assert await refusal(after=end + 1) == (
        "InvalidRequest",
        (
            f"after: {end + 1} is beyond the last event of this database, {end}: the number is another database's, or "
            "this one was restored to an earlier state; take its present end as the cursor, read everything anew, and "
            "follow from there"
        ),
        ({},),
    )
    code, message, _ = await refusal(types=["level.changed"])
    assert code == "InvalidRequest"
    assert message.startswith("types: there is no level.changed; there are stockkeeper.level.changed, ")
    assert (await refusal(products=["no such thing"]))[0] == "UnknownProduct"
    # What retention does is tested with it; others read from the beginning of this log.
    monkeypatch.setattr(of_events, "span", lambda _: Span(forgotten=4, last=9))
    assert await refusal(after=3) == (
        "EventsForgotten",
        (
            "events after number 3 aren't all kept any more, but from 5 on: take the present end as the cursor, read "
            "everything anew, and follow from there"
        ),
        ({"first_number": 5, "last_number": 9},),
    )
    page = await _environment().run(questions.read_events, ReadEvents(after=4, keys=["item/0/0"]))
    assert (page.cursor, page.first_number, page.last_number) == (9, 5, 9)


async def test_a_follower_hears_of_the_next_event_and_takes_no_thread_while_it_waits(
    questions: EventQuestions, engine: Engine, shop: Shop
) -> None:
    product, other = shop.product(), shop.product()
    end = last_number(engine)
    async with questions.while_working(), _asked(questions, after=end, product_ids=[product], wait_seconds=20) as told:
        await asyncio.sleep(0)
        # It goes on waiting, and looks at the next ones only.
        for _ in range(3):
            await asyncio.to_thread(happen, engine, level(other))
        assert not told.done()
        began = asyncio.get_running_loop().time()
        [number] = await asyncio.to_thread(happen, engine, level(product))
        page = await told
        assert asyncio.get_running_loop().time() - began < 5
        assert [each.number for each in page.events] == [number]


async def test_a_follower_waits_no_longer_than_it_has_said_and_never_on_the_queue_of_orders(
    questions: EventQuestions, engine: Engine
) -> None:
    time_of = asyncio.get_running_loop().time
    asked = ReadEvents(after=last_number(engine), keys=["item/0/0"], wait_seconds=0.3)
    async with questions.while_working():
        began = time_of()
        assert (await _environment().run(questions.read_events, asked)).events == []
        assert 0.3 <= time_of() - began < 5
        began = time_of()
        asked = asked.model_copy(update={"wait_seconds": 20})
        assert (await _environment("coffee").run(questions.read_events, asked)).events == []
        assert time_of() - began < 5


async def test_a_listener_whose_connection_was_lost_misses_nothing(
    settings: Settings, engine: Engine, shop: Shop
) -> None:
    product, name = shop.product(), new_reference("listener")
    url = settings.database_url.get_secret_value()
    apart = Database(connect(url, pool_size=2, role=settings.database_role, application_name=name))
    questions = EventQuestions(apart, QUEUE)
    # Its last statement is the one after LISTEN; that of a connection that reads is a rollback.
    listens = text("SELECT pid FROM pg_stat_activity WHERE application_name = :name AND query = 'COMMIT'")

    async def listener() -> int | None:
        with engine.connect() as connection:
            pid: int | None = connection.execute(listens, {"name": name}).scalar()
            return pid

    async with questions.while_working():
        before = await eventually(listener, bool)
        async with _asked(questions, after=last_number(engine), product_ids=[product], wait_seconds=20) as told:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": before})
            [number] = await asyncio.to_thread(happen, engine, level(product))
            page = await told
        assert await eventually(listener, bool) != before
    assert [each.number for each in page.events] == [number]
    apart.engine.dispose()
