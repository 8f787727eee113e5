"""What has come of a run while no worker was there is in the answer to the repeat of its start."""

import asyncio
import functools
from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from temporalio import activity
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

import worker
from activities.adjustment import AdjustmentSteps
from activities.settings import Serves
from database.sessions import Database
from stockkeeper.contracts.adjustment import PostAdjustmentStep, StoredAdjustment
from stockkeeper.contracts.converter import as_application_error
from stockkeeper.contracts.outage import DATABASE_AWAY
from stockkeeper.domain.errors import InvalidRequest
from tests.faults.workplace import Workplace
from tests.support.adjustment import approval, priced
from tests.support.books import level
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually


async def _refuse_the_approval(client: Client, task_queue: str) -> None:
    """End both activities as another worker would."""
    failure, sent = Failure(), client.data_converter.payload_converter.to_payloads([{"ways": 1, "not_sent": None}])
    refused = as_application_error(InvalidRequest("no such thing"))
    client.data_converter.failure_converter.to_failure(refused, client.data_converter.payload_converter, failure)
    by_type: dict[str, bytes] = {}
    while len(by_type) < 2:
        poll = PollActivityTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=task_queue), identity="another worker"
        )
        task = await client.workflow_service.poll_activity_task_queue(poll)
        by_type[task.activity_type.name] = task.task_token
    service, token = client.workflow_service, by_type["send_notice"]
    await service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(
            namespace=client.namespace, task_token=token, result=Payloads(payloads=sent)
        )
    )
    token = by_type["post_adjustment"]
    await service.respond_activity_task_failed(
        RespondActivityTaskFailedRequest(namespace=client.namespace, task_token=token, failure=failure)
    )


@activity.defn(name="post_adjustment", no_thread_cancel_exception=True)
def _is_away(self: AdjustmentSteps, step: PostAdjustmentStep) -> StoredAdjustment:
    raise ApplicationError("the database is away", type=DATABASE_AWAY)


async def test_the_repeat_of_a_start_is_answered_after_the_result_that_came_before_it(
    workplace: Callable[[], Workplace],
    monkeypatch: pytest.MonkeyPatch,
    plain_client: Client,
    our_client: Client,
    database: Database,
    shop: Shop,
    engine: Engine,
) -> None:
    place, number, item = workplace(), new_reference("a"), shop.item(12, product=priced(shop, "100.00"))
    without_bulk = place.settings.model_copy(update={"serves": Serves.ORDERS})
    with monkeypatch.context() as patched:
        # Its steps go through the queue, where another worker takes them.
        patched.setattr(worker, "Worker", functools.partial(Worker, no_remote_activities=True))
        patched.setattr(AdjustmentSteps, "post_adjustment", _is_away)
        async with worker.working(our_client, database, without_bulk):
            await place.adjusting.adjust(number, (item, -10))
            await place.adjusting.signal(number, "approve", approval())
            steps = ["post_adjustment", "send_notice"]
            await eventually(lambda: place.adjusting.pending(number), lambda pending: sorted(pending) == steps)
    await _refuse_the_approval(plain_client, place.settings.task_queue)
    again = asyncio.create_task(place.adjusting.adjust(number, (item, -10)))
    async with worker.working(our_client, database, place.settings):
        [note] = (await again)["notes"]
    assert note.endswith("signal approve refused: InvalidRequest: no such thing")
    assert level(engine, item) == (12, 0)
