"""Commands that nobody waits for: they do the same, and what is refused becomes a note."""

import pytest
from sqlalchemy import Engine

from tests.support.books import level, nothing_changes
from tests.support.refusals import refusal_of
from tests.support.reservation import Orders, lines_of, one_hold
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, eventually, line


async def _notes(orders: Orders, reference: str, count: int) -> list[str]:
    """The notes once there are as many, without their times."""
    state = await eventually(lambda: orders.state(reference), lambda state: len(state["notes"]) == count)
    assert all(note[19:25] == " UTC: " for note in state["notes"])
    return [note[25:] for note in state["notes"]]


async def test_goods_leave_by_signal(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 4)
    await orders.signal(reference, "fulfill", {"performed_by": "picker", "lines": [line(item, 1)]})
    await eventually(lambda: orders.state(reference), lambda state: lines_of(state) == [(item, 4, 1)])
    await orders.signal(reference, "fulfill", {"performed_by": "picker"})
    state = await orders.result(reference)
    assert (state["status"], lines_of(state), state["notes"]) == ("FULFILLED", [(item, 4, 4)], [])
    assert level(engine, item) == (6, 0)


async def test_stock_is_given_back_by_signal(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 4)
    await orders.signal(reference, "cancel", {"performed_by": "shop", "reason": "customer called"})
    assert (await orders.result(reference))["status"] == "CANCELLED"
    assert level(engine, item) == (10, 0)


async def test_the_deadline_is_moved_by_signal(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, held = await one_hold(orders, shop, 4)
    await orders.signal(reference, "extend", {"performed_by": "shop", "ttl_minutes": 0.01})
    ended = await orders.result(reference)
    assert ended["status"] == "EXPIRED"
    assert ended["expires_at"] < held["expires_at"]
    assert level(engine, item) == (10, 0)


async def test_two_signals_are_two_shipments_and_a_named_one_leaves_once(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    reference, item, _ = await one_hold(orders, shop, 9)
    for _ in range(2):
        await orders.signal(reference, "fulfill", {"performed_by": "picker", "lines": [line(item, 1)]})
    named = {"performed_by": "picker", "lines": [line(item, 3)], "fulfillment_id": "parcel-1"}
    for _ in range(2):
        await orders.signal(reference, "fulfill", named)
    await orders.signal(reference, "fulfill", {"performed_by": "picker", "lines": [line(item, 5)]})
    [note] = await _notes(orders, reference, 1)
    assert note.endswith("5 to be shipped, but only 4 still held")
    assert lines_of(await orders.state(reference)) == [(item, 9, 5)]
    assert level(engine, item) == (5, 4)


async def test_a_signal_that_comes_before_the_hold_waits_for_it(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    start = {"reference_id": reference, "lines": [line(item, 4)], "performed_by": "shop"}
    await orders.client.start_workflow(
        "ReservationWorkflow",
        start,
        id=f"reservation-{reference}",
        task_queue=orders.task_queue,
        start_signal="fulfill",
        start_signal_args=[{"performed_by": "picker"}],
    )
    assert (await orders.result(reference))["status"] == "FULFILLED"
    assert level(engine, item) == (6, 0)


async def test_a_signal_to_an_order_that_was_rejected_is_noted(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(3)
    reference = new_reference()
    with nothing_changes(engine, item):
        await orders.client.start_workflow(
            "ReservationWorkflow",
            {"reference_id": reference, "lines": [line(item, 4)], "performed_by": "shop"},
            id=f"reservation-{reference}",
            task_queue=orders.task_queue,
            start_signal="fulfill",
            start_signal_args=[{"performed_by": "picker"}],
        )
        state = await orders.result(reference)
    assert state["status"] == "REJECTED"
    assert state["notes"][1].endswith(
        f"signal fulfill refused: InvalidState: {refusal_of('reservation', reference, 'REJECTED', 'fulfill')}"
    )


@pytest.mark.parametrize(
    "payload", [[], [None], [{"a": 1}], [1, 2, 3], ["x" * 100_000]], ids=lambda each: repr(each)[:20]
)
async def test_a_signal_that_is_no_command_is_noted(
    orders: Orders, shop: Shop, engine: Engine, payload: list[Json]
) -> None:
    reference, item, _ = await one_hold(orders, shop, 4)
    with nothing_changes(engine, item):
        await orders.signal(reference, "approve", *payload)
        assert await _notes(orders, reference, 1) == ["signal 'approve' isn't one of its commands"]
    assert (await orders.fulfill(reference))["status"] == "FULFILLED"


async def test_only_the_latest_hundred_notes_are_kept(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, _ = await one_hold(orders, shop, 4)
    with nothing_changes(engine, item):
        for number in range(105):
            await orders.signal(reference, f"nonsense-{number}")
        last = "signal 'nonsense-104' isn't one of its commands"
        state = await eventually(
            lambda: orders.state(reference), lambda state: state["notes"] and state["notes"][-1].endswith(last)
        )
    assert len(state["notes"]) == 100
    assert state["notes"][0].endswith("signal 'nonsense-5' isn't one of its commands")
