"""A worker is killed when several orders' steps are committed in one transaction, and none has heard of it."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from tests.faults.workplace import Workplace
from tests.support.books import ItemBooks, books
from tests.support.shop import Shop, new_reference
from tests.support.steps.together import transactions
from worker import working


async def test_a_worker_killed_between_the_commit_of_a_group_and_its_reports_leaves_one_effect_each(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    place, item = workplace(), shop.item(20)
    references = [new_reference() for _ in range(4)]
    operations = [f"reservation-{reference}/reserve" for reference in references]
    held = ItemBooks(on_hand=20, reserved=8, held=8, open_lines=4, movements=1, moved=20)
    async with place.worker("in a group", "3") as deadly:
        answers = [asyncio.ensure_future(place.orders.reserve(reference, (item, 2))) for reference in references]
        await deadly.has_killed_itself()
        # One was alone, and three are in one transaction; of these nobody has heard.
        assert transactions(engine, *operations) == (4, 2)
        assert sum(answer.done() for answer in answers) <= 1
        assert books(engine, item).items == (held,)
    async with working(our_client, database, place.settings):
        states = await asyncio.gather(*answers)
        assert {state["status"] for state in states} == {"ACTIVE"}
        again = await asyncio.gather(*(place.orders.reserve(reference, (item, 2)) for reference in references))
    assert again == states
    assert transactions(engine, *operations) == (4, 2)
    assert books(engine, item).items == (held,)
