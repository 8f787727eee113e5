"""A worker is killed in the middle of an audit: another goes on, and what was found is found once."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.faults.test_reorder import reset
from tests.faults.workplace import BRISK, Workplace
from tests.support.shop import Shop
from tests.support.steps.stock_audit import findings_of
from tests.support.stock_audit import Audits, finding, set_item, told, unnumbered
from worker import working


@pytest.fixture
def broken(shop: Shop, engine: Engine) -> Iterator[ItemKey]:
    """An item that doesn't agree until the end."""
    item = shop.item(10)
    set_item(engine, item, reserved=1)
    yield item
    set_item(engine, item, reserved=0)


async def test_an_audit_goes_on_after_its_worker_was_killed(
    workplace: Callable[[], Workplace],
    plain_client: Client,
    our_client: Client,
    database: Database,
    engine: Engine,
    broken: ItemKey,
) -> None:
    """It had kept what it found, and had told nobody."""
    place, here = workplace(), broken.warehouse_id
    audits = Audits(plain_client, place.settings.task_queue, task_timeout=BRISK)
    async with place.worker("audit_items", "after") as deadly:
        name = await audits.begin(here)
        await deadly.has_killed_itself()
    [kept] = findings_of(engine, here)
    async with working(our_client, database, place.settings):
        await reset(audits, name)
        state = await audits.result(name)
    assert unnumbered(state) == [finding("RESERVED_IS_NOT_THE_HOLDS", broken, 0, 1)]
    assert told(state)[1] == [("WAREHOUSE", "Audit: 1 finding, 1 new")]
    assert (state["status"], state["items_checked"], state["findings_gone"]) == ("DONE", 1, 0)
    [found] = findings_of(engine, here)
    assert found[0] == kept[0] == state["findings"][0]["finding_id"]
