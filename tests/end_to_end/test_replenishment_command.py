"""`stockkeeper plan` and `reorder`: numbers a person can check, one order for one need."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from temporalio.client import Client

from database import tables
from starter.cli.output import out
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_is_stored
from tests.support.commands import Command, names, words
from tests.support.replenishment import Reorders
from tests.support.replenishment_rows import nothing_else_to_order, supply
from tests.support.schedules import NOBODY
from tests.support.shop import Shop
from tests.support.wire import Json, eventually

WEEK = (44, 44, 44, 44, 44, 60, 70)
"""From Monday on. Over five weeks, whichever day they begin: 50 a day, and 10 the sample's standard deviation."""
WINDOW = ("--history-days", "35", "--method", "seed")
WHY = (
    "point 394 = usage 50/day x lead time 7 days + safety stock 43.52 (deviation 10 over 35 days, service level 0.95); "
    "available 390, on order 0, in transit 0; EOQ 1534.55, minimum 36, pack 6"
)
WHY_BY_HAND = "point 40 (set by hand); available 30, on order 0, in transit 0; minimum 1, pack 10"


@pytest.fixture(autouse=True)
async def _alone(engine: Engine, plain_client: Client) -> AsyncIterator[None]:
    """A run starts whatever other runs have left, and the one that looks at once looks everywhere."""
    with nothing_else_to_order(engine):
        await Reorders(plain_client, NOBODY).at_once_is_over()
        yield


class Shelf:
    """One product in one warehouse, as people call it, and what the command line says of it."""

    def __init__(self, command: Command, engine: Engine, item: ItemKey) -> None:
        self._command = command
        self.item = item
        self.sku, self.warehouse = names(engine, item)
        self.here = ("--warehouse", self.warehouse)

    async def told(self, *arguments: str) -> str:
        """What a command prints for people."""
        done = await self._command(*arguments)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    async def json(self, *arguments: str) -> Json:
        """What a command prints for programs."""
        return json.loads(await self.told(*arguments, "--json"))

    async def shown(self) -> Json:
        """The plan."""
        [plan] = await self.json("plan", "show", self.sku, *self.here)
        return plan

    async def shown_order(self, po_number: str) -> str:
        """A purchase order, for people; what was sent of it is said beside it."""
        return (await self._command("po", "show", po_number)).stdout

    async def planned(self, *arguments: str) -> str:
        """What a command prints of its plan, as words without the table's lines and spaces."""
        return words(await self.told(*arguments)).removeprefix("sku warehouse planning point quantity planned from ")

    async def sells(self, directory: Path) -> None:
        """Five weeks of demand are imported, and today's: whatever day it is when the plan is made."""
        file, today = directory / f"{self.sku}.csv", datetime.now(UTC).date()
        days = (today - timedelta(days=back) for back in range(36))
        rows = [f"{self.sku},{self.warehouse},{day},{WEEK[day.weekday()]}" for day in days]
        file.write_text("\n".join(["sku,warehouse,day,quantity", *rows]))
        assert "36 new" in await self.told("import", "demand", str(file))


@pytest.fixture
async def shelf(command: Command, shop: Shop, engine: Engine, tmp_path: Path) -> Shelf:
    """Five hundred units of a product that sells fifty a day and takes seven days to come."""
    shelf = Shelf(command, engine, shop.item(500))
    supply(engine, shelf.item, shop.supplier(), unit_cost="3.10", lead_time_days="7", minimum=36, pack=6)
    await shelf.sells(tmp_path)
    return shelf


def supplier_of(engine: Engine, item: ItemKey) -> str:
    """What the product's only supplier is called."""
    having = tables.product_suppliers.c.product_id == item.product_id
    with engine.connect() as connection:
        named = select(tables.suppliers.c.name).join(tables.product_suppliers).where(having)
        return str(connection.execute(named).scalar_one())


async def test_a_plan_shows_the_numbers_it_follows_from(shelf: Shelf, engine: Engine) -> None:
    planned = await shelf.json("plan", *shelf.here, *WINDOW)
    assert planned == {
        "status": "DONE",
        "warehouse_id": shelf.item.warehouse_id,
        "items_planned": 1,
        "items_changed": 1,
        "skipped": [],
        "items_skipped": 0,
        "notes": [],
    }
    assert await shelf.told("plan", *shelf.here, *WINDOW) == "1 item planned, 0 changed\n"

    shown = await shelf.shown()
    assert datetime.fromisoformat(shown.pop("planned_at")).tzinfo
    assert (shown.pop("safety_stock"), shown.pop("economic_order_quantity")) == (
        pytest.approx(43.51874, abs=1e-5),
        pytest.approx(1534.54837, abs=1e-5),
    )
    expected = ("undershoot", "outgoing_mean", "outgoing_deviation", "outgoing_skewness", "factor")
    assert all(shown.pop(name) is not None for name in (*expected, "expected_cycle_service", "expected_fill_rate"))
    supplier = supplier_of(engine, shelf.item)
    assert shown == {
        "product_id": shelf.item.product_id,
        "sku": shelf.sku,
        "warehouse_id": shelf.item.warehouse_id,
        "warehouse": shelf.warehouse,
        "planning": "auto",
        "reorder_point": 394,
        "reorder_quantity": 1536,
        "planned_reorder_point": 394,
        "planned_reorder_quantity": 1536,
        "quantity_available": 500,
        "supplier": supplier,
        "days": 35,
        "daily_mean": 50.0,
        "daily_deviation": 10.0,
        "lead_time_days": 7.0,
        "lead_time_deviation_days": None,
        "service_level": 0.95,
        "fill_rate": None,
        "method": "seed",
        "demand_class": "smooth",
        "days_with_demand": 35,
        "order_cost": 50.0,
        "holding_cost_rate": 0.25,
        "unit_cost": 3.1,
        "review_wait_days": None,
        "forecast": None,
        "forecast_factor": None,
        "forecast_error": None,
        "usual_deviation": None,
        "usual_days": None,
        "widening": 1.0,
    }
    assert await shelf.planned("plan", "show", shelf.sku) == (
        f"{shelf.sku} {shelf.warehouse} auto 394 1536 usage 50/day x lead time 7 days + safety stock 43.52 "
        f"(deviation 10 over 35 days, service level 0.95); EOQ 1534.55; {supplier}"
    )


async def test_a_plan_is_explained_and_drawn_and_its_promise_is_told(shelf: Shelf, command: Command) -> None:
    assert await shelf.told("plan", "accuracy", *shelf.here) == (
        "no plan has been kept yet: a run keeps those of the run before it\n"
    )
    early = await command("plan", "explain", shelf.sku)
    assert (early.exit_code, early.stderr) == (
        1,
        (
            f"InvalidRequest: {shelf.sku} has no reorder point anywhere yet: plan it (stockkeeper plan), or set it by "
            "hand (stockkeeper plan set)\n"
        ),
    )
    await shelf.told("plan", *shelf.here, *WINDOW)
    told = await shelf.told("plan", "explain", shelf.sku)
    assert told.startswith(f"{shelf.sku} in {shelf.warehouse}: reorder point 394\n")
    shown = words(told)
    assert "safety stock 43.519 units Z · s · √L = 1.645 · 10 · √7" in shown
    assert "reorder point 394 units d · L + safety stock = 350 + 43.52, rounded up" in shown
    assert "EOQ 1,534.548 units √(2 · 18250 a year · order cost 50 / (holding 0.25 a year · unit cost 3.1))" in shown
    explained = await shelf.json("plan", "explain", shelf.sku, *shelf.here, "--days", "3")
    today = date.fromisoformat(explained["today"])
    # 500 are available, and fifty leave a day: below 394 after three days.
    order_by = today + timedelta(days=3)
    assert explained["order_by"] == str(order_by)
    assert f"available 500 order by {order_by} expected to run out on {today + timedelta(days=10)}" in shown
    assert "order by ◆" in shown
    assert (explained["method"], explained["demand_class"], explained["reorder_point"]) == ("seed", "smooth", 394)
    assert [each["expected"] for each in explained["outlook"]] == [500, 450, 400, 350]

    # By class, which has a fill rate as well; the run keeps the plan that there was. Five weeks carry no forecast.
    asked = ("--history-days", "35", "--fill-rate", "0.99", "--forecast")
    assert await shelf.told("plan", *shelf.here, *asked) == "1 item planned, 1 changed\n"
    by_class = await shelf.shown()
    assert by_class["method"] in ("normal", "gamma")
    assert (by_class["service_level"], by_class["fill_rate"], by_class["forecast"]) == (None, 0.99, None)
    assert by_class["expected_fill_rate"] == pytest.approx(0.99, abs=0.001)
    [month] = await shelf.json("plan", "accuracy", *shelf.here)
    assert (month["month"], month["demand_class"], month["items"], month["cycles"]) == (
        explained["today"][:7],
        "smooth",
        1,
        0,
    )
    assert words(await shelf.told("plan", "accuracy", *shelf.here)).endswith(f"{month['month']} smooth 0 0")


async def test_what_a_plan_is_told_changes_it(shelf: Shelf) -> None:
    await shelf.told("plan", *shelf.here, *WINDOW)
    # At one half nothing is kept in reserve. An order that costs a quarter of goods that cost twice as much to keep:
    # sqrt(2 x 18,250 x 12.50 / 1.55) are 542.54.
    cheap = ("--service-level", "0.5", "--order-cost", "12.50", "--holding-cost-rate", "0.5")
    assert await shelf.told("plan", *shelf.here, *WINDOW, *cheap) == "1 item planned, 1 changed\n"
    shown = await shelf.shown()
    assert (shown["reorder_point"], shown["reorder_quantity"], shown["safety_stock"]) == (350, 546, 0.0)
    assert shown["economic_order_quantity"] == pytest.approx(542.54478, abs=1e-5)


async def test_an_item_that_is_set_by_hand_is_left_alone_until_it_is_given_back(shelf: Shelf, command: Command) -> None:
    await shelf.told("plan", *shelf.here, *WINDOW)
    by_hand = ("plan", "set", shelf.sku, shelf.warehouse, "--performed-by", "ann")
    told = await shelf.planned(*by_hand, "--reorder-point", "120", "--reorder-quantity", "72")
    assert told == f"{shelf.sku} {shelf.warehouse} manual 120 72"
    assert await shelf.told("plan", *shelf.here, *WINDOW) == "0 items planned, 0 changed\n"
    shown = await shelf.shown()
    assert (shown["planning"], shown["reorder_point"], shown["reorder_quantity"]) == ("manual", 120, 72)
    assert {shown[name] for name in ("supplier", "days", "daily_mean", "safety_stock", "planned_at")} == {None}
    without_quantity = await shelf.json(*by_hand, "--reorder-point", "130")
    assert (without_quantity["reorder_point"], without_quantity["reorder_quantity"]) == (130, None)

    given_back = await command("plan", "auto", shelf.sku, shelf.warehouse)
    assert " auto 130 usage 50/day" in words(given_back.stdout)
    assert "planned are 394 and 1536: set by hand until the next run" in words(given_back.stdout)
    assert given_back.stderr == "point and quantity stay as they are until the next planning run\n"
    back = await shelf.json("plan", "auto", shelf.sku, shelf.warehouse)
    assert (back["planning"], back["reorder_point"], back["reorder_quantity"]) == ("auto", 130, None)
    assert await shelf.told("plan", *shelf.here, *WINDOW) == "1 item planned, 1 changed\n"
    shown = await shelf.shown()
    assert (shown["planning"], shown["reorder_point"], shown["reorder_quantity"]) == ("auto", 394, 1536)


async def test_as_many_plans_are_shown_as_are_asked_for(command: Command, shop: Shop, engine: Engine) -> None:
    first, second = [Shelf(command, engine, item) for item in shop.items(2, 5)]
    for shelf in (first, second):
        await shelf.told("plan", "set", shelf.sku, shelf.warehouse, "--reorder-point", "1")
    few = await command("plan", "show", *first.here, "--limit", "1")
    assert (few.exit_code, few.stderr) == (0, "the first 1; --limit shows more\n")
    assert (first.sku in few.stdout, second.sku in few.stdout) == (True, False)
    assert [plan["sku"] for plan in await first.json("plan", "show", *first.here)] == [first.sku, second.sku]


class Store:
    """A warehouse where three products are below their points: a planned one, one set by hand, one nobody sells."""

    def __init__(self, command: Command, shop: Shop, engine: Engine, planned: Shelf) -> None:
        self._command = command
        self._shop = shop
        self.planned = planned
        place = planned.item.warehouse_id
        self.by_hand = Shelf(command, engine, shop.item(30, warehouse=place))
        self.unsold = Shelf(command, engine, shop.item(5, warehouse=place))
        self.elsewhere = Shelf(command, engine, shop.item(1, product=planned.item.product_id))
        supply(engine, self.by_hand.item, shop.supplier(), unit_cost="2.00", lead_time_days="2.5", pack=10)
        self.suppliers = [supplier_of(engine, each.item) for each in (planned, self.by_hand)]

    async def falls_short(self) -> None:
        """The points are set. What leaves then leaves without a run that would say so: nobody looks at once."""
        await self.planned.told("plan", *self.planned.here, *WINDOW)
        self._shop.move(self.planned.item, -110)
        for shelf, point in ((self.by_hand, "40"), (self.unsold, "6"), (self.elsewhere, "2")):
            await shelf.told("plan", "set", shelf.sku, shelf.warehouse, "--reorder-point", point)

    async def reorder(self, *options: str) -> tuple[str, str]:
        """What a run prints, in words; and what it says beside it."""
        done = await self._command("reorder", *self.planned.here, *options)
        assert done.exit_code == 0
        return words(done.stdout), done.stderr

    async def order(self, po_number: str) -> Json:
        """An order, once its own workflow has it."""
        return await eventually(
            lambda: self.planned.json("po", "show", po_number), lambda state: bool(state["line_items"])
        )


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch, command: Command, shop: Shop, engine: Engine, shelf: Shelf) -> Store:
    """Nobody has looked yet, and the reasons have room beside names of any length."""
    monkeypatch.setattr(out, "_width", 400)
    store = Store(command, shop, engine, shelf)
    await store.falls_short()
    return store


async def test_a_dry_run_says_what_would_be_ordered_and_stores_nothing(store: Store, engine: Engine) -> None:
    planned, by_hand, (first, second) = store.planned, store.by_hand, store.suppliers
    with nothing_is_stored(engine):
        told, beside = await store.reorder("--dry-run")
        state = await planned.json("reorder", *planned.here, "--dry-run")
    assert told == (
        "3 items below the reorder point, 0 of them covered; 2 purchase orders would be drafted "
        f"{first} → {planned.warehouse}, total 4,761.60 product units unit cost why {planned.sku} 1536 3.10 {WHY} "
        f"{second} → {planned.warehouse}, total 20.00 product units unit cost why {by_hand.sku} 10 2.00 {WHY_BY_HAND}"
    )
    assert beside == f"not ordered: {store.unsold.sku} in {planned.warehouse}: no supplier is known for it\n"
    would = [
        {"product_id": planned.item.product_id, "qty": 1536, "unit_cost": "3.10", "note": WHY},
        {"product_id": by_hand.item.product_id, "qty": 10, "unit_cost": "2.00", "note": WHY_BY_HAND},
    ]
    assert [(order["po_number"], order["line_items"]) for order in state["purchase_orders"]] == [
        (None, [line]) for line in would
    ]


async def test_what_is_below_is_ordered_once_and_each_order_says_why(store: Store, engine: Engine) -> None:
    planned, by_hand, (first, second) = store.planned, store.by_hand, store.suppliers
    told, beside = await store.reorder()
    large, small = re.findall(r"RO-\d+", told)
    assert told == (
        "3 items below the reorder point, 0 of them covered; 2 purchase orders drafted "
        f"purchase order {large}, {first} → {planned.warehouse}, total 4,761.60 "
        f"product units unit cost why {planned.sku} 1536 3.10 {WHY} "
        f"purchase order {small}, {second} → {planned.warehouse}, total 20.00 "
        f"product units unit cost why {by_hand.sku} 10 2.00 {WHY_BY_HAND}"
    )
    assert beside.splitlines() == [
        f"not ordered: {store.unsold.sku} in {planned.warehouse}: no supplier is known for it",
        "notice to procurement (logged): Reordered: 2 purchase orders drafted",
    ]
    states = [await store.order(number) for number in (large, small)]
    assert [(state["status"], state["required_approvals"]) for state in states] == [("DRAFT", 1), ("SUBMITTED", 0)]
    shown = words(await planned.shown_order(large))
    assert f"{first} → {planned.warehouse}, total 4,761.60 " in shown
    assert "requested by reorder: 1 item below the reorder point " in shown
    assert f" {planned.sku} 3.10 1536 0 0 1536 {WHY}" in shown

    with nothing_is_stored(engine):
        again = await planned.json("reorder", *planned.here)
        told, beside = await store.reorder()
        assert told == "3 items below the reorder point, 2 of them covered; 0 purchase orders drafted"
    days = [state["expected_delivery_date"] for state in states]
    has = [f"{each['quantity_available']} of {each['reorder_point']}" for each in again["covered"]]
    assert has[0] == "390 of 394"
    assert beside.splitlines()[:2] == [
        f"covered: {planned.sku} in {planned.warehouse}, {has[0]}: 1536 on {large}, expected {days[0]}",
        f"covered: {by_hand.sku} in {planned.warehouse}, {has[1]}: 10 on {small}, expected {days[1]}",
    ]
    assert again == {
        "status": "DONE",
        "warehouse_id": planned.item.warehouse_id,
        "dry_run": False,
        "items_below": 3,
        "items_covered": 2,
        "covered": again["covered"],
        "purchase_orders": [],
        "orders_drafted": 0,
        "skipped": [
            {
                "product_id": store.unsold.item.product_id,
                "warehouse_id": planned.item.warehouse_id,
                "reason": "no supplier is known for it",
            }
        ],
        "items_skipped": 1,
        "waiting": [],
        "items_waiting": 0,
        "notices": [],
        "notes": [],
    }


async def test_what_is_wrong_is_one_line_and_stores_nothing(shelf: Shelf, command: Command, engine: Engine) -> None:
    by_hand = ("plan", "set", shelf.sku, shelf.warehouse, "--reorder-point")
    money = 'must be an amount of money as a string, such as "12.50", with at most six decimals'
    cases = {
        ("plan", "--warehouse", "nowhere"): "UnknownWarehouse: no warehouse is called 'nowhere'",
        ("plan", *shelf.here, "--history-days", "0"): (
            "InvalidRequest: history_days: Input should be greater than or equal to 1"
        ),
        ("plan", *shelf.here, "--history-days", "3661"): (
            "InvalidRequest: history_days: Input should be less than or equal to 3660"
        ),
        ("plan", *shelf.here, "--service-level", "1"): "InvalidRequest: service_level: Input should be less than 1",
        ("plan", *shelf.here, "--service-level", "nan"): (
            "InvalidRequest: service_level: Input should be a finite number"
        ),
        ("plan", *shelf.here, "--order-cost", "cheap"): (
            "InvalidRequest: --order-cost 'cheap': must be an amount, such as 50 or 12.50"
        ),
        ("plan", *shelf.here, "--order-cost", "-5"): f"InvalidRequest: order_cost: {money}",
        ("plan", *shelf.here, "--order-cost", "NaN"): f"InvalidRequest: order_cost: {money}",
        ("plan", *shelf.here, "--order-cost", "0.1234567"): f"InvalidRequest: order_cost: {money}",
        ("plan", *shelf.here, "--holding-cost-rate", "-1"): (
            "InvalidRequest: holding_cost_rate: Input should be greater than or equal to 0"
        ),
        ("plan", "show", "nothing"): "UnknownProduct: no product is called 'nothing'",
        ("plan", "show", "--warehouse", "nowhere"): "UnknownWarehouse: no warehouse is called 'nowhere'",
        ("plan", "set", "nothing", shelf.warehouse, "--reorder-point", "1"): (
            "UnknownProduct: no product is called 'nothing'"
        ),
        ("plan", "auto", shelf.sku, "nowhere"): "UnknownWarehouse: no warehouse is called 'nowhere'",
        (*by_hand, "1000000001"): "InvalidRequest: reorder_point: Input should be less than or equal to 1000000000",
        (*by_hand, "1", "--reorder-quantity", "1000000001"): (
            "InvalidRequest: reorder_quantity: Input should be less than or equal to 1000000000"
        ),
        (*by_hand, "1", "--performed-by", ""): (
            "InvalidRequest: performed_by: String should have at least 1 character"
        ),
        ("reorder", "--warehouse", "nowhere"): "UnknownWarehouse: no warehouse is called 'nowhere'",
    }
    with nothing_is_stored(engine):
        for arguments, message in cases.items():
            done = await command(*arguments)
            assert (done.exit_code, done.stdout, done.stderr) == (1, "", message + "\n")
