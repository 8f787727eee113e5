"""A warehouse moves to another database while it sells; nothing is lost, oversold, or applied twice."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities import following
from devstack.mover import moving, urls_to_move
from stockkeeper import DeliveryLine, InsufficientStock, Line, OrderLine, WarehouseMoving
from stockkeeper.contracts import policies
from stockkeeper.contracts.move import PROCESS, MoveState, MoveStatus
from tests.support.several_databases import Both, One
from tests.support.shop import new_reference
from tests.support.wire import eventually
from workflows import move


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look for moves more often, so that one needn't be announced for long."""
    monkeypatch.setattr(following, "MOVES_ARE_READ_AFTER", timedelta(seconds=0.3))
    monkeypatch.setattr(policies, "MOVE_IS_KNOWN_AFTER", timedelta(seconds=1))
    monkeypatch.setattr(move, "TRIES_EVERY", timedelta(seconds=0.5))


@pytest.fixture
async def mover(both: Both) -> AsyncIterator[None]:
    async with at_work(both):
        yield


@asynccontextmanager
async def at_work(both: Both) -> AsyncIterator[None]:
    """The worker of moves."""
    async with moving(both.client, urls_to_move(both.north.settings), both.north.settings):
        yield


async def moved(both: Both, warehouse: int, to: One) -> MoveState:
    """Move a warehouse, and wait until it has."""
    await both.stock.move_warehouse(warehouse, to=to.queue, performed_by="ann")
    return await ended(both, warehouse)


async def ended(both: Both, warehouse: int) -> MoveState:
    """The result of a move."""
    handle = both.client.get_workflow_handle(PROCESS.id_of(str(warehouse)), result_type=MoveState)
    async with asyncio.timeout(120):
        return MoveState.model_validate(await handle.result())


ROWS = {
    table: f"SELECT count(*) FROM {table} WHERE warehouse_id = :warehouse"
    for table in ("inventory_items", "reservations", "stock_movements", "purchase_orders", "cycle_counts", "returns")
}


def rows(one: One, warehouse: int) -> dict[str, int]:
    return {table: one.count(statement, warehouse=warehouse) for table, statement in ROWS.items()}


async def test_a_warehouse_takes_all_along_and_its_open_documents_go_on(both: Both, mover: None) -> None:
    del mover
    item = await both.item(both.north, 30)
    warehouse = item.warehouse_id
    supplier = both.north.shop.supplier()
    await both.told()
    held, shipped, cancelled = [
        await both.stock.reserve(new_reference(), [Line(item.product_id, warehouse, quantity=2)], performed_by="shop")
        for _ in range(3)
    ]
    await shipped.fulfill(performed_by="shop")
    await cancelled.cancel(performed_by="shop", reason="changed mind")
    order = await both.stock.draft_purchase_order(
        new_reference("po"),
        [OrderLine(item.product_id, qty=5, unit_cost=Decimal(1))],
        supplier_id=supplier,
        warehouse_id=warehouse,
        requested_by="ann",
        reason="wanted",
    )
    before = rows(both.north, warehouse)
    state = await moved(both, warehouse, both.south)
    assert (state.status, state.source, state.findings) == (MoveStatus.MOVED, both.north.queue, [])
    assert rows(both.south, warehouse) == before
    assert set(rows(both.north, warehouse).values()) == {0}
    assert (await held.fulfill(performed_by="shop")).status == "FULFILLED"
    assert (await order.receive("1", [DeliveryLine(item.product_id, quantity=5)], performed_by="bob")).status == (
        "RECEIVED"
    )
    [level] = [each async for each in both.stock.levels(warehouse=warehouse)]
    assert (level.quantity_on_hand, level.quantity_reserved) == (31, 0)
    again = await both.stock.reserve(
        new_reference(), [Line(item.product_id, warehouse, quantity=31)], performed_by="shop"
    )
    assert again.state.status == "ACTIVE"


async def test_it_sells_while_it_moves_and_its_mover_comes_and_goes(both: Both) -> None:
    item = await both.item(both.north, 400)
    warehouse, chance = item.warehouse_id, random.Random(7)
    shipped: list[tuple[str, int]] = []
    kept: list[int] = []
    over = asyncio.Event()

    async def sell() -> None:
        caller = both.caller()
        while not over.is_set():
            order, units = new_reference(), chance.randint(1, 2)
            try:
                hold = await caller.reserve(
                    order, [Line(item.product_id, warehouse, quantity=units)], performed_by="shop"
                )
            except InsufficientStock:
                return
            end = chance.choice(["ship", "ship", "cancel", "keep"])
            if end == "ship":
                await hold.fulfill(performed_by="shop", fulfillment_id="1")
                shipped.append((order, units))
            elif end == "cancel":
                await hold.cancel(performed_by="shop", reason="changed mind")
            else:
                kept.append(units)
            # Orders come all the time, and the move isn't kept from the processor by them.
            await asyncio.sleep(chance.uniform(0, 0.2))

    async def come_and_go() -> None:
        while not over.is_set():
            async with at_work(both):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), chance.uniform(1, 4))

    async def go() -> MoveState:
        try:
            return await moved(both, warehouse, both.south)
        finally:
            over.set()

    moving_it = asyncio.create_task(go())
    await asyncio.gather(moving_it, come_and_go(), *(sell() for _ in range(3)))
    state = moving_it.result()
    assert (state.status, state.findings) == (MoveStatus.MOVED, [])
    assert shipped
    assert kept
    left = {"quantity_on_hand": 400 - sum(units for _, units in shipped), "quantity_reserved": sum(kept)}
    [level] = [each async for each in both.stock.levels(warehouse=warehouse)]
    assert level.model_dump(include=set(left)) == left
    for order, _ in shipped[:3] + shipped[-3:]:
        await (await both.caller().hold(order)).fulfill(performed_by="shop", fulfillment_id="1")
    [level] = [each async for each in both.stock.levels(warehouse=warehouse)]
    assert level.model_dump(include=set(left)) == left
    assert set(rows(both.north, warehouse).values()) == {0}


async def test_what_joins_warehouses_is_refused_meanwhile_and_a_cancelled_move_changes_nothing(
    both: Both, mover: None
) -> None:
    del mover
    item = await both.item(both.north, 5)
    other = await both.item(both.north, 5, product=item.product_id)
    here, there = item.warehouse_id, other.warehouse_id
    over_both = [Line(item.product_id, place, quantity=1) for place in (here, there)]
    hold = await both.stock.reserve(new_reference(), over_both, performed_by="shop")
    await both.stock.move_warehouse(here, to=both.south.queue, performed_by="ann")

    async def waits() -> list[str]:
        return (await both.stock.warehouse_move(here)).waits_for

    assert await eventually(waits, bool) == [f"order {hold.state.reference_id}"]
    with pytest.raises(WarehouseMoving):
        await both.stock.reserve(new_reference(), over_both, performed_by="shop")
    run = both.client.get_workflow_handle(PROCESS.id_of(str(here)))
    await run.signal("stop")
    with pytest.raises(WorkflowUpdateFailedError) as unknown:
        await run.execute_update("stop")
    assert getattr(unknown.value.cause, "type", None) == "InvalidRequest"
    state = await both.stock.cancel_move(here, performed_by="ann", reason="not today")
    assert (state.status, state.notes) == (
        MoveStatus.CANCELLED,
        ["signal 'stop' isn't one of its commands", "cancelled by ann: not today"],
    )
    await both.stock.reserve(new_reference(), over_both, performed_by="shop")
    [level] = [each async for each in both.stock.levels(warehouse=here)]
    assert (level.quantity_on_hand, level.quantity_reserved) == (5, 2)
