"""Activities: what an attempt knows of the one before it, and what becomes of a payload that can't be read."""

import asyncio
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import ActivityFailureError, Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TimeoutFailure
from temporalio.worker import Worker

from tests.relied_on.conftest import QUEUE
from tests.relied_on.probes import TRIES


async def _alone(client: Client, name: str, *arguments: Any, attempts: int = 1, queue: str = QUEUE) -> Any:
    return await client.execute_activity(
        name,
        args=arguments,
        id=f"relied-on-{uuid.uuid4()}",
        task_queue=queue,
        start_to_close_timeout=timedelta(seconds=10),
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=attempts),
    )


async def test_the_last_heartbeat_arrives_with_the_failure_though_it_came_at_once_after_another(
    temporal: Client,
) -> None:
    assert await _alone(temporal, "fails_after_two_heartbeats", "beats", attempts=2) == ["first", "second"]
    assert TRIES["beats"] == 2


async def test_a_step_that_no_worker_takes_in_time_is_not_tried_again(temporal: Client) -> None:
    with pytest.raises(ActivityFailureError) as failure:
        await temporal.execute_activity(
            "nobody_has_it",
            id=f"relied-on-{uuid.uuid4()}",
            task_queue=f"{QUEUE}-nobody",
            schedule_to_start_timeout=timedelta(milliseconds=200),
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )
    cause = failure.value.cause
    assert isinstance(cause, TimeoutFailure)
    assert cause.type is TimeoutType.SCHEDULE_TO_START


async def test_an_activity_without_a_workflow_has_no_workflow_id(temporal: Client) -> None:
    assert await _alone(temporal, "takes_a_number", 7) is None


async def test_an_activity_that_the_worker_does_not_know_is_named_in_these_words(temporal: Client) -> None:
    with pytest.raises(ActivityFailureError) as failure:
        await _alone(temporal, "of_a_newer_version")
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "NotFoundError"
    assert cause.message.startswith(
        "Activity function of_a_newer_version for workflow  is not registered on this worker, available activities: "
    )


async def test_an_argument_that_cannot_be_read_is_tried_again(temporal: Client) -> None:
    """A refusal would end at once; this one ends with the attempts, and without an end where they are unlimited."""
    with pytest.raises(ActivityFailureError) as failed:
        await _alone(temporal, "takes_a_number", "seven", attempts=3)
    assert failed.value.cause is not None
    assert str(failed.value.cause) == "Failed decoding arguments"


async def test_an_answer_above_two_mebibytes_is_refused_after_each_attempt_has_done_its_work(temporal: Client) -> None:
    fits, too_large = 2 * 1024 * 1024 - 100, 2 * 1024 * 1024 + 1

    async def answer(key: str, size: int) -> str:
        arguments: list[Any] = ["answers_with", [key, size]]
        answered: str = await temporal.execute_workflow("RunsOneActivity", args=arguments, id=key, task_queue=QUEUE)
        return answered

    assert len(await answer("fits", fits)) == fits
    with pytest.raises(WorkflowFailureError):
        await answer("too-large", too_large)
    assert TRIES["too-large"] == 2


@activity.defn(name="says_when_it_was_scheduled")
async def _says_when_it_was_scheduled() -> tuple[datetime, datetime]:
    info = activity.info()
    if info.attempt == 1:
        raise RuntimeError("again")
    return info.scheduled_time, info.current_attempt_scheduled_time


async def test_a_later_attempt_says_when_it_was_scheduled_itself(temporal: Client) -> None:
    queue = f"relied-on-{uuid.uuid4()}"
    async with Worker(temporal, task_queue=queue, activities=[_says_when_it_was_scheduled]):
        first, second = await _alone(temporal, "says_when_it_was_scheduled", attempts=2, queue=queue)
    assert datetime.fromisoformat(second) > datetime.fromisoformat(first)


class _Work:
    """Activities that take half a second."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.outcomes: list[str] = []

    @activity.defn(name="interrupted")
    def interrupted(self) -> None:
        self._work()

    @activity.defn(name="undisturbed", no_thread_cancel_exception=True)
    def undisturbed(self) -> None:
        self._work()

    def _work(self) -> None:
        self.begun.set()
        try:
            for _ in range(50):
                time.sleep(0.01)
        except BaseException as error:
            self.outcomes.append(type(error).__name__)
            raise
        self.outcomes.append("done")


@pytest.mark.parametrize(("name", "outcome"), [("interrupted", "CancelledError"), ("undisturbed", "done")])
async def test_a_worker_that_stops_raises_an_exception_within_a_thread_unless_the_activity_forbids_it(
    temporal: Client, name: str, outcome: str
) -> None:
    work = _Work()
    activities = [work.interrupted, work.undisturbed]
    with ThreadPoolExecutor(1) as threads:
        async with Worker(temporal, task_queue=name, activities=activities, activity_executor=threads):
            asking = asyncio.create_task(_alone(temporal, name, queue=name))
            await asyncio.to_thread(work.begun.wait, 10)
    assert work.outcomes == [outcome]
    asking.cancel()
