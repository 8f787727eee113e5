"""Lots about to expire and who holds them; what is in transit, overdue first."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from stockkeeper.domain.permission import Role
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.console_stock import Named, row_of, rows_in
from tests.support.lots import lot_item
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers

TODAY = datetime.now(UTC).date()


def _in(days: int) -> str:
    day = TODAY + timedelta(days=days)
    return f"{day.day} {day:%b} {day.year}"


async def test_lots_about_to_expire_by_warehouse_and_days(console: AtTheConsole, shop: Shop, named: Named) -> None:
    warehouse, place = named.warehouse("Trier", "UTC")
    kept = (("A", 90, 5), ("B", 3, 7), ("C", -2, 2))
    lots = [(name, TODAY + timedelta(days=days), units) for name, days, units in kept]
    lot_item(shop, *lots, warehouse=warehouse)
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/lots?warehouse={warehouse}")
    found = rows_in(page)[1:]
    assert [row[1:] for row in found] == [
        ["C", place, _in(-2), "-2", "2", "0", "2", "expired"],
        ["B", place, _in(3), "3", "7", "0", "7", "available"],
    ]
    assert [row[1] for row in rows_in(await lily.get(f"/lots?warehouse={warehouse}&within=90"))[1:]] == ["C", "B", "A"]
    assert [row[1] for row in rows_in(await lily.get(f"/lots?warehouse={warehouse}&within=2"))[1:]] == ["C"]
    assert "from 0 to 3,650" in await lily.get("/lots?within=-1", status=422)


async def test_a_lot_by_its_number_or_product_and_who_holds_it(
    console: AtTheConsole, shop: Shop, named: Named, orders: Orders
) -> None:
    number, order = new_reference("LOT"), new_reference("ORDER")
    item = lot_item(shop, (number, TODAY + timedelta(days=9), 8), ("OTHER", TODAY + timedelta(days=90), 8))
    sku = (await console.console.stock.product_names(item.product_id)).sku
    await orders.reserve(order, (item, 5))
    lily = await console.person("lily", [Role.LOOK])
    [only] = rows_in(await lily.get(f"/lots?q={number}"))[1:]
    assert (only[1], only[5:8]) == (number, ["8", "5", "3"])
    assert [row[1] for row in rows_in(await lily.get(f"/lots?q={sku}"))[1:]] == [number, "OTHER"]
    assert "No such lots are on hand." in await lily.get("/lots?q=nowhere-to-be-found")
    page = await lily.get(f"/lots/holders?sku={sku}&lot={number}")
    assert row_of(page, f"Order {order}")[1] == "5"
    assert "Nobody holds" in await lily.get(f"/lots/holders?sku={sku}&lot=OTHER")
    assert "No product has the SKU" in await lily.get(f"/lots/holders?sku={sku}-x&lot=OTHER", status=404)


async def test_what_is_overdue_comes_first(
    console: AtTheConsole, shop: Shop, named: Named, transfers: Transfers
) -> None:
    (source, here), (destination, there) = named.warehouse("Mainz"), named.warehouse("Worms")
    item = shop.item(100, warehouse=source)
    numbers = [new_reference("LOAD") for _ in range(3)]
    for number, hours in zip(numbers, (None, 72.0, 24.0), strict=True):
        await transfers.dispatched(number, destination, [(item, 10)], expected_transit_hours=hours)
    with shop.engine.begin() as connection:
        past = text("UPDATE transfer_orders SET due_at = due_at - interval '5 days' WHERE transfer_number = :number")
        connection.execute(past, {"number": numbers[2]})
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/transit?warehouse={destination}")
    assert [row[0].split()[0] for row in rows_in(page)[1:]] == [numbers[2], numbers[1], numbers[0]]
    assert row_of(page, numbers[2])[1:4] == [here, there, "10 of 10"]
    assert "overdue" in row_of(page, numbers[2])[4]
    assert "overdue" not in row_of(page, numbers[1])[4]
    assert row_of(page, numbers[0])[4] == "no day was given"
    assert "1 transfer is overdue." in page
    assert "Nothing is on its way" in await lily.get(f"/transit?warehouse={shop.warehouse()}")
    assert "no such page" in await lily.get("/transit?page=0", status=422)


@pytest.mark.usefixtures("needs_browser")
@pytest.mark.parametrize(
    ("screen", "language"), [(PHONE, "en-GB"), (DESKTOP, "de-DE")], ids=["phone", "desktop in German"]
)
async def test_lots_and_transit_read_well(
    console: AtTheConsole, shop: Shop, named: Named, transfers: Transfers, screen: dict[str, int], language: str
) -> None:
    (source, _), (destination, _) = named.warehouse("Fulda"), named.warehouse("Celle")
    item = shop.item(100, warehouse=source)
    for hours in (None, 72.0):
        await transfers.dispatched(new_reference("LOAD"), destination, [(item, 10)], expected_transit_hours=hours)
    lot_item(shop, *((f"LOT-{days}", TODAY + timedelta(days=days), 5) for days in (-1, 4)), warehouse=source)
    page = await console.page("lily", [Role.LOOK], screen=screen, language=language)
    for path in ("/lots", "/transit"):
        await page.goto(f"{path}?warehouse={source}")
        await picture(page, f"{path[1:]}_{screen['width']}")
        assert await axe_finds(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    await page.context.close()
