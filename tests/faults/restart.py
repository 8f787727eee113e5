"""`python -m tests.faults.restart`: a worker that begins among 10,000 open holds and as many commands.

`--open` is another number of them; `--write` puts the figures into docs/benchmarks/faults.md.

The worker that held them was killed. While there is none, half of the orders are shipped and half cancelled, by
signals; the new worker then finds all of them waiting, and has none of the runs in its cache. The status is 1 if a
workflow task failed, the worker ended, or a level isn't as it should be.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, RPCTimeoutOrCancelledError

from database.sessions import connect
from devstack.setup import set_up
from devstack.stack import StackInfo, running_stack
from stockkeeper.client.connection import Connection, connect_temporal
from tests.faults.simulation.report import PAGE
from tests.faults.workplace import WorkerProcess, worker_process, workers_environment
from tests.support.auditor import assert_books_agree, auditors_engine
from tests.support.books import level
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import few_at_once

LANES = 40
_BEGIN, _END = "<!-- The restart, by `python -m tests.faults.restart`: begin -->\n", "<!-- The restart: end -->\n"
_LOOKS_EVERY = 1.0
"""Seconds: counting ten thousand runs costs the server work that the worker waits for."""
_DAY = 24 * 60
_MEGABYTE = 1024 * 1024


@dataclass
class Figures:
    """What was measured: memory in megabytes, by the operating system's resident set, and time in seconds."""

    open_holds: int
    before: float = 0
    most: float = 0
    first_answer: float = 0
    all_done: float = 0
    failed_tasks: int = 0

    def table(self) -> str:
        """The figures for a page."""
        return "\n".join(
            [
                "| | |",
                "|---|---:|",
                f"| open holds, and commands that waited | {self.open_holds:,} |",
                f"| worker that held them: memory, MB | {self.before:.0f} |",
                f"| worker that began among them: most memory, MB | {self.most:.0f} |",
                f"| a new order, which stands behind them: held after, s | {self.first_answer:.1f} |",
                f"| all commands carried out after, s | {self.all_done:.1f} |",
                f"| workflow tasks that failed | {self.failed_tasks} |",
            ]
        )


class _Restart:
    def __init__(self, stack: StackInfo, client: Client, shop: Shop, logs: Path) -> None:
        self._environment = workers_environment(
            stack.database_url, stack.temporal_address, stack.namespace, stack.task_queue
        ) | {"STOCKKEEPER_CONCURRENCY": "10"}
        self._client, self._logs = client, logs
        self.orders = Orders(client, stack.task_queue)
        self.shop = shop

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[WorkerProcess]:
        """A worker, which is killed in the end."""
        worker = worker_process(self._environment, self._logs / f"{new_reference('worker')}.log")
        try:
            yield worker
        finally:
            worker.kill()
            await worker.wait()

    async def running(self) -> int:
        query = 'WorkflowType="ReservationWorkflow" AND ExecutionStatus="Running"'
        return (await self._client.count_workflows(query)).count

    async def watched(self, worker: WorkerProcess, figures: Figures, began: float) -> None:
        """Return when only the one new order is open; the worker has to live until then."""
        while True:
            if not worker.is_alive:
                raise RuntimeError("the worker has ended")
            figures.most = max(figures.most, _memory(worker))
            if await self.running() == 1:
                figures.all_done = time.perf_counter() - began
                return
            await asyncio.sleep(_LOOKS_EVERY)

    async def run(self, open_holds: int) -> Figures:
        figures, first_began = Figures(open_holds), time.perf_counter()
        item = self.shop.item(2 * open_holds + 1)
        references = [new_reference() for _ in range(open_holds)]
        hold = partial(self.orders.reserve, ttl_minutes=_DAY)
        async with self.worker() as first:
            await few_at_once(*(partial(hold, each, (item, 2)) for each in references), lanes=LANES)
            figures.before = _memory(first)
        _say(first_began, f"{open_holds:,} holds are open, and their worker is killed")
        ship = ("fulfill", {"performed_by": "picker"})
        cancel = ("cancel", {"performed_by": "shop", "reason": "too late"})
        await few_at_once(
            *(
                partial(self.orders.signal, each, *(ship if place % 2 else cancel))
                for place, each in enumerate(references)
            ),
            lanes=LANES,
        )
        _say(first_began, "as many commands wait for the next worker")
        async with self.worker() as second:
            began = time.perf_counter()
            watching = asyncio.ensure_future(self.watched(second, figures, began))
            reference, is_held = new_reference(), False
            while not is_held:
                if watching.done():
                    watching.result()
                # It stands behind all commands in the queue: whoever has no answer in time asks again.
                with contextlib.suppress(TimeoutError, RPCTimeoutOrCancelledError):
                    is_held = (await hold(reference, (item, 1)))["status"] == "ACTIVE"
            figures.first_answer = time.perf_counter() - began
            _say(first_began, "a new order is held")
            await watching
        _say(first_began, "all commands are carried out")
        failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        found = await few_at_once(*(partial(self.orders.history, each, failed) for each in references), lanes=LANES)
        figures.failed_tasks = sum(map(len, found))
        expected = (2 * open_holds + 1 - 2 * (open_holds // 2), 1)
        if level(self.shop.engine, item) != expected:
            raise RuntimeError(f"{level(self.shop.engine, item)} instead of {expected}")
        return figures


def _say(began: float, what: str) -> None:
    sys.stderr.write(f"{time.perf_counter() - began:6.0f} s: {what}\n")


def _memory(worker: WorkerProcess) -> float:
    return float(psutil.Process(worker.pid).memory_info().rss / _MEGABYTE)


async def measure(open_holds: int) -> Figures:
    """The figures, on a stack of its own."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        async with running_stack(data / "stack", fast=True, headless=True, environ={}) as stack:
            ours = await connect_temporal(stack.temporal_address, stack.namespace)
            await set_up(Connection(ours), stack.database_url)
            engine, auditor = connect(stack.database_url, pool_size=5), auditors_engine(stack.database_url)
            client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
            figures = await _Restart(stack, client, Shop(engine), data).run(open_holds)
            assert_books_agree(auditor)
            engine.dispose()
            auditor.dispose()
    return figures


def write(table: str, page: Path = PAGE) -> None:
    """Put the figures in place of the last run's."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{table}\n\n{_END}{after}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks/faults.md")
    asked = parser.parse_args(arguments)
    figures = asyncio.run(measure(asked.open))
    sys.stdout.write(f"{figures.table()}\n")
    if asked.write:
        write(figures.table())
    sys.exit(int(figures.failed_tasks > 0))


if __name__ == "__main__":
    main()
