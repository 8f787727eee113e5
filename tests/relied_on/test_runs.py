"""Runs: payloads that can't be read, continued runs, lists and schedules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import WorkflowExecutionStatus as ServerStatus
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleRange,
    ScheduleSpec,
    WorkflowExecutionStatus,
)
from temporalio.common import RetryPolicy, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

from stockkeeper.contracts import search_attributes
from tests.relied_on.conftest import QUEUE, until
from tests.relied_on.probes import RUNNER, After, Before, Waits


async def _failures_of_tasks(client: Client, workflow_id: str) -> list[str]:
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return [
        event.workflow_task_failed_event_attributes.failure.message
        for event in history.events
        if event.HasField("workflow_task_failed_event_attributes")
    ]


async def test_a_typed_start_that_cannot_be_read_repeats_its_first_task_and_ends_nothing(temporal: Client) -> None:
    handle = await temporal.start_workflow("TakesANumber", "seven", id="unreadable-start", task_queue=QUEUE)

    async def task_has_failed() -> bool:
        return bool(await _failures_of_tasks(temporal, "unreadable-start"))

    await until(task_has_failed)
    assert await _failures_of_tasks(temporal, "unreadable-start") == ["Failed decoding arguments"]
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.terminate()


async def test_a_typed_signal_that_cannot_be_read_is_dropped(temporal: Client) -> None:
    handle = await temporal.start_workflow(Waits.run, id="unreadable-signal", task_queue=QUEUE)
    await handle.signal("number", "seven")
    await handle.signal("number", 7)

    assert await handle.query("state") == [7, []]
    assert await _failures_of_tasks(temporal, "unreadable-signal") == []
    await handle.terminate()


async def test_a_continued_run_has_the_starts_memo_and_the_search_attributes_but_no_details(
    temporal: Client, our_client: Client
) -> None:
    del our_client  # It registers the search attributes.
    sku = search_attributes.SKUS
    handle = await temporal.start_workflow(
        Waits.run,
        id="carried",
        task_queue=QUEUE,
        memo={"changed": "at the start", "kept": "at the start"},
        search_attributes=TypedSearchAttributes([SearchAttributePair(sku, ["TEA-100"])]),
        static_summary="summary",
    )
    await handle.signal("go_on")
    again = temporal.get_workflow_handle("carried")

    async def another_run() -> bool:
        return (await again.describe()).run_id != handle.first_execution_run_id

    await until(another_run)
    run = await again.describe()
    assert dict(await run.memo()) == {"changed": "at the start", "kept": "at the start"}
    assert run.typed_search_attributes.get(sku) == ["TEA-100"]
    assert await run.static_summary() is None
    await again.terminate()


async def test_a_run_that_its_retry_policy_started_again_looks_like_a_continued_one(temporal: Client) -> None:
    again = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2)
    result: Any = await temporal.execute_workflow("ComesAgain", id="comes-again", task_queue=QUEUE, retry_policy=again)

    assert result == [2, True]


async def test_lists_keep_what_a_run_last_said_of_itself_after_it_was_terminated(
    temporal: Client, our_client: Client
) -> None:
    del our_client
    handle = await temporal.start_workflow(
        Waits.run,
        id="last-said",
        task_queue=QUEUE,
        search_attributes=TypedSearchAttributes([SearchAttributePair(search_attributes.STATUS, "RELIED-ON")]),
    )
    await handle.terminate()

    async def listed_as_terminated() -> bool:
        found = [run async for run in temporal.list_workflows('StockStatus="RELIED-ON"')]
        return [run.status for run in found] == [WorkflowExecutionStatus.TERMINATED]

    await until(listed_as_terminated)


async def test_lists_by_what_an_attribute_is_not_leave_out_runs_without_it(
    temporal: Client, our_client: Client
) -> None:
    del our_client
    status = TypedSearchAttributes([SearchAttributePair(search_attributes.STATUS, "KNOWN")])
    for name, attributes in (("is-not-with", status), ("is-not-without", TypedSearchAttributes.empty)):
        await temporal.start_workflow(Waits.run, id=name, task_queue=QUEUE, search_attributes=attributes)

    async def found(condition: str) -> list[str]:
        search = f'WorkflowId STARTS_WITH "is-not-" AND {condition}'
        return sorted([run.id async for run in temporal.list_workflows(search)])

    async def both() -> bool:
        return await found('(StockStatus != "OTHER" OR StockStatus IS NULL)') == ["is-not-with", "is-not-without"]

    await until(both)
    assert await found('StockStatus != "OTHER"') == ["is-not-with"]
    assert await found("StockStatus IS NULL") == ["is-not-without"]
    for name in ("is-not-with", "is-not-without"):
        await temporal.get_workflow_handle(name).terminate()


async def test_lists_of_keywords_ignore_case_on_the_embedded_server(temporal: Client, our_client: Client) -> None:
    del our_client
    handle = await temporal.start_workflow(
        Waits.run,
        id="keywords",
        task_queue=QUEUE,
        search_attributes=TypedSearchAttributes([SearchAttributePair(search_attributes.SKUS, ["RELIED-ON-100"])]),
    )

    async def found(sku: str) -> bool:
        return [run.id async for run in temporal.list_workflows(f'StockSkus="{sku}"')] == ["keywords"]

    await until(lambda: found("RELIED-ON-100"))
    assert await found("relied-on-100")
    await handle.terminate()


def test_the_status_of_a_paused_run_is_unknown_to_the_sdk() -> None:
    assert ServerStatus.WORKFLOW_EXECUTION_STATUS_PAUSED == 8
    with pytest.raises(ValueError, match="8 is not a valid WorkflowExecutionStatus"):
        WorkflowExecutionStatus(8)


async def test_a_schedule_that_exists_is_said_to_be_running_and_its_runs_have_the_time_in_their_ids(
    temporal: Client,
) -> None:
    schedule = Schedule(
        action=ScheduleActionStartWorkflow("Waits", id="scheduled", task_queue=QUEUE),
        spec=ScheduleSpec(calendars=[ScheduleCalendarSpec(year=[ScheduleRange(2099)])]),
    )
    handle = await temporal.create_schedule("relied-on", schedule)
    with pytest.raises(ScheduleAlreadyRunningError):
        await temporal.create_schedule("relied-on", schedule)
    await handle.trigger()

    async def has_run() -> bool:
        return bool((await handle.describe()).info.recent_actions)

    await until(has_run)
    [run] = (await handle.describe()).info.recent_actions
    workflow_id = getattr(run.action, "workflow_id", "")
    assert workflow_id.startswith("scheduled-2")
    assert datetime.fromisoformat(workflow_id.removeprefix("scheduled-")).tzinfo is UTC
    await temporal.get_workflow_handle(workflow_id).terminate()
    await handle.delete()


async def test_an_hourly_calendar_in_a_zone_runs_24_times_on_the_day_of_25_hours(temporal: Client) -> None:
    every_hour = [ScheduleCalendarSpec(hour=[ScheduleRange(0, 23)])]
    runs = {}
    for zone in ("Europe/Berlin", "UTC"):
        handle = await temporal.create_schedule(
            "hours-of-a-day",
            Schedule(
                action=ScheduleActionStartWorkflow("Waits", id="hours", task_queue=QUEUE),
                spec=ScheduleSpec(calendars=every_hour, time_zone_name=zone),
            ),
        )
        asked = ListScheduleMatchingTimesRequest(namespace=temporal.namespace, schedule_id="hours-of-a-day")
        asked.start_time.FromDatetime(datetime(2026, 10, 24, 21, 59, 59))  # noqa: DTZ001 - protobuf wants UTC without saying so
        asked.end_time.FromDatetime(datetime(2026, 10, 25, 22, 59, 59))  # noqa: DTZ001
        runs[zone] = len((await temporal.workflow_service.list_schedule_matching_times(asked)).start_time)
        await handle.delete()

    assert runs == {"Europe/Berlin": 24, "UTC": 25}


async def test_a_patch_is_true_in_an_old_run_that_comes_to_it_late_and_false_where_it_was_asked_before(
    temporal: Client,
) -> None:
    async with Worker(temporal, task_queue="changes", workflows=[Before], workflow_runner=RUNNER):
        handle = await temporal.start_workflow("Changes", id="changes", task_queue="changes")

        async def has_begun() -> bool:
            history = await handle.fetch_history()
            return any(event.HasField("workflow_task_completed_event_attributes") for event in history.events)

        await until(has_begun)
    async with Worker(temporal, task_queue="changes", workflows=[After], workflow_runner=RUNNER):
        await handle.signal("end")
        assert await handle.result() == [False, True]
