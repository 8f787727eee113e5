"""An adjustment that is started again, and one with a long history: it is one, and the books are put right once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError

from stockkeeper.contracts.adjustment import AdjustmentPolicy
from stockkeeper.contracts.messages import utc
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import Adjusting, adjustment, approval, changed, movements, named, pending, priced, stored
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import Branch
from tests.support.repeats import changed_starts_conflict
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, eventually, less_notices, refusal

TIMER = EventType.EVENT_TYPE_TIMER_STARTED


async def again(adjusting: Adjusting, number: str, item: ItemKey, **other: Json) -> Json:
    """The start of this adjustment once more."""
    return await adjusting.adjust(number, (item, -10), **other)


async def run_id(adjusting: Adjusting, number: str) -> str | None:
    """The latest run."""
    return (await adjusting.handle(number).describe()).run_id


async def test_starts_of_one_adjustment_at_once_book_it_once(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(12), new_reference("a")
    answers = await at_once(*(adjusting.adjust(number, (item, -3)) for _ in range(8)))
    assert (answers[0]["status"], answers) == ("POSTED", [answers[0]] * 8)
    assert (level(engine, item), len(movements(engine, number))) == ((9, 0), 1)


async def test_a_repeated_start_of_one_that_waits_is_answered_by_the_same_run(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    number, item = await pending(adjusting, shop)
    run = await run_id(adjusting, number)
    waiting = await adjusting.quiet(number, 1)
    with nothing_is_stored(engine):
        assert await again(adjusting, number, item) == waiting
        # Whoever asks for something else under this number is told what there is.
        assert await again(adjusting, number, item, reason="stolen") == waiting
        with pytest.raises(WorkflowAlreadyStartedError):
            await adjusting.start(number, [{}])
    assert await run_id(adjusting, number) == run


async def test_a_start_after_the_end_is_answered_with_the_end(
    adjusting: Adjusting, orders: Orders, shop: Shop, engine: Engine
) -> None:
    async def ended(how: str) -> None:
        number, item = await pending(adjusting, shop)
        await getattr(adjusting, how)(number)
        state = await adjusting.result(number)
        with nothing_is_stored(engine):
            # What was to be told has been.
            assert await again(adjusting, number, item) == state | {"notices": []}
            assert await adjusting.result(number) == state | {"notices": []}
        assert await adjusting.status(number) == WorkflowExecutionStatus.COMPLETED

    await ended("approve")
    await ended("reject")
    await ended("cancel")
    # Also of a hold that gave way nobody hears twice.
    item, buyer, number = shop.item(12), new_reference(), new_reference("a")
    await orders.reserve(buyer, (item, 5))
    await again(adjusting, number, item)
    state = await adjusting.approve(number)
    await orders.result(buyer)
    first = await adjusting.result(number)
    assert (len(first["gave_way"]), len(first["notices"]), first["notes"]) == (1, 2, [])
    assert less_notices(state) == less_notices(first)
    assert await again(adjusting, number, item) == first | {"notices": [], "gave_way": []}
    assert await adjusting.result(number) == first | {"notices": [], "gave_way": []}


async def test_another_adjustment_under_a_number_that_has_ended_is_a_conflict(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=12)
    others: list[dict[str, Any]] = [
        {"warehouse_id": shop.item(12, product=item.product_id).warehouse_id},
        {"lines": [changed(item, -2)]},
        {"lines": [changed(item, 1)]},
        {"lines": [changed(other, -1)]},
        {"reason": "stolen"},
        {"performed_by": "bob"},
    ]

    def right(number: str) -> dict[str, Json]:
        return adjustment(number, item.warehouse_id, changed(item, -1))

    await changed_starts_conflict(adjusting, engine, right, None, others)


async def test_one_whose_run_is_gone_is_taken_over_and_whoever_loses_a_hold_by_it_still_hears_of_it(
    adjusting: Adjusting, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, number, buyer = shop.item(12, product=priced(shop, "100.00")), new_reference("a"), new_reference()
    await orders.reserve(buyer, (item, 5))
    await adjusting.adjust(number, (item, -10))
    before = await adjusting.quiet(number, 1)
    await adjusting.handle(number).terminate("by mistake")
    with nothing_is_stored(engine):
        state = await again(adjusting, number, item)
        # Whoever was to be asked has been.
        assert state == before | {"notices": []}
    state = await adjusting.approve(number)
    assert (state["status"], [each["reference_id"] for each in state["gave_way"]]) == ("POSTED", [buyer])
    ended = await orders.result(buyer)
    assert ([note[25:] for note in ended["notes"]], level(engine, item)) == (
        [f"the hold gave way: adjustment {number}: broken in the rain"],
        (2, 0),
    )
    title = f"Promised stock is missing: 1 hold gave way to {named(engine, number)}"
    await adjusting.told(number, ("WAREHOUSE", title))


async def test_a_command_with_the_same_update_id_happens_once(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    number, item = await pending(adjusting, shop)
    first = await adjusting.update(number, "approve", approval(), update_id="the-command")
    await adjusting.result(number)
    assert await adjusting.update(number, "approve", approval(), update_id="the-command") == first
    assert (level(engine, item), len(movements(engine, number))) == ((2, 0), 1)
    assert stored(engine, number).closed_by == f"adjustment-{number}/approve/the-command"


async def test_one_with_a_long_history_goes_on_in_another_run_and_forgets_nothing(
    branch: Branch, orders: Orders, shop: Shop, engine: Engine
) -> None:
    adjusting = Adjusting(branch.purchasing.client, branch.purchasing.task_queue)
    # People are reminded at once.
    async with branch.worker(adjustment=AdjustmentPolicy(remind_after_hours=1e-6)):
        number, item = await pending(adjusting, shop)
        told = [f"{what}: {named(engine, number)}" for what in ("Approval wanted", "Still waiting for approval")]
        before = await adjusting.quiet(number, 2)
        run = await run_id(adjusting, number)
        for noted in range(3):
            await adjusting.signal(number, "nonsense", "x" * 1_500_000)
            await adjusting.noted(number, noted + 1)
        await eventually(lambda: run_id(adjusting, number), lambda latest: latest != run)
        state = await adjusting.state(number)
        assert (state | {"notes": []}, len(state["notes"])) == (before, 3)
        # It waits for the same moment as before, and for no other.
        timer = f"cancelled unless approved: {utc(stored(engine, number).created_at + timedelta(hours=168))}"
        await eventually(lambda: adjusting.summaries(number, TIMER), [timer].__eq__)
        buyer = new_reference()
        await orders.reserve(buyer, (item, 5))
        # It was promised since the request, so that the approver has to look again.
        assert (await refusal(adjusting.approve(number))).type == "NotPermitted"
        await adjusting.approve(number)
        state = await adjusting.result(number)
        assert (state["status"], len(state["notes"]), level(engine, item)) == ("POSTED", 3, (2, 0))
        assert (await orders.result(buyer))["status"] == "CANCELLED"
        told.append(f"Promised stock is missing: 1 hold gave way to {named(engine, number)}")
        await adjusting.told(number, *(("WAREHOUSE", title) for title in told))


async def test_a_mistaken_adjustment_may_be_put_right(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(12, product=priced(shop, "1.00")), new_reference("a")
    with nothing_is_stored(engine):
        assert (await refusal(adjusting.adjust(number, (item, 0)))).type == "InvalidRequest"
    assert (await adjusting.adjust(number, (item, -1)))["status"] == "POSTED"
