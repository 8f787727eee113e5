"""Orders that leave the warehouse open, over the wire and on the command line; and orders that come too late."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import Connection, InsufficientStock, InvalidState, Line, OperationConflict, Shortage, Stockkeeper
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.commands import Command, names
from tests.support.reservation import Orders, lines_of, request
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, cells, refusal


@pytest.fixture
def spread(shop: Shop) -> list[ItemKey]:
    """One product in two warehouses: four, and three in the one that comes first."""
    product = shop.product()
    return [
        shop.item(4, product=product, warehouse=shop.warehouse()),
        shop.item(3, product=product, warehouse=shop.warehouse(priority=10)),
    ]


@pytest.fixture
def stock(our_client: Client, worker: None, stack: StackInfo) -> Stockkeeper:
    """A service's client, while a worker runs."""
    del worker
    return Stockkeeper(Connection(our_client, stack.task_queue))


def _anywhere(item: ItemKey, quantity: int) -> dict[str, Json]:
    return {"product_id": item.product_id, "warehouse_id": None, "quantity": quantity}


async def test_an_order_comes_from_where_it_is_and_its_state_says_from_where(
    orders: Orders, spread: list[ItemKey], engine: Engine
) -> None:
    many, first = spread
    reference = new_reference()
    start = request(reference) | {"lines": [_anywhere(many, 5)]}
    state = await orders.ask_raw(reference, [start])
    assert (state["status"], lines_of(state)) == ("ACTIVE", [(first, 3, 0), (many, 2, 0)])
    assert [each["sourced_line"] for each in state["lines"]] == [1, 1]
    sku, place = names(engine, first)
    assert cells((await orders.metadata(reference)).current_details)[2] == [sku, place, "3", "0"]
    with nothing_changes(engine, *spread):
        assert await orders.ask_raw(reference, [start]) == state
    part = {"reservation_id": state["lines"][1]["reservation_id"], "quantity": 2}
    await orders.fulfill(reference, [part])
    assert [level(engine, each) for each in spread] == [(2, 0), (3, 3)]
    await orders.fulfill(reference)
    ended = await orders.result(reference)
    # The run has ended, and the same start is no other order because it is held in parts.
    assert await orders.ask_raw(reference, [start]) == ended
    assert [level(engine, each) for each in spread] == [(2, 0), (0, 0)]


async def test_a_service_gets_the_same_hold_and_the_numbers_of_all_warehouses(
    stock: Stockkeeper, spread: list[ItemKey], engine: Engine
) -> None:
    many, first = spread
    sku, _ = names(engine, many)
    reference = new_reference()
    hold = await stock.reserve(reference, [Line(sku, quantity=7)], performed_by="checkout")
    assert [(line.warehouse_id, line.quantity) for line in hold.state.lines] == [
        (first.warehouse_id, 3),
        (many.warehouse_id, 4),
    ]
    with nothing_changes(engine, *spread):
        again = await stock.reserve(reference, [Line(many.product_id, quantity=7)], performed_by="checkout")
        assert again.state == hold.state
        with pytest.raises(OperationConflict):
            await stock.reserve(reference, [Line(sku, quantity=6)], performed_by="checkout")
        with pytest.raises(InsufficientStock, match=f"^{sku} in all warehouses: requested 1, available 0$") as short:
            await stock.reserve(new_reference(), [Line(sku, quantity=1)], performed_by="checkout")
    assert short.value.shortages == [Shortage(many.product_id, None, 1, 0)]


async def test_the_command_line_prints_where_each_part_comes_from(
    command: Command, spread: list[ItemKey], engine: Engine
) -> None:
    many, first = spread
    (sku, place), (_, prior) = names(engine, many), names(engine, first)
    printed = await command("reserve", "start", new_reference(), "--line", f"{sku}=5")
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert [line.split()[-3:] for line in printed.stdout.splitlines() if sku in line] == [
        [prior.split()[-1], "3", "0"],
        [place.split()[-1], "2", "0"],
    ]
    levels = (await command("stock", "show", sku)).stdout.splitlines()
    assert "priority" in levels[0] + levels[1]
    [shown] = [line.split() for line in levels if prior in line]
    assert shown[shown.index("10") :][:4] == ["10", "3", "3", "0"]


async def test_an_order_that_comes_too_late_is_rejected(
    orders: Orders, stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(5), new_reference()
    past = datetime.now(UTC) - timedelta(minutes=1)
    with nothing_changes(engine, item):
        late = await refusal(orders.reserve(reference, (item, 1), not_after=past.isoformat()))
        assert (late.type, late.details) == ("InvalidState", {"status": "REJECTED", "command": "reserve"})
        assert late.message.startswith(
            f"order {reference} wasn't held: it was to be held by {past:%Y-%m-%d %H:%M:%S} UTC"
        )
        ended = await orders.result(reference)
        assert (ended["status"], ended["shortages"]) == ("REJECTED", [])
        assert ended["notes"][0].endswith(late.message)
        with pytest.raises(InvalidState):
            await stock.reserve(
                reference,
                [Line(item.product_id, item.warehouse_id, quantity=1)],
                performed_by="checkout",
                not_after=past,
            )
    # Nothing had happened, so the reference may be used again.
    assert (await orders.reserve(reference, (item, 1)))["status"] == "ACTIVE"
    assert level(engine, item) == (5, 1)
