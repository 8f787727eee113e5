"""Planning runs over the wire: points and quantities from the demand, and nothing touched that needn't be."""

from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.client import WorkflowExecutionStatus

from stockkeeper.domain.stock import ItemKey
from tests.support.replenishment import Plans
from tests.support.replenishment_rows import set_point, sold_earlier, supply
from tests.support.rows import locked
from tests.support.shop import Shop
from tests.support.wire import Json, at_once

pytestmark = pytest.mark.usefixtures("alone")


WEEK = {"history_days": 7, "method": "seed"}
"""As many days were sold on, whether or not midnight comes meanwhile; by the formula that can be checked by hand."""


def sells(shop: Shop, *units_a_day: int, **terms: Any) -> list[ItemKey]:
    """Items of one new warehouse with plenty on the shelf, and what was sold of each on every day."""
    items, supplier = shop.items(len(units_a_day), units=10_000), shop.supplier()
    supply(shop.engine, items, supplier, **terms)
    for item, units in zip(items, units_a_day, strict=True):
        sold_earlier(shop.engine, item, units)
    return items


def done(warehouse_id: int, planned: int, changed: int) -> Json:
    """A run's result."""
    return {
        "status": "DONE",
        "warehouse_id": warehouse_id,
        "items_planned": planned,
        "items_changed": changed,
        "skipped": [],
        "items_skipped": 0,
        "notes": [],
    }


def points(engine: Engine, *items: ItemKey) -> list[tuple[int | None, int | None]]:
    """Point and quantity of each item."""
    query = text("""
        SELECT reorder_point, reorder_quantity FROM inventory_items
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    with engine.connect() as connection:
        return [tuple(connection.execute(query, item._asdict()).one()) for item in items]


def kept(engine: Engine, warehouse_id: int) -> list[tuple[Any, ...]]:
    """All that is known of the items there, and of the plans behind their points."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for table in ("inventory_items", "item_plans")
            for row in connection.execute(
                text(f"SELECT * FROM {table} WHERE warehouse_id = :warehouse_id ORDER BY product_id"),
                {"warehouse_id": warehouse_id},
            )
        ]


async def test_points_and_quantities_follow_from_the_demand(plans: Plans, shop: Shop, engine: Engine) -> None:
    """Order cost 50, a quarter of the unit cost a year: what the settings say unless the run says otherwise."""
    fast, slow = sells(shop, 50, 2, unit_cost="2.00", lead_time_days="7", pack=10)
    here = fast.warehouse_id
    assert await plans.run(here, **WEEK) == done(here, planned=2, changed=2)
    # sqrt(2 * 50 * 365 * 50 / 0.5) is 1910.5, and sqrt(2 * 2 * 365 * 50 / 0.5) is 382.1.
    assert points(engine, fast, slow) == [(350, 1_920), (14, 390)]


async def test_a_second_run_changes_nothing(plans: Plans, shop: Shop, engine: Engine) -> None:
    here = sells(shop, 50, 2)[0].warehouse_id
    assert await plans.run(here, **WEEK) == done(here, planned=2, changed=2)
    before = kept(engine, here)
    assert await at_once(*(plans.run(here, **WEEK) for _ in range(3))) == [done(here, planned=2, changed=0)] * 3
    assert kept(engine, here) == before


async def test_the_run_says_otherwise(plans: Plans, shop: Shop, engine: Engine) -> None:
    """A demand of 0 and 20 in turn, whose deviation the service level counts for."""
    [item] = sells(shop, 20, unit_cost="10.00", lead_time_days="4")
    here = item.warehouse_id
    with engine.begin() as connection:
        every_other = text("""
            UPDATE imported_demand SET quantity = 0
            WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND (current_date - day) % 2 = 0
        """)
        connection.execute(every_other, item._asdict())
    # Over four days: ten a day, sqrt(400 / 3) the deviation; twice that over four days' lead time.
    asked: dict[str, Json] = {"history_days": 4, "method": "seed", "order_cost": "12.50", "holding_cost_rate": 0.1}
    assert await plans.run(here, **asked) == done(here, planned=1, changed=1)
    # sqrt(2 * 3650 * 12.5 / 1) is 302.08; 40 + 1.645 * 23.09 is 77.99.
    assert points(engine, item) == [(78, 303)]
    assert await plans.run(here, **asked, service_level=0.5) == done(here, planned=1, changed=1)
    assert points(engine, item) == [(40, 303)]
    # Without costs to order it is one at a time, without costs to hold a year's demand.
    assert await plans.run(here, **asked | {"service_level": 0.5, "order_cost": "0"}) == done(here, 1, 1)
    assert points(engine, item) == [(40, 1)]
    assert await plans.run(here, **asked | {"service_level": 0.5, "holding_cost_rate": 0}) == done(here, 1, 1)
    assert points(engine, item) == [(40, 3_650)]


async def test_what_was_set_by_hand_and_what_nobody_knows_is_left_alone(
    plans: Plans, shop: Shop, engine: Engine
) -> None:
    planned, by_hand, no_supplier = sells(shop, 50, 50, 50)
    here = planned.warehouse_id
    new_today = shop.item(10_000, warehouse=here)
    supply(engine, new_today, shop.supplier())
    set_point(engine, by_hand, 7, 8)
    set_point(engine, [no_supplier, new_today], 9, 10, planning="auto")
    with engine.begin() as connection:
        nobody = text("DELETE FROM product_suppliers WHERE product_id = :product_id")
        connection.execute(nobody, no_supplier._asdict())
    elsewhere = sells(shop, 50)[0]
    why = "it has demand, and no supplier is known for it"
    assert await plans.run(here, **WEEK) == done(here, planned=1, changed=1) | {
        "skipped": [{"product_id": no_supplier.product_id, "warehouse_id": here, "reason": why}],
        "items_skipped": 1,
    }
    assert points(engine, planned, by_hand, no_supplier, new_today, elsewhere) == [
        (350, 2_702),
        (7, 8),
        (9, 10),
        (9, 10),
        (None, None),
    ]


async def test_a_run_shows_how_far_it_is_and_how_it_ended(plans: Plans, shop: Shop, engine: Engine) -> None:
    first, _ = sells(shop, 50, 2)
    here = first.warehouse_id
    rest = "Items that were set by hand, that have no supplier, or no whole day of history, keep what they have."
    async with locked(engine, first) as lock:
        name = await plans.begin(here, **WEEK)
        await lock.has_somebody_waiting()
        assert await plans.state(name) == done(here, 0, 0) | {"status": "RUNNING"}
        shown = (await plans.metadata(name)).current_details
        assert shown.startswith("**RUNNING** · 0 of ")
        assert f" items looked at, 0 planned, 0 changed. {rest}" in shown
    assert await plans.result(name) == await plans.state(name) == done(here, planned=2, changed=2)
    shown = (await plans.metadata(name)).current_details
    assert shown.startswith("**DONE** · 2 of ")
    assert f" items looked at, 2 planned, 2 changed. {rest}" in shown


async def test_a_run_that_an_operator_cancels_ends_with_the_page_that_it_is_at(
    plans: Plans, shop: Shop, engine: Engine
) -> None:
    [item] = sells(shop, 50)
    here = item.warehouse_id
    async with locked(engine, item) as lock:
        name = await plans.begin(here, **WEEK)
        await lock.has_somebody_waiting()
        await plans.handle(name).cancel()
        assert await plans.noted(name, 1) == ["stopped: the workflow was cancelled"]
    state = await plans.result(name)
    assert state == done(here, planned=1, changed=1) | {"notes": state["notes"]}
    assert await plans.status(name) == WorkflowExecutionStatus.COMPLETED
    assert points(engine, item) == [(350, 2_702)]
