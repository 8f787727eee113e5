"""Where orders are measured: a stack with a shop, worker processes of both sides, and callers that send plain JSON."""

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

from database.sessions import connect
from devstack.setup import set_up
from devstack.stack import StackInfo, running_stack
from stockkeeper.client.connection import Connection, connect_temporal

ROOT = Path(__file__).parent.parent
MAX_CONNECTIONS = 200
BARE_QUEUE = "bare-orders"

_SHOP = """
    INSERT INTO warehouses (name) VALUES ('W');
    INSERT INTO products (sku, name) SELECT 'SKU-' || n, 'Product ' || n FROM generate_series(1, {items}) AS n;
    INSERT INTO inventory_items (product_id, warehouse_id, quantity_on_hand)
        SELECT product_id, 1, 1000000 FROM products;
    INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
        SELECT product_id, 1, 'ADJUSTMENT', 1000000, 1000000, 'opening', 'bench', 'opening stock', 'opening', 'opening',
            'opening', now() FROM products;
"""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: whose workflow it is, and where it is asked for."""

    name: str
    workflow_type: str
    queue: str
    client: Client
    items: int
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def request(self, reference: str, ttl_minutes: float = 30) -> dict[str, Any]:
        """An order of one unit."""
        line = {"product_id": self.chance.randint(1, self.items), "warehouse_id": 1, "quantity": 1}
        return {"reference_id": reference, "lines": [line], "ttl_minutes": ttl_minutes, "performed_by": "shop"}

    async def hold(self, ttl_minutes: float = 30) -> WorkflowHandle[Any, Any]:
        """Start an order and wait for its answer, in one call."""
        reference = uuid.uuid4().hex
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            self.workflow_type,
            self.request(reference, ttl_minutes),
            id=f"reservation-{reference}",
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        state = await self.client.execute_update_with_start_workflow(
            "reserved", start_workflow_operation=start, result_type=dict
        )
        if state["status"] != "ACTIVE":
            raise RuntimeError(state)
        return await start.workflow_handle()

    async def ship(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Ship an order, and wait for the workflow's result."""
        await handle.execute_update("fulfill", {"performed_by": "shop"})
        result = await handle.result()
        if result["status"] != "FULFILLED":
            raise RuntimeError(result)

    async def life(self) -> WorkflowHandle[Any, Any]:
        """One order from the call to its result."""
        handle = await self.hold()
        await self.ship(handle)
        return handle

    async def lives(self, orders: int, at_once: int) -> float:
        """Seconds for so many orders, so many of them at any time."""
        numbers = iter(range(orders))

        async def caller() -> None:
            for _ in numbers:
                await self.life()

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(at_once)))
        return time.perf_counter() - began

    async def answer(self) -> float:
        """Seconds until one order is held; it is shipped afterwards."""
        began = time.perf_counter()
        handle = await self.hold()
        seconds = time.perf_counter() - began
        await self.ship(handle)
        return seconds


@dataclass(frozen=True)
class Stage:
    """A stack with a shop of so many items."""

    info: StackInfo
    engine: Engine
    ours: Side
    bare: Side


@asynccontextmanager
async def staged(items: int) -> AsyncIterator[Stage]:
    """A stack of its own, set up, with a shop; stopped afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        async with running_stack(Path(directory), headless=True, max_connections=MAX_CONNECTIONS, environ={}) as info:
            await set_up(Connection(await connect_temporal(info.temporal_address, info.namespace)), info.database_url)
            engine = connect(info.database_url)
            with engine.begin() as connection:
                connection.execute(text(_SHOP.format(items=items)))
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
            plain = await Client.connect(info.temporal_address, namespace=info.namespace)
            yield Stage(
                info,
                engine,
                ours=Side("ours", "ReservationWorkflow", info.task_queue, plain, items),
                bare=Side("bare", "BareOrder", BARE_QUEUE, plain, items),
            )
            engine.dispose()


@contextmanager
def our_worker(stage: Stage, *, until_ready: bool = False) -> Iterator[psutil.Process]:
    """`python worker.py`, with its default settings; on request once it says that it works."""
    environment = {"DATABASE_URL": stage.info.database_url, "TEMPORAL_ADDRESS": stage.info.temporal_address}
    with process(
        [sys.executable, "worker.py"], environment, until="working on task queue" if until_ready else ""
    ) as it:
        yield it


@contextmanager
def bare_worker(stage: Stage) -> Iterator[psutil.Process]:
    """The worker of the bare twin."""
    where = [stage.info.temporal_address, stage.info.namespace, BARE_QUEUE]
    with process([sys.executable, "-m", "benchmarks.order_life_bare", *where], {}) as started:
        yield started


@contextmanager
def process(command: Sequence[str], environment: dict[str, str], *, until: str = "") -> Iterator[psutil.Process]:
    """A program of this checkout, stopped at the end; it has written `until` to its log, if that is given.

    Compiled modules are kept, as in production.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, cwd=ROOT, env=kept | environment, stdout=log, stderr=log) as started,  # noqa: S603
    ):
        try:
            while until and started.poll() is None and until not in _text_of(log):
                time.sleep(0.01)
            yield psutil.Process(started.pid)
        finally:
            started.send_signal(signal.SIGINT)
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()


def _text_of(file: IO[str]) -> str:
    """All that has been written to a file, by its place and not by this process's position, which the writer shares."""
    return os.pread(file.fileno(), 1_000_000, 0).decode()


def cpu_seconds(worker: psutil.Process) -> float:
    """CPU time that a process has used."""
    times = worker.cpu_times()
    return float(times.user + times.system)


@dataclass(frozen=True)
class Runner:
    """How a side lives orders: seconds of so many, so many at once; and CPU seconds of its worker until now."""

    lives: Callable[[int, int], Awaitable[float]]
    cpu: Callable[[], float]

    @classmethod
    def of(cls, side: Side, worker: psutil.Process) -> "Runner":
        """The orders of a side, whose worker is this one."""
        return cls(side.lives, lambda: cpu_seconds(worker))


@dataclass
class Turns:
    """What a side has reached, a value a round."""

    per_second: list[float] = field(default_factory=list)
    """Orders a second."""
    cpu_ms: list[float] = field(default_factory=list)
    """CPU milliseconds of its worker an order."""


async def take_turns(
    runners: Mapping[str, Runner], rounds: int, orders: int, at_once: int, warm_up: int
) -> dict[str, Turns]:
    """Let all sides live so many orders in each round, after some that aren't measured; each round in another order."""
    found = {name: Turns() for name in runners}
    for runner in runners.values():
        await runner.lives(warm_up, at_once)
    chance = random.Random(0)
    for _ in range(rounds):
        for name in chance.sample(list(runners), len(runners)):
            runner = runners[name]
            before = runner.cpu()
            seconds = await runner.lives(orders, at_once)
            found[name].per_second.append(orders / seconds)
            found[name].cpu_ms.append((runner.cpu() - before) / orders * 1000)
    return found


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """The median of the rounds' ratios: both sides of a round met the same machine."""
    return statistics.median(a / b for a, b in zip(ours, other, strict=True))


def compared(one: Turns, other: Turns, words: str) -> str:
    """The ratios of two sides: of the median, and of each round."""
    lines = []
    for what, of_one, of_other in (
        ("orders a second", one.per_second, other.per_second),
        ("worker CPU an order", one.cpu_ms, other.cpu_ms),
    ):
        rounds = ", ".join(f"{a / b:.2f}" for a, b in zip(of_one, of_other, strict=True))
        lines.append(f"{what}, {words}: {ratio(of_one, of_other):.3f} ({rounds})")
    return "\n".join(lines)


async def history_of(handle: WorkflowHandle[Any, Any]) -> tuple[int, int]:
    """Events of a run's history, and the Actions that Temporal Cloud bills for it and for the calls to it.

    A start, an update, a timer and an upsert are one each, and all local activities of one workflow task together.
    """
    seen: Counter[str] = Counter()
    with_local_activities = set()
    events = [event async for event in handle.fetch_history_events()]
    for event in events:
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        seen[name] += 1
        if name == "MARKER_RECORDED":
            with_local_activities.add(event.marker_recorded_event_attributes.workflow_task_completed_event_id)
    one_each = (
        "WORKFLOW_EXECUTION_STARTED",
        "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "TIMER_STARTED",
        "ACTIVITY_TASK_SCHEDULED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        "WORKFLOW_PROPERTIES_MODIFIED",
    )
    return len(events), sum(seen[name] for name in one_each) + len(with_local_activities)


@contextmanager
def worker_on(
    stage: Stage, queue: str, variables: Mapping[str, str], *, command: Sequence[str] = (sys.executable, "worker.py")
) -> Iterator[psutil.Process]:
    """A worker of ours on a task queue of its own, with these settings beside those that it needs."""
    environment = {
        "DATABASE_URL": stage.info.database_url,
        "TEMPORAL_ADDRESS": stage.info.temporal_address,
        "STOCKKEEPER_TASK_QUEUE": queue,
        **variables,
    }
    with process(command, environment, until="working on task queue") as started:
        yield started
