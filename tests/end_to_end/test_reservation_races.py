"""Many at once: nobody is promised what isn't there, and nobody is half served.

More than thirty at a time, which are as many as a worker has local slots, add to the queue and not to the race.
"""

import contextlib
import random
from collections import Counter

from sqlalchemy import Engine
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from stockkeeper.domain.stock import ItemKey
from tests.support.books import ItemBooks, books, level
from tests.support.reservation import Orders, one_hold, shortage
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, line


async def _outcome(orders: Orders, *lines: tuple[ItemKey, int]) -> tuple[str, Json]:
    """``ACTIVE`` or the error's type, with the error's details."""
    try:
        return (await orders.reserve(new_reference(), *lines))["status"], None
    except WorkflowUpdateFailedError as error:
        if not isinstance(error.cause, ApplicationError):
            raise
        return str(error.cause.type), error.cause.details[0]


async def test_60_orders_for_a_stock_of_10_get_exactly_10(orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    outcomes = await at_once(*(_outcome(orders, (item, 1)) for _ in range(60)))
    assert Counter(status for status, _ in outcomes) == {"ACTIVE": 10, "InsufficientStock": 50}
    assert [details for status, details in outcomes if status != "ACTIVE"] == [[shortage(item, 1, 0)]] * 50
    assert books(engine, item).items == (
        ItemBooks(on_hand=10, reserved=10, held=10, open_lines=10, movements=1, moved=10),
    )


async def test_orders_in_opposite_order_never_deadlock(orders: Orders, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, units=1_000)
    pairs = [((first, 1), (second, 1)), ((second, 1), (first, 1))] * 20
    outcomes = await at_once(*(_outcome(orders, *lines) for lines in pairs))
    assert outcomes == [("ACTIVE", None)] * 40
    assert [level(engine, item) for item in (first, second)] == [(1_000, 40), (1_000, 40)]


async def test_orders_in_opposite_order_for_scarce_stock_are_never_half_held(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    first, second = shop.item(20), shop.item(15)
    pairs = [((first, 1), (second, 1)), ((second, 1), (first, 1))] * 20
    outcomes = await at_once(*(_outcome(orders, *lines) for lines in pairs))
    assert Counter(status for status, _ in outcomes) == {"ACTIVE": 15, "InsufficientStock": 25}
    assert {str(details) for status, details in outcomes if status != "ACTIVE"} == {str([shortage(second, 1, 0)])}
    assert [level(engine, item) for item in (first, second)] == [(20, 15), (15, 15)]


async def test_many_shipments_of_one_order_at_once_take_no_more_than_it_holds(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    reference, item, _ = await one_hold(orders, shop, 5, 20)

    async def ship() -> str:
        # The run may be over before the command is let in.
        with contextlib.suppress(WorkflowUpdateFailedError, RPCError):
            return str((await orders.fulfill(reference, [line(item, 1)]))["status"])
        return "refused"

    # Ten at a time is as many as Temporal lets in.
    outcomes = Counter(await at_once(*(ship() for _ in range(9))))
    assert outcomes["ACTIVE"] + outcomes["FULFILLED"] == 5
    state = await orders.result(reference)
    assert (state["status"], state["lines"][0]["quantity_fulfilled"]) == ("FULFILLED", 5)
    assert level(engine, item) == (15, 0)


async def test_a_busy_day_ends_with_books_that_agree(orders: Orders, shop: Shop, engine: Engine) -> None:
    """Customers who take, give back, let go and wander off: what left the shelf is what was sold."""
    items = shop.items(5, units=20)
    sold: Counter[ItemKey] = Counter()

    async def customer(number: int) -> None:
        chance = random.Random(number)
        basket = [(item, chance.randint(1, 4)) for item in chance.sample(items, chance.randint(1, 3))]
        reference = new_reference()
        # Out of stock, or its deadline has come: every no is right here.
        with contextlib.suppress(WorkflowUpdateFailedError, RPCError):
            await orders.reserve(reference, *basket, ttl_minutes=chance.choice([0.005, 30]))
            if chance.random() < 0.5:
                item, units = basket[0]
                await orders.fulfill(reference, [line(item, 1)])
                sold[item] += 1
                basket[0] = item, units - 1
            if chance.random() < 0.5:
                await orders.cancel(reference)
            elif chance.random() < 0.5:
                await orders.fulfill(reference)
                sold.update(dict(basket))
            else:
                await orders.extend(reference, 0.005)
        await orders.result(reference)

    await at_once(*(customer(number) for number in range(30)))
    assert [level(engine, item) for item in items] == [(20 - sold[item], 0) for item in items]
    # How many, is the machine's speed: on a slow one more deadlines come before their customers.
    assert sold.total() > 0
