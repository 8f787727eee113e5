"""What came while no worker was there: in which order a workflow gets it."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import Payloads
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedRequest,
)
from temporalio.client import Client
from temporalio.worker import Worker

from tests.relied_on import probes
from tests.relied_on.conftest import until
from tests.relied_on.probes import CountsAfterAnActivity, Waits


def _worker(client: Client, queue: str) -> Worker:
    """A worker for workflows alone: activities are left to the test.

    It keeps no runs, for whose tasks Temporal would wait ten seconds once it is gone.
    """
    return Worker(
        client,
        task_queue=queue,
        workflows=probes.WORKFLOWS,
        workflow_runner=probes.RUNNER,
        max_cached_workflows=0,
        max_concurrent_workflow_task_polls=1,
    )


async def _lose_a_task(client: Client, queue: str) -> PollWorkflowTaskQueueResponse:
    """Take a workflow's task, as a worker that dies with it."""
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
    queue = "one-task"
    handle = await temporal.start_workflow(CountsAfterAnActivity.run, id=queue, task_queue=queue)
    async with _worker(temporal, queue):

        async def is_running() -> bool:
            return len((await handle.describe()).raw_description.pending_activities) == 1

        await until(is_running)
    task = await temporal.workflow_service.poll_activity_task_queue(
        PollActivityTaskQueueRequest(namespace=temporal.namespace, task_queue=TaskQueue(name=queue), identity="test")
    )
    await temporal.workflow_service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(
            namespace=temporal.namespace,
            task_token=task.task_token,
            result=Payloads(payloads=temporal.data_converter.payload_converter.to_payloads([None])),
        )
    )
    counted = asyncio.create_task(handle.execute_update("count"))
    shown = asyncio.create_task(handle.query("state"))
    for _ in range(5):  # They have arrived before these come back: they take the same way, one after the other.
        await handle.describe()
    async with _worker(temporal, queue):
        # The activity had ended before the update came.
        assert await counted == []
        assert await shown == ["update", "activity"]
        assert await handle.result() == ["update", "activity"]
