"""Events handed on to a real broker: in order, none missing, whatever dies meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import nats
import pytest
from nats.js.api import ConsumerConfig, DeliverPolicy
from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import Event, Stockkeeper
from stockkeeper.client.bridge import batches, run_bridge
from stockkeeper.client.connection import Connection
from stockkeeper.client.nats_sink import NatsSink
from stockkeeper.contracts.errors import StockkeeperError, Unreachable
from tests.support.commands import Command
from tests.support.events import happen, level
from tests.support.nats_server import NatsServer, nats_server
from tests.support.shop import new_reference
from tests.support.wire import ANSWER_SECONDS, eventually


@pytest.fixture
def stock(our_client: Client, worker: None, stack: StackInfo) -> Stockkeeper:
    """Whose events are handed on."""
    del worker
    return Stockkeeper(Connection(our_client, stack.task_queue))


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A broker for all tests, which use streams of their own."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


class Stream:
    """What a stream has, as any consumer reads it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = new_reference("stream")
        self.subjects = self.name

    async def messages(self) -> list[tuple[str, Event, dict[str, str]]]:
        connection = await nats.connect(self._url)
        try:
            context = connection.jetstream()
            there = (await context.stream_info(self.name)).state.messages
            consumer = await context.pull_subscribe(
                f"{self.subjects}.>", stream=self.name, config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
            )
            found = await consumer.fetch(there, timeout=ANSWER_SECONDS) if there else []
            return [(each.subject, Event.model_validate_json(each.data), dict(each.headers or {})) for each in found]
        finally:
            await connection.close()

    async def numbers(self) -> list[int]:
        return [event.number for _, event, _ in await self.messages()]


@pytest.fixture
def stream(broker: NatsServer) -> Stream:
    return Stream(broker.url)


async def test_events_are_handed_on_in_order_and_a_bridge_goes_on_where_the_last_one_stopped(
    stock: Stockkeeper, engine: Engine, broker: NatsServer, stream: Stream
) -> None:
    begin = await stock.events_cursor()
    first = await asyncio.to_thread(happen, engine, *[level(on_hand=units) for units in range(3)])
    async with NatsSink.open(broker.url, stream=stream.name, subjects=stream.subjects) as sink:
        assert await run_bridge(stock, sink, after=begin, follow_on=False, types=["level.changed"]) == 3
    messages = await stream.messages()
    assert [event.number for _, event, _ in messages] == first
    subject, event, headers = messages[0]
    queue = stock.connection.task_queue
    assert subject == f"{stream.subjects}.{queue}.level.changed"
    assert headers == {
        "Nats-Expected-Stream": stream.name,
        "Nats-Msg-Id": f"{queue}/{first[0]}",
        "Content-Type": "application/cloudevents+json",
    }
    [told] = [each async for each in stock.events(after=first[0] - 1, follow_on=False) if each.number == first[0]]
    assert event == told

    more = await asyncio.to_thread(happen, engine, level(), level())
    async with NatsSink.open(broker.url, stream=stream.name, subjects=stream.subjects) as sink:
        assert await sink.cursor(queue) == first[-1]
        assert await run_bridge(stock, sink, follow_on=False, types=["level.changed"]) == 2
        assert await sink.cursor(queue) == more[-1]
        # What is sent twice is there once.
        assert await run_bridge(stock, sink, after=begin, follow_on=False, types=["level.changed"]) == 5
    assert await stream.numbers() == [*first, *more]


async def test_a_broker_that_is_away_gets_all_of_them_once_it_is_back(
    stock: Stockkeeper, engine: Engine, tmp_path: Path
) -> None:
    async with nats_server(tmp_path) as broker:
        stream = Stream(broker.url)
        begin = await stock.events_cursor()
        async with NatsSink.open(broker.url, stream=stream.name, subjects=stream.subjects) as sink:
            bridge = asyncio.create_task(run_bridge(stock, sink, after=begin, types=["level.changed"]))
            numbers = await asyncio.to_thread(happen, engine, level())
            await eventually(lambda: sink.cursor(stock.connection.task_queue), lambda seen: seen == numbers[0])
            await broker.stop()
            numbers += await asyncio.to_thread(happen, engine, level(), level())
            await broker.start()
            await eventually(lambda: sink.cursor(stock.connection.task_queue), lambda seen: seen == numbers[-1])
            bridge.cancel()
            await asyncio.wait([bridge])
        assert await stream.numbers() == numbers


async def test_a_bridge_that_is_killed_before_it_has_kept_its_cursor_sends_again(
    stock: Stockkeeper, engine: Engine
) -> None:
    class Killed(Exception):
        """In the middle of it."""

    class Books:
        """A sink that loses its connection after the second event, before it has written down how far it is."""

        def __init__(self) -> None:
            self.taken: list[int] = []
            self.safe: int | None = None
            self.dies = True

        async def cursor(self, database: str) -> int | None:
            assert database == stock.connection.task_queue
            return self.safe

        async def put(self, events: Sequence[Event]) -> None:
            for event in events:
                self.taken.append(event.number)
                if self.dies and len(self.taken) == 2:
                    raise Killed
            self.safe = events[-1].number

    begin = await stock.events_cursor()
    numbers = await asyncio.to_thread(happen, engine, *[level(on_hand=units) for units in range(4)])
    sink = Books()
    with pytest.raises(Killed):
        await run_bridge(stock, sink, after=begin, follow_on=False, types=["level.changed"])
    assert sink.taken == numbers[:2]
    sink.safe, sink.dies = begin, False
    assert await run_bridge(stock, sink, follow_on=False, types=["level.changed"]) == 4
    assert sink.taken == [*numbers[:2], *numbers]


async def test_what_is_at_hand_is_put_together_and_nothing_waits_for_more() -> None:
    come = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        for each in range(5):
            yield each
        await come.wait()
        yield 5

    found = batches(source(), 3)
    assert await anext(found) == [0, 1, 2]
    assert await anext(found) == [3, 4]
    come.set()
    assert [each async for each in found] == [[5]]


async def test_a_stream_of_other_subjects_is_refused_and_stays_as_it_is(broker: NatsServer, stream: Stream) -> None:
    connection = await nats.connect(broker.url)
    await connection.jetstream().add_stream(name=stream.name, subjects=["orders.>"])
    with pytest.raises(StockkeeperError, match=f"stream {stream.name} doesn't take {stream.subjects}.>"):
        async with NatsSink.open(broker.url, stream=stream.name, subjects=stream.subjects):
            pytest.fail("it was opened")
    assert (await connection.jetstream().stream_info(stream.name)).config.subjects == ["orders.>"]
    await connection.close()


async def test_a_server_that_is_not_there_is_told_in_one_line_without_its_url() -> None:
    with pytest.raises(Unreachable) as refused:
        async with NatsSink.open("nats://user:secret@127.0.0.1:1"):
            pytest.fail("it was opened")
    assert str(refused.value) == "no NATS server answers there: ConnectionRefusedError"


async def test_the_command_hands_on_what_there_is(
    stock: Stockkeeper, engine: Engine, broker: NatsServer, stream: Stream, command: Command
) -> None:
    begin = await stock.events_cursor()
    numbers = await asyncio.to_thread(happen, engine, level(), level())
    asked = ["--stream", stream.name, "--subjects", stream.subjects, "--types", "level.changed", "--once"]
    ran = await command("events", "bridge", broker.url, *asked, "--after", str(begin))
    assert ran.stdout == "2 events handed on\n"
    assert await stream.numbers() == numbers
