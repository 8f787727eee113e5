"""What operators and time do to runs: pause, terminate, start again, forget."""

import contextlib
from collections.abc import AsyncIterator

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, PauseWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.support.shop import new_reference
from tests.support.wire import eventually


async def forget(client: Client, workflow_id: str) -> None:
    """No run of that id is known, as after Temporal's retention.

    Temporal deletes a run that has ended half a minute later, and an open one at once. So another one takes its place
    first, which no worker sees.
    """
    await client.start_workflow("Nobody", id=workflow_id, task_queue="nobody-listens")
    execution = WorkflowExecution(workflow_id=workflow_id)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )

    async def is_gone() -> bool:
        try:
            await client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            return error.status is RPCStatusCode.NOT_FOUND
        return False

    await eventually(is_gone, bool)


@contextlib.asynccontextmanager
async def paused(client: Client, *workflow_ids: str) -> AsyncIterator[None]:
    """The runs are paused meanwhile, and terminated afterwards: other tests look at all runs that there are."""
    for workflow_id in workflow_ids:
        await client.workflow_service.pause_workflow_execution(
            PauseWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_id=workflow_id,
                identity="an operator",
                reason="to look at it",
                request_id=new_reference("pause"),
            )
        )
    try:
        yield
    finally:
        for workflow_id in workflow_ids:
            await client.get_workflow_handle(workflow_id).terminate("the test is over")
