"""A place where workers work in processes of their own, and die."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client

from devstack.stack import StackInfo
from tests.support.adjustment import Adjusting
from tests.support.customer_return import Returns
from tests.support.cycle_count import Counts
from tests.support.purchase_order import Purchasing
from tests.support.shop import new_reference
from tests.support.transfer import Transfers
from tests.support.wire import Orders
from worker import Settings

REPOSITORY = Path(__file__).parents[2]
BRISK = timedelta(seconds=1)
"""How long Temporal waits for a worker that has died with a task, instead of ten seconds."""


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
    async def worker(self, *how_to_die: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A worker, which is dead at the latest at the end."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")} | {
            "DATABASE_URL": self._stack.database_url,
            "STOCKKEEPER_DATABASE_ROLE": "stockkeeper_worker",
            "STOCKKEEPER_TASK_QUEUE": self.settings.task_queue,
            "STOCKKEEPER_CONCURRENCY": "4",
            "TEMPORAL_ADDRESS": self._stack.temporal_address,
            "TEMPORAL_NAMESPACE": self._stack.namespace,
        }
        with (self._logs / f"{new_reference('worker')}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.dying_worker", *how_to_die),
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
