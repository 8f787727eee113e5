"""Known bugs and limits of Temporal's SDK and server: what we do under them. Each test names the project and number."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from devstack.stack import StackInfo
from tests.faults.workplace import Workplace
from tests.support.books import level
from tests.support.purchase_order import Purchasing, came, draft, wanted
from tests.support.purchase_order_rows import purchases
from tests.support.reservation import Orders, lines_of, request
from tests.support.shop import Shop, new_reference
from tests.support.wire import ANSWER_SECONDS, Json, at_once, eventually

IN_FLIGHT = 10
"""Updates that a server takes at once of one run, before it has answered any of them."""


@pytest.fixture
async def impatient(stack: StackInfo, plain_client: Client) -> Client:
    """A client that doesn't try again for a quarter of a minute what the server has refused."""
    del plain_client  # The server is there.
    once = RetryConfig(max_retries=1)
    return await Client.connect(stack.temporal_address, namespace=stack.namespace, retry_config=once)


async def test_more_receivers_at_once_than_the_server_takes_all_book_once(
    workplace: Callable[[], Workplace], impatient: Client, shop: Shop, engine: Engine
) -> None:
    """The eleventh update in flight on one run is refused with RESOURCE_EXHAUSTED, after the SDK's retries."""
    place, item, number = workplace(), shop.item(0), new_reference("po")
    purchasing = place.purchasing
    hasty = Purchasing(impatient, purchasing.task_queue)
    await purchasing.start(number, [draft(number, shop.supplier(), item.warehouse_id, wanted(item, 100))])

    async def receive(by: Purchasing, receipt_id: str) -> tuple[str, Json]:
        """The receipt, and what comes of it: the order's status, or the server's refusal."""
        try:
            return receipt_id, (await by.receive(number, receipt_id, came(item, 1)))["status"]
        except RPCError as error:
            return receipt_id, error.status

    begun = [asyncio.ensure_future(receive(hasty, str(name))) for name in range(IN_FLIGHT + 2)]
    turned_away = [
        await first for _, first in zip(range(2), asyncio.as_completed(begun, timeout=ANSWER_SECONDS), strict=False)
    ]
    assert [why for _, why in turned_away] == [RPCStatusCode.RESOURCE_EXHAUSTED] * 2
    # A client as it comes tries again until there is room.
    patient = asyncio.ensure_future(receive(purchasing, "patiently"))
    async with place.worker():
        answers = dict(await asyncio.wait_for(asyncio.gather(patient, *begun), ANSWER_SECONDS))
        # Those who were turned away send the same again: the two, and whoever had to ask anew while others did.
        away = [name for name, why in (*turned_away, *answers.items()) if why is RPCStatusCode.RESOURCE_EXHAUSTED]
        answers |= dict([await receive(purchasing, name) for name in dict.fromkeys(away)])
        assert list(answers.values()) == ["SUBMITTED"] * (IN_FLIGHT + 3)
    assert [units for _, units, *_ in purchases(engine, number)] == [1] * (IN_FLIGHT + 3)
    assert level(engine, item) == (IN_FLIGHT + 3, 0)


async def test_an_answer_that_is_given_in_the_task_that_continues_the_run_reaches_its_caller(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    """temporalio/temporal 6375: the answer was lost sometimes, and the caller waited.

    A start's named question is answered by a run that then leaves its place to another (ADR 0027), often in one task.
    """
    item, references = shop.item(100), [new_reference() for _ in range(20)]
    held = await at_once(*(orders.reserve(each, (item, 2), update_id="reserved") for each in references))
    assert [each["status"] for each in held] == ["ACTIVE"] * 20

    async def first_run(reference: str) -> list[HistoryEvent]:
        latest = await orders.handle(reference).describe()
        started = await orders.history(reference, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
        begun_by = started[0].workflow_execution_started_event_attributes.first_execution_run_id
        assert begun_by != latest.run_id
        answered = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
        continued = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
        completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return await orders.history(reference, answered, continued, completed, run_id=begun_by)

    for reference in references:
        *_, task, answer, end = await first_run(reference)
        assert [each.event_type for each in (task, answer, end)] == [
            EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        ]
    # Where it had been lost, the caller would have asked again.
    again = await at_once(*(orders.reserve(each, (item, 2), update_id="reserved") for each in references))
    assert again == held
    assert level(engine, item) == (100, 40)


async def test_a_command_that_comes_after_the_worker_of_the_start_was_killed_is_carried_out(
    workplace: Callable[[], Workplace], shop: Shop, engine: Engine
) -> None:
    """temporalio/sdk-python 848: an update was lost if its worker had to replay the run first."""
    place, item = workplace(), shop.item(10)
    references = [new_reference() for _ in range(3)]
    orders = place.orders
    async with place.worker() as deadly:
        await at_once(*(orders.start(each, [request(each, (item, 2))]) for each in references))
        for each in references:
            await eventually(partial(orders.state, each), lambda state: state["status"] == "ACTIVE")
        deadly.kill()
        await deadly.wait()
    commands = [
        asyncio.ensure_future(call)
        for call in (orders.fulfill(references[0]), orders.cancel(references[1]), orders.extend(references[2], 90))
    ]
    async with place.worker():
        shipped, cancelled, extended = await at_once(*(asyncio.wait_for(each, ANSWER_SECONDS) for each in commands))
    assert [each["status"] for each in (shipped, cancelled, extended)] == ["FULFILLED", "CANCELLED", "ACTIVE"]
    assert lines_of(shipped) == [(item, 2, 2)]
    assert level(engine, item) == (8, 2)


async def test_a_worker_that_begins_among_many_open_holds_and_a_burst_of_commands_carries_out_each_once(
    workplace: Callable[[], Workplace], shop: Shop, engine: Engine
) -> None:
    """PostHog/posthog 48777: a worker that came back to its backlog fell over it again and again.

    `python -m tests.faults.restart` does it with 10,000, and measures.
    """
    place, item = workplace(), shop.item(1_000)
    orders, references = place.orders, [new_reference() for _ in range(40)]
    async with place.worker() as deadly:
        await at_once(*(orders.reserve(each, (item, 2)) for each in references))
        deadly.kill()
        await deadly.wait()
    burst = [
        asyncio.ensure_future(orders.fulfill(each) if place % 2 else orders.cancel(each))
        for place, each in enumerate(references)
    ]
    async with place.worker():
        answers = await at_once(*(asyncio.wait_for(each, ANSWER_SECONDS) for each in burst))
        assert [each["status"] for each in answers] == ["CANCELLED", "FULFILLED"] * 20
        failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        assert [len(await orders.history(each, failed)) for each in references] == [0] * 40
    assert level(engine, item) == (960, 0)
