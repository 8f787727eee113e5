"""What Temporal's Nexus does with errors and with runs that are there."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import nexusrpc
import pytest
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, NexusOperationError
from temporalio.worker import Worker

from starter.nexus import make_endpoint
from tests.relied_on.probes import RUNNER

QUEUE = "relied-on-nexus"


@service_handler(name="probes")
class Probes:
    """Operations that show one behaviour each."""

    @sync_operation
    async def refuse(self, _: StartOperationContext, __: Any) -> None:
        """Raise an `OperationError` from an error with a type and details."""
        cause = ApplicationError("none left", {"left": 0}, type="InsufficientStock", non_retryable=True)
        raise nexusrpc.OperationError("refused", state=nexusrpc.OperationErrorState.FAILED) from cause

    @nexus.workflow_run_operation
    async def follow(self, context: nexus.WorkflowRunOperationContext, workflow_id: str) -> nexus.WorkflowHandle[str]:
        """Be a run that is there already."""
        policy = WorkflowIDConflictPolicy.USE_EXISTING
        return await context.start_workflow("Open", id=workflow_id, task_queue=QUEUE, id_conflict_policy=policy)


@workflow.defn
class Open:
    """Waits until it is cancelled or closed."""

    def __init__(self) -> None:
        self._closed = False

    @workflow.run
    async def run(self) -> str:
        """How it ended."""
        await workflow.wait_condition(lambda: self._closed)
        return "closed"

    @workflow.signal
    def close(self) -> None:
        """End it."""
        self._closed = True


@workflow.defn
class Calls:
    """Calls one operation."""

    @workflow.run
    async def run(self, operation: str, argument: Any) -> Any:
        """What it answers."""
        probes = workflow.create_nexus_client(service="probes", endpoint=QUEUE)
        return await probes.execute_operation(operation, argument)


@pytest.fixture(scope="module")
async def caller(plain_client: Client) -> AsyncIterator[Client]:
    """A client, with a worker for both sides."""
    await make_endpoint(plain_client, QUEUE, QUEUE)
    workflows = [Open, Calls]
    async with Worker(
        plain_client, task_queue=QUEUE, workflows=workflows, nexus_service_handlers=[Probes()], workflow_runner=RUNNER
    ):
        yield plain_client


async def test_an_operation_error_arrives_with_the_error_that_it_was_raised_from_behind_it(caller: Client) -> None:
    with pytest.raises(WorkflowFailureError) as failure:
        await caller.execute_workflow(Calls.run, args=["refuse", None], id=str(uuid.uuid4()), task_queue=QUEUE)
    of_temporal = failure.value.cause
    assert isinstance(of_temporal, NexusOperationError)
    of_nexus = of_temporal.cause
    assert isinstance(of_nexus, ApplicationError)
    assert (of_nexus.type, of_nexus.message, of_nexus.non_retryable) == ("OperationError", "refused", True)
    ours = of_nexus.cause
    assert isinstance(ours, ApplicationError)
    assert (ours.type, ours.message, list(ours.details)) == ("InsufficientStock", "none left", [{"left": 0}])


async def test_an_operation_ends_with_a_run_that_was_there_and_cancels_it(caller: Client) -> None:
    for ending in ("close", "cancel"):
        there = await caller.start_workflow(Open.run, id=str(uuid.uuid4()), task_queue=QUEUE)
        calling = await caller.start_workflow(
            Calls.run, args=["follow", there.id], id=str(uuid.uuid4()), task_queue=QUEUE
        )
        # Also heard of by the run: cancelled in the task in which it hears of the start, it ends at once, and the
        # operation isn't cancelled.
        is_started = False
        async for event in calling.fetch_history_events(wait_new_event=True):
            is_started = is_started or event.HasField("nexus_operation_started_event_attributes")
            if is_started and event.HasField("workflow_task_completed_event_attributes"):
                break
        if ending == "close":
            await there.signal(Open.close)
            assert await calling.result() == "closed"
        else:
            await calling.cancel()
            with pytest.raises(WorkflowFailureError) as failure:
                await there.result()
            assert isinstance(failure.value.cause, CancelledError)
