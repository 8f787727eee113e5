"""An order that is started again, and a run that an operator ends: one order, one word to the supplier."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL, TWO_APPROVALS
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import Purchasing, came, draft, quantities, wanted
from tests.support.purchase_order_rows import supplier_name
from tests.support.repeats import changed_starts_conflict
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, eventually, less_notices, refusal

CANCEL_REQUESTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED


async def test_starts_of_one_order_at_once_draft_once(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, supplier, number = shop.item(4), shop.supplier(), new_reference("po")
    starts = (purchasing.draft(number, supplier, [(item, 10)], approval=NO_APPROVAL) for _ in range(10))
    answers = await at_once(*starts)
    assert [less_notices(each) for each in answers] == [less_notices(answers[0])] * 10
    await purchasing.told(number, ("SUPPLIER", f"Purchase order {number}"))


async def test_a_repeated_start_of_a_running_order_gets_it_as_it_is(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier, number = shop.item(4), shop.supplier(), new_reference("po")
    await purchasing.draft(number, supplier, [(item, 10)], approval=NO_APPROVAL)
    running = await purchasing.receive(number, "truck-1", came(item, 3))
    run_id = (await purchasing.handle(number).describe()).run_id
    with nothing_is_stored(engine):
        same = await purchasing.draft(number, supplier, [(item, 10)], approval=NO_APPROVAL)
        other = await purchasing.draft(number, supplier, [(item, 11)], requested_by="bob")
    assert less_notices(same) == less_notices(other) == less_notices(running)
    assert (await purchasing.handle(number).describe()).run_id == run_id
    await purchasing.told(number, ("SUPPLIER", f"Purchase order {number}"))


@pytest.mark.parametrize("ending", ["RECEIVED", "CANCELLED"])
async def test_a_start_after_the_end_is_answered_with_the_end(
    purchasing: Purchasing, shop: Shop, engine: Engine, ending: str
) -> None:
    item, supplier, number = shop.item(4), shop.supplier(), new_reference("po")
    await purchasing.draft(number, supplier, [(item, 10)], approval=NO_APPROVAL)
    if ending == "RECEIVED":
        await purchasing.receive(number, "truck-1", came(item, 10))
    else:
        await purchasing.cancel(number)
    ended = await purchasing.result(number)
    with nothing_is_stored(engine):
        again = await purchasing.draft(number, supplier, [(item, 10)], approval=NO_APPROVAL)
        assert less_notices(again) == less_notices(ended)
        assert await purchasing.result(number) == again | {"notices": []}
    assert again["status"] == ending
    assert await purchasing.status(number) == WorkflowExecutionStatus.COMPLETED


async def test_another_order_under_a_number_that_has_ended_is_a_conflict(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    others: list[dict[str, Any]] = [
        {"supplier_id": shop.supplier()},
        {"line_items": [wanted(item, 11)]},
        {"line_items": [wanted(item, 10, "1.01")]},
        {"line_items": [wanted(item, 5), wanted(item, 5)]},
        {"requested_by": "bob"},
        {"reason": "for the fair"},
        {"expected_delivery_date": "2199-01-01"},
        {"approval": ONE_APPROVAL},
        # The one in the settings.
        {"approval": None},
    ]

    def right(number: str) -> dict[str, Json]:
        return draft(number, supplier, item.warehouse_id, wanted(item, 10), approval=NO_APPROVAL)

    await changed_starts_conflict(purchasing, engine, right, purchasing.cancel, others)


async def test_an_order_whose_run_is_gone_is_taken_over_and_the_supplier_hears_of_it_once(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier, number = shop.item(4), shop.supplier(), new_reference("po")
    await purchasing.draft(number, supplier, [(item, 10)], approval=ONE_APPROVAL)
    await purchasing.approve(number, "ann")
    before = await purchasing.receive(number, "truck-1", came(item, 3))
    await purchasing.handle(number).terminate("by mistake")
    with nothing_is_stored(engine):
        again = await purchasing.draft(number, supplier, [(item, 10)], approval=ONE_APPROVAL)
        assert less_notices(again) == less_notices(before)
        # A receipt that the first run has booked.
        assert less_notices(await purchasing.receive(number, "truck-1", came(item, 3))) == less_notices(again)
    await purchasing.receive(number, "truck-2", came(item, 7))
    state = await purchasing.result(number)
    assert (state["status"], state["notices"], level(engine, item)) == ("RECEIVED", [], (14, 0))


async def test_a_draft_whose_run_is_gone_keeps_its_approvals(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier, number = shop.item(4), shop.supplier(), new_reference("po")
    await purchasing.draft(number, supplier, [(item, 10)], approval=TWO_APPROVALS)
    before = await purchasing.approve(number, "ann")
    await purchasing.handle(number).terminate("by mistake")
    again = await purchasing.draft(number, supplier, [(item, 10)], approval=TWO_APPROVALS)
    assert less_notices(again) == less_notices(before)
    assert (await purchasing.approve(number, "bob"))["status"] == "SUBMITTED"
    await purchasing.told(number, ("SUPPLIER", f"Purchase order {number}"))


async def test_a_mistaken_order_may_be_put_right(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, supplier, number = shop.item(4), shop.supplier(), new_reference("po")
    with nothing_is_stored(engine):
        refused = await refusal(purchasing.draft(number, supplier + 2**60, [(item, 10)]))
        assert refused.type == "UnknownSupplier"
    assert (await purchasing.draft(number, supplier, [(item, 10)], approval=NO_APPROVAL))["status"] == "SUBMITTED"


async def test_an_operator_cancels_a_draft_and_an_order_that_nothing_came_of(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier = shop.item(4), shop.supplier()

    async def cancelled(policy: Any, *notices: tuple[str, str]) -> None:
        number = new_reference("po")
        await purchasing.draft(number, supplier, [(item, 10)], approval=policy)
        await purchasing.handle(number).cancel()
        state = await purchasing.result(number)
        assert (state["status"], state["closed_reason"]) == ("CANCELLED", "the workflow was cancelled")
        assert await purchasing.status(number) == WorkflowExecutionStatus.COMPLETED
        name = f"purchase order {number}, 10.00 from {supplier_name(engine, supplier)}"
        await purchasing.told(
            number, *((audience, title.format(name=name, number=number)) for audience, title in notices)
        )

    await at_once(
        cancelled(
            ONE_APPROVAL,
            ("PROCUREMENT", "Approval wanted: {name}"),
            ("PROCUREMENT", "Cancelled: {name}: the workflow was cancelled"),
        ),
        cancelled(
            NO_APPROVAL,
            ("SUPPLIER", "Purchase order {number}"),
            ("SUPPLIER", "Purchase order {number} is cancelled"),
        ),
    )
    assert level(engine, item) == (4, 0)


async def test_an_order_of_which_goods_came_is_closed_short_when_an_operator_cancels_it(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(4), new_reference("po")
    await purchasing.draft(number, shop.supplier(), [(item, 10)], approval=NO_APPROVAL)
    await purchasing.receive(number, "truck-1", came(item, 3))
    await purchasing.handle(number).cancel()
    state = await purchasing.result(number)
    assert (state["status"], state["closed_reason"]) == ("RECEIVED", "the workflow was cancelled")
    assert (quantities(state), level(engine, item)) == ([(10, 3, 0)], (7, 0))
    await purchasing.told(
        number,
        ("SUPPLIER", f"Purchase order {number}"),
        ("SUPPLIER", f"Purchase order {number}: the rest is no longer expected"),
    )


async def test_an_order_that_is_cancelled_before_it_is_drafted_ends_as_it_would_have(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    right, wrong = new_reference("po"), new_reference("po")
    for number, qty in ((right, 10), (wrong, 0)):
        start = draft(number, supplier, item.warehouse_id, wanted(item, qty), approval=NO_APPROVAL)
        await (await purchasing.start(number, [start])).cancel()
    assert (await purchasing.result(right))["status"] == "CANCELLED"
    assert (await refusal(purchasing.result(wrong))).type == "InvalidRequest"
    assert await purchasing.status(wrong) == WorkflowExecutionStatus.FAILED


async def test_an_operator_cancels_while_the_first_goods_are_booked(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    """What is right then is only known once they are."""
    # A short task, because the cancellation is only heard in between two of them.
    brisk = Purchasing(purchasing.client, purchasing.task_queue, task_timeout=timedelta(seconds=1))
    item, number = shop.item(4), new_reference("po")
    await brisk.draft(number, shop.supplier(), [(item, 10)], approval=NO_APPROVAL)
    async with locked(engine, item) as lock:
        receiving = asyncio.ensure_future(brisk.receive(number, "truck-1", came(item, 3)))
        await lock.has_somebody_waiting()
        await brisk.handle(number).cancel()
        await eventually(lambda: brisk.history(number, CANCEL_REQUESTED), lambda events: len(events) == 1)
    assert quantities(await receiving) == [(10, 3, 0)]
    state = await brisk.result(number)
    assert (state["status"], state["closed_reason"]) == ("RECEIVED", "the workflow was cancelled")
    assert level(engine, item) == (7, 0)
