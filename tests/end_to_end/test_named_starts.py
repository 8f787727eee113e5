"""A plain client that gives the update of its update-with-start a fixed id gets the answer of now, not a stored one."""

from collections.abc import Awaitable
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import Adjusting, adjustment, changed
from tests.support.books import level, nothing_changes
from tests.support.customer_return import Returns, expected, sold
from tests.support.cycle_count import Counts, count
from tests.support.purchase_order import Purchasing, draft
from tests.support.reservation import Orders, lines_of, shortage
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, moved, transfer
from tests.support.wire import Caller, Json, at_once, less_notices, line, refusal


def _reserve(orders: Orders, reference: str, *lines: Any, **more: Any) -> Awaitable[Json]:
    return orders.reserve(reference, *lines, update_id=f"reserved-{reference}", **more)


async def test_a_named_start_is_answered_with_the_state_of_now_while_it_runs(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    first = await _reserve(orders, reference, (item, 3))
    for units in (1, 2):
        shipped = await orders.fulfill(reference, [line(item, 1)])
        with nothing_changes(engine, item):
            again = await _reserve(orders, reference, (item, 3))
        assert (again, lines_of(again)) == (shipped, [(item, 3, units)])
    assert (first["status"], lines_of(first)) == ("ACTIVE", [(item, 3, 0)])


async def test_a_named_start_is_answered_with_the_state_of_now_at_once_after_a_cancellation(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    await _reserve(orders, reference, (item, 3))
    await orders.cancel(reference)
    with nothing_changes(engine, item):
        again = await refusal(_reserve(orders, reference, (item, 3)))
    assert (again.type, again.details) == ("InvalidState", {"status": "CANCELLED", "command": "reserve"})


async def test_a_named_start_after_the_end_is_answered_like_any_other(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    endings = ["FULFILLED", "CANCELLED", "EXPIRED"]
    items = shop.items(3, 10)

    async def ends(item: ItemKey, ending: str) -> tuple[str, Json]:
        reference = new_reference()
        await _reserve(orders, reference, (item, 3), ttl_minutes=0.2 / 60 if ending == "EXPIRED" else 30)
        if ending == "FULFILLED":
            await orders.fulfill(reference)
        if ending == "CANCELLED":
            await orders.cancel(reference)
        ended = await orders.result(reference)
        assert ended["status"] == ending
        assert await orders.state(reference) == ended
        return reference, ended

    async def asks_again(item: ItemKey, reference: str, ended: Json) -> None:
        with pytest.raises(WorkflowAlreadyStartedError):
            await _reserve(orders, reference, (item, 3), reuse=WorkflowIDReusePolicy.REJECT_DUPLICATE)
        if ended["status"] == "FULFILLED":
            assert await _reserve(orders, reference, (item, 3)) == ended
        else:
            again = await refusal(_reserve(orders, reference, (item, 3)))
            assert (again.type, again.details) == ("InvalidState", {"status": ended["status"], "command": "reserve"})
        assert await orders.result(reference) == ended

    outcomes = await at_once(*(ends(*each) for each in zip(items, endings, strict=True)))
    with nothing_changes(engine, *items):
        await at_once(*(asks_again(item, *outcome) for item, outcome in zip(items, outcomes, strict=True)))


async def test_a_named_start_that_was_short_is_tried_again(orders: Orders, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(2), new_reference()
    with nothing_changes(engine, item):
        for _ in range(2):
            short = await refusal(_reserve(orders, reference, (item, 3)))
            assert (short.type, short.details) == ("InsufficientStock", [shortage(item, 3, 2)])
    shop.move(item, 1)
    assert (await _reserve(orders, reference, (item, 3)))["status"] == "ACTIVE"
    assert level(engine, item) == (3, 3)


async def test_a_named_start_that_was_short_ends_rejected(orders: Orders, shop: Shop) -> None:
    item, reference = shop.item(2), new_reference()
    await refusal(_reserve(orders, reference, (item, 3)))
    ended = await orders.result(reference)
    assert (ended["status"], ended["shortages"]) == ("REJECTED", [shortage(item, 3, 2)])
    assert await orders.state(reference) == ended
    assert "REJECTED" in (await orders.metadata(reference)).current_details
    shop.move(item, 1)
    assert (await _reserve(orders, reference, (item, 3)))["status"] == "ACTIVE"


async def test_a_named_start_that_was_wrong_may_be_put_right_at_once(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(2), new_reference()
    wrong = await refusal(_reserve(orders, reference, (item, 0)))
    assert wrong.type == "InvalidRequest"
    assert (await _reserve(orders, reference, (item, 2)))["status"] == "ACTIVE"
    assert level(engine, item) == (2, 2)


async def test_a_named_start_that_named_nothing_known_fails_and_may_be_put_right(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(2), new_reference()
    unknown = item._replace(product_id=10**12)
    wrong = await refusal(_reserve(orders, reference, (unknown, 1)))
    assert (wrong.type, wrong.details) == ("UnknownProduct", {"product_ids": [10**12]})
    assert await refusal(orders.result(reference)) == wrong
    assert await orders.status(reference) == WorkflowExecutionStatus.FAILED
    assert (await _reserve(orders, reference, (item, 2)))["status"] == "ACTIVE"
    assert level(engine, item) == (2, 2)


async def test_a_named_start_after_a_terminate_is_taken_over(orders: Orders, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    first = await _reserve(orders, reference, (item, 3))
    await orders.handle(reference).terminate("by mistake")
    with nothing_changes(engine, item):
        assert await _reserve(orders, reference, (item, 3)) == first
    assert await orders.status(reference) == WorkflowExecutionStatus.RUNNING
    assert (await orders.cancel(reference))["status"] == "CANCELLED"
    assert level(engine, item) == (10, 0)


async def test_a_start_without_a_fixed_id_stays_in_its_run(orders: Orders, shop: Shop) -> None:
    item, reference = shop.item(10), new_reference()
    await orders.reserve(reference, (item, 3))
    before = (await orders.handle(reference).describe()).run_id
    await orders.cancel(reference)
    await orders.result(reference)
    assert (await orders.handle(reference).describe()).run_id == before


async def test_every_process_answers_a_named_start_with_the_state_of_now(
    purchasing: Purchasing, transfers: Transfers, returns: Returns, adjusting: Adjusting, counts: Counts, shop: Shop
) -> None:
    item = shop.item(10)
    here, there = item.warehouse_id, shop.warehouse()
    by, reason = {"performed_by": "ann"}, {"reason": "not needed"}

    def priced(item: Any) -> dict[str, Json]:
        return {"product_id": item.product_id, "qty": 1, "unit_cost": "1.00"}

    starts: list[tuple[Caller, dict[str, Json], str, dict[str, Json], str]] = [
        (
            purchasing,
            draft(new_reference("po"), shop.supplier(), here, priced(item)),
            *("cancel", by | reason, "CANCELLED"),
        ),
        (transfers, transfer(new_reference("t"), here, there, moved(item, 1)), "cancel", by | reason, "CANCELLED"),
        (returns, expected(new_reference("r"), here, sold(item, 1)), "close_short", by | reason, "CANCELLED"),
        (counts, count(new_reference("c"), here, item.product_id), "cancel", by | reason, "CANCELLED"),
    ]

    async def asked(caller: Caller, start: dict[str, Json], end: str, payload: dict[str, Json], status: str) -> None:
        number = next(value for name, value in start.items() if name.endswith("_number"))
        await caller.ask_raw(number, [start], update_id="the-start")
        await caller.update(number, end, payload)
        ended = await caller.result(number)
        assert ended["status"] == status
        if caller is transfers:
            assert (await refusal(caller.ask_raw(number, [start], update_id="the-start"))).type == "InvalidState"
        else:
            again = await caller.ask_raw(number, [start], update_id="the-start")
            assert less_notices(again) == less_notices(ended)

    await at_once(*(asked(*each) for each in starts))
    short = adjustment(new_reference("a"), here, changed(item, -100))
    number = short["adjustment_number"]
    assert (await refusal(adjusting.ask_raw(number, [short], update_id="x"))).type == "InsufficientStock"
    shop.move(item, 90)
    assert (await adjusting.ask_raw(number, [short], update_id="x"))["status"] in ("POSTED", "PENDING")
