"""The stage: real servers on fixed ports with their data kept, workers in processes, and doors between all of them.

Each worker has a door of its own to Temporal and to its database, and all clients have one to Temporal: so one worker
can be cut off while another goes on. What compares, what makes stock, what moves warehouses and what follows them to
another database goes past the doors.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from sqlalchemy import Engine, make_url
from temporalio.client import Client

from database.sessions import connect
from devstack.databases import follow_catalogue, is_copied, keep_catalogue
from devstack.postgres import EmbeddedPostgres
from devstack.processes import LOOPBACK, free_ports
from devstack.server import EmbeddedServer
from devstack.setup import set_up_database, set_up_temporal
from devstack.temporal import DevServer
from stockkeeper import Connection
from stockkeeper.client.connection import connect_plainly
from stockkeeper.client.databases import connection_to
from tests.faults.dying_worker import MOVER
from tests.faults.simulation.breaking import BROKEN_PROMISE, break_database
from tests.faults.simulation.proxy import Doors, DoorSpec, Moment
from tests.faults.workplace import FORKS, WorkerProcess, worker_process, workers_environment
from tests.support.wire import eventually

CLIENTS = "clients to Temporal"
OVER_DELIVERY_PERCENT = 10
"""The tolerance of receipts that workers are told."""
NAMESPACE = "default"
TASK_QUEUES = ("stockkeeper",)
"""Of one database."""
SEVERAL_TASK_QUEUES = ("north", "south")
"""Of several; the first keeps the catalogue."""
_BEGUN = "working on "
_AGAIN_SECONDS = 1.0
"""How long a worker isn't started again that couldn't begin: a start costs a second of a processor."""


def to_temporal(worker: int) -> str:
    """The name of a worker's door to Temporal."""
    return f"worker {worker} to Temporal"


def to_postgres(worker: int) -> str:
    """The name of a worker's door to PostgreSQL."""
    return f"worker {worker} to PostgreSQL"


class Bench:
    """A worker that is started again whenever it has ended, as a supervisor does it."""

    def __init__(
        self, number: int, environment: dict[str, str], logs: Path, *, how_to_die: tuple[str, ...] = ()
    ) -> None:
        self.number = number
        self._how_to_die = how_to_die
        self.faults: list[str] = []
        """Ends that nobody has asked for, once it had begun to work."""
        self._environment = environment
        self._logs = logs
        self._starts = 0
        self._worker: WorkerProcess | None = None
        self._is_doomed = False
        self._pause = 0.0
        self._hours_off = 0.0

    @property
    def log(self) -> Path:
        """The log of the worker that was started last."""
        return self._logs / f"worker-{self.number}-{self._starts}.log"

    def kill(self, pause: float) -> None:
        """End it by SIGKILL; another one is started so many seconds later."""
        if self._worker is not None:
            self._is_doomed, self._pause, self._hours_off = True, pause, 0
            self._worker.kill()

    def restart(self, hours_off: float) -> None:
        """Ask it to stop in good order; the next one's clock is off."""
        if self._worker is not None:
            self._is_doomed, self._pause, self._hours_off = True, 0, hours_off
            self._worker.terminate()

    async def works(self, starts: int) -> None:
        """Return once a worker works that was started after so many others."""

        async def has_begun() -> bool:
            return self._starts > starts and self._has_begun()

        await eventually(has_begun, bool)

    @property
    def starts(self) -> int:
        """Workers started so far."""
        return self._starts

    def _has_begun(self) -> bool:
        return self.log.exists() and _BEGUN in self.log.read_text(errors="replace")

    async def keep(self) -> None:
        """Keep a worker running until this is cancelled."""
        try:
            while True:
                self._starts += 1
                self._is_doomed = False
                self._worker = worker_process(
                    self._environment, self.log, how_to_die=self._how_to_die, hours_off=self._hours_off
                )
                status = await self._worker.wait()
                self._worker = None
                # One that can't begin because a server is away ends with a line about it.
                if not self._is_doomed and (status < 0 or self._has_begun()):
                    self.faults.append(f"worker {self.number} ended by itself with status {status}: see {self.log}")
                await asyncio.sleep(self._pause if self._is_doomed else _AGAIN_SECONDS)
        finally:
            if self._worker is not None:
                self._worker.kill()
                await self._worker.wait()


@dataclass
class Kept:
    """One of the databases.

    Attributes:
        queue: Its name, which is its workers' task queue.
        server: Its server.
        engine: It as its owner, past the doors.
    """

    queue: str
    server: EmbeddedPostgres
    engine: Engine

    async def answers(self) -> bool:
        """Whether its server does."""
        return await asyncio.to_thread(self.server._why_not_ready) is None


class Stage:
    """What the faults happen to.

    Attributes:
        databases: The databases, that of the catalogue first.
        client: Temporal, past the doors; a plain client.
        clients: Plain clients through their door, each with a connection of its own.
        doors: What can be done to connections.
        benches: The workers.
        mover: What moves warehouses, if there are several databases.
    """

    def __init__(self, temporal: DevServer, logs: Path) -> None:
        self.databases: Sequence[Kept] = ()
        self.temporal = temporal
        self.logs = logs
        self.mover: Bench | None = None
        self.client: Client
        self.clients: Sequence[Client] = ()
        self.doors: Doors
        self.benches: Sequence[Bench] = ()

    @property
    def door_names(self) -> list[str]:
        """All doors."""
        return [CLIENTS, *(name(each.number) for each in self.benches for name in (to_temporal, to_postgres))]

    @property
    def faults(self) -> list[str]:
        """Ends of workers that nobody has asked for."""
        benches = [*self.benches, *([self.mover] if self.mover else [])]
        return [fault for bench in benches for fault in bench.faults]

    @property
    def engines(self) -> Mapping[str, Engine]:
        """The databases by their task queues; that of the only one is empty."""
        return {each.queue if len(self.databases) > 1 else "": each.engine for each in self.databases}

    async def kill_mover(self, mover: Bench, pause: float) -> None:
        """Kill what moves warehouses; return once it works again."""
        starts = mover.starts
        mover.kill(pause)
        await mover.works(starts)

    async def kill_worker(self, number: int, pause: float) -> None:
        """Kill a worker; return once another one works in its place."""
        bench = self.benches[number]
        starts = bench.starts
        bench.kill(pause)
        await bench.works(starts)

    async def kill_worker_at(self, moment: Moment, number: int, pause: float, within: float) -> bool:
        """Kill a worker at its next commit; whether there was one in time."""
        door = to_postgres(number)
        if not await self._met(door, moment, within):
            return False
        bench = self.benches[number]
        starts = bench.starts
        bench.kill(pause)
        await self.doors.do(door, "cut")
        await bench.works(starts)
        return True

    async def lose_commit(self, number: int, within: float) -> bool:
        """Cut a worker's connection before it hears of its commit; whether there was one in time."""
        return await self._met(to_postgres(number), "lose commit", within)

    async def _met(self, door: str, moment: Moment, within: float) -> bool:
        await self.doors.do(door, moment)
        met = asyncio.ensure_future(self.doors.do(door, "met"))
        await asyncio.wait([met], timeout=within)
        if not met.done():
            await self.doors.do(door, "leave")
        return bool(await met)

    async def restart_worker(self, number: int, hours_off: float) -> None:
        """Replace a worker, in good order, by one whose clock is off; return once that works."""
        bench = self.benches[number]
        starts = bench.starts
        bench.restart(hours_off)
        await bench.works(starts)

    async def kill_postgres(self, database: Kept, meanwhile: Callable[[], Awaitable[object]]) -> None:
        """Kill a PostgreSQL, all of its processes; return once it answers again.

        Args:
            database: The one.
            meanwhile: Is waited for before it is started again.
        """
        await self._kill(database.server, meanwhile)
        database.engine.dispose()

    async def kill_temporal(self, pause: float) -> None:
        """Kill Temporal; return once it answers again."""
        await self._kill(self.temporal, lambda: asyncio.sleep(pause))

    async def _kill(self, server: EmbeddedServer, meanwhile: Callable[[], Awaitable[object]]) -> None:
        await asyncio.to_thread(_kill_program, server)
        try:
            await meanwhile()
        finally:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)

    async def kill_a_backend(self, database: Kept, chance: random.Random) -> None:
        """Kill one process of a PostgreSQL, which then restarts all; return once it answers again."""
        await asyncio.to_thread(_kill_child, database.server, chance)
        await eventually(database.answers, bool)
        database.engine.dispose()


def _program(server: EmbeddedServer) -> psutil.Process:
    assert server._process is not None
    [program] = psutil.Process(server._process._guard.pid).children()
    found: psutil.Process = program
    return found


def _kill_program(server: EmbeddedServer) -> None:
    program = _program(server)
    processes = [program, *program.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _command_line(process: psutil.Process) -> str:
    """Its command line; empty if it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _kill_child(server: EmbeddedServer, chance: random.Random) -> None:
    serving = [each for each in _program(server).children() if "stockkeeper" in _command_line(each)]
    if serving:
        with suppress(psutil.NoSuchProcess):
            chance.choice(serving).kill()


@asynccontextmanager
async def staged(
    directory: Path,
    *,
    queues: Sequence[str] = TASK_QUEUES,
    workers: int = 2,
    clients: int = 4,
    concurrency: int = 10,
    broken: str | None = None,
) -> AsyncIterator[Stage]:
    """Set up everything, and take it down afterwards.

    Args:
        directory: Keeps the servers' data, and all logs.
        queues: The databases' task queues, that of the catalogue's first.
        workers: Workers, each in a process of its own; those of several databases in turn.
        clients: Connections of clients.
        concurrency: Of each worker.
        broken: A promise of `breaking` that our code is to break.
    """
    is_one = len(queues) == 1
    ports = free_ports(2 + len(queues) + 2 * workers)
    logs = directory / "logs"
    logs.mkdir(parents=True)
    servers = {
        queue: EmbeddedPostgres(directory / f"postgres-{queue}", ports.pop(), fast=True, logical=not is_one)
        for queue in queues
    }
    temporal = DevServer(directory / "temporal", ports.pop(), namespace=NAMESPACE, headless=True)
    async with AsyncExitStack() as stops:
        for server in (*servers.values(), temporal):
            stops.push_async_callback(asyncio.to_thread, server.stop)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in (*servers.values(), temporal)))
        stage = Stage(temporal, logs)
        stage.client = await Client.connect(temporal.address, namespace=NAMESPACE)
        for server in servers.values():
            await set_up_database(server.url)
        client = await connect_plainly(temporal.address, NAMESPACE)
        await set_up_temporal(Connection(client, *queues) if is_one else connection_to(client, "", queues))
        async for schedule in await stage.client.list_schedules():
            await stage.client.get_schedule_handle(schedule.id).pause(note="a lane triggers it")
        stage.databases = [
            Kept(queue, server, connect(server.url, pool_size=10, application_name="simulation"))
            for queue, server in servers.items()
        ]
        for database in stage.databases:
            stops.callback(database.engine.dispose)
            if broken is not None:
                with database.engine.begin() as connection:
                    break_database(connection, broken)
        urls = {queue: server.url for queue, server in servers.items()}
        if not is_one:
            await _share_a_catalogue(stage.databases)
        of_worker = [queues[number % len(queues)] for number in range(workers)]
        specs = _doors(ports, int(temporal.address.rpartition(":")[2]), [urls[queue] for queue in of_worker])
        stage.doors = await stops.enter_async_context(Doors(FORKS, specs))
        port = {spec.name: spec.port for spec in specs}
        stage.benches = [
            Bench(number, _environment(urls, queue, port, number, concurrency, broken), logs)
            for number, queue in enumerate(of_worker)
        ]
        benches = [*stage.benches]
        if not is_one:
            stage.mover = Bench(workers, _environment_of_mover(urls, temporal.address), logs, how_to_die=MOVER)
            benches.append(stage.mover)
        await stops.enter_async_context(_kept(benches))
        await asyncio.gather(*(bench.works(0) for bench in benches))
        address = f"{LOOPBACK}:{port[CLIENTS]}"
        stage.clients = [await Client.connect(address, namespace=NAMESPACE) for _ in range(clients)]
        yield stage


async def _share_a_catalogue(databases: Sequence[Kept]) -> None:
    """Let all databases have the catalogue of the first."""
    first, *others = databases
    keep_catalogue(first.engine, first.queue)
    for place, each in enumerate(others, start=1):
        follow_catalogue(each.engine, each.queue, catalogue=first.queue, catalogue_url=first.server.url, place=place)
        await eventually(partial(asyncio.to_thread, is_copied, each.engine), bool)


def _doors(ports: Sequence[int], temporal: int, databases: Sequence[str]) -> list[DoorSpec]:
    """The doors of clients, and of workers whose databases have these URLs."""
    leads_to = {CLIENTS: temporal}
    for number, url in enumerate(databases):
        leads_to |= {to_temporal(number): temporal, to_postgres(number): make_url(url).port or 0}
    return [DoorSpec(name, port, server) for (name, server), port in zip(leads_to.items(), ports, strict=True)]


def _environment(
    urls: Mapping[str, str], queue: str, port: dict[str, int], number: int, concurrency: int, broken: str | None
) -> dict[str, str]:
    url = make_url(urls[queue]).set(port=port[to_postgres(number)]).render_as_string(hide_password=False)
    address = f"{LOOPBACK}:{port[to_temporal(number)]}"
    own = {
        "STOCKKEEPER_CONCURRENCY": str(concurrency),
        "STOCKKEEPER_OVER_DELIVERY_PERCENT": str(OVER_DELIVERY_PERCENT),
    }
    if broken is not None:
        own[BROKEN_PROMISE] = broken
    if len(urls) > 1:
        own |= _environment_of_several(urls)
    return workers_environment(url, address, NAMESPACE, queue) | own


def _environment_of_several(urls: Mapping[str, str]) -> dict[str, str]:
    return {
        "STOCKKEEPER_DATABASES": ",".join(urls),
        "STOCKKEEPER_DATABASE_URLS": " ".join(f"{queue}={url}" for queue, url in urls.items()),
    }


def _environment_of_mover(urls: Mapping[str, str], temporal: str) -> dict[str, str]:
    """It acts as the owner of all databases."""
    [first, *_] = urls
    environment = workers_environment(urls[first], temporal, NAMESPACE, first) | _environment_of_several(urls)
    del environment["STOCKKEEPER_DATABASE_ROLE"]
    return environment


@asynccontextmanager
async def _kept(benches: Sequence[Bench]) -> AsyncIterator[None]:
    keeping = [asyncio.create_task(bench.keep()) for bench in benches]
    try:
        yield
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
