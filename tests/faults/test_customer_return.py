"""Workers are killed and the database goes away: goods come back once, and whoever asked has an answer."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from tests.faults.workplace import Workplace
from tests.support.books import level
from tests.support.customer_return import (
    Returns,
    Sent,
    Units,
    expected,
    found,
    inspections,
    movements,
    restocked,
    sent,
    sold,
    units,
)
from tests.support.outages import Outages
from tests.support.shop import Shop, new_reference
from tests.support.wire import at_once, eventually
from worker import working


async def test_a_worker_killed_between_its_commit_and_its_report_leaves_one_effect_and_an_answer(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    place, one = workplace(), Sent(new_reference("back"), shop.item(2))
    async with place.worker("inspect_return", "after") as deadly:
        await place.returns.create(one.number, (one.item, 10))
        # Without a name: what it goes by has to be the same when it is done again.
        inspecting = place.returns.inspect(one.number, found(one.item, 3, 1), update_id="the-command")
        answered = asyncio.ensure_future(inspecting)
        await deadly.has_killed_itself()
        assert not answered.done()
    async with working(our_client, database, place.settings):
        state = await answered
        assert await place.returns.state(one.number) == state
    assert (state["status"], units(state), state["notes"]) == ("EXPECTED", [Units(10, 3, 1)], [])
    assert inspections(state) == [("the-command", "ines", 3, 1)]
    assert movements(engine, one.number) == [restocked(one.number, one.item, 3, 5, "the-command")]


async def test_a_database_that_is_away_delays_the_answers(
    returns: Returns, outages: Outages, shop: Shop, engine: Engine
) -> None:
    """The steps then wait in the task queue, where an operator sees them."""
    item, number = shop.item(2), new_reference("back")
    came, gone = await at_once(sent(returns, shop), sent(returns, shop))

    async def waits_for(number: str, step: str) -> None:
        """Nothing is pending beside it: a return sends no notices."""
        await eventually(lambda: returns.pending(number), [step].__eq__)

    with outages.database_away():
        await returns.start(number, [expected(number, item.warehouse_id, sold(item, 1))])
        waiting = [
            asyncio.ensure_future(call)
            for call in (
                returns.update(number, "registered"),
                returns.inspect(came.number, found(came.item, 3, 1), inspection_id="box-1"),
                # Sent again, by somebody who had no answer.
                returns.inspect(came.number, found(came.item, 3, 1), inspection_id="box-1"),
                returns.close_short(gone.number),
            )
        ]
        await at_once(
            waits_for(number, "register_return"),
            waits_for(came.number, "inspect_return"),
            waits_for(gone.number, "close_return"),
        )
        assert not any(each.done() for each in waiting)
    states = [await each for each in waiting]
    assert [(state["status"], units(state)) for state in states] == [
        ("EXPECTED", [Units(1)]),
        *[("EXPECTED", [Units(10, 3, 1)])] * 2,
        ("CANCELLED", [Units(10)]),
    ]
    assert [level(engine, each) for each in (item, came.item, gone.item)] == [(2, 0), (5, 0), (2, 0)]
    assert len(movements(engine, came.number)) == 1
