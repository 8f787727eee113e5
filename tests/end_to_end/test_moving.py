"""A warehouse moves to another database while it sells; nothing is lost, oversold, or applied twice."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities import following
from devstack.mover import moving, urls_to_move
from stockkeeper import (
    Adjustment,
    AdjustmentState,
    ArrivalLine,
    CustomerReturn,
    CycleCount,
    CycleCountState,
    DeliveryLine,
    Hold,
    InspectionLine,
    InsufficientStock,
    Line,
    OrderLine,
    PurchaseOrder,
    PurchaseOrderState,
    ReservationState,
    ReturnState,
    RootCause,
    WarehouseMoving,
)
from stockkeeper.contracts import policies
from stockkeeper.contracts.move import PROCESS, MoveState, MoveStatus
from stockkeeper.domain.stock import ItemKey
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


Begin = Callable[[Both, ItemKey], Awaitable[Any]]
End = Callable[[Both, Any, ItemKey], Awaitable[Any]]


class Open(NamedTuple):
    """A document that is open while its warehouse moves.

    Attributes:
        begin: Begins it, on an item of its own with ten units.
        end: Brings it to its end in the new database, and answers with its state.
        status: Its status then.
        units: What is on hand then, and reserved.
    """

    begin: Begin
    end: End
    status: str
    units: tuple[int, int]


async def _held(both: Both, item: ItemKey) -> Hold:
    return await both.stock.reserve(
        new_reference(), [Line(item.product_id, item.warehouse_id, quantity=2)], performed_by="shop"
    )


async def _shipped(_: Both, hold: Hold, __: ItemKey) -> ReservationState:
    return await hold.fulfill(performed_by="shop")


async def _expired(_: Both, hold: Hold, __: ItemKey) -> ReservationState:
    await hold.extend(performed_by="shop", ttl_minutes=0.01)
    return await eventually(hold.refresh, lambda state: state.status == "EXPIRED")


async def _waiting(both: Both, item: ItemKey) -> Hold:
    line = Line(item.product_id, item.warehouse_id, quantity=11)
    hold = await both.stock.reserve(new_reference(), [line], performed_by="shop", wait_minutes=60, at_once=True)
    assert hold.state.status == "WAITING"
    return hold


async def _served(both: Both, hold: Hold, item: ItemKey) -> ReservationState:
    line = Line(item.product_id, quantity=1)
    found = await both.stock.adjust(
        new_reference("a"), [line], warehouse_id=item.warehouse_id, reason="found", performed_by="bob"
    )
    assert found.state.status == "POSTED"
    return await hold.held()


async def _to_be_approved(both: Both, item: ItemKey) -> PurchaseOrder:
    order = await both.stock.draft_purchase_order(
        new_reference("po"),
        [OrderLine(item.product_id, qty=5, unit_cost=Decimal(1_000))],
        supplier_id=both.north.shop.supplier(),
        warehouse_id=item.warehouse_id,
        requested_by="ann",
        reason="wanted",
    )
    assert order.state.required_approvals == 1
    return order


async def _approved_and_received(_: Both, order: PurchaseOrder, item: ItemKey) -> PurchaseOrderState:
    await order.approve(approver="bob")
    return await order.receive("1", [DeliveryLine(item.product_id, quantity=5)], performed_by="cid")


async def _being_counted(both: Both, item: ItemKey) -> CycleCount:
    count = await both.stock.open_count(
        new_reference("c"), [item.product_id], warehouse_id=item.warehouse_id, requested_by="ann"
    )
    assert (await count.record(item.product_id, 4, performed_by="bob")).status == "REVIEW"
    return count


async def _variance_approved(_: Both, count: CycleCount, item: ItemKey) -> CycleCountState:
    return await count.approve_variance(item.product_id, approver="cid", root_cause=RootCause.DAMAGE)


async def _expected_back(both: Both, item: ItemKey) -> CustomerReturn:
    line = Line(item.product_id, quantity=3)
    return await both.stock.create_return(
        new_reference("back"), [line], warehouse_id=item.warehouse_id, reference_id="1042", performed_by="shop"
    )


async def _inspected(_: Both, back: CustomerReturn, item: ItemKey) -> ReturnState:
    return await back.inspect([InspectionLine(item.product_id, restock_quantity=1, scrap_quantity=2)], performed_by="q")


async def _above_the_limit(both: Both, item: ItemKey) -> Adjustment:
    line = Line(item.product_id, quantity=-9)
    adjustment = await both.stock.adjust(
        new_reference("a"), [line], warehouse_id=item.warehouse_id, reason="broken", performed_by="ann"
    )
    assert adjustment.state.status == "PENDING"
    return adjustment


async def _approved(_: Both, adjustment: Adjustment, __: ItemKey) -> AdjustmentState:
    return await adjustment.approve(approver="bob")


DOCUMENTS = {
    "a hold that ships": Open(_held, _shipped, "FULFILLED", (8, 0)),
    "a hold that expires": Open(_held, _expired, "EXPIRED", (10, 0)),
    "an order that waits for stock": Open(_waiting, _served, "ACTIVE", (11, 11)),
    "a purchase order that waits for approval": Open(_to_be_approved, _approved_and_received, "RECEIVED", (15, 0)),
    "a count in review": Open(_being_counted, _variance_approved, "POSTED", (4, 0)),
    "a return that is expected": Open(_expected_back, _inspected, "INSPECTED", (11, 0)),
    "an adjustment that waits for approval": Open(_above_the_limit, _approved, "POSTED", (1, 0)),
}


async def test_every_open_document_goes_on_to_its_right_end(both: Both, mover: None) -> None:
    """But a transfer, for whose end the move waits."""
    del mover
    warehouse = await both.warehouse(both.north)
    items = {
        name: await both.item(
            both.north, 10, warehouse=warehouse, product=both.north.shop.product(unit_cost=Decimal(500))
        )
        for name in DOCUMENTS
    }
    begun = {name: await each.begin(both, items[name]) for name, each in DOCUMENTS.items()}
    sent = await both.item(both.north, 10, warehouse=warehouse)
    elsewhere = await both.warehouse(both.north)
    transfer = await both.stock.create_transfer(
        new_reference("t"),
        [Line(sent.product_id, quantity=4)],
        from_warehouse_id=warehouse,
        to_warehouse_id=elsewhere,
        requested_by="ann",
    )
    await transfer.dispatch(performed_by="bob")
    before = rows(both.north, warehouse)
    await both.stock.move_warehouse(warehouse, to=both.south.queue, performed_by="ann")

    async def waits() -> list[str]:
        return (await both.stock.warehouse_move(warehouse)).waits_for

    assert await eventually(waits, bool) == [f"transfer {transfer.state.transfer_number}"]
    state = await transfer.receive("1", [ArrivalLine(sent.product_id, quantity=4)], performed_by="cid")
    assert state.status == "RECEIVED"
    moved = await ended(both, warehouse)
    assert (moved.status, moved.source, moved.findings) == (MoveStatus.MOVED, both.north.queue, [])
    assert rows(both.south, warehouse) == before
    assert set(rows(both.north, warehouse).values()) == {0}
    ends = {name: (await each.end(both, begun[name], items[name])).status for name, each in DOCUMENTS.items()}
    assert ends == {name: each.status for name, each in DOCUMENTS.items()}
    levels = {each.product_id: each async for each in both.stock.levels(warehouse=warehouse)}
    assert {
        name: (levels[item.product_id].quantity_on_hand, levels[item.product_id].quantity_reserved)
        for name, item in items.items()
    } == {name: each.units for name, each in DOCUMENTS.items()}
    assert levels[sent.product_id].quantity_on_hand == 6


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
