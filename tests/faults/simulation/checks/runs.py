"""The runs: open or closed as the model says, and none of them stuck."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from temporalio.client import Client, WorkflowExecutionStatus

from tests.faults.simulation.model.model import Model

OpenRuns = Callable[[Client, Sequence[Model], str], Awaitable[set[str]]]
"""Finds the workflow ids of the open runs."""


async def listed(client: Client, models: Sequence[Model], prefix: str) -> set[str]:
    """The open runs by the server's list."""
    del models
    return {run.id async for run in client.list_workflows('ExecutionStatus="Running"') if prefix in run.id}


async def described(client: Client, models: Sequence[Model], prefix: str) -> set[str]:
    """Those of the model's runs that are open, one after another: for a server that has no list."""
    del prefix
    known = [workflow_id for model in models for workflow_id in (*model.open_runs, *model.ended_runs)]
    states = [(await client.get_workflow_handle(each).describe()).status for each in known]
    return {each for each, state in zip(known, states, strict=True) if state is WorkflowExecutionStatus.RUNNING}


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
    states = await asyncio.gather(*(client.get_workflow_handle(each).describe() for each in sorted(found)))
    for each in states:
        for pending in each.raw_description.pending_activities:
            yield f"{each.id} has the pending activity {pending.activity_type.name}, attempt {pending.attempt}"
        if each.raw_description.HasField("pending_workflow_task"):
            attempt = each.raw_description.pending_workflow_task.attempt
            yield f"{each.id} has a pending workflow task, attempt {attempt}"
