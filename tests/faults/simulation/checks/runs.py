"""The runs: open or closed as the model says, and none of them stuck."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse
from temporalio.client import Client

from tests.faults.simulation.model.model import Model

OpenRuns = Callable[[Client, Sequence[Model], str], Awaitable[set[str]]]
"""Finds the workflow ids of the open runs."""
_DESCRIBED_AT_ONCE = 50


async def listed(client: Client, models: Sequence[Model], prefix: str) -> set[str]:
    """The open runs by the server's list."""
    del models
    return {run.id async for run in client.list_workflows('ExecutionStatus="Running"') if prefix in run.id}


async def described(client: Client, models: Sequence[Model], prefix: str) -> set[str]:
    """Those of the model's runs that are open, some at once: for a server that has no list."""
    del prefix
    known = [workflow_id for model in models for workflow_id in (*model.open_runs, *model.ended_runs)]
    running = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
    found: set[str] = set()
    for begin in range(0, len(known), _DESCRIBED_AT_ONCE):
        some = known[begin : begin + _DESCRIBED_AT_ONCE]
        states = await asyncio.gather(*(_describe(client, each) for each in some))
        found.update(
            each for each, state in zip(some, states, strict=True) if state.workflow_execution_info.status == running
        )
    return found


async def _describe(client: Client, workflow_id: str) -> DescribeWorkflowExecutionResponse:
    """Raw: the test server describes search attributes that were unset in a way that the SDK doesn't read."""
    which = WorkflowExecution(workflow_id=workflow_id)
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=which)
    return await client.workflow_service.describe_workflow_execution(request, retry=True)


async def compare(
    client: Client, models: Sequence[Model], prefix: str, open_runs: OpenRuns = listed
) -> AsyncIterator[str]:
    """Every run of the simulation, and what is pending in the open ones.

    Args:
        client: Any client.
        models: All models.
        prefix: The name of the simulation's run, which is in each workflow id.
        open_runs: Finds the open ones.
    """
    due = {workflow_id for model in models for workflow_id in model.open_runs}
    found = await open_runs(client, models, prefix)
    for workflow_id in sorted(found - due):
        yield f"{workflow_id} is open, and has to be closed"
    for workflow_id in sorted(due - found):
        yield f"{workflow_id} is closed, and has to be open"
    still_open = sorted(found)
    states = await asyncio.gather(*(_describe(client, each) for each in still_open))
    for workflow_id, state in zip(still_open, states, strict=True):
        for pending in state.pending_activities:
            yield f"{workflow_id} has the pending activity {pending.activity_type.name}, attempt {pending.attempt}"
        if state.HasField("pending_workflow_task"):
            yield f"{workflow_id} has a pending workflow task, attempt {state.pending_workflow_task.attempt}"


_HISTORIES = 30
_NOBODYS_FAULT = {
    # A signal or an update came while the task was under way, or an operator reset or terminated the run.
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_UPDATE,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
}

_COMES_AGAIN = (
    "a query has brought events before their task did",
    # It had no processor for two seconds. One that never ends leaves its run open, which is found there.
    "[TMPRL1101]",
)
"""What the worker fails rather than record it: it comes again."""


async def failed_tasks(client: Client, models: Sequence[Model], chance: random.Random) -> list[str]:
    """Workflow tasks that workers have failed, in the latest runs of some workflows of the models."""
    known = sorted({workflow_id for model in models for workflow_id in (*model.open_runs, *model.ended_runs)})
    sample = chance.sample(known, min(len(known), _HISTORIES))
    return [each for found in await asyncio.gather(*(_failed(client, each) for each in sample)) for each in found]


async def _failed(client: Client, workflow_id: str) -> list[str]:
    return [
        f"{workflow_id} has a failed workflow task: {event.workflow_task_failed_event_attributes.failure.message}"
        async for event in client.get_workflow_handle(workflow_id).fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and event.workflow_task_failed_event_attributes.cause not in _NOBODYS_FAULT
        and not event.workflow_task_failed_event_attributes.failure.message.startswith(_COMES_AGAIN)
    ]
