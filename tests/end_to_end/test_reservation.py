"""A reservation over the wire, from the order to each of its ends."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from tests.support.books import ItemBooks, books, level, nothing_changes
from tests.support.reservation import Orders, lines_of, one_hold, request, shortage
from tests.support.shop import Shop, new_reference
from tests.support.wire import Refusal, line, refusal

SECONDS = 1 / 60
"""A second of a time to live, which is given in minutes."""


async def test_a_hold_is_answered_in_one_call_with_the_whole_state(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, state = await one_hold(orders, shop, 3)
    ids = [each.pop("reservation_id") for each in state["lines"]]
    deadline = datetime.fromisoformat(state.pop("expires_at"))
    assert all(isinstance(each, int) for each in ids)
    assert state == {
        "reference_type": "ORDER",
        "reference_id": reference,
        "status": "ACTIVE",
        "waiting_until": None,
        "queue": [],
        "lines": [line(item, 3) | {"quantity_fulfilled": 0, "quantity_released": 0}],
        "shortages": [],
        "notes": [],
    }
    assert books(engine, item).items == (
        ItemBooks(on_hand=10, reserved=3, held=3, open_lines=1, movements=1, moved=10),
    )
    events = [event async for event in orders.handle(reference).fetch_history_events()]
    [begun, *_] = [event for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED]
    lifetime = deadline.timestamp() - begun.event_time.ToNanoseconds() / 1e9
    assert lifetime == pytest.approx(1800, abs=1e-3)


async def test_what_is_held_leaves_as_a_sale(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 3)
    state = await orders.fulfill(reference)
    assert state["status"] == "FULFILLED"
    assert lines_of(state) == [(item, 3, 3)]
    assert await orders.result(reference) == state
    assert books(engine, item).items == (ItemBooks(on_hand=7, reserved=0, held=0, open_lines=0, movements=2, moved=7),)
    with engine.connect() as connection:
        sale = connection.execute(
            text("SELECT * FROM stock_movements WHERE reference_id = :reference"), {"reference": reference}
        ).one()
    assert (sale.movement_type, sale.quantity, sale.balance_after) == ("SALE", -3, 7)
    assert (sale.performed_by, sale.workflow_id) == ("picker", f"reservation-{reference}")
    assert sale.run_id == (await orders.handle(reference).describe()).run_id


async def test_what_is_held_leaves_in_parts(orders: Orders, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, units=10)
    reference = new_reference()
    await orders.reserve(reference, (first, 6), (second, 4))
    state = await orders.fulfill(reference, [line(first, 2)])
    assert (state["status"], lines_of(state)) == ("ACTIVE", [(first, 6, 2), (second, 4, 0)])
    assert [level(engine, item) for item in (first, second)] == [(8, 4), (10, 4)]
    state = await orders.fulfill(reference, [{"product_id": second.product_id, "quantity": 4}, line(first, 1)])
    assert (state["status"], lines_of(state)) == ("ACTIVE", [(first, 6, 3), (second, 4, 4)])
    assert [level(engine, item) for item in (first, second)] == [(7, 3), (6, 0)]
    state = await orders.fulfill(reference)
    assert (state["status"], lines_of(state)) == ("FULFILLED", [(first, 6, 6), (second, 4, 4)])
    assert [level(engine, item) for item in (first, second)] == [(4, 0), (6, 0)]
    assert await orders.result(reference) == state


async def test_one_line_leaves_by_its_reservation_id(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    held = await orders.reserve(reference, (item, 2), (item, 3))
    second = held["lines"][1]["reservation_id"]
    state = await orders.fulfill(reference, [{"reservation_id": second, "quantity": 3}])
    assert lines_of(state) == [(item, 2, 0), (item, 3, 3)]
    assert level(engine, item) == (7, 2)


async def test_a_product_leaves_from_the_warehouse_that_is_named(orders: Orders, shop: Shop, engine: Engine) -> None:
    product = shop.product()
    here, there = shop.item(5, product=product), shop.item(5, product=product)
    reference = new_reference()
    await orders.reserve(reference, (here, 2), (there, 2))
    state = await orders.fulfill(reference, [line(there, 2)])
    assert lines_of(state) == [(here, 2, 0), (there, 2, 2)]
    state = await orders.fulfill(reference, [{"product_id": product, "quantity": 1}])
    assert lines_of(state) == [(here, 2, 1), (there, 2, 2)]
    assert [level(engine, item) for item in (here, there)] == [(4, 1), (3, 0)]


async def test_no_more_leaves_than_is_held(orders: Orders, shop: Shop, engine: Engine) -> None:
    item, other, stranger = shop.items(3, units=10)
    reference = new_reference()
    await orders.reserve(reference, (item, 2), (other, 2))
    with nothing_changes(engine, item, other, stranger):
        refused = await refusal(orders.fulfill(reference, [line(other, 1), line(item, 3)]))
        assert refused.type == "InvalidRequest"
        assert refused.message.endswith("3 to be shipped, but only 2 still held")
        assert (await refusal(orders.fulfill(reference, [line(stranger, 1)]))).type == "InvalidRequest"
    assert (await orders.fulfill(reference))["status"] == "FULFILLED"


async def test_a_cancelled_hold_is_available_again(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 10)
    state = await orders.cancel(reference, reason="customer called")
    assert (state["status"], lines_of(state)) == ("CANCELLED", [(item, 10, 0)])
    assert await orders.result(reference) == state
    assert level(engine, item) == (10, 0)
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT closed_by, closed_reason FROM reservations WHERE reference_id = :reference"),
            {"reference": reference},
        ).one()
    assert row.closed_by.startswith(f"reservation-{reference}/cancel/")
    assert row.closed_reason == "customer called"
    assert (await orders.reserve(new_reference(), (item, 10)))["status"] == "ACTIVE"


async def test_cancelling_a_rest_keeps_what_has_left(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 6)
    await orders.fulfill(reference, [line(item, 2)])
    state = await orders.cancel(reference)
    assert (state["status"], lines_of(state)) == ("CANCELLED", [(item, 6, 2)])
    assert level(engine, item) == (8, 0)


async def test_a_hold_expires_at_its_deadline(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, held = await one_hold(orders, shop, 4, ttl_minutes=2 * SECONDS)
    assert level(engine, item) == (10, 4)
    state = await orders.result(reference)
    assert (state["status"], state["expires_at"]) == ("EXPIRED", held["expires_at"])
    assert level(engine, item) == (10, 0)
    with engine.connect() as connection:
        late = connection.execute(
            text("SELECT closed_at - expires_at FROM reservations WHERE reference_id = :reference"),
            {"reference": reference},
        ).scalar_one()
    assert timedelta(0) <= late < timedelta(seconds=2)


async def test_extending_moves_the_deadline_both_ways(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, held = await one_hold(orders, shop, 4, ttl_minutes=30)
    later = await orders.extend(reference, 90)
    moved = datetime.fromisoformat(later["expires_at"]) - datetime.fromisoformat(held["expires_at"])
    assert timedelta(minutes=60) <= moved < timedelta(minutes=61)
    assert later["status"] == "ACTIVE"
    sooner = await orders.extend(reference, 1 * SECONDS)
    state = await orders.result(reference)
    assert (state["status"], state["expires_at"]) == ("EXPIRED", sooner["expires_at"])
    assert level(engine, item) == (10, 0)


async def test_all_lines_are_held_or_none(orders: Orders, shop: Shop, engine: Engine) -> None:
    ample, scarce, empty = shop.item(10), shop.item(2), shop.item(0)
    with nothing_changes(engine, ample, scarce, empty):
        reference = new_reference()
        refused = await refusal(orders.reserve(reference, (ample, 5), (scarce, 3), (empty, 1)))
        assert refused == Refusal("InsufficientStock", [shortage(scarce, 3, 2), shortage(empty, 1, 0)], refused.message)
    assert (await orders.result(reference))["status"] == "REJECTED"


async def test_the_same_product_on_two_lines_counts_together(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    with nothing_changes(engine, item):
        refused = await refusal(orders.reserve(new_reference(), (item, 6), (item, 5)))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 11, 10)])
    state = await orders.reserve(new_reference(), (item, 6), (item, 4))
    assert lines_of(state) == [(item, 6, 0), (item, 4, 0)]
    assert level(engine, item) == (10, 10)


async def test_a_product_that_was_never_stocked_is_short(orders: Orders, shop: Shop) -> None:
    item = shop.item(1)
    never = item._replace(product_id=shop.product())
    refused = await refusal(orders.reserve(new_reference(), (never, 1)))
    assert (refused.type, refused.details) == ("InsufficientStock", [shortage(never, 1, 0)])


async def test_out_of_stock_is_an_outcome_and_no_failed_run(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(2)
    reference = new_reference()
    with nothing_changes(engine, item):
        await refusal(orders.reserve(reference, (item, 3)))
    state = await orders.result(reference)
    assert await orders.status(reference) == WorkflowExecutionStatus.COMPLETED
    assert (state["status"], state["expires_at"]) == ("REJECTED", None)
    assert state["lines"] == [line(item, 3) | {"quantity_fulfilled": 0, "quantity_released": 0, "reservation_id": None}]
    [note] = state["notes"]
    assert note.endswith(
        f"rejected: product {item.product_id} in warehouse {item.warehouse_id}: requested 3, available 2"
    )


@pytest.mark.parametrize("ending", ["FULFILLED", "CANCELLED", "EXPIRED", "REJECTED"])
async def test_the_state_is_the_result_and_can_be_asked_after_the_end(orders: Orders, shop: Shop, ending: str) -> None:
    item = shop.item(5)
    reference = new_reference()
    if ending == "REJECTED":
        await refusal(orders.reserve(reference, (item, 6)))
    else:
        await orders.reserve(reference, (item, 5), ttl_minutes=0.5 * SECONDS if ending == "EXPIRED" else 30)
    if ending == "FULFILLED":
        await orders.fulfill(reference)
    if ending == "CANCELLED":
        await orders.cancel(reference)
    result = await orders.result(reference)
    assert result["status"] == ending
    assert await orders.state(reference) == result


async def test_an_order_without_a_listener_is_held_all_the_same(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(5)
    reference = new_reference()
    await orders.start(reference, [request(reference, (item, 5))])
    state = await orders.update(reference, "reserved")
    assert state["status"] == "ACTIVE"
    assert level(engine, item) == (5, 5)
    assert await orders.state(reference) == state


async def test_a_run_that_an_operator_cancels_gives_its_stock_back(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 5, 5)
    await orders.fulfill(reference, [line(item, 1)])
    await orders.handle(reference).cancel()
    state = await orders.result(reference)
    assert (state["status"], lines_of(state)) == ("CANCELLED", [(item, 5, 1)])
    assert level(engine, item) == (4, 0)
    assert await orders.status(reference) == WorkflowExecutionStatus.COMPLETED


async def test_a_run_that_is_cancelled_before_it_holds_gives_back_what_it_would_hold(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item = shop.item(5)
    reference = new_reference()
    handle = await orders.start(reference, [request(reference, (item, 5))])
    await handle.cancel()
    assert (await orders.result(reference))["status"] == "CANCELLED"
    assert level(engine, item) == (5, 0)


async def test_a_hold_whose_run_is_gone_lasts_until_its_deadline_and_no_longer(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item = shop.item(5)
    gone = new_reference()
    await orders.reserve(gone, (item, 5), ttl_minutes=1.5 * SECONDS)
    await orders.handle(gone).terminate("by mistake")
    refused = await refusal(orders.reserve(new_reference(), (item, 1)))
    assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 1, 0)])
    waiting = new_reference()
    await orders.reserve(waiting, (shop.item(1), 1), ttl_minutes=1.5 * SECONDS)
    await orders.result(waiting)
    assert (await orders.reserve(new_reference(), (item, 5)))["status"] == "ACTIVE"
    assert level(engine, item) == (5, 5)
    again = await refusal(orders.reserve(gone, (item, 5)))
    assert (again.type, again.details) == ("InvalidState", {"status": "EXPIRED", "command": "reserve"})
    assert (await orders.result(gone))["status"] == "EXPIRED"
    assert level(engine, item) == (5, 5)
