"""Deadlines: to the minute by skipping time, and raced for on the real clock."""

from collections import Counter
from datetime import UTC, timedelta

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from database.sessions import Database
from tests.support.books import level
from tests.support.reservation import Orders, deadline_of, lines_of, request
from tests.support.shop import Shop, new_reference
from tests.support.wire import at_once, refusal, until
from tests.workflows.clock import MINUTE, MOMENT, Clock
from worker import Settings, working


class FarFuture(Clock):
    """A Temporal whose clock goes as fast as a test asks it to."""

    def __init__(self, environment: WorkflowEnvironment, task_queue: str) -> None:
        super().__init__(environment)
        self.orders = Orders(environment.client, task_queue)


@pytest.fixture
def future(skipping: WorkflowEnvironment, settings: Settings) -> FarFuture:
    """Orders there, and a clock to move."""
    return FarFuture(skipping, settings.task_queue)


async def test_a_hold_lasts_thirty_minutes(future: FarFuture, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    before = await future.now()
    await future.orders.start(reference, [request(reference, (item, 4))])
    deadline = deadline_of(await future.orders.update(reference, "reserved"))
    assert before + 30 * MINUTE <= deadline <= await future.now() + 30 * MINUTE
    await future.go_to(deadline - MINUTE)
    assert (await future.orders.state(reference))["status"] == "ACTIVE"
    assert level(engine, item) == (10, 4)
    await future.go_to(deadline)
    state = await future.orders.result(reference)
    assert (state["status"], deadline_of(state)) == ("EXPIRED", deadline)
    assert level(engine, item) == (10, 0)
    [fired] = [
        event.event_time.ToDatetime(UTC)
        async for event in future.orders.handle(reference).fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_TIMER_FIRED
    ]
    assert timedelta(0) <= fired - deadline < MOMENT


async def test_an_extended_hold_lasts_until_the_new_deadline(future: FarFuture, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    await future.orders.start(reference, [request(reference, (item, 4))])
    first = deadline_of(await future.orders.update(reference, "reserved"))
    await future.go_to(first - MINUTE)
    moved = deadline_of(await future.orders.extend(reference, 60))
    assert timedelta(0) <= moved - (first + 59 * MINUTE) < MINUTE
    await future.go_to(first + 30 * MINUTE)
    assert (await future.orders.state(reference))["status"] == "ACTIVE"
    assert level(engine, item) == (10, 4)
    await future.go_to(moved - MINUTE)
    sooner = deadline_of(await future.orders.extend(reference, 0.5))
    await future.go_to(sooner)
    state = await future.orders.result(reference)
    assert (state["status"], deadline_of(state)) == ("EXPIRED", sooner)
    assert timedelta(0) <= await future.now() - sooner < MINUTE
    assert level(engine, item) == (10, 0)


async def test_goods_leave_until_just_before_the_deadline_after_days(
    future: FarFuture, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    reference = new_reference()
    week = 7 * 24 * 60
    await future.orders.start(reference, [request(reference, (item, 4), ttl_minutes=week)])
    deadline = deadline_of(await future.orders.update(reference, "reserved"))
    await future.go_to(deadline - MINUTE)
    state = await future.orders.fulfill(reference)
    assert (state["status"], lines_of(state)) == ("FULFILLED", [(item, 4, 4)])
    assert await future.orders.result(reference) == state
    assert level(engine, item) == (6, 0)


async def test_a_command_races_the_deadline_and_one_of_them_wins(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(100)

    async def race(number: int) -> tuple[str, str]:
        """The command's answer and the run's end."""
        reference = new_reference()
        held = await orders.reserve(reference, (item, 1), ttl_minutes=1.5 / 60)
        # From half a second before the deadline to a little after it, most of them very close.
        await until(deadline_of(held) + timedelta(milliseconds=[-500, -20, -10, -5, -2, 0, 2, 5, 10, 30][number % 10]))
        command = orders.fulfill if number % 2 == 0 else orders.cancel
        try:
            answered = (await command(reference))["status"]
        except WorkflowUpdateFailedError as error:
            answered = getattr(error.cause, "type", None) or "the run was over"
        except RPCError:
            answered = "the run was over"
        return answered, (await orders.result(reference))["status"]

    outcomes = Counter(await at_once(*(race(number) for number in range(40))))
    assert set(outcomes) <= {
        ("FULFILLED", "FULFILLED"),
        ("CANCELLED", "CANCELLED"),
        ("InvalidState", "EXPIRED"),
        ("the run was over", "EXPIRED"),
    }
    # How many come in time is the machine's affair; whoever comes after the deadline doesn't.
    shipped = outcomes["FULFILLED", "FULFILLED"]
    assert shipped + outcomes["CANCELLED", "CANCELLED"] <= 24
    assert level(engine, item) == (100 - shipped, 0)


async def test_an_overdue_hold_whose_worker_is_down_does_not_block_the_next_buyer(
    our_client: Client, plain_client: Client, database: Database, settings: Settings, shop: Shop, engine: Engine
) -> None:
    item = shop.item(5)
    ours, theirs = (settings.model_copy(update={"task_queue": new_reference("queue")}) for _ in range(2))
    holder, buyer = Orders(plain_client, ours.task_queue), Orders(plain_client, theirs.task_queue)
    held_by, bought_by = new_reference(), new_reference()
    async with working(our_client, database, theirs):
        async with working(our_client, database, ours):
            held = await holder.reserve(held_by, (item, 5), ttl_minutes=1 / 60)
            assert (await refusal(buyer.reserve(bought_by, (item, 5)))).type == "InsufficientStock"
            await buyer.result(bought_by)
        await until(deadline_of(held))
        assert (await buyer.reserve(bought_by, (item, 5)))["status"] == "ACTIVE"
        assert level(engine, item) == (5, 5)
        async with working(our_client, database, ours):
            assert (await holder.result(held_by))["status"] == "EXPIRED"
        assert level(engine, item) == (5, 5)
        assert (await buyer.fulfill(bought_by))["status"] == "FULFILLED"
    assert level(engine, item) == (0, 0)
