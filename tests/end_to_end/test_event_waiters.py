"""Many who wait for the end of a hold, or for stock, and the one question that they share."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from temporalio.client import ActivityHandle, Client, Interceptor, OutboundInterceptor, StartActivityInput

from devstack.stack import StackInfo
from stockkeeper import InvalidRequest, Line, ReservationStatus, Stockkeeper, UnknownProduct
from stockkeeper.client.connection import Connection
from tests.support.shop import Shop, new_reference
from tests.support.wire import ANSWER_SECONDS, eventually, few_at_once

T = TypeVar("T")


class Counting(Interceptor):
    """Counts the questions of a client.

    Attributes:
        asked: By their names.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        """Count what goes out."""
        return _Counted(next, self.asked)


class _Counted(OutboundInterceptor):
    def __init__(self, wrapped: OutboundInterceptor, asked: Counter[str]) -> None:
        super().__init__(wrapped)
        self._asked = asked

    async def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002 - the SDK's name
        self._asked[input.activity_type] += 1
        return await super().start_activity(input)


@pytest.fixture
def counting() -> Counting:
    """Counts the questions of the service."""
    return Counting()


@pytest.fixture
def stock(our_client: Client, counting: Counting, worker: None, stack: StackInfo) -> Stockkeeper:
    """A service."""
    del worker
    config = our_client.config()
    config["interceptors"] = [counting]
    return Stockkeeper(Connection(Client(**config), stack.task_queue))


async def _in_time(call: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(ANSWER_SECONDS):
        return await call


async def _all_look(counting: Counting, question: str, count: int) -> None:
    """Return once so many look at what there is now: they are told of what comes."""

    async def looks() -> int:
        return counting.asked[question]

    await eventually(looks, lambda now: now >= count)


async def test_two_hundred_who_wait_share_one_question(stock: Stockkeeper, counting: Counting, shop: Shop) -> None:
    item = shop.item(4)
    lines = [Line(item.product_id, item.warehouse_id, quantity=2)]
    shipped, given_up = [await stock.reserve(new_reference(), lines, performed_by="shop") for _ in range(2)]
    for_holds = [asyncio.create_task(hold.ended()) for hold in (shipped, given_up) for _ in range(5)]
    for_stock = [
        asyncio.create_task(stock.available_again(item.product_id, item.warehouse_id, quantity=2)) for _ in range(190)
    ]
    await _all_look(counting, "show_document", 10)
    await _all_look(counting, "show_levels", 1)
    # The first finds the present end, the second waits.
    assert counting.asked["read_events"] == 2
    await (await stock.hold(shipped.name)).fulfill(performed_by="packing")
    ended = await _in_time(_all(for_holds[:5]))
    assert {state.status for state in ended} == {ReservationStatus.FULFILLED}
    assert not any(task.done() for task in [*for_holds[5:], *for_stock])
    await (await stock.hold(given_up.name)).cancel(performed_by="shop", reason="gone")
    ended = await _in_time(_all(for_holds[5:]))
    assert {state.status for state in ended} == {ReservationStatus.CANCELLED}
    found = await _in_time(_all(for_stock))
    assert [[level.quantity_available for level in levels] for levels in found] == [[2]] * 190
    # They look together as well: at first, and when they are told.
    assert counting.asked["show_levels"] == 2
    assert counting.asked["read_events"] <= 2 + 3
    waiters = stock.connection.waiters
    assert waiters is not None
    assert not waiters.is_following


async def _all(tasks: list[asyncio.Task[T]]) -> list[T]:
    return await asyncio.gather(*tasks)


async def test_a_hold_that_has_ended_and_one_that_expires(stock: Stockkeeper, shop: Shop) -> None:
    item = shop.item(3)
    line = Line(item.product_id, item.warehouse_id, quantity=1)
    ended = await stock.reserve(new_reference(), [line], performed_by="shop")
    await ended.cancel(performed_by="shop", reason="gone")
    expiring = await stock.reserve(new_reference(), [line], performed_by="shop", ttl_minutes=1 / 60)
    states = await few_at_once(lambda: _in_time(ended.ended()), lambda: _in_time(expiring.ended()))
    assert [state.status for state in states] == [ReservationStatus.CANCELLED, ReservationStatus.EXPIRED]
    assert expiring.state.status is ReservationStatus.EXPIRED


async def test_stock_that_comes_back_is_told_to_those_for_whom_it_is_enough(
    stock: Stockkeeper, counting: Counting, shop: Shop
) -> None:
    item = shop.item(3)
    line = Line(item.product_id, item.warehouse_id, quantity=3)
    hold = await stock.reserve(new_reference(), [line], performed_by="shop")
    two, three, anywhere, also_a_hold = [
        asyncio.create_task(stock.available_again(item.product_id, item.warehouse_id, quantity=2)),
        asyncio.create_task(stock.available_again(item.product_id, item.warehouse_id, quantity=3)),
        asyncio.create_task(stock.available_again(item.product_id, quantity=2)),
        asyncio.create_task(hold.ended()),
    ]
    await _all_look(counting, "show_levels", 2)
    await _all_look(counting, "show_document", 1)
    given_up = [Line(item.product_id, quantity=2)]
    await (await stock.hold(hold.name)).release(given_up, performed_by="shop", reason="too many")
    for told in (two, anywhere):
        [found] = await asyncio.wait_for(told, ANSWER_SECONDS)
        assert (found.warehouse_id, found.quantity_available) == (item.warehouse_id, 2)
    assert not three.done()
    assert not also_a_hold.done()
    await (await stock.hold(hold.name)).cancel(performed_by="shop", reason="gone")
    [found] = await asyncio.wait_for(three, ANSWER_SECONDS)
    assert found.quantity_available == 3
    assert (await asyncio.wait_for(also_a_hold, ANSWER_SECONDS)).status is ReservationStatus.CANCELLED
    # What is there is answered at once.
    [found] = await _in_time(stock.available_again(item.product_id, item.warehouse_id))
    assert found.quantity_available == 3


async def test_what_nobody_can_wait_for_is_refused(stock: Stockkeeper, counting: Counting, shop: Shop) -> None:
    with pytest.raises(InvalidRequest, match="quantity: must be more than 0"):
        await stock.available_again("TEA-100", quantity=0)
    with pytest.raises(UnknownProduct):
        await stock.available_again("no such thing")
    # A product that no warehouse ever had is waited for, until nobody does any more.
    waiting = asyncio.create_task(stock.available_again(shop.product()))
    await _all_look(counting, "show_levels", 1)
    waiters = stock.connection.waiters
    assert waiters is not None
    assert waiters.is_following
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not waiters.is_following
