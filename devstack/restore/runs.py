"""The runs that Temporal has, each with the moment of its last event: what is to be compared with the database."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts import import_file
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import DOCUMENTS

PROCESSES: dict[str, ProcessSpec] = {
    process.workflow_type: process for process in (*DOCUMENTS.values(), import_file.PROCESS)
}
"""The processes whose steps change stock or documents, by their workflow types.

The others have nothing to be brought back: a plan, an audit or a reorder run looks anew, and the orders of a reorder
run are drafted by their own runs as well.
"""

_A_PAGE = 500
_AT_ONCE = 20
"""Questions to Temporal under way at a time."""
_POLLED_WITHIN = timedelta(seconds=75)
"""A worker that lives asks for work at least once a minute."""
_ENDS = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)
"""Events that are the last of a run."""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        workflow_id: Its workflow.
        run_id: The run.
        process: The kind of process.
        is_open: Whether it is running or paused.
        last_event_at: When something happened in it for the last time.
        task_queue: The task queue of its workers.
    """

    workflow_id: str
    run_id: str
    process: ProcessSpec
    is_open: bool
    last_event_at: datetime
    task_queue: str = ""


@dataclass(frozen=True)
class Homes:
    """Which of several databases has the document of each run.

    Attributes:
        queues: The task queues of all databases.
        moved: The runs whose documents have left each with their warehouse, and the task queue of where they went.
    """

    queues: Sequence[str]
    moved: Mapping[str, Mapping[str, str]]

    def has(self, task_queue: str, run: Run) -> bool:
        """Whether a run's document is kept by the database of a task queue."""
        home, seen = run.task_queue, set[str]()
        while home not in seen and (following := self.moved.get(home, {}).get(run.workflow_id)) is not None:
            seen.add(home)
            home = following
        return home == task_queue


async def listed_as_open(client: Client) -> list[Run]:
    """Every run that the list of runs has as open, paused ones among them.

    The list may be some moments old. One that has ended in the meantime is said to have, and the list of those that
    ended may not have it yet.
    """
    free = asyncio.Semaphore(_AT_ONCE)

    async def with_its_last_event(found: WorkflowExecutionInfo) -> Run:
        async with free:
            last = await _last_event_of(client, found.execution)
        if last is None:
            # Its history is gone, or isn't there yet: a run that only the list has isn't open.
            return _run_of(found, found.start_time.ToDatetime(UTC), is_open=False)
        return _run_of(found, last.event_time.ToDatetime(UTC), is_open=last.event_type not in _ENDS)

    without_an_end = [found async for found in listed(client, "CloseTime IS NULL")]
    return await asyncio.gather(*(with_its_last_event(found) for found in without_an_end))


async def ended_since(client: Client, since: datetime) -> list[Run]:
    """Every run that has ended at an instant or later."""
    query = f'CloseTime >= "{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"'
    return [_run_of(found, found.close_time.ToDatetime(UTC), is_open=False) async for found in listed(client, query)]


async def last_end(client: Client) -> datetime | None:
    """When a run has ended for the last time; None: none has."""
    async for found in listed(client, "CloseTime IS NOT NULL", most=1):
        return found.close_time.ToDatetime(UTC)
    return None


async def are_running(client: Client, workflow_ids: Collection[str]) -> set[str]:
    """Which of these workflows have a run that hasn't ended, asked one by one: a list may be some moments old."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def is_running(workflow_id: str) -> bool:
        request = DescribeWorkflowExecutionRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        )
        async with free:
            try:
                described = await client.workflow_service.describe_workflow_execution(request)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                raise
        return not described.workflow_execution_info.HasField("close_time")

    asked = sorted(workflow_ids)
    return {each for each, runs in zip(asked, await asyncio.gather(*map(is_running, asked)), strict=True) if runs}


async def histories_of(client: Client, runs: Sequence[Run]) -> AsyncIterator[WorkflowHistory]:
    """The history of each run, in order."""
    for run in runs:
        handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
        history = await handle.fetch_history()
        # Of a run that was reset this is the first one's, and steps may be named by their run.
        history.events[0].workflow_execution_started_event_attributes.original_execution_run_id = run.run_id
        yield history


async def pollers_of(client: Client, task_queue: str, now: datetime) -> list[str]:
    """The workers that ask a task queue for work, by their identities."""
    found: set[str] = set()
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
            )
        )
        since = now - _POLLED_WITHIN
        found |= {each.identity for each in answer.pollers if each.last_access_time.ToDatetime(UTC) >= since}
    return sorted(found)


async def listed(client: Client, condition: str, most: int | None = None) -> AsyncIterator[WorkflowExecutionInfo]:
    """Runs of our processes that fulfil a condition, by Temporal's list: those that ended last come first."""
    types = ", ".join(f'"{name}"' for name in PROCESSES)
    token = b""
    while True:
        page = await client.workflow_service.list_workflow_executions(
            ListWorkflowExecutionsRequest(
                namespace=client.namespace,
                query=f"WorkflowType IN ({types}) AND {condition}",
                page_size=most or _A_PAGE,
                next_page_token=token,
            )
        )
        for found in page.executions:
            yield found
        token = page.next_page_token
        if not token or most is not None:
            return


def _run_of(found: WorkflowExecutionInfo, last_event_at: datetime, *, is_open: bool) -> Run:
    return Run(
        workflow_id=found.execution.workflow_id,
        run_id=found.execution.run_id,
        process=PROCESSES[found.type.name],
        is_open=is_open,
        last_event_at=last_event_at,
        task_queue=found.task_queue,
    )


async def _last_event_of(client: Client, execution: WorkflowExecution) -> HistoryEvent | None:
    """The last event of a run; None: its history has none. A page may be empty, and another one follow."""
    token = b""
    while True:
        answer = await client.workflow_service.get_workflow_execution_history_reverse(
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=client.namespace, execution=execution, maximum_page_size=1, next_page_token=token
            )
        )
        token = answer.next_page_token
        if answer.history.events or not token:
            return next(iter(answer.history.events), None)
