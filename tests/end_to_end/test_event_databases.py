"""Events of several databases, and of one where nobody works for a while."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from stockkeeper import Event, InvalidRequest, Line, ReservationStatus, Stockkeeper, Unreachable
from stockkeeper.client.connection import Connection
from tests.support.events import happen, level
from tests.support.several_databases import Both
from tests.support.shop import Shop, new_reference
from tests.support.wire import ANSWER_SECONDS
from worker import Settings, working


async def _next(events: AsyncGenerator[Event], count: int) -> list[tuple[str, int]]:
    async with asyncio.timeout(ANSWER_SECONDS):
        return [(each.database, each.number) for _ in range(count) for each in [await anext(events)]]


def _events(stock: Stockkeeper, **asked: object) -> AsyncGenerator[Event]:
    found = stock.events(**asked)  # type: ignore[arg-type]
    assert isinstance(found, AsyncGenerator)
    return found


async def test_those_of_several_databases_come_merged_each_in_its_order(both: Both) -> None:
    product, north, south = both.north.shop.product(), both.north.queue, both.south.queue
    begin = await both.stock.events_cursors()
    assert [*begin] == [north, south]
    here = [(north, each) for each in happen(both.north.engine, *[level(product) for _ in range(3)])]
    there = [(south, each) for each in happen(both.south.engine, *[level(product) for _ in range(2)])]
    async with aclosing(_events(both.stock, after=begin, product=product)) as events:
        found = await _next(events, 5)
        assert [each for each in found if each[0] == north] == here
        assert [each for each in found if each[0] == south] == there
        [number] = await asyncio.to_thread(happen, both.south.engine, level(product))
        assert await _next(events, 1) == [(south, number)]
    seen = {north: here[0][1], south: there[-1][1]}
    past = [
        (each.database, each.number) async for each in both.stock.events(after=seen, product=product, follow_on=False)
    ]
    assert past == [*here[1:], (south, number)]
    alone = both.stock.at(south).events(after=there[0][1], product=product, follow_on=False)
    named = both.stock.events(after=there[0][1], database=south, product=product, follow_on=False)
    assert [each.number async for each in alone] == [each.number async for each in named] == [there[1][1], number]
    with pytest.raises(InvalidRequest, match="after: each database has numbers of its own"):
        await anext(_events(both.stock, after=7))
    with pytest.raises(InvalidRequest, match="database: each has numbers of its own"):
        await both.stock.events_cursor()
    assert await both.stock.events_cursor(south) >= number


async def test_who_waits_hears_of_an_order_in_two_databases(both: Both) -> None:
    north, south = await both.item(both.north, 2), await both.item(both.south, 2)
    lines = [Line(item.product_id, item.warehouse_id, quantity=2) for item in (north, south)]
    hold = await both.stock.reserve(new_reference(), lines, performed_by="shop")
    ended = asyncio.create_task(hold.ended())
    back = asyncio.create_task(both.stock.available_again(south.product_id, south.warehouse_id, quantity=2))
    await (await both.caller().hold(hold.name)).cancel(performed_by="shop", reason="gone")
    assert (await asyncio.wait_for(ended, ANSWER_SECONDS)).status is ReservationStatus.CANCELLED
    [found] = await asyncio.wait_for(back, ANSWER_SECONDS)
    assert (found.warehouse_id, found.quantity_available) == (south.warehouse_id, 2)


async def test_a_service_waits_for_workers_unless_it_is_in_a_hurry(
    our_client: Client, database: Database, settings: Settings, engine: Engine, shop: Shop
) -> None:
    apart = settings.model_copy(update={"task_queue": new_reference("queue"), "concurrency": 2})
    stock = Stockkeeper(Connection(our_client, apart.task_queue, answer_within=timedelta(seconds=0.5)))
    product = shop.product()
    numbers = happen(engine, level(product), level(product))
    began = time.monotonic()
    with pytest.raises(Unreachable):
        await anext(_events(stock, product=product, patient=False))
    assert time.monotonic() - began < ANSWER_SECONDS
    # A first question that nobody answers is asked again, and nothing is missed or comes twice.
    async with aclosing(_events(stock, product=product)) as only_what_comes:
        coming = asyncio.create_task(_next(only_what_comes, 2))
        await asyncio.wait({coming}, timeout=1.2)
        assert not coming.done()
        async with working(our_client, database, apart):
            after = _events(stock, after=numbers[0] - 1, product=product)
            assert [number for _, number in await _next(after, 2)] == numbers
            await after.aclose()
            # Its own first question may be between two attempts.
            told: list[int] = []
            while not coming.done():
                told += await asyncio.to_thread(happen, engine, level(product))
                await asyncio.wait({coming}, timeout=0.5)
            assert [number for _, number in await coming] == told[told.index((await coming)[0][1]) :][:2]
