"""Reservations as large, and names as long, as the contract allows."""

from sqlalchemy import Engine, update
from temporalio.client import Client

from database.tables import products, warehouses
from devstack.stack import StackInfo
from stockkeeper import Connection, Stockkeeper
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference

LINES = 1_000


async def test_a_thousand_lines_are_shipped_one_by_one_whatever_the_history(
    orders: Orders, shop: Shop, engine: Engine, our_client: Client, stack: StackInfo
) -> None:
    item, other = shop.items(2, 2 * LINES)
    reference = new_reference()
    state = await orders.reserve(reference, (other, 1), *[(item, 1)] * (LINES - 1))
    lines = [each["reservation_id"] for each in state["lines"]]
    assert level(engine, item) == (2 * LINES, LINES - 1)
    first_run = (await orders.handle(reference).describe()).run_id
    for line in lines[1:41]:
        state = await orders.fulfill(reference, [{"reservation_id": line, "quantity": 1}])
    assert sum(each["quantity_fulfilled"] for each in state["lines"]) == 40
    assert (state["status"], level(engine, item)) == ("ACTIVE", (2 * LINES - 40, LINES - 41))
    # The state alone is a hundred kilobytes, several times over for each command: more than one history takes.
    assert (await orders.handle(reference).describe()).run_id != first_run
    # Two runs of it are in Temporal, and it is one reservation.
    stock = Stockkeeper(Connection(our_client, stack.task_queue))
    assert [(each.number, each.status) for each in await stock.holds(sku=other.product_id)] == [(reference, "ACTIVE")]
    assert (await stock.hold(reference)).state.model_dump(mode="json") == state
    await orders.signal(reference, "cancel", {"nobody": "did it"})
    ended = await orders.cancel(reference)
    assert (ended["status"], len(ended["notes"]), level(engine, item)) == ("CANCELLED", 1, (2 * LINES - 40, 0))
    assert await orders.result(reference) == ended


async def test_the_longest_names_there_can_be(orders: Orders, shop: Shop, engine: Engine) -> None:
    items = [shop.item(5) for _ in range(20)]
    with engine.begin() as connection:
        for number, item in enumerate(items):
            name = f"{number}-{item.product_id}-".ljust(200, "ü")
            connection.execute(update(products).where(products.c.product_id == item.product_id).values(sku=name))
            connection.execute(
                update(warehouses).where(warehouses.c.warehouse_id == item.warehouse_id).values(name=name)
            )
    reference = new_reference().ljust(200, "😀")
    state = await orders.reserve(reference, *((item, 1) for item in items))
    assert (state["status"], state["reference_id"]) == ("ACTIVE", reference)
    assert (await orders.fulfill(reference))["status"] == "FULFILLED"
    assert [level(engine, item) for item in items] == [(4, 0)] * 20


async def test_what_makes_a_table_in_the_ui_is_text_in_a_name(orders: Orders, shop: Shop, engine: Engine) -> None:
    item: ItemKey = shop.item(5)
    with engine.begin() as connection:
        name = f"a|b\\ [c](d) <e> {item.product_id}"
        connection.execute(update(products).where(products.c.product_id == item.product_id).values(sku=name))
    reference = new_reference()
    assert (await orders.reserve(reference, (item, 1)))["status"] == "ACTIVE"
