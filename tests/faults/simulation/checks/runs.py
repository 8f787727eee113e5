"""The runs: open or closed as the model says, and none of them stuck."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from temporalio.client import Client

from tests.faults.simulation.model.model import Model

_LOOKS = 50


async def compare(client: Client, models: Sequence[Model], prefix: str) -> AsyncIterator[str]:
    """Every run of the simulation, by the server's list, and what is pending in the open ones.

    Args:
        client: Any client.
        models: All models.
        prefix: The name of the simulation's run, which is in each workflow id.
    """
    due = {workflow_id for model in models for workflow_id in model.open_runs}
    found = await _open_runs(client, prefix)
    for _ in range(_LOOKS):
        if found == due:
            break
        # The list follows the runs a moment later.
        await asyncio.sleep(0.1)
        found = await _open_runs(client, prefix)
    for workflow_id in sorted(found - due):
        yield f"{workflow_id} is open, and has to be closed"
    for workflow_id in sorted(due - found):
        yield f"{workflow_id} is closed, and has to be open"
    for workflow_id in sorted(found):
        described = (await client.get_workflow_handle(workflow_id).describe()).raw_description
        for pending in described.pending_activities:
            yield f"{workflow_id} has the pending activity {pending.activity_type.name}, attempt {pending.attempt}"
        if described.HasField("pending_workflow_task"):
            yield f"{workflow_id} has a pending workflow task, attempt {described.pending_workflow_task.attempt}"


async def _open_runs(client: Client, prefix: str) -> set[str]:
    return {run.id async for run in client.list_workflows('ExecutionStatus="Running"') if prefix in run.id}
