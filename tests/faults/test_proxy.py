"""The doors of the simulation do to connections what they are told, to a real server's and to bytes."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from database.pipeline import Statement, send
from database.sessions import connect
from devstack.processes import LOOPBACK, free_ports
from devstack.stack import StackInfo
from tests.faults.simulation.proxy import Doors, DoorSpec, Verb
from tests.faults.workplace import FORKS
from tests.support.wire import eventually


class Echo:
    """A server that sends back what it gets, and counts connections."""

    def __init__(self) -> None:
        self.heard = b""

    async def has_heard(self) -> bytes:
        return self.heard

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(1000):
                self.heard += data
                writer.write(data)
        writer.close()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def port_and_doors(echo: Echo, stack: StackInfo) -> AsyncIterator[tuple[int, int, Doors]]:
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    postgres = make_url(stack.database_url).port
    assert postgres is not None
    first, second = free_ports(2)
    specs = [DoorSpec("echo", first, server.sockets[0].getsockname()[1]), DoorSpec("postgres", second, postgres)]
    async with Doors(FORKS, specs) as doors:
        yield first, second, doors
    server.close()


class Caller:
    """A caller of the echo."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    async def hears(self, data: bytes) -> None:
        assert await self._reader.readexactly(len(data)) == data

    async def is_cut_off(self) -> None:
        with pytest.raises(ConnectionResetError):
            await self._reader.read(1)


@contextlib.asynccontextmanager
async def calling(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    yield Caller(reader, writer)
    writer.close()


async def test_a_connection_is_stalled_goes_on_and_is_cut(echo: Echo, port_and_doors: tuple[int, int, Doors]) -> None:
    port, _, doors = port_and_doors
    async with calling(port) as early, calling(port) as late:
        early.say(b"one")
        await early.hears(b"one")
        assert await doors.do("echo", "stall") == 2
        early.say(b"two")
        late.say(b"three")
        assert await doors.do("echo", "cut") == 2
        await early.is_cut_off()
        await late.is_cut_off()
        assert echo.heard == b"one"
    # Who comes meanwhile gets through once it is over.
    async with calling(port) as later:
        later.say(b"four")
        assert await doors.do("echo", "resume") == 1
        await later.hears(b"four")
        assert echo.heard == b"onefour"


async def test_answers_get_lost_and_a_shut_door_lets_nobody_in(
    echo: Echo, port_and_doors: tuple[int, int, Doors]
) -> None:
    port, _, doors = port_and_doors
    async with calling(port) as early:
        early.say(b"one")
        await early.hears(b"one")
        assert await doors.do("echo", "lose") == 1
        early.say(b"two")
        await eventually(echo.has_heard, lambda heard: heard == b"onetwo")
        async with calling(port) as late:
            late.say(b"three")
            await late.hears(b"three")
            assert await doors.do("echo", "shut") == 2
            await early.is_cut_off()
            await late.is_cut_off()
    with pytest.raises(ConnectionResetError):
        async with calling(port) as outside:
            await outside.hears(b"?")
    assert await doors.do("echo", "open") == 0
    async with calling(port) as inside:
        inside.say(b"?")
        await inside.hears(b"?")
    assert echo.heard == b"onetwothree?"


@pytest.mark.parametrize(("verb", "committed"), [("before commit", 0), ("after commit", 1), ("lose commit", 1)])
@pytest.mark.parametrize("pipelined", [False, True], ids=["plainly", "in a pipeline"])
async def test_a_commit_is_stopped_before_the_server_sees_it_or_after_it_is_carried_out(
    verb: Verb, committed: int, pipelined: bool, stack: StackInfo, port_and_doors: tuple[int, int, Doors]
) -> None:
    _, port, doors = port_and_doors
    direct = make_url(stack.database_url).set(database="postgres")
    watching = connect(direct.render_as_string(hide_password=False))
    through = connect(direct.set(port=port).render_as_string(hide_password=False), pool_size=1)
    table = f"kept_{uuid.uuid4().hex}"

    def commit(number: int) -> None:
        insert = f"INSERT INTO {table} VALUES ({number})"
        with through.begin() as connection:
            if pipelined:
                send(connection, [Statement(insert)], commit=True)
            else:
                connection.exec_driver_sql(insert)

    def kept() -> list[int]:
        with watching.connect() as connection:
            return list(connection.exec_driver_sql(f"SELECT number FROM {table} ORDER BY number").scalars())

    with watching.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (number integer)")
    await asyncio.to_thread(commit, 1)
    await doors.do("postgres", verb)
    committing = asyncio.ensure_future(asyncio.to_thread(commit, 2))
    assert await doors.do("postgres", "met") == 1
    assert kept() == [1, 2][: 1 + committed]
    await doors.do("postgres", "cut")
    with pytest.raises(OperationalError):
        await committing
    assert kept() == [1, 2][: 1 + committed]

    # Nobody looks for a commit any more; and who does can leave it.
    await asyncio.to_thread(commit, 3)
    await doors.do("postgres", verb)
    await doors.do("postgres", "leave")
    assert await doors.do("postgres", "met") == 0
    await asyncio.to_thread(commit, 4)
    assert kept() == [1, 2, 3, 4][:1] + [2] * committed + [3, 4]
    with watching.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {table}")
    for engine in (watching, through):
        engine.dispose()
