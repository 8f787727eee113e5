"""Updates: what a caller gets when a run ends, continues, is reset or is in trouble."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from stockkeeper.contracts.identity import token_of
from tests.relied_on.conftest import QUEUE, until
from tests.relied_on.probes import TRIES, Waits, may_end, started
from tests.support.identity import carrying


def _start(
    workflow_id: str, *, id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
) -> WithStartWorkflowOperation[Any, Any]:
    return WithStartWorkflowOperation(
        "Waits",
        id=workflow_id,
        task_queue=QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=id_reuse_policy,
    )


async def _start_and_count(
    client: Client,
    workflow_id: str,
    update_id: str | None,
    reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
) -> str:
    """The run that answered."""
    operation = _start(workflow_id, id_reuse_policy=reuse)
    run: str = await client.execute_update_with_start_workflow(
        "count", start_workflow_operation=operation, id=update_id
    )
    return run


async def _end(client: Client, workflow_id: str) -> None:
    handle = client.get_workflow_handle(workflow_id)
    await handle.signal("end")
    await handle.result()


@pytest.mark.parametrize("end", ["completed", "terminated"])
async def test_a_named_update_with_start_gets_the_answer_of_a_closed_run_and_starts_nothing(
    temporal: Client, end: str
) -> None:
    workflow_id = f"stored-{end}"
    first = await _start_and_count(temporal, workflow_id, "reserved")
    if end == "completed":
        await _end(temporal, workflow_id)
    else:
        await temporal.get_workflow_handle(workflow_id).terminate()
    policies = [
        WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        WorkflowIDReusePolicy.REJECT_DUPLICATE,
    ]
    again = [await _start_and_count(temporal, workflow_id, "reserved", policy) for policy in policies]

    assert again == [first] * 3
    latest = await temporal.get_workflow_handle(workflow_id).describe()
    assert (latest.run_id, latest.status.name if latest.status else None) == (first, end.upper())


async def test_an_update_with_start_without_a_name_starts_a_new_run_after_a_closed_one(temporal: Client) -> None:
    first = await _start_and_count(temporal, "unnamed", None)
    await _end(temporal, "unnamed")
    second = await _start_and_count(temporal, "unnamed", None)

    assert first != second
    assert (await temporal.get_workflow_handle("unnamed").describe()).run_id == second


async def test_an_update_that_meets_the_end_of_a_run_is_aborted_in_these_words(temporal: Client) -> None:
    handle = await temporal.start_workflow("EndsAfterALocalActivity", "meets", id="meets-the-end", task_queue=QUEUE)
    await until(lambda: started("meets"))
    asking = asyncio.create_task(handle.execute_update("ready"))
    for _ in range(5):  # It has arrived before these come back: they take the same way, one after the other.
        await handle.describe()
    may_end("meets").set()

    with pytest.raises(RPCError, match=r"^workflow update was aborted by closing workflow$"):
        await asking


async def test_a_local_activity_runs_again_where_a_signal_came_that_its_end_would_leave_unseen(
    temporal: Client,
) -> None:
    handle = await temporal.start_workflow("EndsAfterALocalActivity", "twice", id="twice", task_queue=QUEUE)
    await until(lambda: started("twice"))
    await handle.signal("signal")
    may_end("twice").set()

    assert await handle.result() == 1
    assert TRIES["twice"] == 2


@pytest.mark.parametrize("end", ["completed", "terminated"])
async def test_an_accepted_update_of_a_run_that_ends_fails_with_an_error_of_temporals_own(
    temporal: Client, end: str
) -> None:
    handle = await temporal.start_workflow(Waits.run, id=f"accepted-{end}", task_queue=QUEUE)
    waiting = await handle.start_update("wait", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    if end == "completed":
        await handle.signal("end")
    else:
        await handle.terminate()

    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await waiting.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "AcceptedUpdateCompletedWorkflow"


async def test_an_update_id_is_known_within_one_run_only(temporal: Client) -> None:
    handle = await temporal.start_workflow(Waits.run, id="continues", task_queue=QUEUE)
    first = await handle.execute_update("count", id="parcel-1")
    assert await handle.execute_update("count", id="parcel-1") == first
    await handle.signal("go_on")
    again = temporal.get_workflow_handle("continues")

    async def another_run() -> bool:
        return bool((await again.describe()).run_id != first)

    await until(another_run)
    assert await again.execute_update("count", id="parcel-1") != first
    assert await again.query("state") == [1, ["parcel-1"]]
    await again.terminate()


async def test_nothing_is_kept_of_an_update_that_its_validator_refuses(temporal: Client) -> None:
    handle = await temporal.start_workflow(Waits.run, id="chooses", task_queue=QUEUE)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("choose", False, id="the-choice")
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "Unfit"
    assert await handle.execute_update("choose", True, id="the-choice") == handle.first_execution_run_id
    await handle.terminate()


async def test_a_run_that_continues_a_young_one_begins_a_second_later_or_when_an_update_comes(temporal: Client) -> None:
    await temporal.start_workflow(Waits.run, id="young", task_queue=QUEUE, start_signal="go_on")
    handle = temporal.get_workflow_handle("young")

    async def waits() -> bool:
        return (await _first_task(handle))[1] is None

    await until(waits)
    backoff, _ = await _first_task(handle)
    run = await handle.execute_update("count")
    _, scheduled = await _first_task(handle)
    assert run == (await handle.describe()).run_id
    assert timedelta(seconds=0.5) < backoff <= timedelta(seconds=1)
    assert scheduled is not None
    assert scheduled < backoff
    await handle.terminate()


async def _first_task(handle: WorkflowHandle[Any, Any]) -> tuple[timedelta, timedelta | None]:
    """When the latest run is to have its first task, and when it got it; counted from its start."""
    # Without a run id the handle means the latest.
    events = (await handle.fetch_history()).events
    began = events[0]
    backoff = began.workflow_execution_started_event_attributes.first_workflow_task_backoff.ToTimedelta()
    task = next((each for each in events if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED), None)
    return backoff, None if task is None else task.event_time.ToDatetime() - began.event_time.ToDatetime()


async def test_a_reset_applies_signals_and_updates_again_with_their_ids_and_in_their_order(temporal: Client) -> None:
    handle = await temporal.start_workflow(Waits.run, id="reset", task_queue=QUEUE)
    await handle.execute_update("count", id="parcel-1")
    await handle.signal("count")
    await handle.execute_update("count", id="parcel-2")
    assert await handle.query("state") == [3, ["parcel-1", "signal", "parcel-2"]]
    reset = ResetWorkflowExecutionRequest(
        namespace=temporal.namespace, reason="a test", workflow_task_finish_event_id=3, request_id=str(uuid.uuid4())
    )
    reset.workflow_execution.workflow_id = "reset"
    reset.workflow_execution.run_id = handle.first_execution_run_id or ""
    await temporal.workflow_service.reset_workflow_execution(reset)
    again = temporal.get_workflow_handle("reset")

    async def all_came_again() -> bool:
        found: object = await again.query("state")
        return bool(found == [3, ["parcel-1", "signal", "parcel-2"]])

    await until(all_came_again)
    assert (await again.describe()).run_id != handle.first_execution_run_id
    await again.terminate()


async def test_a_reset_keeps_headers_and_the_time_of_the_start_but_not_of_signals(temporal: Client) -> None:
    handle = await carrying(temporal, "a token").start_workflow(Waits.run, id="reset-headers", task_queue=QUEUE)
    await handle.execute_update("count", id="parcel-1")
    await carrying(temporal, "another").get_workflow_handle(handle.id).signal("count")
    assert await handle.query("state") == [2, ["parcel-1", "signal"]]
    reset = ResetWorkflowExecutionRequest(
        namespace=temporal.namespace, reason="a test", workflow_task_finish_event_id=3, request_id=str(uuid.uuid4())
    )
    reset.workflow_execution.workflow_id = handle.id
    reset.workflow_execution.run_id = handle.first_execution_run_id or ""
    await temporal.workflow_service.reset_workflow_execution(reset)
    again = temporal.get_workflow_handle(handle.id)

    async def recorded(run_id: str | None) -> list[HistoryEvent]:
        found = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED}
        events = (await temporal.get_workflow_handle(handle.id, run_id=run_id).fetch_history()).events
        return [event for event in events if event.event_type in found]

    (start, signal), (start_again, signal_again) = await recorded(handle.first_execution_run_id), await recorded(None)
    assert (start.event_time, start.workflow_execution_started_event_attributes.header) == (
        start_again.event_time,
        start_again.workflow_execution_started_event_attributes.header,
    )
    assert signal_again.event_time.ToDatetime() > signal.event_time.ToDatetime()
    headers = [each.workflow_execution_signaled_event_attributes.header.fields for each in (signal, signal_again)]
    assert [token_of(each) for each in headers] == ["another", "another"]
    await again.terminate()


async def test_a_signal_and_an_update_may_share_a_name(temporal: Client) -> None:
    handle = await temporal.start_workflow(Waits.run, id="shared-name", task_queue=QUEUE)
    await handle.signal("count")
    await handle.execute_update("count", id="mine")

    assert await handle.query("state") == [2, ["signal", "mine"]]
    await handle.terminate()
