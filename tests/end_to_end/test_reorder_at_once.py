"""What falls below its point is ordered at once: nobody who sells waits for it, and few runs serve very many."""

import time
from datetime import UTC, datetime
from functools import partial

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

from database.sessions import Database
from tests.support.books import level
from tests.support.cycle_count import Counts
from tests.support.purchase_order import Purchasing
from tests.support.replenishment import AT_ONCE, Plans, Reorders
from tests.support.replenishment_rows import (
    Ordered,
    all_are_taken_over,
    order_row,
    ordered,
    set_point,
    sold_earlier,
    supply,
)
from tests.support.reservation import Orders
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers
from tests.support.wire import Caller, at_once, eventually, few_at_once
from worker import Settings, working

TOGETHER_SECONDS = 2.0
"""For as long a run waits for others who ask at the same time, before it looks."""


pytestmark = pytest.mark.usefixtures("alone")


async def are_ordered(engine: Engine, warehouse_id: int, products: int) -> list[Ordered]:
    """The orders' lines, once there are so many products on them."""

    async def lines() -> list[Ordered]:
        return ordered(engine, warehouse_id)

    return await eventually(lines, lambda rows: len({row.product_id for row in rows}) >= products)


async def asked(caller: Caller, reference: str) -> int:
    """How often a process has asked for a look."""
    scheduled = await caller.history(reference, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in scheduled]
    return names.count("ask_for_reorder")


async def has_been_heard(caller: Caller, reference: str) -> None:
    """Return once what it had to say has been taken: it says no more after the test."""

    async def pending() -> int:
        return len((await caller.handle(reference).describe()).raw_description.pending_activities)

    await eventually(pending, lambda activities: activities == 0)


async def test_whatever_lets_an_item_fall_below_its_point_gets_it_ordered(
    orders: Orders,
    transfers: Transfers,
    counts: Counts,
    plans: Plans,
    reorders: Reorders,
    purchasing: Purchasing,
    shop: Shop,
    engine: Engine,
) -> None:
    """A reservation, a transfer's hold at its source, a count that finds less, and a plan that raises the point."""
    sold, moved, counted, planned = items = [shop.item(100) for _ in range(4)]
    other = shop.item(1, warehouse=counted.warehouse_id)
    supplier = shop.supplier()
    supply(engine, items, supplier)
    set_point(engine, [sold, moved, counted], 50, 80)
    sold_earlier(engine, planned, 30)
    order, transfer, count = new_reference(), new_reference("transfer"), new_reference("count")
    await counts.open(count, counted, other)
    await counts.record(count, counted, 48)
    # As long as that is in doubt it is there.
    assert await asked(counts, count) == 0
    _, _, _, plan = await at_once(
        orders.reserve(order, (sold, 51)),
        transfers.create(transfer, shop.warehouse(), [(moved, 60)]),
        counts.approve(count, counted),
        plans.begin(planned.warehouse_id, history_days=5, method="seed"),
    )
    assert (await plans.result(str(plan)))["items_changed"] == 1
    for item in items:
        await are_ordered(engine, item.warehouse_id, 1)
    await reorders.at_once_is_over()
    for item, available, quantity in ((sold, 49, 80), (moved, 40, 80), (counted, 48, 80), (planned, 100, 2_093)):
        [row] = ordered(engine, item.warehouse_id)
        assert (row.product_id, row.supplier_id, row.qty) == (item.product_id, supplier, quantity)
        assert f"; available {available}, on order 0, in transit 0; " in str(row.note)
        assert (await purchasing.update(row.po_number, "drafted"))["requested_by"] == "reorder"
        assert order_row(engine, row.po_number).operation_id.startswith(f"{AT_ONCE}/")
    callers: list[tuple[Caller, str]] = [(orders, order), (transfers, transfer), (counts, count), (plans, str(plan))]
    assert [await asked(caller, reference) for caller, reference in callers] == [1] * 4
    # What happens to an item that is below its point already asks for nothing more.
    await orders.fulfill(order)
    await transfers.cancel(transfer)
    await counts.record(count, other, 0)
    assert (await orders.result(order))["status"] == "FULFILLED"
    assert (await transfers.result(transfer))["status"] == "CANCELLED"
    assert (await counts.result(count))["status"] == "POSTED"
    assert (await plans.run(planned.warehouse_id, history_days=5, method="seed"))["items_changed"] == 0
    assert [await asked(caller, reference) for caller, reference in callers] == [1] * 4
    assert (await reorders.result(AT_ONCE))["status"] == "DONE"


async def test_a_hold_that_lets_nothing_fall_asks_for_nothing(
    orders: Orders, transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    at_ease, below, without = shop.items(3, units=10)
    set_point(engine, at_ease, 5)
    set_point(engine, below, 11)
    lines = [(item, 5) for item in (at_ease, below, without)]
    order, transfer = new_reference(), new_reference("transfer")
    await orders.reserve(order, *lines)
    await orders.fulfill(order)
    shop.move(at_ease, 5)
    await transfers.create(transfer, shop.warehouse(), lines)
    await transfers.cancel(transfer)
    assert (await orders.result(order))["status"] == "FULFILLED"
    assert (await transfers.result(transfer))["status"] == "CANCELLED"
    assert (await asked(orders, order), await asked(transfers, transfer)) == (0, 0)


async def test_nobody_waits_for_an_order_and_who_asks_meanwhile_gets_another_look(
    orders: Orders, reorders: Reorders, shop: Shop, engine: Engine
) -> None:
    supplier = shop.supplier()
    busy, falls = shop.items(2, units=10)
    later = shop.item(10)
    here, there = busy.warehouse_id, later.warehouse_id
    supply(engine, [busy, falls, later], supplier)
    set_point(engine, busy, 11)
    set_point(engine, [falls, later], 5)
    async with locked(engine, busy) as lock:
        # The run can't get at one of the two items that it has to order, and the stock of the other is held.
        assert (await orders.reserve(new_reference(), (falls, 6)))["status"] == "ACTIVE"
        await lock.has_somebody_waiting()
        assert (await orders.reserve(new_reference(), (later, 6)))["status"] == "ACTIVE"
        assert [level(engine, item) for item in (falls, later)] == [(10, 6), (10, 6)]
        signals = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
        await eventually(lambda: reorders.history(AT_ONCE, signals), lambda events: len(events) == 2)
        assert (ordered(engine, here), ordered(engine, there)) == ([], [])
    first = await are_ordered(engine, here, 2)
    second = await are_ordered(engine, there, 1)
    assert [row.product_id for row in first] == [busy.product_id, falls.product_id]
    assert [row.product_id for row in second] == [later.product_id]
    await reorders.at_once_is_over()
    run = (await reorders.handle(AT_ONCE).describe()).run_id
    # One run has looked twice.
    assert [order_row(engine, row.po_number).operation_id for row in (first[0], second[0])] == [
        f"{AT_ONCE}/{run}/draft/{look}/{place}/{supplier}/0" for look, place in ((1, here), (2, there))
    ]
    state = await reorders.result(AT_ONCE)
    assert [order["po_number"] for order in state["purchase_orders"]] == [first[0].po_number, second[0].po_number]
    assert (state["orders_drafted"], state["items_below"], state["items_covered"]) == (2, 3, 2)
    await reorders.told(AT_ONCE, *[("PROCUREMENT", "Reordered: 1 purchase order drafted")] * 2)


async def test_forty_drops_at_once_are_served_by_a_few_runs(
    orders: Orders, reorders: Reorders, shop: Shop, engine: Engine
) -> None:
    items, supplier = shop.items(40, units=10), shop.supplier()
    here = items[0].warehouse_id
    supply(engine, items, supplier)
    set_point(engine, items, 5)
    begun, since = time.monotonic(), datetime.now(UTC)
    references = [new_reference() for _ in items]
    states = await at_once(
        *(orders.reserve(reference, (item, 6)) for reference, item in zip(references, items, strict=True))
    )
    assert {state["status"] for state in states} == {"ACTIVE"}
    rows = await are_ordered(engine, here, 40)
    await few_at_once(*(partial(has_been_heard, orders, reference) for reference in references))
    await reorders.at_once_is_over()
    # One after the other, each of them waiting for others first: on the slowest machine there can't be more.
    most = 1 + (time.monotonic() - begun) / TOGETHER_SECONDS
    assert sorted(row.product_id for row in rows) == [item.product_id for item in items]
    operations = {order_row(engine, number).operation_id for number in {row.po_number for row in rows}}
    assert len(operations) <= most
    query = f'WorkflowId = "{AT_ONCE}" AND StartTime >= "{since.isoformat()}"'
    ordering = {operation.split("/")[1] for operation in operations}
    runs = await eventually(lambda: reorders.found(query), lambda runs: len(runs) >= len(ordering))
    assert 1 <= len(runs) <= most


async def test_nobody_who_asks_waits_for_a_notice_that_nobody_takes(
    plain_client: Client, our_client: Client, database: Database, settings: Settings, shop: Shop, engine: Engine
) -> None:
    """The mail server is down; its notice is tried again and again, and what falls below is ordered all the same."""
    nowhere = {"task_queue": new_reference("queue"), "notice_urls": SecretStr("json://127.0.0.1:9")}
    elsewhere = settings.model_copy(update=nowhere)
    first, second = shop.items(2, units=4)
    supply(engine, [first, second], shop.supplier())
    set_point(engine, first, 10)
    runs = Reorders(plain_client, elsewhere.task_queue)
    async with working(our_client, database, elsewhere):
        name = await runs.begin(first.warehouse_id)

        async def drafted(orders: int) -> list[str]:
            state = await eventually(
                lambda: runs.state(name), lambda state: state["orders_drafted"] == orders == len(state["notices"])
            )
            return [each["outcome"] for each in state["notices"]]

        assert await drafted(1) == ["PENDING"]
        set_point(engine, second, 10)
        await runs.signal(name, "look")
        assert await drafted(2) == ["PENDING", "PENDING"]
        assert await runs.status(name) is WorkflowExecutionStatus.RUNNING
        assert [row.product_id for row in ordered(engine, first.warehouse_id)] == [first.product_id, second.product_id]
        await all_are_taken_over(engine)
        await runs.handle(name).terminate()
