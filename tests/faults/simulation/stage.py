"""The stage: real servers on fixed ports with their data kept, workers in processes, and doors between all of them.

Each worker has a door of its own to each of the two servers, and all clients have one to Temporal: so one worker can be
cut off while another goes on. What compares and what makes stock goes past the doors.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import psutil
from sqlalchemy import Engine, make_url
from temporalio.client import Client

from database.sessions import connect
from devstack.postgres import EmbeddedPostgres
from devstack.processes import LOOPBACK, free_ports
from devstack.server import EmbeddedServer
from devstack.setup import set_up
from devstack.temporal import DevServer
from stockkeeper import Connection
from stockkeeper.client.connection import connect_plainly
from tests.faults.simulation.breaking import BROKEN_PROMISE, break_database
from tests.faults.simulation.proxy import Doors, DoorSpec, Moment
from tests.faults.workplace import FORKS, WorkerProcess, worker_process, workers_environment
from tests.support.wire import eventually

CLIENTS = "clients to Temporal"
OVER_DELIVERY_PERCENT = 10
"""The tolerance of receipts that workers are told."""
NAMESPACE = "default"
TASK_QUEUE = "stockkeeper"
_BEGUN = "working on task queue"


def to_temporal(worker: int) -> str:
    """The name of a worker's door to Temporal."""
    return f"worker {worker} to Temporal"


def to_postgres(worker: int) -> str:
    """The name of a worker's door to PostgreSQL."""
    return f"worker {worker} to PostgreSQL"


class Bench:
    """A worker that is started again whenever it has ended, as a supervisor does it."""

    def __init__(self, number: int, environment: dict[str, str], logs: Path) -> None:
        self.number = number
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
                self._worker = worker_process(self._environment, self.log, hours_off=self._hours_off)
                status = await self._worker.wait()
                self._worker = None
                # One that can't begin because a server is away ends with a line about it.
                if not self._is_doomed and (status < 0 or self._has_begun()):
                    self.faults.append(f"worker {self.number} ended by itself with status {status}: see {self.log}")
                await asyncio.sleep(self._pause if self._is_doomed else 0.2)
        finally:
            if self._worker is not None:
                self._worker.kill()
                await self._worker.wait()


class Stage:
    """What the faults happen to.

    Attributes:
        engine: The database as its owner, past the doors.
        client: Temporal, past the doors; a plain client.
        clients: Plain clients through their door, each with a connection of its own.
        doors: What can be done to connections.
        benches: The workers.
    """

    def __init__(self, postgres: EmbeddedPostgres, temporal: DevServer, logs: Path) -> None:
        self.postgres = postgres
        self.temporal = temporal
        self.logs = logs
        self.task_queue = TASK_QUEUE
        self.engine: Engine
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
        return [fault for bench in self.benches for fault in bench.faults]

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

    async def kill_postgres(self, pause: float) -> None:
        """Kill PostgreSQL, all of its processes; return once it answers again."""
        await self._kill(self.postgres, pause)
        self.engine.dispose()

    async def kill_temporal(self, pause: float) -> None:
        """Kill Temporal; return once it answers again."""
        await self._kill(self.temporal, pause)

    async def _kill(self, server: EmbeddedServer, pause: float) -> None:
        await asyncio.to_thread(_kill_program, server)
        await asyncio.sleep(pause)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)

    async def kill_a_backend(self, chance: random.Random) -> None:
        """Kill one process of PostgreSQL, which then restarts all; return once it answers again."""
        await asyncio.to_thread(_kill_child, self.postgres, chance)

        async def answers() -> bool:
            return await asyncio.to_thread(self.postgres._why_not_ready) is None

        await eventually(answers, bool)
        self.engine.dispose()


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
    directory: Path, *, workers: int = 2, clients: int = 4, concurrency: int = 10, broken: str | None = None
) -> AsyncIterator[Stage]:
    """Set up everything, and take it down afterwards.

    Args:
        directory: Keeps the servers' data, and all logs.
        workers: Workers, each in a process of its own.
        clients: Connections of clients.
        concurrency: Of each worker.
        broken: A promise of `breaking` that our code is to break.
    """
    ports = free_ports(3 + 2 * workers)
    logs = directory / "logs"
    logs.mkdir(parents=True)
    postgres = EmbeddedPostgres(directory / "postgres", ports.pop(), fast=True)
    temporal = DevServer(directory / "temporal", ports.pop(), namespace=NAMESPACE, headless=True)
    async with AsyncExitStack() as stops:
        for server in (postgres, temporal):
            stops.push_async_callback(asyncio.to_thread, server.stop)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in (postgres, temporal)))
        stage = Stage(postgres, temporal, logs)
        stage.client = await Client.connect(temporal.address, namespace=NAMESPACE)
        await set_up(Connection(await connect_plainly(temporal.address, NAMESPACE), TASK_QUEUE), postgres.url)
        async for schedule in await stage.client.list_schedules():
            await stage.client.get_schedule_handle(schedule.id).pause(note="a lane triggers it")
        stage.engine = connect(postgres.url, pool_size=10, application_name="simulation")
        stops.callback(stage.engine.dispose)
        if broken is not None:
            with stage.engine.begin() as connection:
                break_database(connection, broken)
        specs = _doors(workers, ports, int(temporal.address.rpartition(":")[2]), make_url(postgres.url).port or 0)
        stage.doors = await stops.enter_async_context(Doors(FORKS, specs))
        port = {spec.name: spec.port for spec in specs}
        stage.benches = [
            Bench(number, _environment(postgres.url, port, number, concurrency, broken), logs)
            for number in range(workers)
        ]
        await stops.enter_async_context(_kept(stage.benches))
        await asyncio.gather(*(bench.works(0) for bench in stage.benches))
        address = f"{LOOPBACK}:{port[CLIENTS]}"
        stage.clients = [await Client.connect(address, namespace=NAMESPACE) for _ in range(clients)]
        yield stage


def _doors(workers: int, ports: Sequence[int], temporal: int, postgres: int) -> list[DoorSpec]:
    leads_to = {CLIENTS: temporal}
    for number in range(workers):
        leads_to |= {to_temporal(number): temporal, to_postgres(number): postgres}
    return [DoorSpec(name, port, server) for (name, server), port in zip(leads_to.items(), ports, strict=True)]


def _environment(
    database_url: str, port: dict[str, int], number: int, concurrency: int, broken: str | None
) -> dict[str, str]:
    url = make_url(database_url).set(port=port[to_postgres(number)]).render_as_string(hide_password=False)
    address = f"{LOOPBACK}:{port[to_temporal(number)]}"
    own = {
        "STOCKKEEPER_CONCURRENCY": str(concurrency),
        "STOCKKEEPER_OVER_DELIVERY_PERCENT": str(OVER_DELIVERY_PERCENT),
    }
    if broken is not None:
        own[BROKEN_PROMISE] = broken
    return workers_environment(url, address, NAMESPACE, TASK_QUEUE) | own


@asynccontextmanager
async def _kept(benches: Sequence[Bench]) -> AsyncIterator[None]:
    keeping = [asyncio.create_task(bench.keep()) for bench in benches]
    try:
        yield
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
