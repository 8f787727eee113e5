"""Everything may be sent twice: the same answer comes, and nothing happens again."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError

from tests.support.books import level, nothing_changes
from tests.support.reservation import Orders, lines_of, one_hold, request
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import answer, at_once, eventually, line, refusal


async def test_a_repeated_start_gets_the_same_answer(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, first = await one_hold(orders, shop, 3)
    with nothing_changes(engine, item):
        assert await orders.reserve(reference, (item, 3)) == first
    assert level(engine, item) == (10, 3)


async def test_starts_of_one_order_at_once_hold_once(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    answers = await at_once(*(orders.reserve(reference, (item, 3)) for _ in range(10)))
    assert answers == [answers[0]] * 10
    assert answers[0]["status"] == "ACTIVE"
    assert level(engine, item) == (10, 3)


@pytest.mark.parametrize("ending", ["FULFILLED", "CANCELLED", "EXPIRED"])
async def test_a_start_after_the_end_changes_nothing(orders: Orders, shop: Shop, engine: Engine, ending: str) -> None:
    reference, item, _ = await one_hold(orders, shop, 3, ttl_minutes=0.1 / 60 if ending == "EXPIRED" else 30)
    if ending == "FULFILLED":
        await orders.fulfill(reference)
    if ending == "CANCELLED":
        await orders.cancel(reference)
    ended = await orders.result(reference)
    assert ended["status"] == ending
    with nothing_changes(engine, item):
        if ending == "FULFILLED":
            assert await orders.reserve(reference, (item, 3)) == ended
        else:  # Whoever asks for a hold must not take this for one.
            again = await refusal(orders.reserve(reference, (item, 3)))
            assert (again.type, again.details) == ("InvalidState", {"status": ending, "command": "reserve"})
        assert await orders.result(reference) == ended


async def test_another_order_under_a_reference_that_has_ended_is_a_conflict(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    reference, item, _ = await one_hold(orders, shop, 3)
    await orders.cancel(reference)
    with nothing_changes(engine, item):
        refused = await refusal(orders.reserve(reference, (item, 4)))
        assert refused.type == "OperationConflict"
        assert (await refusal(orders.result(reference))).type == "OperationConflict"
    assert await orders.status(reference) == WorkflowExecutionStatus.FAILED


async def test_a_rejected_order_may_be_tried_again(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(2)
    reference = new_reference()
    assert (await refusal(orders.reserve(reference, (item, 3)))).type == "InsufficientStock"
    await orders.result(reference)
    shop.move(item, 1)
    assert (await orders.reserve(reference, (item, 3)))["status"] == "ACTIVE"
    assert level(engine, item) == (3, 3)


async def test_a_mistaken_order_may_be_put_right(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(2)
    reference = new_reference()
    assert (await refusal(orders.reserve(reference, (item, 0)))).type == "InvalidRequest"
    assert (await orders.reserve(reference, (item, 2)))["status"] == "ACTIVE"
    assert level(engine, item) == (2, 2)


async def test_a_plain_start_of_a_running_order_is_told_so(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 3)
    with nothing_changes(engine, item), pytest.raises(WorkflowAlreadyStartedError):
        await orders.start(reference, [request(reference, (item, 3))])


@pytest.mark.parametrize("command", ["fulfill", "cancel", "extend"])
async def test_a_command_with_the_same_update_id_happens_once(
    orders: Orders, shop: Shop, engine: Engine, command: str
) -> None:
    reference, item, _ = await one_hold(orders, shop, 3)
    sent: dict[str, Any] = {
        "fulfill": {"performed_by": "picker", "lines": [line(item, 1)]},
        "cancel": {"performed_by": "shop", "reason": "no longer wanted"},
        "extend": {"performed_by": "shop", "ttl_minutes": 60},
    }
    first = await orders.update(reference, command, sent[command], update_id="the-command")
    with nothing_changes(engine, item):
        assert await orders.update(reference, command, sent[command], update_id="the-command") == first


async def test_a_shipment_of_the_same_name_leaves_once(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 6)
    first = await orders.fulfill(reference, [line(item, 2)], fulfillment_id="parcel-1")
    with nothing_changes(engine, item):
        assert await orders.fulfill(reference, [line(item, 2)], fulfillment_id="parcel-1") == first
        assert await orders.state(reference) == first
    assert level(engine, item) == (8, 4)
    await orders.fulfill(reference, [line(item, 2)], fulfillment_id="parcel-2")
    assert level(engine, item) == (6, 2)


async def test_another_shipment_of_the_same_name_is_a_conflict(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 6)
    first = await orders.fulfill(reference, [line(item, 2)], fulfillment_id="parcel-1")
    with nothing_changes(engine, item):
        refused = await refusal(orders.fulfill(reference, [line(item, 3)], fulfillment_id="parcel-1"))
        assert refused.type == "OperationConflict"
        assert await orders.state(reference) == first


async def test_a_repeated_shipment_is_answered_with_the_present_state(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    reference, item, _ = await one_hold(orders, shop, 6)
    await orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")
    await orders.fulfill(reference, [line(item, 2)], fulfillment_id="parcel-2")
    extended = await orders.extend(reference, 90)
    with nothing_changes(engine, item):
        assert await orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1") == extended
    assert await orders.state(reference) == extended
    assert lines_of(extended) == [(item, 6, 3)]


async def test_a_repeated_shipment_does_not_bring_an_old_deadline_back(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    reference, item, _ = await one_hold(orders, shop, 6, ttl_minutes=1.5 / 60)
    await orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")
    extended = await orders.extend(reference, 3 / 60)
    await orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")
    ended = await orders.result(reference)
    assert (ended["status"], ended["expires_at"]) == ("EXPIRED", extended["expires_at"])
    closed = (await orders.handle(reference).describe()).close_time
    assert closed is not None
    assert closed >= datetime.fromisoformat(extended["expires_at"])


async def _accepted(orders: Orders, reference: str) -> int:
    events = [event async for event in orders.handle(reference).fetch_history_events()]
    kind = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    return sum(event.event_type == kind for event in events)


async def _one_behind_the_other(
    orders: Orders, shop: Shop, engine: Engine, first: str, then: str
) -> tuple[Any, Awaitable[Any]]:
    """Two commands at once: the first waits for a locked row, and the second for its turn."""
    # A short task, because a command is only let in between two of them.
    brisk = Orders(orders.client, orders.task_queue, task_timeout=timedelta(seconds=1))
    item = shop.item(10)
    reference = new_reference()
    await brisk.reserve(reference, (item, 3))
    send = {
        "fulfill": lambda: brisk.fulfill(reference),
        "cancel": lambda: brisk.cancel(reference),
        "extend": lambda: brisk.extend(reference, 60),
    }
    async with locked(engine, item) as lock:
        one = asyncio.ensure_future(send[first]())
        await lock.has_somebody_waiting()
        other = asyncio.ensure_future(send[then]())
        await eventually(lambda: _accepted(brisk, reference), lambda accepted: accepted == 3)
    state = await one
    assert level(engine, item) == ((7, 0) if first == "fulfill" else (10, 0))
    assert await orders.result(reference) == state
    return state, other


async def test_a_command_in_the_wrong_state_is_refused_with_the_state_and_its_name(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    async def race(first: str, then: str, status: str) -> None:
        state, late = await _one_behind_the_other(orders, shop, engine, first, then)
        assert state["status"] == status
        refused = await refusal(late)
        assert (refused.type, refused.details) == ("InvalidState", {"status": status, "command": then})

    await at_once(
        race("fulfill", "cancel", "FULFILLED"),
        race("fulfill", "extend", "FULFILLED"),
        race("cancel", "fulfill", "CANCELLED"),
        race("cancel", "extend", "CANCELLED"),
    )


async def test_to_end_what_has_ended_that_way_is_no_mistake(orders: Orders, shop: Shop, engine: Engine) -> None:
    async def race(command: str) -> None:
        state, again = await _one_behind_the_other(orders, shop, engine, command, command)
        assert await answer(again) == state

    await at_once(race("fulfill"), race("cancel"))


async def test_the_last_parcel_sent_twice_is_answered_twice(orders: Orders, shop: Shop, engine: Engine) -> None:
    brisk = Orders(orders.client, orders.task_queue, task_timeout=timedelta(seconds=1))
    item = shop.item(10)
    reference = new_reference()
    await brisk.reserve(reference, (item, 3))
    parcel = [{"product_id": item.product_id, "quantity": 3}]
    async with locked(engine, item) as lock:
        # The second is let in while the first still waits for the row, so the run can't end before both are answered.
        first = asyncio.ensure_future(brisk.fulfill(reference, parcel, fulfillment_id="parcel"))
        await lock.has_somebody_waiting()
        second = asyncio.ensure_future(brisk.fulfill(reference, parcel, fulfillment_id="parcel"))
        await eventually(lambda: _accepted(brisk, reference), lambda accepted: accepted == 3)
    assert await first == await second
    assert ((await first)["status"], level(engine, item)) == ("FULFILLED", (7, 0))


async def test_somebody_else_may_repeat_a_parcel_and_a_start(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 3)
    parcel = [{"product_id": item.product_id, "quantity": 1}]
    shipped = await orders.fulfill(reference, parcel, fulfillment_id="parcel", performed_by="early shift")
    with nothing_changes(engine, item):
        again = await orders.fulfill(reference, parcel, fulfillment_id="parcel", performed_by="late shift")
        assert again == shipped
        assert await orders.reserve(reference, (item, 3), performed_by="night shift") == shipped


async def test_slashes_in_names_keep_operations_apart(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 3)
    parcel = [{"product_id": item.product_id, "quantity": 1}]
    await orders.fulfill(reference, parcel, fulfillment_id="x/reserve")
    assert (await orders.reserve(f"{reference}/fulfill/x", (item, 2)))["status"] == "ACTIVE"
    assert level(engine, item) == (9, 4)


async def test_what_a_buyer_left_of_an_overdue_hold_is_released_when_it_is_taken_over(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    needed, other = shop.items(2, 5)
    gone, waiting = new_reference(), new_reference()
    await orders.reserve(gone, (needed, 5), (other, 5), ttl_minutes=1 / 60)
    await orders.handle(gone).terminate("by mistake")
    await orders.reserve(waiting, (shop.item(1), 1), ttl_minutes=1 / 60)
    await orders.result(waiting)
    await orders.reserve(new_reference(), (needed, 5))
    assert (level(engine, needed), level(engine, other)) == ((5, 5), (5, 5))
    refused = await refusal(orders.reserve(gone, (needed, 5), (other, 5)))
    assert refused.type == "InvalidState"
    assert (await orders.result(gone))["status"] == "EXPIRED"
    assert (level(engine, needed), level(engine, other)) == ((5, 5), (5, 0))
