"""A start that is wrong: a clear error at once, a run that has failed with the same, and nothing changed."""

import pytest
from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.bad import repeated_lines
from tests.support.bad_messages import SENT_STARTS
from tests.support.bad_starts import WAYS, Clerk, some
from tests.support.books import level, nothing_changes
from tests.support.reservation import Orders, request, shortage
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, line, refusal


@pytest.fixture
def clerk(orders: Orders, engine: Engine, item: ItemKey) -> Clerk:
    """Starts reservations of one unit of the item."""
    return Clerk(orders, engine, "order", lambda reference: request(reference, (item, 1)))


@pytest.mark.parametrize("way", WAYS)
async def test_an_invalid_start_is_refused(clerk: Clerk, way: str) -> None:
    # Where the first way has seen that the run fails with the same error, some of them do for the other one.
    spoils = SENT_STARTS["reservation"].messages
    await clerk.are_invalid(spoils if way == WAYS[0] else some(spoils), way)


async def test_products_that_are_not_there_are_named(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    strangers = [item._replace(product_id=2**62 + number) for number in (2, 1)]
    with nothing_changes(engine, item):
        refused = await refusal(orders.reserve(new_reference(), (item, 1), *((each, 1) for each in strangers)))
    assert (refused.type, refused.details) == ("UnknownProduct", {"product_ids": [2**62 + 1, 2**62 + 2]})
    assert refused.message == f"no product with id {2**62 + 1}, {2**62 + 2}"


async def test_warehouses_that_are_not_there_are_named(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    with nothing_changes(engine, item):
        refused = await refusal(orders.reserve(new_reference(), (item._replace(warehouse_id=2**62), 1)))
    assert (refused.type, refused.details) == ("UnknownWarehouse", {"warehouse_ids": [2**62]})


async def test_a_thousand_unknown_products_are_named_within_bounds(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    strangers = [(item._replace(product_id=2**62 + number), 1) for number in range(1_000)]
    with nothing_changes(engine, item):
        refused = await refusal(orders.reserve(new_reference(), *strangers))
    assert refused.type == "UnknownProduct"
    assert len(refused.details["product_ids"]) == 1_000


async def test_a_product_that_is_no_longer_sold_is_refused(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10, product=shop.product(is_active=False))
    with engine.connect() as connection:
        sku = connection.execute(
            text("SELECT sku FROM products WHERE product_id = :product_id"), {"product_id": item.product_id}
        ).scalar_one()
    clerk = Clerk(orders, engine, "order", lambda reference: request(reference, (item, 1)))
    await clerk.are_named([({}, Refusal("InvalidRequest", {}, f"no longer active: {sku}"))])


async def test_the_most_that_may_be_asked_for_is_short_and_not_invalid(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    reference = new_reference()
    with nothing_changes(engine, item):
        refused = await refusal(
            orders.ask_raw(reference, repeated_lines(1_000)(request(reference, (item, 1_000_000_000))))
        )
    assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 10**12, 10)])


async def test_a_thousand_lines_are_held(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(1_000)
    reference = new_reference()
    state = await orders.ask_raw(reference, repeated_lines(1_000)(request(reference, (item, 1))))
    assert len(state["lines"]) == 1_000
    assert level(engine, item) == (1_000, 1_000)
    assert (await orders.fulfill(reference))["status"] == "FULFILLED"
    assert level(engine, item) == (0, 0)


async def test_a_run_under_a_wrong_name_is_told_the_right_one(clerk: Clerk) -> None:
    await clerk.wrong_name_is_corrected("reference")


async def test_a_command_to_a_start_that_is_wrong_fails_as_the_run_does(clerk: Clerk, item: ItemKey) -> None:
    commands: dict[str, Json] = {
        "fulfill": {"performed_by": "picker"},
        "cancel": {"performed_by": "shop", "reason": "no longer wanted"},
        "extend": {"performed_by": "shop", "ttl_minutes": 5},
    }
    await clerk.first_commands_are_refused("InvalidRequest", commands, lines=[line(item, 0)])
