"""A transfer that is started again, and a run that an operator ends: one transfer, and its goods move once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError

from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import Branch
from tests.support.refusals import refusal_of
from tests.support.repeats import changed_starts_conflict
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Journey, Transfers, Units, arrival, arrived, journey, moved, transfer, units
from tests.support.transfer_rows import hold, movements, stocked, transit
from tests.support.wire import Json, Refusal, at_once, less_notices, refusal


async def again(transfers: Transfers, one: Journey, **other: Json) -> Json:
    """The start of this transfer once more."""
    return await transfers.create(one.number, one.destination.warehouse_id, [(one.source, 10)], **other)


async def run_id(transfers: Transfers, number: str) -> str | None:
    """The latest run."""
    return (await transfers.handle(number).describe()).run_id


async def test_starts_of_one_transfer_at_once_hold_once(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    item, to, number = shop.item(12), shop.warehouse(), new_reference("load")
    answers = await at_once(*(transfers.create(number, to, [(item, 10)]) for _ in range(10)))
    assert (answers[0]["status"], answers) == ("PENDING", [answers[0]] * 10)
    assert (level(engine, item), len(hold(engine, number))) == ((12, 10), 1)


async def test_a_repeated_start_of_a_running_transfer_gets_it_as_it_is(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    one = await journey(transfers, shop, "PENDING")
    run = await run_id(transfers, one.number)
    pending = await transfers.state(one.number)
    with nothing_is_stored(engine):
        assert await again(transfers, one) == pending
        # Whoever asks for something else under this number is told what there is.
        assert await again(transfers, one, requested_by="bob", expected_transit_hours=3) == pending
        with pytest.raises(WorkflowAlreadyStartedError):
            await transfers.start(one.number, [{}])
    await transfers.dispatch(one.number)
    on_its_way = await transfers.receive(one.number, "truck-1", arrived(one.source, 3))
    with nothing_is_stored(engine):
        assert await again(transfers, one) == on_its_way
    assert await run_id(transfers, one.number) == run


async def test_a_start_after_the_end_is_answered_with_the_end(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    async def received(last: str) -> None:
        one = await journey(transfers, shop)
        await transfers.receive(one.number, "truck-1", arrived(one.source, 6, 1))
        if last == "receive":
            await transfers.receive(one.number, "truck-2", arrived(one.source, 3))
        else:
            await transfers.write_off(one.number)
        ended = await transfers.result(one.number)
        assert ended["status"] == "RECEIVED"
        before = movements(engine, one.number), transit(engine, one.number)
        state = await again(transfers, one)
        # What was to be told has been.
        assert state == ended | {"notices": []}
        assert await transfers.result(one.number) == state
        assert await transfers.status(one.number) == WorkflowExecutionStatus.COMPLETED
        assert (movements(engine, one.number), transit(engine, one.number)) == before

    await at_once(received("receive"), received("write_off"))


async def test_whoever_asks_for_a_hold_does_not_take_a_cancelled_transfer_for_one(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    async def cancelled(begun: str) -> Journey:
        one = await journey(transfers, shop, begun)
        await transfers.cancel(one.number)
        await transfers.result(one.number)
        return one

    both = await at_once(cancelled("PENDING"), cancelled("IN_TRANSIT"))
    with nothing_is_stored(engine):
        for one in both:
            told = refusal_of("transfer", one.number, "CANCELLED", "hold")
            details = {"status": "CANCELLED", "command": "hold"}
            assert await refusal(again(transfers, one)) == Refusal("InvalidState", details, told)
            state = await transfers.result(one.number)
            assert (state["status"], state["closed_reason"]) == ("CANCELLED", "not needed")
            assert await transfers.status(one.number) == WorkflowExecutionStatus.COMPLETED
            assert level(engine, one.source) == (12, 0)


async def test_another_transfer_under_a_number_that_has_ended_is_a_conflict(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    item, to = shop.item(12), shop.warehouse()
    elsewhere = shop.item(12, product=item.product_id)
    others: list[dict[str, Any]] = [
        {"to_warehouse_id": shop.warehouse()},
        {"from_warehouse_id": elsewhere.warehouse_id},
        {"line_items": [moved(item, 2)]},
        {"line_items": [moved(item, 1), moved(item, 1)]},
        {"line_items": [moved(ItemKey(0, shop.product()), 1)]},
        {"requested_by": "bob"},
        {"expected_transit_hours": 48},
    ]

    def right(number: str) -> dict[str, Json]:
        return transfer(number, item.warehouse_id, to, moved(item, 1))

    await changed_starts_conflict(transfers, engine, right, transfers.cancel, others)


async def test_a_transfer_whose_run_is_gone_is_taken_over(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    one = await journey(transfers, shop, "PENDING", expected_transit_hours=48)
    first_run = await run_id(transfers, one.number)

    async def taken_over(before: Json) -> None:
        await transfers.handle(one.number).terminate("by mistake")
        with nothing_is_stored(engine):
            state = await again(transfers, one, expected_transit_hours=48)
        assert (less_notices(state), state["notices"]) == (less_notices(before), [])

    await taken_over(await transfers.state(one.number))
    dispatched = await transfers.dispatch(one.number)
    await taken_over(dispatched)
    with nothing_is_stored(engine):
        # What the run before has done.
        assert await transfers.dispatch(one.number) == dispatched
    await taken_over(await transfers.receive(one.number, "truck-1", arrived(one.source, 3, 2)))
    with nothing_is_stored(engine):
        booked = await transfers.receive(one.number, "truck-1", arrived(one.source, 3, 2))
        assert units(booked) == [Units(10, 3, 2, in_transit=5)]
        refused = await refusal(transfers.receive(one.number, "truck-1", arrived(one.source, 4, 1)))
        assert refused.type == "OperationConflict"
    await transfers.receive(one.number, "truck-2", arrived(one.source, 5))
    state = await transfers.result(one.number)
    # Of the damage the run before has told.
    assert (state["status"], units(state), state["notices"]) == ("RECEIVED", [Units(10, 8, 2)], [])
    assert (level(engine, one.source), level(engine, one.destination)) == ((2, 0), (8, 0))
    assert await run_id(transfers, one.number) != first_run


async def test_a_transfer_whose_run_is_gone_may_still_be_cancelled(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    async def taken_over(begun: str) -> None:
        one = await journey(transfers, shop, begun)
        await transfers.handle(one.number).terminate("by mistake")
        await again(transfers, one)
        await transfers.cancel(one.number)
        state = await transfers.result(one.number)
        assert (state["status"], units(state)[0].returned) == ("CANCELLED", 10 if begun == "IN_TRANSIT" else 0)
        assert level(engine, one.source) == (12, 0)

    await at_once(taken_over("PENDING"), taken_over("IN_TRANSIT"))


async def test_a_mistaken_transfer_may_be_put_right(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    item, to, number = shop.item(12), shop.warehouse(), new_reference("load")
    with nothing_is_stored(engine):
        refused = await refusal(transfers.create(number, to + 2**60, [(item, 10)]))
        assert refused.type == "UnknownWarehouse"
    assert (await transfers.create(number, to, [(item, 10)]))["status"] == "PENDING"


async def test_a_command_with_the_same_update_id_happens_once(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    commands: dict[str, Json] = {
        "dispatch": {"performed_by": "sid"},
        "write_off": {"performed_by": "dora", "reason": "lost on the way"},
        "cancel": {"performed_by": "tom", "reason": "not needed"},
    }

    async def twice(name: str) -> None:
        one = await journey(transfers, shop, "PENDING" if name == "dispatch" else "IN_TRANSIT")
        first = await transfers.update(one.number, name, commands[name], update_id="the-command")
        if name != "dispatch":
            await transfers.result(one.number)
        before = transit(engine, one.number)
        assert await transfers.update(one.number, name, commands[name], update_id="the-command") == first
        assert transit(engine, one.number) == before

    await at_once(*(twice(name) for name in commands))


async def test_slashes_in_names_keep_operations_apart(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    one = await journey(transfers, shop)
    await transfers.receive(one.number, "x/hold", arrived(one.source, 1))
    number = f"{one.number}/receive/x"
    assert (await transfers.create(number, one.destination.warehouse_id, [(one.source, 2)]))["status"] == "PENDING"
    assert (level(engine, one.source), level(engine, one.destination)) == ((2, 2), (1, 0))


async def test_an_operator_who_cancels_the_workflow_cancels_the_transfer(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    async def cancelled(begun: str, arriving: int, line: Units) -> None:
        one = await journey(transfers, shop, begun)
        if arriving:
            await transfers.receive(one.number, "truck-1", arrived(one.source, arriving))
        await transfers.handle(one.number).cancel()
        state = await transfers.result(one.number)
        assert (state["status"], state["closed_reason"], state["notes"]) == (
            "CANCELLED",
            "the workflow was cancelled",
            [],
        )
        assert (units(state), level(engine, one.source)) == ([line], (12 - arriving, 0))
        assert stocked(engine, one.destination) == ((arriving, 0) if arriving else None)
        assert await transfers.status(one.number) == WorkflowExecutionStatus.COMPLETED
        assert [who for *_, who, _ in movements(engine, one.number)] == {
            "PENDING": [],
            "IN_TRANSIT": ["sid", *(["dora"] if arriving else []), "operator"],
        }[begun]

    await at_once(
        cancelled("PENDING", 0, Units(10)),
        cancelled("IN_TRANSIT", 0, Units(10, returned=10)),
        cancelled("IN_TRANSIT", 4, Units(10, 4, returned=6)),
    )


async def test_a_transfer_that_is_cancelled_before_it_is_held_ends_as_it_would_have(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    transfers = Transfers(branch.purchasing.client, branch.purchasing.task_queue)
    item, to = shop.item(12), shop.warehouse()
    right, short, wrong = (new_reference("load") for _ in range(3))
    for number, quantity in ((right, 12), (short, 13), (wrong, 0)):
        start = transfer(number, item.warehouse_id, to, moved(item, quantity))
        await (await transfers.start(number, [start])).cancel()
    async with branch.worker():
        state = await transfers.result(right)
        assert (await transfers.result(short))["status"] == "REJECTED"
        assert (await refusal(transfers.result(wrong))).type == "InvalidRequest"
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "the workflow was cancelled")
    assert [each[4] for each in hold(engine, right)] == ["CANCELLED"]
    assert await transfers.status(wrong) == WorkflowExecutionStatus.FAILED
    assert level(engine, item) == (12, 0)


async def test_an_operator_cancels_while_the_last_goods_are_booked(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    """Then there is nothing left to cancel."""
    # A short task, because the cancellation is only heard in between two of them.
    brisk = Transfers(transfers.client, transfers.task_queue, task_timeout=timedelta(seconds=1))
    source = shop.item(12)
    target, number = shop.item(1, product=source.product_id), new_reference("load")
    await brisk.dispatched(number, target.warehouse_id, [(source, 10)])
    async with locked(engine, target) as lock:
        await brisk.signal(number, "receive", arrival("truck-1", arrived(source, 10)))
        await lock.has_somebody_waiting()
        await brisk.handle(number).cancel()
    state = await brisk.result(number)
    assert (state["status"], state["closed_reason"], units(state)) == ("RECEIVED", None, [Units(10, 10)])
    assert (level(engine, source), level(engine, target)) == ((2, 0), (11, 0))
    assert await brisk.status(number) == WorkflowExecutionStatus.COMPLETED
