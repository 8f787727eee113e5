"""Orders that wait for stock, over the wire: held when it comes, or the end of the wait said in so many words."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

from activities import waking
from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.reservation import Orders, deadline_of, lines_of, request, shortage
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, answer, at_once, cells, eventually, line, refusal
from worker import Settings, working

SECONDS = 1 / 60


async def placed(orders: Orders, *lines: tuple[ItemKey, int], wait_minutes: float = 30) -> tuple[str, Json]:
    """An order that waits, and its state."""
    reference = new_reference()
    start = [request(reference, *lines, wait_minutes=wait_minutes)]
    return reference, await orders.ask_raw(reference, start, command=("placed", None))


async def test_an_order_is_held_when_its_stock_comes(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(1)
    reference, state = await placed(orders, (item, 3))
    waiting_until = datetime.fromisoformat(state["waiting_until"])
    assert (state["status"], state["expires_at"]) == ("WAITING", None)
    assert state["queue"] == [
        {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "position": 1, "missing": 2}
    ]
    assert state["lines"] == [line(item, 3) | {"reservation_id": None, "quantity_fulfilled": 0, "quantity_released": 0}]
    # Asked again, also by one that wouldn't wait, it is the same order; both are answered when it is held.
    asking = [asyncio.ensure_future(orders.reserve(reference, (item, 3), wait_minutes=minutes)) for minutes in (30, 0)]
    await orders.accepted(reference, 3)
    shop.move(item, 1)
    assert not any(each.done() for each in asking)
    shop.move(item, 1)
    first, second = await asyncio.gather(*asking)
    assert first == second
    assert (first["status"], first["waiting_until"], first["queue"]) == ("ACTIVE", None, [])
    assert lines_of(first) == [(item, 3, 0)]
    # The time to live counts from when it was held.
    assert deadline_of(first) > waiting_until - timedelta(minutes=1)
    assert level(engine, item) == (3, 3)
    assert (await orders.fulfill(reference))["status"] == "FULFILLED"


async def test_the_numbers_of_an_order_that_waits_are_in_the_ui(orders: Orders, shop: Shop) -> None:
    item = shop.item(1)
    await placed(orders, (item, 5))
    reference, _ = await placed(orders, (item, 1), (item, 2))
    details = (await orders.metadata(reference)).current_details
    status, head = details.splitlines()[0].partition(" · ")[0], cells(details)
    assert status == "**WAITING**"
    assert [head[0], head[2][2:]] == [
        ["product", "warehouse", "ordered", "missing", "place in the queue"],
        ["3", "7", "2"],
    ]
    [timer] = await orders.summaries(reference, EventType.EVENT_TYPE_TIMER_STARTED)
    assert timer.startswith("wait for stock ends ")
    query = f'StockStatus="WAITING" AND StockReference="{reference}"'
    assert await eventually(lambda: orders.found(query), bool) == [reference]
    for each in (reference,):
        await orders.cancel(each)


async def test_a_cancelled_wait_answers_so_and_frees_its_place(orders: Orders, shop: Shop, engine: Engine) -> None:
    """By an update, a signal, or the operator's cancellation of the run; those behind are served at once."""
    item = shop.item(1)
    ways: list[Callable[[str], Awaitable[object]]] = [
        orders.cancel,
        lambda reference: orders.signal(reference, "cancel", {"performed_by": "shop", "reason": "changed my mind"}),
        lambda reference: orders.handle(reference).cancel(),
    ]
    waiting = [(await placed(orders, (item, 2)))[0] for _ in ways]
    behind, _ = await placed(orders, (item, 1))
    for reference, cancel in zip(waiting, ways, strict=True):
        asking = asyncio.ensure_future(refusal(orders.update(reference, "reserved")))
        await orders.accepted(reference, 2)
        await cancel(reference)
        no = await asking
        assert (no.type, no.details) == ("InvalidState", {"status": "CANCELLED", "command": "reserve"})
        ended = await orders.result(reference)
        assert (ended["status"], ended["queue"], ended["waiting_until"]) == ("CANCELLED", [], None)
        # It is over for good.
        late = await refusal(orders.reserve(reference, (item, 2)))
        assert (late.type, late.details["status"]) == ("InvalidState", "CANCELLED")
    assert (await orders.update(behind, "reserved"))["status"] == "ACTIVE"
    assert level(engine, item) == (1, 1)


async def test_at_the_end_of_its_wait_an_order_is_rejected_and_may_ask_again(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(1), new_reference()
    no = await refusal(orders.reserve(reference, (item, 2), wait_minutes=SECONDS))
    assert (no.type, no.details) == ("InsufficientStock", [shortage(item, 2, 1)])
    ended = await orders.result(reference)
    assert (ended["status"], ended["shortages"], ended["queue"]) == ("REJECTED", [shortage(item, 2, 1)], [])
    [note] = await orders.noted(reference, 1)
    assert note == f"rejected: {no.message}"
    assert await orders.status(reference) is WorkflowExecutionStatus.COMPLETED
    shop.move(item, 1)
    assert (await orders.reserve(reference, (item, 2)))["status"] == "ACTIVE"
    assert level(engine, item) == (2, 2)


async def test_commands_are_refused_at_once_while_an_order_waits(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(1)
    reference, _ = await placed(orders, (item, 2))

    def refused(command: str) -> Refusal:
        return Refusal(
            "InvalidState",
            {"status": "WAITING", "command": command},
            f"reservation {reference} is still waiting for stock",
        )

    less = {"performed_by": "shop", "reason": "less", "lines": [line(item, 1)]}
    assert await at_once(
        refusal(orders.fulfill(reference)),
        refusal(orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")),
        refusal(orders.extend(reference, 60)),
        refusal(orders.update(reference, "release", less)),
        refusal(orders.update(reference, "release", less | {"release_id": "less-1"})),
        refusal(orders.update(reference, "give_way", {"performed_by": "carl", "reason": "found less"})),
    ) == [refused(each) for each in ("fulfill", "fulfill", "extend", "release", "release", "give_way")]
    await orders.signal(reference, "fulfill", {"performed_by": "picker"})
    [note] = await orders.noted(reference, 1)
    assert note == f"signal fulfill refused: InvalidState: reservation {reference} is still waiting for stock"
    # Told for nothing, as anybody may do, it waits on.
    await orders.signal(reference, "stock_came")
    await eventually(lambda: orders.history(reference, EventType.EVENT_TYPE_MARKER_RECORDED), lambda it: len(it) == 2)
    assert (await orders.state(reference))["status"] == "WAITING"
    await orders.cancel(reference)
    assert level(engine, item) == (1, 0)


async def test_a_run_that_was_terminated_loses_its_place_when_its_turn_comes(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item = shop.item(0)
    (gone, _), (waits, _) = await placed(orders, (item, 2)), await placed(orders, (item, 1))
    await orders.handle(gone).terminate("by mistake")
    shop.move(item, 2)
    assert (await orders.update(waits, "reserved"))["status"] == "ACTIVE"
    assert level(engine, item) == (2, 1)
    # Started again it is last in the queue; started again before its turn, it would have kept its place.
    assert (await placed(orders, (item, 2)))[1]["queue"][0]["position"] == 1


async def test_a_large_order_whose_run_was_terminated_holds_nobody_up(
    orders: Orders,
    our_client: Client,
    database: Database,
    settings: Settings,
    shop: Shop,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its turn would never come; a worker that looks finds that nobody waits any more."""
    item = shop.item(0)
    (gone, _), (waits, _) = await placed(orders, (item, 50)), await placed(orders, (item, 1))
    await orders.handle(gone).terminate("by mistake")
    shop.move(item, 1)
    query = f'StockReference="{gone}" AND ExecutionStatus="Terminated"'
    assert await eventually(lambda: orders.found(query), bool) == [gone]
    monkeypatch.setattr(waking, "LOOK_ANYWAY", timedelta(milliseconds=200))
    elsewhere = settings.model_copy(update={"task_queue": new_reference("queue")})
    async with working(our_client, database, elsewhere):
        assert (await orders.update(waits, "reserved"))["status"] == "ACTIVE"
    assert level(engine, item) == (1, 1)


async def test_a_run_that_is_started_again_keeps_its_place(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    (first, _), (second, _) = await placed(orders, (item, 2)), await placed(orders, (item, 2))
    await orders.handle(first).terminate("by mistake")
    asking = asyncio.ensure_future(orders.reserve(first, (item, 2), wait_minutes=30))
    await eventually(lambda: orders.status(first), lambda status: status is WorkflowExecutionStatus.RUNNING)
    await orders.accepted(first, 1)
    shop.move(item, 2)
    assert (await asking)["status"] == "ACTIVE"
    assert (await orders.state(second))["status"] == "WAITING"
    await orders.cancel(second)
    assert level(engine, item) == (2, 2)


async def test_a_start_under_a_fixed_update_id_waits_through_the_run_that_follows(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    """The answer ``placed`` isn't kept: another run waits on, and is told of the stock."""
    item, reference = shop.item(0), new_reference()
    start = [request(reference, (item, 1), wait_minutes=30)]
    first = await orders.ask_raw(reference, start, command=("placed", None), update_id="the-order")

    async def follows() -> bool:
        [begun] = await orders.history(reference, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
        return bool(begun.workflow_execution_started_event_attributes.continued_execution_run_id)

    await eventually(follows, bool)
    assert (await answer(orders.ask_raw(reference, start, command=("placed", None), update_id="the-order"))) == first
    shop.move(item, 1)
    assert (await orders.update(reference, "reserved"))["status"] == "ACTIVE"
    assert level(engine, item) == (1, 1)
