"""Replenishment: what is below its point, why the point is there, the next weeks, and another point by hand."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from database import tables
from stockkeeper.domain.permission import Role
from stockkeeper.domain.stock import ItemKey
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.console_stock import Named, Tea, row_of, rows_in
from tests.support.shop import Shop


def _plan(shop: Shop, item: ItemKey) -> tuple[Any, ...]:
    column = tables.inventory_items.c
    this = (column.warehouse_id == item.warehouse_id) & (column.product_id == item.product_id)
    with shop.engine.begin() as connection:
        wanted = select(column.reorder_point, column.reorder_quantity, column.planning).where(this)
        return tuple(connection.execute(wanted).one())


@pytest.fixture
async def planned(console: AtTheConsole, shop: Shop, named: Named) -> tuple[ItemKey, str, str]:
    """90 of an item that sells ten a day and comes within a week, as the seed's formula plans it."""
    product, sku = named.product("Ginger dried")
    warehouse, place = named.warehouse("Passau")
    item = shop.item(90, product=product, warehouse=warehouse)
    shop.supply(product, shop.supplier(), unit_cost=Decimal("2.50"), lead_time_days=7, pack=10)
    shop.sold_weekly(item, [8, 12, 10, 9, 11, 10, 10], 13)
    await console.console.stock.run_plan(warehouse_id=warehouse, method="seed")
    return item, sku, place


async def test_what_is_below_says_by_how_much_and_what_comes(
    console: AtTheConsole, tea: Tea, shop: Shop, named: Named
) -> None:
    item, sku, _ = tea
    product, other = named.product("Chai")
    low = shop.item(3, product=product, warehouse=item.warehouse_id)
    shop.set_point(low, 10, 5)
    enough = shop.item(30, warehouse=item.warehouse_id)
    shop.set_point(enough, 10, 5)
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/replenishment?warehouse={item.warehouse_id}")
    assert len(rows_in(page)) == 3
    assert row_of(page, sku)[1:] == ["83", "200", "117", "40 24 Dec 2126", "on its way"]
    assert row_of(page, other)[1:] == ["3", "10", "7", "0", "no: the next run orders it"]
    assert "Nothing is below" in await lily.get(f"/replenishment?warehouse={shop.warehouse()}")


async def test_why_the_point_is_there_in_numbers_and_the_next_weeks(
    console: AtTheConsole, planned: tuple[ItemKey, str, str]
) -> None:
    item, sku, place = planned
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/replenishment/{sku}?warehouse={item.warehouse_id}")
    plan = await console.console.stock.explain_plan(sku, place)
    usage = row_of(page, "usage d")
    assert usage[1].startswith("10")
    assert row_of(page, "reorder point")[1] == f"{plan.reorder_point} units"
    assert row_of(page, "safety stock")[2].startswith("Z · s · √L")
    assert plan.runs_out is not None
    week = plan.outlook[7]
    assert week.day == plan.today + timedelta(days=7)
    assert row_of(page, _day(week.day))[1] == f"{week.expected:.1f}".removesuffix(".0")
    assert '<path class="expected"' in page
    assert f"Runs out on {_day(plan.runs_out)}." in page
    assert "Set by hand" not in page


def _day(day: date) -> str:
    return f"{day.day} {day:%b} {day.year}"


async def test_a_buyer_sets_another_point_and_gives_it_back(
    console: AtTheConsole, planned: tuple[ItemKey, str, str], shop: Shop
) -> None:
    item, sku, place = planned
    point, quantity, planning = _plan(shop, item)
    assert planning == "auto"
    bea = await console.person("bea", [Role.BUY], [item.warehouse_id])
    here = f"/replenishment/{sku}?warehouse={item.warehouse_id}"
    assert "Set by hand" in await bea.get(here)
    fields = {"reorder_point": "120", "reorder_quantity": "", "performed_by": "eve"}
    answered = await bea.post(here.replace("?", "/point?"), fields)
    assert answered.headers["location"] == here
    page = await bea.get(here)
    assert f"The reorder point of {sku} is 120 now, set by you." in page
    assert _plan(shop, item) == (120, quantity, "manual")
    await bea.post(here.replace("?", "/automatic?"))
    assert _plan(shop, item)[2] == "auto"
    await console.console.stock.run_plan(warehouse_id=item.warehouse_id, method="seed")
    assert _plan(shop, item) == (point, quantity, "auto")
    assert place in page


async def test_a_product_that_was_never_there_gets_a_point(console: AtTheConsole, shop: Shop, named: Named) -> None:
    product, sku = named.product("Matcha")
    item = ItemKey(shop.warehouse(), product)
    bea = await console.person("bea", [Role.BUY])
    page = await bea.get(f"/replenishment/{sku}")
    assert "Choose a warehouse to set a reorder point there." in page
    here = f"/replenishment/{sku}?warehouse={item.warehouse_id}"
    page = await bea.get(here)
    assert "It has no reorder point here yet" in page
    assert "Set by hand" in page
    await bea.post(here.replace("?", "/point?"), {"reorder_point": "40", "reorder_quantity": "80"})
    assert _plan(shop, item) == (40, 80, "manual")
    assert "there are no numbers behind it" in await bea.get(here)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reorder_point": ""}, "Give the reorder point"),
        ({"reorder_point": "-1"}, "Give whole units"),
        ({"reorder_point": "1.5"}, "Give whole units"),
        ({"reorder_point": "9" * 30}, "Give whole units"),
        ({"reorder_point": "5", "reorder_quantity": "0"}, "Give whole units"),
    ],
)
async def test_what_is_no_point_changes_nothing(
    console: AtTheConsole, tea: Tea, shop: Shop, fields: dict[str, str], said: str
) -> None:
    before = _plan(shop, tea.item)
    bea = await console.person("bea", [Role.BUY])
    refused = await bea.post(f"/replenishment/{tea.sku}/point?warehouse={tea.item.warehouse_id}", fields, status=422)
    assert said in refused.text
    assert _plan(shop, tea.item) == before


async def test_only_who_buys_there_sets_a_point(console: AtTheConsole, tea: Tea, shop: Shop) -> None:
    before, here = _plan(shop, tea.item), f"/replenishment/{tea.sku}/point?warehouse={tea.item.warehouse_id}"
    elsewhere = await console.person("bea", [Role.BUY], [shop.warehouse()])
    looking = await console.person("lily", [Role.LOOK])
    for person in (elsewhere, looking):
        for what in ("/point?", "/automatic?"):
            await person.post(here.replace("/point?", what), {"reorder_point": "1"}, status=403)
    assert "Set by hand" not in await elsewhere.get(here.replace("/point?", "?"))
    assert _plan(shop, tea.item) == before


@pytest.mark.usefixtures("needs_browser")
@pytest.mark.parametrize(
    ("screen", "language"), [(PHONE, "de-DE"), (DESKTOP, "en-GB")], ids=["phone in German", "desktop"]
)
async def test_the_plan_reads_well(
    console: AtTheConsole,
    planned: tuple[ItemKey, str, str],
    tea: Tea,
    screen: dict[str, int],
    language: str,
) -> None:
    item, sku, _ = planned
    page = await console.page("bea", [Role.BUY], screen=screen, language=language)
    for name, path in (
        ("plan", f"/replenishment/{sku}?warehouse={item.warehouse_id}"),
        ("below", f"/replenishment?warehouse={tea.item.warehouse_id}"),
    ):
        await page.goto(path)
        await picture(page, f"{name}_{screen['width']}")
        assert await axe_finds(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    await page.context.close()
