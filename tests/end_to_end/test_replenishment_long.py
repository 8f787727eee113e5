"""Runs that have become long go on in another run, and leave out nothing and do nothing twice."""

import pytest
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.support.replenishment import Plans, Reorders, goes_on, make_long
from tests.support.replenishment_rows import order_row, ordered, set_point, sold_earlier, supply
from tests.support.rows import locked
from tests.support.shop import Shop
from tests.support.wire import Json, eventually

pytestmark = pytest.mark.usefixtures("alone")


NOTED = ["signal 'chatter' isn't one of its commands"] * 3


def told(state: Json) -> list[str]:
    """The notes, without their times."""
    return [note[25:] for note in state["notes"]]


async def test_a_long_reorder_run_orders_the_rest_in_another_run(
    reorders: Reorders, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=4)
    here, suppliers = first.warehouse_id, [shop.supplier() for _ in range(2)]
    for item, supplier in zip((first, second), suppliers, strict=True):
        supply(engine, item, supplier)
    set_point(engine, [first, second], 10)
    async with locked(engine, first) as lock:
        name = await reorders.begin(here)
        await lock.has_somebody_waiting()
        run = (await reorders.handle(name).describe()).run_id
        await make_long(reorders, name)
    await goes_on(reorders, name, run)
    state = await reorders.result(name)
    rows = ordered(engine, here)
    assert [row.product_id for row in rows] == [first.product_id, second.product_id]
    # Both by operations of one chain of runs, and with a number of its own each look.
    assert [order_row(engine, row.po_number).operation_id for row in rows] == [
        f"{name}/{run}/draft/{look}/{here}/{supplier}/0" for look, supplier in enumerate(suppliers, 1)
    ]
    assert [order["po_number"] for order in state["purchase_orders"]] == [row.po_number for row in rows]
    assert (state["status"], state["orders_drafted"], told(state)) == ("DONE", 2, NOTED)
    await reorders.told(name, *[("PROCUREMENT", "Reordered: 1 purchase order drafted")] * 2)


async def test_a_long_planning_run_plans_in_another_run(
    plain_client: Client, stack: StackInfo, reorders: Reorders, shop: Shop, engine: Engine
) -> None:
    del reorders  # A worker is at the other end.
    plans, item = Plans(plain_client, stack.task_queue), shop.item(1_000)
    supply(engine, item, shop.supplier())
    sold_earlier(engine, item, 50)
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE demand_days IN EXCLUSIVE MODE"))
        name = await plans.begin(item.warehouse_id, history_days=5)
        await eventually(lambda: plans.history(name, scheduled), lambda events: len(events) == 1)
        run = (await plans.handle(name).describe()).run_id
        await make_long(plans, name)
    await goes_on(plans, name, run)
    state = await plans.result(name)
    assert (state["status"], state["items_planned"], state["items_changed"], told(state)) == ("DONE", 1, 1, NOTED)
