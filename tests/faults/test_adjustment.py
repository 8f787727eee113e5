"""A worker is killed and the database goes away: the books are put right once, and whoever should hear of it does."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from tests.faults.workplace import Workplace
from tests.support.adjustment import Adjusting, adjustment, approval, changed, movements, named, pending, priced
from tests.support.books import level
from tests.support.outages import Outages
from tests.support.shop import Shop, new_reference
from tests.support.wire import at_once
from worker import working


async def test_a_worker_killed_between_its_commit_and_its_report_leaves_one_effect_and_all_hear_of_it(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    place, buyer = workplace(), new_reference()
    async with place.worker("post_adjustment", "after") as deadly:
        item, number = shop.item(12, product=priced(shop, "100.00")), new_reference("a")
        await place.orders.reserve(buyer, (item, 5))
        assert (await place.adjusting.adjust(number, (item, -10)))["status"] == "PENDING"
        # A notice that dies with its worker is missed only after ten seconds.
        await place.adjusting.quiet(number, 1)
        answered = asyncio.ensure_future(place.adjusting.approve(number))
        await deadly.has_killed_itself()
        assert not answered.done()
    assert level(engine, item) == (2, 0)
    async with working(our_client, database, place.settings):
        state = await answered
        assert (state["status"], state["approved_by"]) == ("POSTED", "ann")
        assert [each["reference_id"] for each in state["gave_way"]] == [buyer]
        # The worker died before it could tell anybody.
        assert (await place.orders.result(buyer))["status"] == "CANCELLED"
        name = named(engine, number)
        await place.adjusting.told(
            number,
            ("WAREHOUSE", f"Approval wanted: {name}"),
            ("WAREHOUSE", f"Promised stock is missing: 1 hold gave way to {name}"),
        )
    assert (level(engine, item), len(movements(engine, number))) == ((2, 0), 1)


async def test_a_database_that_is_away_delays_the_answers(
    adjusting: Adjusting, outages: Outages, shop: Shop, engine: Engine
) -> None:
    """The steps then wait in the task queue, where an operator sees them."""
    item, submitted = shop.item(12, product=priced(shop, "1.00")), new_reference("a")
    (approved, first), (cancelled, second) = await at_once(pending(adjusting, shop), pending(adjusting, shop))

    with outages.database_away():
        await adjusting.start(submitted, [adjustment(submitted, item.warehouse_id, changed(item, -2))])
        waiting = [
            asyncio.ensure_future(call)
            for call in (
                adjusting.update(submitted, "submitted"),
                adjusting.approve(approved),
                adjusting.cancel(cancelled),
            )
        ]
        # Sent again, by somebody who had no answer.
        await adjusting.signal(approved, "approve", approval())
        await at_once(
            adjusting.waits_for(submitted, "submit_adjustment"),
            adjusting.waits_for(approved, "post_adjustment"),
            adjusting.waits_for(cancelled, "end_adjustment"),
        )
        assert not any(each.done() for each in waiting)
    assert [(await each)["status"] for each in waiting] == ["POSTED", "POSTED", "CANCELLED"]
    assert (await adjusting.result(approved))["notes"] == []
    assert [level(engine, each) for each in (item, first, second)] == [(10, 0), (2, 0), (12, 0)]
    assert len(movements(engine, approved)) == 1
