"""`stockkeeper reserve waiting`, and a Python service whose order waits."""

import asyncio
import json

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import Connection, InsufficientStock, InvalidState, Line, Stockkeeper
from stockkeeper.contracts.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.commands import Command, names, words
from tests.support.shop import Shop, new_reference

SECONDS = 1 / 60


async def test_orders_that_wait_are_listed_in_their_order_and_held_in_it(
    command: Command, our_client: Client, stack: StackInfo, shop: Shop, item: ItemKey, engine: Engine
) -> None:
    stock = Stockkeeper(Connection(our_client, stack.task_queue))
    (sku, place), (first, second) = names(engine, item), (new_reference(), new_reference())
    line = f"{sku}@{place}"
    placed = await command("reserve", "start", first, "--line", f"{line}=6", "--wait-minutes", "60")
    assert (placed.exit_code, placed.stderr) == (0, "")
    assert f"order {first}: WAITING" in placed.stdout
    assert f"no. 1 in the queue for {sku} in {place}: 2 units missing\nit waits until " in placed.stdout
    assert placed.stdout.endswith("\nno day is foreseen for its turn: not enough is on its way\n")
    again = await command("reserve", "start", first, "--line", f"{line}=6")
    assert (again.exit_code, again.stderr) == (0, "")
    assert words(again.stdout).startswith(f"order {first}: WAITING ")
    lines = [Line(sku, place, quantity=1)]
    hold = await stock.reserve(second, lines, performed_by="shop", wait_minutes=60, at_once=True)
    assert (hold.state.status, hold.state.queue[0].position) == (ReservationStatus.WAITING, 2)

    waiting = json.loads((await command("reserve", "waiting", "--sku", sku, "--json")).stdout)
    shown = [(each["reference_id"], each["position"], each["missing"], each["quantity"]) for each in waiting]
    assert shown == [(first, 1, 2, 6), (second, 2, 3, 1)]
    assert {(each["sku"], each["warehouse"], each["available_on"]) for each in waiting} == {(sku, place, None)}
    assert await stock.queue(sku=sku, warehouse=place) == await stock.queue(sku=sku)
    printed = words((await command("reserve", "waiting", "--sku", sku)).stdout)
    assert "order product where wanted no. short since until turn by" in printed
    assert f"{first} {sku}" in printed
    for status in (ReservationStatus.WAITING, None):
        listed = await stock.holds(status=status, sku=sku)
        assert [(each.number, each.status) for each in listed] == [(second, "WAITING"), (first, "WAITING")]
        assert (listed[0].skus, listed[0].warehouses, listed[0].deadline) == (
            (sku,),
            (place,),
            hold.state.waiting_until,
        )

    short = await command("reserve", "start", new_reference(), "--line", f"{line}=1")
    assert "requested 1, available 0 (4 more are there, for orders that wait)" in short.stderr
    cancelled = await command("reserve", "cancel", first, "--reason", "not needed")
    assert f"order {first}: WAITING → CANCELLED" in cancelled.stdout
    # The place of the first is free, and the second is served.
    assert (await hold.held()).status is ReservationStatus.ACTIVE
    assert (await hold.held()).status is ReservationStatus.ACTIVE
    assert "no order waits for stock" in (await command("reserve", "waiting", "--sku", sku)).stdout
    assert [(each.number, each.status) for each in await stock.holds(sku=sku)] == [
        (second, "ACTIVE"),
        (first, "CANCELLED"),
    ]
    assert (await stock.hold(first)).state.status is ReservationStatus.CANCELLED
    with pytest.raises(InvalidState, match=f"{first} has been cancelled"):
        await (await stock.hold(first)).held()
    assert level(engine, item) == (4, 1)


async def test_a_service_waits_with_its_order(
    our_client: Client, stack: StackInfo, shop: Shop, worker: None, item: ItemKey, engine: Engine
) -> None:
    del worker
    stock = Stockkeeper(Connection(our_client, stack.task_queue))
    lines = [Line(item.product_id, item.warehouse_id, quantity=5)]
    with pytest.raises(InsufficientStock, match=r"requested 5, available 4$"):
        await stock.reserve(new_reference(), lines, performed_by="shop", wait_minutes=SECONDS)
    reference = new_reference()
    short = await stock.reserve(reference, lines, performed_by="shop", wait_minutes=SECONDS, at_once=True)
    with pytest.raises(InsufficientStock, match=r"requested 5, available 4$"):
        await short.held()
    waits = asyncio.ensure_future(stock.reserve(reference, lines, performed_by="shop", wait_minutes=30))
    while not await stock.queue():
        assert not waits.done()
    shop.move(item, 1)
    assert (await waits).state.status is ReservationStatus.ACTIVE
    assert level(engine, item) == (5, 5)
