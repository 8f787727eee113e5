"""What came while no worker was there: in which order a workflow gets it."""

import asyncio
from asyncio import Task
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Replayer, Worker, WorkflowRunner
from temporalio.workflow import NondeterminismError

from tests.relied_on import probes
from tests.relied_on.conftest import until
from tests.relied_on.probes import CountsAfterAnActivity, NotesBeforeALocalActivity, Waits, may_end
from worker import WORKFLOW_RUNNER

_THREADS = ThreadPoolExecutor(2)


def _worker(client: Client, queue: str, runner: WorkflowRunner = probes.RUNNER, *, keeps: int = 0) -> Worker:
    """A worker for workflows alone: activities are left to the test.

    Unless asked for it keeps no runs, for whose tasks Temporal would wait ten seconds once it is gone.
    """
    return Worker(
        client,
        task_queue=queue,
        workflows=probes.WORKFLOWS,
        workflow_runner=runner,
        activities=[probes.held],
        activity_executor=_THREADS,
        no_remote_activities=True,
        max_cached_workflows=keeps,
        max_concurrent_workflow_task_polls=2 if keeps else 1,
    )


async def _lose_a_task(client: Client, queue: str) -> PollWorkflowTaskQueueResponse:
    """Take a workflow's task, or a query, as a worker that dies with it."""
    return await client.workflow_service.poll_workflow_task_queue(
        PollWorkflowTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), identity="dies with its task"
        )
    )


@pytest.mark.parametrize(("is_lost", "order"), [(False, ["asked", "signal"]), (True, ["signal", "asked"])])
async def test_an_update_of_a_lost_task_comes_to_the_next_one_behind_the_signals_that_came_since(
    temporal: Client, is_lost: bool, order: list[str]
) -> None:
    queue = f"lost-task-{is_lost}"
    handle = await temporal.start_workflow(Waits.run, id=queue, task_queue=queue, task_timeout=timedelta(seconds=1))
    async with _worker(temporal, queue):
        assert await handle.query("state") == [0, []]
    asked = asyncio.create_task(handle.execute_update("count", id="asked"))
    if is_lost:
        assert [each.protocol_instance_id for each in (await _lose_a_task(temporal, queue)).messages] == ["asked"]
    else:
        async with _worker(temporal, queue):
            await asked
    await handle.signal("count")
    async with _worker(temporal, queue):
        await asked
        assert await handle.query("state") == [2, order]
    await handle.terminate()


async def test_in_one_task_updates_begin_before_the_results_of_activities_and_queries_come_last(
    temporal: Client,
) -> None:
    handle = await _with_an_activity(temporal, queue := "one-task")
    await _end_the_activity(temporal, queue)
    counted = asyncio.create_task(handle.execute_update("count"))
    shown = asyncio.create_task(handle.query("state"))
    await _arrived(handle)
    async with _worker(temporal, queue):
        # The activity had ended before the update came.
        assert await counted == []
        assert await shown == ["update", "activity"]
        assert await handle.result() == ["update", "activity"]


async def _arrived(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until what was sent has arrived: these take the same way, one after the other."""
    for _ in range(5):
        await handle.describe()


async def _with_an_activity(client: Client, queue: str) -> WorkflowHandle[CountsAfterAnActivity, list[str]]:
    """A run whose activity is scheduled and not started, and which no worker has in its cache."""
    handle = await client.start_workflow(
        CountsAfterAnActivity.run, id=queue, task_queue=queue, task_timeout=timedelta(seconds=2)
    )

    async def is_running() -> bool:
        return len((await handle.describe()).raw_description.pending_activities) == 1

    async with _worker(client, queue):
        await until(is_running)
    return handle


async def _end_the_activity(client: Client, queue: str) -> None:
    task = await client.workflow_service.poll_activity_task_queue(
        PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), identity="test")
    )
    await client.workflow_service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(
            namespace=client.namespace,
            task_token=task.task_token,
            result=Payloads(payloads=client.data_converter.payload_converter.to_payloads([None])),
        )
    )


async def _task_lost_before_a_query(client: Client, name: str) -> tuple[WorkflowHandle[Any, Any], str, Task[Any]]:
    """A run whose activity has ended, whose task was lost, and of which a query was asked before.

    A poll gets the query or the task; a run whose query it got is given up for another one.
    """
    for number in range(50):
        handle = await _with_an_activity(client, queue := f"{name}-{number}")
        shown = asyncio.create_task(handle.query("state"))
        await _arrived(handle)
        await _end_the_activity(client, queue)
        if not (await _lose_a_task(client, queue)).HasField("query"):
            return handle, queue, shown
        shown.cancel()
        await asyncio.gather(shown, return_exceptions=True)
        await handle.terminate()
    raise AssertionError("each time the query came first")


@pytest.mark.parametrize(
    ("runner", "is_replayed", "before"),
    [(probes.RUNNER, False, ["activity"]), (WORKFLOW_RUNNER, True, [])],
    ids=["the SDK's", "ours"],
)
async def test_a_query_brings_events_whose_task_then_cannot_be_replayed(
    temporal: Client, runner: WorkflowRunner, is_replayed: bool, before: list[str]
) -> None:
    handle, queue, shown = await _task_lost_before_a_query(temporal, f"query-first-{is_replayed}")
    async with _worker(temporal, queue, runner, keeps=10):
        assert await shown == ["activity"]
        # What ours was asked to do behind the activity comes again, and before it.
        assert await handle.execute_update("count") == before
        await handle.result()
    replayer = Replayer(workflows=probes.WORKFLOWS, workflow_runner=runner)
    failure = (
        await replayer.replay_workflow(await handle.fetch_history(), raise_on_replay_failure=False)
    ).replay_failure
    assert isinstance(failure, NondeterminismError) is not is_replayed
    assert (failure is None) is is_replayed


async def test_a_local_activity_that_takes_longer_than_its_task_goes_on_in_another_one_and_none_is_failed(
    temporal: Client,
) -> None:
    queue = "longer-task"
    handle = await temporal.start_workflow(
        NotesBeforeALocalActivity.run, id=queue, task_queue=queue, task_timeout=timedelta(seconds=1)
    )
    async with _worker(temporal, queue, WORKFLOW_RUNNER, keeps=10):

        async def is_in_another_task() -> bool:
            return (await _types(handle)).count(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED) > 3

        await handle.signal("begin", queue)
        await until(is_in_another_task)
        may_end(queue).set()
        await handle.result()
    types = await _types(handle)
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in types
    assert types.count(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED) == types.count(
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    )


async def _types(handle: WorkflowHandle[Any, Any]) -> list[EventType.ValueType]:
    return [event.event_type for event in (await handle.fetch_history()).events]
