"""Effect of the embedded Temporal dev server's settings: `python -m benchmarks.dev_server`.

Every variant runs side by side in one process, on a database file of its own. A round asks each of them for the same,
one after the other and each round in another order, so that whatever else the machine does falls on all alike. The
table shows medians over the rounds and, in brackets, how many times faster than the server's defaults that is.
"""

import asyncio
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from devstack.temporal import DYNAMIC_CONFIG, SQLITE_PRAGMAS, DevServer

ROUNDS = 5
# Long enough to use up the burst that the server's rate limits allow.
CHAIN = 40
# By default each of these takes a second.
TIMER_CHAIN = 2
BURST = 20
TASK_QUEUE = "benchmark"
PATIENCE = timedelta(seconds=30)


@activity.defn
async def do_nothing() -> None:
    """Activities of the measured workflows."""


@workflow.defn
class LocalActivityWorkflow:
    """One workflow task and nothing else for the server to do."""

    @workflow.run
    async def run(self) -> None:
        """Calls one local activity."""
        await workflow.execute_local_activity(do_nothing, start_to_close_timeout=PATIENCE)


@workflow.defn
class ActivityWorkflow:
    """Three tasks that pass through the transfer queue."""

    @workflow.run
    async def run(self) -> None:
        """Calls one regular activity."""
        await workflow.execute_activity(do_nothing, start_to_close_timeout=PATIENCE)


@workflow.defn
class TimerWorkflow:
    """One task that passes through the timer queue."""

    @workflow.run
    async def run(self) -> None:
        """Sleeps for a millisecond."""
        await workflow.sleep(timedelta(milliseconds=1))


BenchmarkWorkflow = LocalActivityWorkflow | ActivityWorkflow | TimerWorkflow


@dataclass(frozen=True)
class Variant:
    """Settings to measure."""

    name: str
    dynamic_config: Mapping[str, object] = field(default_factory=dict)
    sqlite_pragmas: Mapping[str, str] = field(default_factory=dict)


TRANSFER = {"history.transferProcessorMaxPollRPS": 10_000}
TIMER = {"history.timerProcessorMaxPollRPS": 10_000}
VISIBILITY = {"history.visibilityProcessorMaxPollRPS": 10_000}
ONE_PARTITION = {"matching.numTaskqueueReadPartitions": 1, "matching.numTaskqueueWritePartitions": 1}
TIME_SHIFT = {"history.timerProcessorMaxTimeShift": "1ms"}
QUEUES = TRANSFER | TIMER | VISIBILITY
WAL = {"journal_mode": "wal"}

VARIANTS = [
    Variant("defaults"),
    Variant("transfer queue", TRANSFER),
    Variant("timer queue", TIMER),
    Variant("visibility queue", VISIBILITY),
    Variant("time shift", TIME_SHIFT),
    Variant("one partition", ONE_PARTITION),
    Variant("WAL", {}, WAL),
    Variant("queues", QUEUES),
    Variant("queues, WAL", QUEUES, WAL),
    Variant("ours", DYNAMIC_CONFIG, SQLITE_PRAGMAS),
    Variant("ours, one partition", {**DYNAMIC_CONFIG, **ONE_PARTITION}, SQLITE_PRAGMAS),
    Variant("ours, synchronous off", DYNAMIC_CONFIG, WAL | {"synchronous": "off"}),
]


@dataclass
class Measured:
    """Measurements of one variant, a value per round and all in milliseconds."""

    client: Client
    local_activity: list[float] = field(default_factory=list)
    activity: list[float] = field(default_factory=list)
    timer: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)
    burst: list[float] = field(default_factory=list)


COLUMNS = {
    "local_activity": "local activity",
    "activity": "activity",
    "timer": "timer",
    "listed": "listed",
    "burst": f"burst of {BURST}",
}


@asynccontextmanager
async def _running(variant: Variant, data_dir: Path) -> AsyncIterator[Measured]:
    server = DevServer(
        data_dir, headless=True, dynamic_config=variant.dynamic_config, sqlite_pragmas=variant.sqlite_pragmas
    )
    await asyncio.to_thread(server.start)
    try:
        client = await Client.connect(server.address)
        async with Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[LocalActivityWorkflow, ActivityWorkflow, TimerWorkflow],
            activities=[do_nothing],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield Measured(client)
    finally:
        await asyncio.to_thread(server.stop)


async def _run(client: Client, workflow_class: type[BenchmarkWorkflow]) -> str:
    """Runs a workflow to its result and returns its id."""
    workflow_id = str(uuid.uuid4())
    await client.execute_workflow(workflow_class.__name__, id=workflow_id, task_queue=TASK_QUEUE)
    return workflow_id


async def _chain(client: Client, workflow_class: type[BenchmarkWorkflow], length: int) -> float:
    """Milliseconds from start to result, as the mean over runs that each start when the one before has ended."""
    started = time.perf_counter()
    for _ in range(length):
        await _run(client, workflow_class)
    return (time.perf_counter() - started) * 1000 / length


async def _until_listed(client: Client) -> float:
    """Milliseconds from a result until the run is found as completed."""
    query = f"WorkflowId = '{await _run(client, LocalActivityWorkflow)}' AND ExecutionStatus = 'Completed'"
    started = time.perf_counter()
    while not (await client.count_workflows(query)).count:  # noqa: ASYNC110 the server only answers queries
        await asyncio.sleep(0.001)
    return (time.perf_counter() - started) * 1000


async def _burst(client: Client) -> float:
    """Milliseconds until runs that were started at once have all ended."""
    started = time.perf_counter()
    await asyncio.gather(*(_run(client, LocalActivityWorkflow) for _ in range(BURST)))
    return (time.perf_counter() - started) * 1000


async def _measure_once(measured: Measured) -> None:
    client = measured.client
    measured.local_activity.append(await _chain(client, LocalActivityWorkflow, CHAIN))
    measured.listed.append(await _until_listed(client))
    measured.activity.append(await _chain(client, ActivityWorkflow, CHAIN))
    measured.timer.append(await _chain(client, TimerWorkflow, TIMER_CHAIN))
    measured.burst.append(await _burst(client))


def _table(by_variant: Mapping[str, Measured]) -> str:
    defaults = by_variant[VARIANTS[0].name]
    lines = [
        "| settings | " + " | ".join(f"{heading}, ms" for heading in COLUMNS.values()) + " |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for name, measured in by_variant.items():
        cells = []
        for column in COLUMNS:
            median = statistics.median(getattr(measured, column))
            ratio = statistics.median(getattr(defaults, column)) / median
            cells.append(f"{median:.1f} ({ratio:.1f}x)")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


async def _compare(rounds: int) -> str:
    order = random.Random(0)
    async with AsyncExitStack() as servers:
        directory = Path(servers.enter_context(tempfile.TemporaryDirectory()))
        by_variant = {
            variant.name: await servers.enter_async_context(_running(variant, directory / str(number)))
            for number, variant in enumerate(VARIANTS)
        }
        for _ in range(rounds):
            for measured in order.sample(list(by_variant.values()), len(by_variant)):
                await _measure_once(measured)
    return _table(by_variant)


def main() -> None:
    """Prints the table."""
    print(asyncio.run(_compare(ROUNDS)))


if __name__ == "__main__":
    main()
