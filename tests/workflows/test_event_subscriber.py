"""A receiver that is away: tried again, paused after three days, and served with all of its events once it is back."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from tests.support.shop import Shop, new_reference
from tests.support.webhooks import News, Receiver
from tests.support.wire import Handle, Json, answer, eventually
from tests.workflows.clock import HOUR, Clock
from worker import Settings


async def _subscribed(skipping: WorkflowEnvironment, settings: Settings, receiver: Receiver, news: News) -> Handle:
    name = new_reference("away")
    request = {
        "name": name,
        "url": receiver.url,
        "product_ids": list(news.product_ids),
        "after": news.last(),
        "performed_by": "ann",
    }
    handle = await skipping.client.start_workflow(
        "EventSubscriberWorkflow", request, id=f"event-subscriber-{name}", task_queue=settings.task_queue
    )
    await answer(handle.execute_update("subscribed"))
    return handle


async def _until(handle: Handle, holds: Callable[[Json], bool]) -> Json:
    return await eventually(lambda: answer(handle.query("state")), holds)


async def test_a_receiver_that_is_away_gets_all_once_it_is_back_and_is_paused_and_told_after_three_days(
    skipping: WorkflowEnvironment, settings: Settings, engine: Engine, shop: Shop
) -> None:
    news, receiver = News(engine, [shop.product() for _ in range(3)]), Receiver()
    with receiver.open():
        handle = await _subscribed(skipping, settings, receiver, news)
    numbers = news.happen(30)
    first = await _until(handle, lambda state: state["failures"] >= 1)
    assert first["status"] == "FAILING"
    # Of the first event of any subject.
    assert first["last_error"] in {f"event {number}: the connection was refused" for number in numbers[:3]}
    await skipping.sleep(HOUR)
    away = await _until(handle, lambda state: state["failures"] >= 11)
    assert (away["status"], away["delivered"]) == ("FAILING", 0)
    # After a second, and twice as long each time.
    waits = [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]
    assert [round(each) for each in waits[:11]] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    more = news.happen(6)
    with receiver.open():
        # Up to its next attempt: while that waits for more events, time isn't skipped any more.
        waiting = await answer(handle.query("state"))
        await Clock(skipping).go_to(datetime.fromisoformat(waiting["next_attempt_at"]) - timedelta(seconds=2))
        await receiver.has([*numbers, *more])
        assert sorted(receiver.taken) == [*numbers, *more]
        await _is_paused_after_three_days(skipping, handle, news, receiver)


async def _is_paused_after_three_days(
    skipping: WorkflowEnvironment, handle: Handle, news: News, receiver: Receiver
) -> None:
    taken = sorted(receiver.taken)
    receiver.answers = lambda _: 503
    last = news.happen(2)
    await _until(handle, lambda state: state["failures"] >= 1 and state["delivered"] == len(taken))
    await skipping.sleep(71 * HOUR)
    assert (await answer(handle.query("state")))["status"] == "FAILING"
    await skipping.sleep(2 * HOUR)
    paused = await _until(handle, lambda state: state["status"] == "PAUSED")
    assert paused["last_error"] in {f"event {number}: it answered 503" for number in last}
    assert paused["paused_because"].endswith(f"at last because: {paused['last_error']}")
    assert (paused["cursor"] >= taken[-1], paused["next_attempt_at"]) == (True, None)
    assert [each["title"].partition(" to ")[0] for each in paused["notices"]] == ["Events"]
    receiver.answers = lambda _: 200
    await answer(handle.execute_update("resume", {"performed_by": "ann"}))
    await receiver.has(last)
    assert sorted(receiver.taken) == [*taken, *last]
