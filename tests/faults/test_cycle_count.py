"""Workers are killed and the database goes away: what was counted is in the books once, and whoever held it hears."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine, text
from temporalio.client import Client

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.faults.test_reorder import reset
from tests.faults.workplace import BRISK, Workplace
from tests.support.books import level
from tests.support.commands import names
from tests.support.cycle_count import CountPlans, Counts, Line, count, lines, midday, one_count
from tests.support.cycle_count_rows import counts_of, entries, movements
from tests.support.outages import Outages
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, less_notices
from worker import working


async def test_a_worker_killed_between_its_commit_and_its_report_leaves_one_effect_and_an_answer(
    workplace: Callable[[], Workplace],
    our_client: Client,
    database: Database,
    orders: Orders,
    shop: Shop,
    engine: Engine,
) -> None:
    """Whoever held what isn't there works elsewhere, and hears of it by the repeat."""

    async def dies(found: int, step: str, *titles: str) -> tuple[str, str, ItemKey, Json]:
        place, number, order, item = workplace(), new_reference("count"), new_reference(), shop.item(10)
        await orders.reserve(order, (item, 10))
        async with place.worker(step, "after") as deadly:
            await place.counts.open(number, item)
            if step == "approve_count":
                await place.counts.record(number, item, found)
                # A notice that dies with its worker is missed only after ten seconds.
                await place.counts.quiet(number, 2)
                recording = asyncio.ensure_future(place.counts.approve(number, item))
            else:
                recording = asyncio.ensure_future(place.counts.record(number, item, found))
            await deadly.has_killed_itself()
            assert not recording.done()
        async with working(our_client, database, place.settings):
            state = await recording
            assert less_notices(await place.counts.state(number)) == less_notices(state)
            # Whoever should hear of it does, although the worker died before it could tell.
            of = f"{number}, {names(engine, item)[1]}"
            await place.counts.told(number, *(("WAREHOUSE", title.format(of=of)) for title in titles))
            assert state["notes"] == []
        return number, order, item, state

    outcomes = await at_once(
        dies(
            *(9, "approve_count", "Count {of}: 1 item beyond tolerance", "Count {of}: 1 item fewer than promised"),
            "Promised stock is missing: 1 hold gave way to count {of}",
        ),
        dies(5, "record_count", "Count {of}: 1 item beyond tolerance", "Count {of}: 1 item fewer than promised"),
    )
    assert [(state["status"], lines(state)) for *_, state in outcomes] == [
        ("POSTED", [Line("POSTED", 9, "ann", "DAMAGE", "cid", 10, -1)]),
        ("REVIEW", [Line("REVIEW", 5, "ann")]),
    ]
    (number, order, item, state), (doubted, kept, in_doubt, _) = outcomes
    assert [hold["reference_id"] for hold in state["gave_way"]] == [order]
    assert (await orders.result(order))["status"] == "CANCELLED"
    assert await orders.noted(order, 1) == [
        f"the hold gave way: cycle count {number} found less than was promised",
    ]
    assert [len(entries(engine, each)) for each in (number, doubted)] == [1, 1]
    assert [len(movements(engine, each)) for each in (number, doubted)] == [1, 0]
    assert ((await orders.state(kept))["status"], level(engine, item), level(engine, in_doubt)) == (
        "ACTIVE",
        (9, 0),
        (10, 10),
    )


async def test_a_worker_killed_once_a_list_is_made_leaves_one_count(
    workplace: Callable[[], Workplace],
    plain_client: Client,
    our_client: Client,
    database: Database,
    shop: Shop,
    engine: Engine,
) -> None:
    place, item = workplace(), shop.item(10)
    here = item.warehouse_id
    number = f"CC-{here}-{midday(engine, here)}"
    plans = CountPlans(plain_client, place.settings.task_queue, task_timeout=BRISK)
    async with place.worker("plan_count", "after") as deadly:
        name = await plans.begin(here)
        await deadly.has_killed_itself()
    classes = text("SELECT count_class FROM item_classes WHERE warehouse_id = :here")
    with engine.connect() as connection:
        assert list(connection.execute(classes, {"here": here}).scalars()) == ["C"]
    assert counts_of(engine, here) == []
    async with working(our_client, database, place.settings):
        await reset(plans, name)
        state = await plans.result(name)
        assert ([each["count_number"] for each in state["counts"]], state["notes"]) == ([number], [])
        opened = await place.counts.update(number, "opened")
        assert [line["product_id"] for line in opened["lines"]] == [item.product_id]
        again = await plans.run(here)
        assert (again["counts"], [each["reason"] for each in again["skipped"]]) == (
            [],
            [f"count {number} was made before"],
        )
        await place.counts.cancel(number)
    assert counts_of(engine, here) == [number]


async def test_a_database_that_is_away_delays_the_answers(
    counts: Counts, outages: Outages, shop: Shop, engine: Engine
) -> None:
    """The steps then wait in the task queue, where an operator sees them."""
    item, opened = shop.item(10), new_reference("count")
    recorded, approved, cancelled = await at_once(
        one_count(counts, shop), one_count(counts, shop, first=5), one_count(counts, shop)
    )
    for one in (recorded, approved, cancelled):
        await counts.quiet(one.number)

    with outages.database_away():
        await counts.start(opened, [count(opened, item.warehouse_id, item.product_id)])
        waiting = [
            asyncio.ensure_future(call)
            for call in (
                counts.update(opened, "opened"),
                counts.record(*recorded, 9),
                # Sent again, by somebody who had no answer.
                counts.record(*recorded, 9),
                counts.approve(*approved),
                counts.cancel(cancelled.number),
            )
        ]
        await at_once(
            counts.waits_for(opened, "open_count"),
            counts.waits_for(recorded.number, "record_count"),
            counts.waits_for(approved.number, "approve_count"),
            counts.waits_for(cancelled.number, "cancel_count"),
        )
        assert not any(each.done() for each in waiting)
    assert [(await each)["status"] for each in waiting] == ["COUNTING", "POSTED", "POSTED", "POSTED", "CANCELLED"]
    assert [level(engine, one.item) for one in (recorded, approved, cancelled)] == [(9, 0), (5, 0), (10, 0)]
    assert [len(movements(engine, one.number)) for one in (recorded, approved, cancelled)] == [1, 1, 0]
