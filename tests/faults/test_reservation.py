"""Workers are killed and the database goes away: the effect happens once, and the answer comes in the end."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.faults.workplace import Workplace
from tests.support.books import ItemBooks, books, level
from tests.support.outages import Outages
from tests.support.reservation import Orders, lines_of, request
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, eventually, line
from worker import working

CUTS = 10
Call = Callable[[Orders, str, ItemKey], Awaitable[Json]]


async def test_a_worker_killed_around_its_commit_leaves_one_effect_and_an_answer(
    workplace: Callable[[], Workplace],
    our_client: Client,
    database: Database,
    shop: Shop,
    engine: Engine,
) -> None:
    async def dies(step: str, moment: str, prepare: Call | None, call: Call) -> tuple[Orders, str, ItemKey, Json]:
        place, reference, item = workplace(), new_reference(), shop.item(10)
        async with place.worker(step, moment) as deadly:
            if prepare is not None:
                await prepare(place.orders, reference, item)
            answered = asyncio.ensure_future(call(place.orders, reference, item))
            await deadly.has_killed_itself()
            assert not answered.done()
        async with working(our_client, database, place.settings):
            answer = await answered
            # Who asks again hears the same, and it happens no second time.
            assert await place.orders.state(reference) == answer
            if answer["status"] == "ACTIVE":
                before = books(engine, item).items
                assert await place.orders.reserve(reference, (item, 3)) == answer
                assert books(engine, item).items == before
        return place.orders, reference, item, answer

    def reserve(orders: Orders, reference: str, item: ItemKey, **other: Any) -> Awaitable[Json]:
        return orders.reserve(reference, (item, 3), **other)

    def reserve_briefly(orders: Orders, reference: str, item: ItemKey) -> Awaitable[Json]:
        return reserve(orders, reference, item, ttl_minutes=1 / 60)

    outcomes = await at_once(
        dies("reserve_stock", "before", None, reserve),
        dies("reserve_stock", "after", None, reserve),
        dies("fulfill_reservation", "after", reserve, lambda orders, ref, item: orders.fulfill(ref, [line(item, 1)])),
        dies("release_reservation", "after", reserve, lambda orders, ref, item: orders.cancel(ref)),
        dies("release_reservation", "after", reserve_briefly, lambda orders, ref, item: orders.result(ref)),
        dies("extend_reservation", "after", reserve, lambda orders, ref, item: orders.extend(ref, 60)),
    )
    held = ItemBooks(on_hand=10, reserved=3, held=3, open_lines=1, movements=1, moved=10)
    shipped = ItemBooks(on_hand=9, reserved=2, held=2, open_lines=1, movements=2, moved=9)
    released = ItemBooks(on_hand=10, reserved=0, held=0, open_lines=0, movements=1, moved=10)
    assert [(answer["status"], books(engine, item).items[0]) for _, _, item, answer in outcomes] == [
        ("ACTIVE", held),
        ("ACTIVE", held),
        ("ACTIVE", shipped),
        ("CANCELLED", released),
        ("EXPIRED", released),
        ("ACTIVE", held),
    ]
    assert lines_of(outcomes[2][3]) == [(outcomes[2][2], 3, 1)]


async def test_workers_killed_under_load_lose_and_double_nothing(
    workplace: Callable[[], Workplace], shop: Shop, engine: Engine
) -> None:
    item = shop.item(1_000)
    place = workplace()
    chance = random.Random(5)
    kills = served = 0

    async def die_and_be_replaced() -> None:
        nonlocal kills
        while kills < 5:
            async with place.worker() as victim:
                await asyncio.sleep(chance.uniform(0.6, 1.2))
                victim.kill()
                assert await victim.wait() == -signal.SIGKILL
                kills += 1

    async def serve_customers() -> None:
        nonlocal served
        while kills < 5 or served < 60:
            reference = new_reference()
            assert (await place.orders.reserve(reference, (item, 2)))["status"] == "ACTIVE"
            state = await place.orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")
            assert lines_of(state) == [(item, 2, 1)]
            assert (await place.orders.cancel(reference))["status"] == "CANCELLED"
            served += 1

    async with place.worker():
        await at_once(*(serve_customers() for _ in range(8)), die_and_be_replaced())
    assert level(engine, item) == (1_000 - served, 0)


async def test_cut_connections_reach_no_caller(orders: Orders, outages: Outages, shop: Shop, engine: Engine) -> None:
    item = shop.item(10_000)
    cuts = 0

    async def serve_customers() -> int:
        served = 0
        while cuts <= CUTS:
            reference = new_reference()
            await orders.reserve(reference, (item, 2))
            assert lines_of(await orders.fulfill(reference, [line(item, 1)])) == [(item, 2, 1)]
            served += 1
        return served

    customers = [asyncio.ensure_future(serve_customers()) for _ in range(8)]
    while cuts <= CUTS:
        cuts += await asyncio.to_thread(outages.cut_connections)
        await asyncio.sleep(0.05)
    served = sum(await asyncio.gather(*customers))
    assert served >= len(customers)
    assert level(engine, item) == (10_000 - served, served)


async def test_a_database_that_is_away_delays_the_answer(
    orders: Orders, outages: Outages, shop: Shop, engine: Engine
) -> None:
    """The step then waits in the task queue, where an operator sees it."""
    item, held_item = shop.items(2, units=10)
    reference, held = new_reference(), new_reference()
    await orders.reserve(held, (held_item, 4))

    async def scheduled(of: str) -> list[str]:
        return [
            event.activity_task_scheduled_event_attributes.activity_type.name
            async for event in orders.handle(of).fetch_history_events()
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        ]

    with outages.database_away():
        await orders.start(reference, [request(reference, (item, 3))])
        reserving = asyncio.ensure_future(orders.update(reference, "reserved"))
        shipping = asyncio.ensure_future(orders.fulfill(held))
        await eventually(lambda: scheduled(held), lambda steps: steps == ["fulfill_reservation"])
        await eventually(lambda: scheduled(reference), lambda steps: steps == ["reserve_stock"])
        [pending] = (await orders.handle(reference).describe()).raw_description.pending_activities
        assert pending.activity_type.name == "reserve_stock"
        assert not reserving.done()
    assert (await reserving)["status"] == "ACTIVE"
    assert (await shipping)["status"] == "FULFILLED"
    assert [level(engine, each) for each in (item, held_item)] == [(10, 3), (6, 0)]


async def test_a_row_locked_for_longer_than_anybody_waits_delays_the_answer(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    reference = new_reference()
    async with locked(engine, item) as lock:
        reserving = asyncio.ensure_future(orders.reserve(reference, (item, 3)))
        await lock.has_somebody_waiting()
        await lock.has_another_waiting()
        assert not reserving.done()
    assert (await reserving)["status"] == "ACTIVE"
    assert level(engine, item) == (10, 3)
