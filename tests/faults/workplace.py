"""A place where workers work in processes of their own, and die."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psutil
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.faults import dying_mover, dying_worker
from tests.support.adjustment import Adjusting
from tests.support.customer_return import Returns
from tests.support.cycle_count import Counts
from tests.support.notices import TAKING
from tests.support.purchase_order import Purchasing
from tests.support.reservation import Orders
from tests.support.shop import new_reference
from tests.support.transfer import Transfers
from tests.support.webhooks import WEBHOOK_KEY
from tests.support.wire import ANSWER_SECONDS, eventually
from worker import Settings

BRISK = timedelta(seconds=1)
"""How long Temporal waits for a worker that has died with a task, instead of ten seconds."""


# A worker's imports take seconds of a processor, so they are made once, in a process that then forks the workers. It
# has no threads: Temporal's runtime starts with the first client, after the fork.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([dying_worker.__name__, dying_mover.__name__])


class WorkerProcess:
    """A worker, or a worker of moves, in a process of its own."""

    def __init__(self, process: "multiprocessing.context.ForkServerProcess") -> None:
        self._process = process

    async def wait(self) -> int:
        """Return the exit status once the process has ended; minus the signal's number if one ended it."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    @property
    def is_alive(self) -> bool:
        """Whether it works."""
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    async def has_killed_itself(self) -> None:
        """Return once it has died by its own SIGKILL, in time."""
        assert await asyncio.wait_for(self.wait(), ANSWER_SECONDS) == -signal.SIGKILL

    async def has_paused(self) -> None:
        """Return once it has paused by its own SIGSTOP, in time."""
        status = psutil.Process(self.pid).status

        async def look() -> str:
            return str(status())

        await eventually(look, lambda now: now == psutil.STATUS_STOPPED)

    def goes_on(self) -> None:
        """Let it go on after a pause."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Send SIGKILL, unless the process has ended."""
        self._process.kill()

    def terminate(self) -> None:
        """Send SIGTERM, unless the process has ended."""
        self._process.terminate()


def worker_process(
    environment: Mapping[str, str], log: Path, *, how_to_die: tuple[str, ...] = (), hours_off: float = 0
) -> WorkerProcess:
    """Start a worker in a process of its own; the arguments are those of `dying_worker.work`."""
    process = FORKS.Process(target=dying_worker.work, args=(how_to_die, environment, log, hours_off))
    process.start()
    return WorkerProcess(process)


def mover_process(environment: Mapping[str, str], log: Path, *ends: dying_mover.End) -> WorkerProcess:
    """Start a worker of moves in a process of its own; the arguments are those of `dying_mover.work`."""
    process = FORKS.Process(target=dying_mover.work, args=(ends, environment, log))
    process.start()
    return WorkerProcess(process)


def workers_environment(database_url: str, temporal_address: str, namespace: str, task_queue: str) -> dict[str, str]:
    """The environment of a worker that acts as the role that can't change the past."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return inherited | {
        "DATABASE_URL": database_url,
        "STOCKKEEPER_DATABASE_ROLE": "stockkeeper_worker",
        "STOCKKEEPER_TASK_QUEUE": task_queue,
        "STOCKKEEPER_CONCURRENCY": "4",
        "STOCKKEEPER_SUPPLIER_NOTICE_URLS": TAKING,
        "STOCKKEEPER_WEBHOOK_KEY": WEBHOOK_KEY,
        "STOCKKEEPER_WEBHOOK_ALLOW_HTTP": "true",
        "STOCKKEEPER_WEBHOOK_ALLOW_PRIVATE": "true",
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_NAMESPACE": namespace,
    }


class Workplace:
    """A task queue of its own, and workers in processes of their own."""

    def __init__(self, stack: StackInfo, client: Client, settings: Settings, logs: Path) -> None:
        self._stack = stack
        self._logs = logs
        self.settings = settings.model_copy(update={"task_queue": new_reference("queue")})
        self.orders = Orders(client, self.settings.task_queue, task_timeout=BRISK)
        self.purchasing = Purchasing(client, self.settings.task_queue, task_timeout=BRISK)
        self.transfers = Transfers(client, self.settings.task_queue, task_timeout=BRISK)
        self.adjusting = Adjusting(client, self.settings.task_queue, task_timeout=BRISK)
        self.counts = Counts(client, self.settings.task_queue, task_timeout=BRISK)
        self.returns = Returns(client, self.settings.task_queue, task_timeout=BRISK)

    @asynccontextmanager
    async def worker(self, *how_to_die: str) -> AsyncIterator[WorkerProcess]:
        """A worker, which is dead at the latest at the end."""
        stack = self._stack
        environment = workers_environment(
            stack.database_url, stack.temporal_address, stack.namespace, self.settings.task_queue
        )
        log = self._logs / f"{new_reference('worker')}.log"
        deadly = worker_process(environment, log, how_to_die=how_to_die)
        try:
            yield deadly
        finally:
            deadly.kill()
            await deadly.wait()
