"""What the backlog of the task queue says of orders that wait, beside what the worker's slots say of them.

`python -m benchmarks.backlog` (`--orders`, `--seconds`). One worker; somebody keeps the items' rows locked, and so many
orders come for them at once. Each second the task queue's backlog is asked for as a scaler would ask, and the worker's
slots are read where Prometheus reads them. Then the rows are let go, and each order has to be held.
"""

import argparse
import asyncio
import re
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from benchmarks.order_life_stage import Side, Stage, staged, worker_on
from devstack.processes import free_port

ITEMS = 100
LOOK_SECONDS = 1.0
_USED = re.compile(r"^temporal_worker_task_slots_used\{([^}]*)\} (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Look:
    """What was seen at a moment.

    Attributes:
        second: Since the orders came.
        answered: Orders that were held by then.
        workflow_backlog: Workflow tasks in the queue, as the server tells it.
        activity_backlog: Activities in the queue.
        tasks: Slots for workflow tasks that are taken in the worker.
        local: Slots for local activities.
        activities: Slots for activities through the queue.
    """

    second: float
    answered: int
    workflow_backlog: int
    activity_backlog: int
    tasks: int
    local: int
    activities: int


def slots_used(metrics: str, kind: str) -> int:
    """Slots of a kind that are taken, in what a worker serves for Prometheus."""
    return round(sum(float(value) for labels, value in _USED.findall(metrics) if f'worker_type="{kind}"' in labels))


async def _backlog(side: Side, kind: "TaskQueueType.ValueType") -> int:
    request = DescribeTaskQueueRequest(
        namespace=side.client.namespace,
        task_queue=TaskQueue(name=side.queue),
        task_queue_type=kind,
        report_stats=True,
    )
    answer = await side.client.workflow_service.describe_task_queue(request)
    return answer.stats.approximate_backlog_count


def _read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        metrics: str = answer.read().decode()
    return metrics


async def looks(stage: Stage, side: Side, port: int, orders: int, seconds: float) -> list[Look]:
    """So many orders wait for locked rows, and what is seen each second."""
    found = []
    with stage.engine.connect() as elsewhere:
        elsewhere.execute(text("SELECT FROM inventory_items FOR UPDATE"))
        held = [asyncio.create_task(side.hold()) for _ in range(orders)]
        began = time.perf_counter()
        while (second := time.perf_counter() - began) < seconds:
            metrics = await asyncio.to_thread(_read, port)
            found.append(
                Look(
                    second,
                    sum(each.done() for each in held),
                    await _backlog(side, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
                    await _backlog(side, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
                    slots_used(metrics, "WorkflowWorker"),
                    slots_used(metrics, "LocalActivityWorker"),
                    slots_used(metrics, "ActivityWorker"),
                )
            )
            await asyncio.sleep(LOOK_SECONDS)
    await asyncio.gather(*held)
    return found


async def measure(orders: int, seconds: float) -> list[Look]:
    """The orders on a worker of their own, whose stack is made for it."""
    async with staged(ITEMS) as stage:
        port = free_port()
        side = Side("ours", "ReservationWorkflow", "backlog", stage.ours.client, ITEMS)
        with worker_on(stage, side.queue, {"STOCKKEEPER_METRICS_ADDRESS": f"127.0.0.1:{port}"}):
            await side.life()
            return await looks(stage, side, port, orders, seconds)


def report(found: Sequence[Look]) -> str:
    """The figures as a table."""
    lines = [
        "| second | held | backlog: workflow tasks | activities | in the worker: workflow tasks | local | activities |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {look.second:.1f} | {look.answered} | {look.workflow_backlog} | {look.activity_backlog} | {look.tasks} "
        f"| {look.local} of 30 | {look.activities} of 10 |"
        for look in found
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=16)
    given = parser.parse_args(arguments)
    print(report(asyncio.run(measure(given.orders, given.seconds))))


if __name__ == "__main__":
    main()
