"""The bare twin of an order: a Temporal workflow of the reservation's shape that keeps no stock.

`python -m benchmarks.order_life_bare ADDRESS NAMESPACE QUEUE` is its worker: one process, as the SDK ships it, with ten
slots for local activities and the default runner, which is the sandbox.
"""

import asyncio
import contextlib
import sys
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

TTL = timedelta(minutes=30)
LOCAL_SLOTS = 10
PATIENCE = timedelta(seconds=10)


@activity.defn
async def do_nothing(step: dict[str, Any]) -> dict[str, Any]:
    """Stands for a step in a database."""
    return step


@workflow.defn
class BareOrder:
    """Answers, waits for its command or the deadline, and ends."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._status = "WAITING"

    @workflow.run
    async def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Hold, wait, end."""
        await workflow.execute_local_activity(do_nothing, request, start_to_close_timeout=PATIENCE)
        self._status = "ACTIVE"
        try:
            await workflow.wait_condition(
                lambda: self._status != "ACTIVE", timeout=timedelta(minutes=request.get("ttl_minutes", 30))
            )
        except TimeoutError:
            await workflow.execute_local_activity(do_nothing, {}, start_to_close_timeout=PATIENCE)
            self._status = "EXPIRED"
        await workflow.wait_condition(workflow.all_handlers_finished)
        return {"status": self._status}

    @workflow.update
    async def reserved(self) -> dict[str, Any]:
        """Wait until it is held."""
        await workflow.wait_condition(lambda: self._status != "WAITING")
        return {"status": self._status}

    @workflow.update
    async def fulfill(self, message: dict[str, Any]) -> dict[str, Any]:
        """The goods leave."""
        return await self._end(message, "FULFILLED")

    @workflow.update
    async def cancel(self, message: dict[str, Any]) -> dict[str, Any]:
        """It is given up."""
        return await self._end(message, "CANCELLED")

    async def _end(self, message: dict[str, Any], status: str) -> dict[str, Any]:
        async with self._lock:
            await workflow.execute_local_activity(do_nothing, message, start_to_close_timeout=PATIENCE)
            self._status = status
            return {"status": self._status}


@workflow.defn
class BareTimer:
    """Waits for an instant, and ends."""

    @workflow.run
    async def run(self, deadline: float) -> None:
        """Wait."""
        await workflow.sleep(max(0.0, deadline - workflow.now().timestamp()))


async def _work(address: str, namespace: str, queue: str) -> None:
    client = await Client.connect(address, namespace=namespace)
    await Worker(
        client,
        task_queue=queue,
        workflows=[BareOrder, BareTimer],
        activities=[do_nothing],
        max_concurrent_local_activities=LOCAL_SLOTS,
    ).run()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_work(*sys.argv[1:4]))
