"""Runs as an operator sees them: whether they have anything left to do, and what keeps them from it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from tests.faults.fuzz.outcome import Violation
from tests.support.wire import ANSWER_SECONDS

_DEADLINE = SearchAttributeKey.for_datetime("StockDeadline")
_LOOK_SECONDS = 0.03
_ATTEMPTS = 3
"""More attempts of a step than these say that it isn't carried out."""


class Seen(NamedTuple):
    """A run with nothing left to do.

    Attributes:
        is_open: Whether it waits for something.
        deadline: Until when, if it says so.
    """

    is_open: bool
    deadline: datetime | None


async def quiet(client: Client, workflow_id: str) -> Seen:
    """Return once a run has nothing left to do but to wait, or has ended.

    Raises:
        Violation: It is stuck.
    """
    until = asyncio.get_running_loop().time() + ANSWER_SECONDS
    handle = client.get_workflow_handle(workflow_id)
    while True:
        run = await handle.describe()
        raw = run.raw_description
        if run.status is not WorkflowExecutionStatus.RUNNING:
            return Seen(is_open=False, deadline=None)
        busy = raw.HasField("pending_workflow_task") or bool(raw.pending_activities)
        if not busy:
            deadline = next(
                (each.value for each in run.typed_search_attributes if each.key.name == "StockDeadline"), None
            )
            return Seen(is_open=True, deadline=deadline if isinstance(deadline, datetime) else None)
        if raw.pending_workflow_task.attempt > 1 or any(each.attempt > _ATTEMPTS for each in raw.pending_activities):
            raise Violation(f"a stuck workflow: {await why(client, workflow_id)}")
        if asyncio.get_running_loop().time() > until:
            raise Violation(f"a workflow that isn't done: {await why(client, workflow_id)}")
        await asyncio.sleep(_LOOK_SECONDS)


async def why(client: Client, workflow_id: str) -> str:
    """What a run does, in a sentence for whoever looks for the fault."""
    try:
        raw = (await client.get_workflow_handle(workflow_id).describe()).raw_description
    except RPCError as error:
        return f"{workflow_id}: {error.message}"
    pending = [
        f"{each.activity_type.name} attempt {each.attempt}: {each.last_failure.message}"
        for each in raw.pending_activities
    ]
    failed = await failed_tasks(client, [workflow_id])
    return f"{workflow_id}: task attempt {raw.pending_workflow_task.attempt}; {pending}; {failed}"


async def failed_tasks(client: Client, workflow_ids: Sequence[str]) -> list[str]:
    """The workflow tasks that have failed in these runs, each with its cause."""
    found: list[str] = []
    for workflow_id in workflow_ids:
        try:
            events = client.get_workflow_handle(workflow_id).fetch_history_events()
            async for event in events:
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                    failure: Any = event.workflow_task_failed_event_attributes.failure
                    found.append(f"{workflow_id}: {failure.message[:300]}")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
    return found
