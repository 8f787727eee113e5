"""Reorder runs over the wire: from the demand to an order that somebody approves, and nothing twice."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import Purchasing, came
from tests.support.purchase_order_rows import supplier_name
from tests.support.replenishment import Plans, Reorders
from tests.support.replenishment_rows import (
    much,
    numbers_used,
    order_row,
    ordered,
    set_point,
    sold_earlier,
    supply,
    tidy,
    warehouse_name,
)
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.steps.reorder import Reordering
from tests.support.wire import Json, Refusal, at_once, cells, refusal

pytestmark = pytest.mark.usefixtures("alone")


def needed(shop: Shop, *suppliers: int) -> list[ItemKey]:
    """An item of one new warehouse for each supplier, which has four of ten."""
    items = shop.items(len(suppliers), units=4)
    for item, supplier in zip(items, suppliers, strict=True):
        supply(shop.engine, item, supplier, unit_cost="2.50")
    set_point(shop.engine, items, 10, 20)
    return items


BY_HAND = "point 10 (set by hand); available 4, on order 0, in transit 0; minimum 1, pack 1"


def line(item: ItemKey) -> Json:
    """What is ordered of such an item."""
    return {"product_id": item.product_id, "qty": 20, "unit_cost": "2.50", "note": BY_HAND}


def done(warehouse_id: int, **other: Json) -> Json:
    """A run's result that found nothing, but for what is said."""
    return {
        "status": "DONE",
        "warehouse_id": warehouse_id,
        "dry_run": False,
        "items_below": 0,
        "items_covered": 0,
        "covered": [],
        "purchase_orders": [],
        "orders_drafted": 0,
        "skipped": [],
        "items_skipped": 0,
        "waiting": [],
        "items_waiting": 0,
        "notices": [],
        "notes": [],
    } | other


def _covered(item: ItemKey, *orders: Json) -> Json:
    """An item that has four of ten, and the orders that cover it."""
    levels = {"quantity_available": 4, "reorder_point": 10}
    return item._asdict() | levels | {"purchase_orders": list(orders), "transfers": []}


async def test_an_item_goes_from_its_demand_to_the_shelf(
    plans: Plans, reorders: Reorders, purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier = shop.item(400), shop.supplier()
    here = item.warehouse_id
    supply(engine, item, supplier, unit_cost="2.00", lead_time_days="7", pack=12)
    sold_earlier(engine, item, 50)
    planned = await plans.run(here, history_days=5, method="seed")
    assert planned == {
        "status": "DONE",
        "warehouse_id": here,
        "items_planned": 1,
        "items_changed": 1,
        "notes": [],
        "skipped": [],
        "items_skipped": 0,
    }
    assert await reorders.run(here) == done(here)
    shop.move(item, -388)
    state = await reorders.run(here)
    [order] = state["purchase_orders"]
    number = order["po_number"]
    note = (
        "point 350 = usage 50/day x lead time 7 days + safety stock 0 (deviation 0 over 5 days, service level 0.95); "
        "available 12, on order 0, in transit 0; EOQ 1910.5, minimum 1, pack 12"
    )
    assert order == {
        "po_number": number,
        "supplier_id": supplier,
        "warehouse_id": here,
        "line_items": [{"product_id": item.product_id, "qty": 1_920, "unit_cost": "2.00", "note": note}],
        "items": 1,
        "total": "3840.00",
    }
    assert number.startswith("RO-")
    drafted = await purchasing.update(number, "drafted")
    row = order_row(engine, number)
    assert (drafted["status"], drafted["total"], drafted["required_approvals"]) == ("DRAFT", "3840.00", 1)
    assert (drafted["requested_by"], drafted["reason"]) == ("reorder", "1 item below the reorder point")
    assert drafted["expected_delivery_date"] == str(row.created_at.date() + timedelta(days=7))
    assert [(each["qty"], each["note"]) for each in drafted["line_items"]] == [(1_920, note)]
    run = await purchasing.handle(number).describe()
    assert (run.status, row.workflow_id, row.run_id) == (
        WorkflowExecutionStatus.RUNNING,
        f"purchase-order-{number}",
        run.run_id,
    )
    name = f"purchase order {number}, 3,840.00 from {supplier_name(engine, supplier)}"
    await purchasing.told(number, ("PROCUREMENT", f"Approval wanted: {name}"))
    covered = {
        "product_id": item.product_id,
        "warehouse_id": here,
        "quantity_available": 12,
        "reorder_point": 350,
        "purchase_orders": [
            {
                "po_number": number,
                "quantity": 1_920,
                "expected_delivery_date": drafted["expected_delivery_date"],
            }
        ],
        "transfers": [],
    }
    assert await reorders.run(here) == done(here, items_below=1, items_covered=1, covered=[covered])
    own = f"purchase order {number} was requested by reorder; another person has to approve it"
    assert await refusal(purchasing.approve(number, "reorder")) == Refusal("NotPermitted", {}, own)
    assert (await purchasing.approve(number, "ann"))["status"] == "SUBMITTED"
    assert await reorders.run(here) == done(here, items_below=1, items_covered=1, covered=[covered])
    assert (await purchasing.receive(number, "truck-1", came(item, 1_920)))["status"] == "RECEIVED"
    assert (level(engine, item), await reorders.run(here)) == ((1_932, 0), done(here))
    assert [each.po_number for each in ordered(engine, here)] == [number]


async def test_the_result_says_what_was_drafted_and_what_was_not_and_procurement_hears_of_it(
    reorders: Reorders, purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    acme, best = shop.supplier(), shop.supplier()
    tea, mug, pot = needed(shop, acme, best, acme)
    here = tea.warehouse_id
    without, on_order = (shop.item(4, warehouse=here) for _ in range(2))
    set_point(engine, [without, on_order], 10)
    by = new_reference("po")
    await purchasing.draft(by, acme, [(on_order, 1)], approval=NO_APPROVAL)
    name = await reorders.begin(here)
    state = await reorders.result(name)
    first, second = (order["po_number"] for order in state["purchase_orders"])
    [notice] = state["notices"]
    why = "no supplier is known for it"
    assert state == done(
        here,
        items_below=5,
        items_covered=1,
        covered=[_covered(on_order, {"po_number": by, "quantity": 1, "expected_delivery_date": None})],
        orders_drafted=2,
        purchase_orders=[
            {
                "po_number": first,
                "supplier_id": acme,
                "warehouse_id": here,
                "line_items": [line(tea), line(pot)],
                "items": 2,
                "total": "100.00",
            },
            {
                "po_number": second,
                "supplier_id": best,
                "warehouse_id": here,
                "line_items": [line(mug)],
                "items": 1,
                "total": "50.00",
            },
        ],
        skipped=[{"product_id": without.product_id, "warehouse_id": here, "reason": why}],
        items_skipped=1,
        notices=[notice],
    )
    await reorders.told(name, ("PROCUREMENT", "Reordered: 2 purchase orders drafted"))
    place = warehouse_name(engine, here)
    told = [
        f"{first}: 2 items from {supplier_name(engine, acme)} to {place}, 100.00",
        f"{second}: 1 item from {supplier_name(engine, best)} to {place}, 50.00",
        "",
        "Not ordered: 1 item",
        f"product {without.product_id} in warehouse {here}: {why}",
    ]
    assert await reorders.bodies(name) == ["\n".join(told)]
    # They need no approval, and are out already.
    assert [(await purchasing.update(each, "drafted"))["status"] for each in (first, second)] == ["SUBMITTED"] * 2
    shown = (await reorders.metadata(name)).current_details
    assert shown.startswith(
        "**DONE** \u00b7 5 items below the reorder point, 1 of them on order or on the way already; 2 purchase orders "
        "drafted; 1 item can't be ordered."
    )
    assert cells(shown) == [
        ["order", "supplier", "warehouse", "items", "total"],
        ["---", "---", "---", "---:", "---:"],
        [first, supplier_name(engine, acme), place, "2", "100.00"],
        [second, supplier_name(engine, best), place, "1", "50.00"],
        ["not ordered", "warehouse", "because"],
        ["---", "---", "---"],
        [f"product {without.product_id}", place, why],
    ]


async def test_a_dry_run_says_what_would_be_ordered_and_does_nothing(
    reorders: Reorders, shop: Shop, engine: Engine
) -> None:
    supplier = shop.supplier()
    [item] = needed(shop, supplier)
    here, used = item.warehouse_id, numbers_used(engine)
    with nothing_is_stored(engine):
        name = await reorders.begin(here, dry_run=True)
        would_be = {
            "po_number": None,
            "supplier_id": supplier,
            "warehouse_id": here,
            "line_items": [line(item)],
            "items": 1,
            "total": "50.00",
        }
        expected = done(here, dry_run=True, items_below=1, orders_drafted=1, purchase_orders=[would_be])
        assert await reorders.result(name) == expected
        assert await reorders.state(name) == expected
    assert numbers_used(engine) == used
    children = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
    assert await reorders.history(name, children) == []
    shown = (await reorders.metadata(name)).current_details
    assert "; 1 purchase order would be drafted; 0 items can't be ordered." in shown
    assert ["(would be drafted)", supplier_name(engine, supplier), warehouse_name(engine, here), "1", "50.00"] in cells(
        shown
    )


async def test_what_would_be_ordered_of_very_much_is_shown_within_bounds(
    reorders: Reorders, shop: Shop, engine: Engine
) -> None:
    """Temporal refuses a result of more than 2 MiB, and a run with all lines of many orders would never end."""
    warehouse, supplier = shop.warehouse(), shop.supplier()
    with much(engine, warehouse, supplier, 3_500):
        state = await reorders.run(warehouse, dry_run=True)
    orders = state["purchase_orders"]
    assert (state["items_below"], state["orders_drafted"], state["notes"]) == (3_500, 4, [])
    assert [order["items"] for order in orders] == [1_000] * 3 + [500]
    assert [len(order["line_items"]) for order in orders] == [1_000] * 2 + [0] * 2
    assert {order["total"] for order in orders} == {"20000.00", "10000.00"}


async def test_runs_at_once_order_once(reorders: Reorders, purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    suppliers = [shop.supplier() for _ in range(3)]
    items = needed(shop, *suppliers, *suppliers)
    here = items[0].warehouse_id
    states = await at_once(*(reorders.run(here) for _ in range(5)))
    drafted = [order for state in states for order in state["purchase_orders"]]
    assert sorted(order["supplier_id"] for order in drafted) == suppliers
    rows = ordered(engine, here)
    assert sorted(row.product_id for row in rows) == [item.product_id for item in items]
    assert {row.po_number for row in rows} == {order["po_number"] for order in drafted}
    for order in drafted:
        assert (await purchasing.update(order["po_number"], "drafted"))["status"] == "SUBMITTED"
    state = await reorders.run(here)
    assert state == done(here, items_below=6, items_covered=6, covered=state["covered"])
    assert [each["product_id"] for each in state["covered"]] == [item.product_id for item in items]
    by = [order["po_number"] for each in state["covered"] for order in each["purchase_orders"]]
    assert (sorted(by), len(by)) == (sorted(2 * [order["po_number"] for order in drafted]), 6)


async def test_a_run_only_looks_where_it_is_told(reorders: Reorders, shop: Shop, engine: Engine) -> None:
    supplier = shop.supplier()
    [here], [there] = needed(shop, supplier), needed(shop, supplier)
    assert (await reorders.run(here.warehouse_id))["items_below"] == 1
    assert [len(ordered(engine, item.warehouse_id)) for item in (here, there)] == [1, 0]
    # Without a warehouse, everywhere; with nothing at all, as the schedule starts it.
    dry = await reorders.run(None, dry_run=True)
    assert (dry["items_below"], [order["warehouse_id"] for order in dry["purchase_orders"]]) == (
        2,
        [there.warehouse_id],
    )
    name = new_reference("reorder")
    await reorders.start(name, [{}])
    state = await reorders.result(name)
    assert (state["warehouse_id"], state["dry_run"], state["items_below"], state["orders_drafted"]) == (
        None,
        False,
        2,
        1,
    )
    assert [row.product_id for row in ordered(engine, there.warehouse_id)] == [there.product_id]


async def test_a_draft_that_nobody_has_started_is_started_by_the_next_run(
    reorders: Reorders, purchasing: Purchasing, database: Database, shop: Shop, engine: Engine
) -> None:
    """A run was stopped between its draft and the start of the order's own workflow."""
    supplier, elsewhere = shop.supplier(), shop.warehouse()
    [item] = needed(shop, supplier)
    here = item.warehouse_id
    number = Reordering(database).order(supplier, here, as_of=datetime.now(UTC)).po_number
    assert (await reorders.run(elsewhere, dry_run=True), order_row(engine, number).run_id) == (
        done(elsewhere, dry_run=True),
        "",
    )
    name = await reorders.begin(elsewhere)
    noted = await reorders.noted(name, 1)
    assert noted == [f"purchase order {number} was drafted without a workflow and is started now"]
    state = await reorders.result(name)
    assert state == done(elsewhere, notes=state["notes"])
    state = await purchasing.update(number, "drafted")
    run = await purchasing.handle(number).describe()
    assert (state["status"], state["reason"]) == ("SUBMITTED", "1 item below the reorder point")
    assert order_row(engine, number).run_id == run.run_id
    await purchasing.told(number, ("SUPPLIER", f"Purchase order {number}"))
    # From then on it is nobody else's.
    assert await reorders.run(elsewhere) == done(elsewhere)
    state = await reorders.run(here)
    assert state == done(here, items_below=1, items_covered=1, covered=state["covered"])
    assert [[order["po_number"] for order in each["purchase_orders"]] for each in state["covered"]] == [[number]]


async def test_a_draft_whose_workflow_is_only_just_started_is_left_to_it(
    reorders: Reorders, plain_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    """It hasn't come to its first step, so that the draft still looks like nobody's."""
    supplier = shop.supplier()
    [item] = needed(shop, supplier)
    here, slow = item.warehouse_id, Purchasing(plain_client, "nobody-works-here")
    order = Reordering(database).order(supplier, here, as_of=datetime.now(UTC))
    number = order.po_number
    started = await slow.start(number, [order.model_dump(mode="json")])
    state = await reorders.run(here)
    assert state == done(here, items_below=1, items_covered=1, covered=state["covered"], notes=state["notes"])
    assert [[order["po_number"] for order in each["purchase_orders"]] for each in state["covered"]] == [[number]]
    assert [note[25:] for note in state["notes"]] == [
        f"purchase order {number} was drafted without a workflow and is started now"
    ]
    assert (await slow.handle(number).describe()).run_id == started.first_execution_run_id
    assert (order_row(engine, number).run_id, len(ordered(engine, here))) == ("", 1)
    await started.terminate("it has served its purpose")
    tidy(engine)


async def test_a_run_that_an_operator_cancels_ends_what_it_has_begun_and_begins_nothing_more(
    reorders: Reorders, purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    acme, best = shop.supplier(), shop.supplier()
    first, second = needed(shop, acme, best)
    here = first.warehouse_id
    async with locked(engine, first) as lock:
        name = await reorders.begin(here)
        await lock.has_somebody_waiting()
        await reorders.handle(name).cancel()
        assert await reorders.noted(name, 1) == ["stopped: the workflow was cancelled"]
    state = await reorders.result(name)
    assert (state["status"], state["items_below"], state["orders_drafted"]) == ("DONE", 2, 1)
    assert await reorders.status(name) == WorkflowExecutionStatus.COMPLETED
    [row] = ordered(engine, here)
    assert (row.supplier_id, row.product_id) == (acme, first.product_id)
    assert (await purchasing.update(row.po_number, "drafted"))["status"] == "SUBMITTED"
    # The next run does the rest.
    state = await reorders.run(here)
    assert [order["supplier_id"] for order in state["purchase_orders"]] == [best]
    assert [row.product_id for row in ordered(engine, here)] == [first.product_id, second.product_id]


async def test_an_order_that_is_refused_is_noted_and_the_others_are_drafted(
    reorders: Reorders, shop: Shop, engine: Engine
) -> None:
    """Its operation is somebody else's already, which only an operator can have brought about."""
    suppliers = [shop.supplier() for _ in range(3)]
    items = needed(shop, *suppliers)
    here = items[0].warehouse_id
    async with locked(engine, items[0]) as lock:
        name = await reorders.begin(here)
        await lock.has_somebody_waiting()
        run = await reorders.handle(name).describe()
        operation = f"{name}/{run.run_id}/draft/1/{here}/{suppliers[1]}/0"
        with engine.begin() as connection:
            values = {"id": operation, "fingerprint": bytes(32)}
            connection.execute(
                text("""
                    INSERT INTO operations (operation_id, kind, fingerprint, performed_by, workflow_id, run_id, result)
                    VALUES (:id, 'draft_reorder', :fingerprint, 'operator', 'w', 'r', '{}')
                """),
                values,
            )
    state = await reorders.result(name)
    refused = "this run has drafted other contents for this supplier and warehouse before"
    names = supplier_name(engine, suppliers[1]), warehouse_name(engine, here)
    assert await reorders.noted(name, 1) == [f"{names[0]} \u2192 {names[1]}: not drafted: {refused}"]
    assert [order["supplier_id"] for order in state["purchase_orders"]] == [suppliers[0], suppliers[2]]
    assert [row.product_id for row in ordered(engine, here)] == [items[0].product_id, items[2].product_id]
