"""A run for lots that expire whose later page fails for good; and how much it keeps for its notices."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, text
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from stockkeeper.contracts.lot_expiry import LOTS_TOLD, ExpiringLotState, Expiry, LotsPassed
from tests.support.lot_expiry import LotExpiries
from tests.support.lots import lot_item
from tests.support.shop import Shop
from tests.support.wire import eventually
from worker import Settings
from workflows import lot_expiry_texts as texts
from workflows.notices import LINES_IN_A_NOTICE

OVER = date(2020, 1, 31)


async def test_people_are_told_of_the_pages_before_one_that_fails(
    skipping: WorkflowEnvironment, settings: Settings, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their lots count as told in the database, so that no later run would tell of them."""
    monkeypatch.setattr("activities.lot_expiry.ITEMS_A_PAGE", 1)
    runs, here = LotExpiries(skipping.client, settings.task_queue), shop.warehouse()
    _, fails = (lot_item(shop, ("OVER", OVER, 1), warehouse=here) for _ in range(2))
    refuse = f"CHECK (product_id <> {fails.product_id} OR told_expired_at IS NULL) NOT VALID"
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE lot_items ADD CONSTRAINT not_told {refuse}"))
    try:
        run = await runs.begin(here)
        await eventually(lambda: runs.state(run), lambda state: state["lots_expired"] == 1)
        await skipping.sleep(timedelta(minutes=31))
        await eventually(lambda: runs.status(run), lambda status: status is WorkflowExecutionStatus.FAILED)
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE lot_items DROP CONSTRAINT not_told"))
    [notice] = (await runs.state(run))["notices"]
    assert (notice["title"].partition(": ")[2], notice["outcome"]) == ("1 lot expired", "LOGGED")
    state = await runs.run(here)
    assert ([lot["product_id"] for lot in state["lots"]], state["lots_expired"]) == ([fails.product_id], 1)


def test_lots_for_a_notice_are_counted_and_only_the_first_are_kept() -> None:
    lot = ExpiringLotState(
        product_id=1,
        sku="YOG-400",
        warehouse_id=1,
        warehouse="Hamburg",
        lot_number="L-1",
        expiry=Expiry.EXPIRED,
        expires_on=OVER,
        best_before=None,
        days_left=-1,
        quantity_on_hand=3,
    )
    page = LotsPassed(lots_expired=1000, lots=[lot] * LOTS_TOLD)
    untold = texts.Untold().with_page(page).with_page(page)
    assert (untold.lots_expired, len(untold.over), len(untold.soon), untold.warehouse_id) == (2000, 200, 0, 1)
    assert LOTS_TOLD == LINES_IN_A_NOTICE
    notice = texts.expiring(untold)
    assert notice.title == "Hamburg: 2000 lots expired"
    assert "and 1800 more lots" in notice.body.splitlines()
