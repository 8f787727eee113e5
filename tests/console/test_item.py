"""An item's page, and the page behind each of its numbers."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from database.sessions import Database
from stockkeeper.domain.permission import Role
from stockkeeper.domain.stock import MovementType
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.console_stock import Named, Tea, row_of, rows_in
from tests.support.lots import lot_item
from tests.support.past import Past
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers

BERLIN = ZoneInfo("Europe/Berlin")


async def test_every_number_leads_to_its_reason(
    console: AtTheConsole, tea: Tea, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(console.console.settings, ui_url="https://temporal.example")
    monkeypatch.setattr(console.console, "settings", settings)
    item, sku, [place, order, inspection, po] = tea
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/stock/{sku}")
    assert row_of(page, place)[1:] == ["83", "100", "12", "5 5 damaged", "40 24 Dec 2126", "200 below it"]
    links = set(re.findall(rf'href="(/stock/{sku}/\w+\?warehouse={item.warehouse_id})"', page))
    assert len(links) == 4
    pages = {each.split("/")[3].split("?")[0]: await lily.get(each) for each in links}
    assert row_of(pages["holds"], f"Order {order}")[1:2] == ["12"]
    assert row_of(pages["unavailable"], inspection)[1:6] == ["5", "damaged", "\u2013", "a jar was found open", "tom"]
    assert row_of(pages["incoming"], f"Purchase order {po}")[1:] == ["40", "24 Dec 2126", "confirmed by the supplier"]
    assert f'href="/inbox/po/{po}"' in pages["incoming"]
    assert f'href="/inbox/inspection/{inspection}"' in pages["unavailable"]
    assert f'href="/pick/{order}"' not in pages["holds"]
    [opening] = rows_in(pages["movements"])[1:]
    assert opening[1:7] == ["+100", "100", "adjustment", "opening", "tests", "opening stock"]
    run = f"https://temporal.example/namespaces/{settings.namespace}/workflows/reservation-{order}/"
    assert run in pages["holds"]
    assert "workflows/inspection-" in pages["unavailable"]


async def test_movements_come_page_by_page_in_the_warehouses_own_time(
    console: AtTheConsole, shop: Shop, named: Named
) -> None:
    product, sku = named.product("Oolong")
    warehouse, _ = named.warehouse("Berlin")
    item = shop.item(0, product=product, warehouse=warehouse)
    shop.move(item, *range(1, 62))
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/stock/{sku}/movements")
    now = datetime.now(BERLIN)
    assert str(now.tzname()) in rows_in(page)[1][0]
    assert [row[1] for row in rows_in(page)[1:]] == [f"+{units}" for units in range(61, 11, -1)]
    older = re.search(r'href="\?(warehouse=\d+&amp;before=[^"]+)"', page)
    assert older is not None
    page = await lily.get(f"/stock/{sku}/movements?" + older[1].replace("&amp;", "&"))
    assert [row[1] for row in rows_in(page)[1:]] == [f"+{units}" for units in range(11, 0, -1)]
    assert "Older ones" not in page
    assert "no place" in await lily.get(f"/stock/{sku}/movements?before=x", status=422)


async def test_what_was_there_at_an_instant_in_the_warehouses_time(
    console: AtTheConsole, shop: Shop, named: Named
) -> None:
    product, sku = named.product("Sencha")
    warehouse, place = named.warehouse("Berlin")
    item = shop.item(30, product=product, warehouse=warehouse)
    lily = await console.person("lily", [Role.LOOK])
    before = datetime.now(BERLIN)
    page = await lily.get(f"/stock/{sku}?at={before - timedelta(days=1):%Y-%m-%dT%H:%M}")
    assert "Nothing had moved by then." in page
    shop.move(item, -4)
    typed = f"{datetime.now(BERLIN):%Y-%m-%dT%H:%M:%S.%f}"
    shop.move(item, -6)
    page = await lily.get(f"/stock/{sku}?at={typed}")
    then = page[page.index('id="then"') :]
    assert row_of(then, place)[1] == "26"
    refused = await lily.get(f"/stock/{sku}?at={before + timedelta(hours=2):%Y-%m-%dT%H:%M}", status=422)
    assert "yet to come" in refused
    assert "Choose a day and a time" in await lily.get(f"/stock/{sku}?at=x", status=422)


async def test_the_chart_is_drawn_here_and_said_in_words(
    console: AtTheConsole, shop: Shop, named: Named, orders: Orders
) -> None:
    product, sku = named.product("Rooibos")
    warehouse, place = named.warehouse("Ulm")
    item = shop.item(8, product=product, warehouse=warehouse)
    shop.set_point(item, 5, 10)
    await orders.sell(item, 8)
    shop.move(item, 3)
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/stock/{sku}?days=7")
    assert f'aria-label="{sku} in {place}. On hand 3; 3 at the most, 0 at the least. Out of stock 1 time."' in page
    assert "<style" not in page
    assert " style=" not in page
    assert '<path class="reorder_point"' in page
    assert "Choose a period" in await lily.get(f"/stock/{sku}?days=8", status=422)


async def test_movements_lead_to_the_pages_of_their_documents(
    console: AtTheConsole, shop: Shop, named: Named, transfers: Transfers, orders: Orders
) -> None:
    product, sku = named.product("Yerba")
    warehouse, _ = named.warehouse("Suhl")
    item, load, order = shop.item(12, product=product, warehouse=warehouse), new_reference("LOAD"), new_reference("O/1")
    await transfers.dispatched(load, shop.warehouse(), [(item, 5)])
    await orders.reserve(order, (item, 2))
    await orders.fulfill(order)
    await orders.reserve(f"{order}-2", (item, 1))
    ben = await console.person("ben", [Role.SELL])
    page = await ben.get(f"/stock/{sku}/movements")
    assert f'href="/inbox/transfer/{load}"' in page
    there = quote(order, safe="")
    assert f'href="/pick/{there}"' in page
    assert f'href="/pick/{there}-2"' in await ben.get(f"/stock/{sku}/holds")


async def test_a_product_that_was_never_there_and_one_that_nobody_knows(console: AtTheConsole, named: Named) -> None:
    _, sku = named.product("Mate")
    lily = await console.person("lily", [Role.LOOK])
    assert f"{sku} was never in stock." in await lily.get(f"/stock/{sku}")
    assert f"{sku} was never in stock." in await lily.get(f"/stock/{sku}/holds", status=404)
    assert "no product is called" in await lily.get(f"/stock/{sku}-x", status=404)


async def test_what_is_in_transit_is_coming_at_its_destination(
    console: AtTheConsole, shop: Shop, named: Named, transfers: Transfers
) -> None:
    product, sku = named.product("Pu/erh cake")
    (source, _), (destination, place) = named.warehouse("Kiel"), named.warehouse("Jena")
    item, number = shop.item(12, product=product, warehouse=source), new_reference("LOAD")
    await transfers.dispatched(number, destination, [(item, 10)], expected_transit_hours=48.0)
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/stock/{sku}")
    due = (datetime.now(BERLIN) + timedelta(hours=48)).date()
    there = f"{due.day} {due:%b} {due.year}"
    assert row_of(page, place)[1:] == ["0", "0", "0", "0", f"10 {there}", "\u2013"]
    page = await lily.get(f"/stock/{sku}/incoming?warehouse={destination}")
    assert row_of(page, f"Transfer {number}")[1:] == ["10", there, "due"]


async def test_lots_come_first_expired_first_and_those_that_may_not_leave_say_why(
    console: AtTheConsole, shop: Shop, named: Named, database: Database
) -> None:
    del database
    today = datetime.now(UTC).date()
    warehouse, _ = named.warehouse("Bonn", "UTC")
    days = [
        ("LATE", today + timedelta(days=90), 5),
        ("SOON", today + timedelta(days=3), 7),
        ("OVER", date(2026, 1, 1), 2),
    ]
    item = lot_item(shop, *days, warehouse=warehouse)
    lily = await console.person("lily", [Role.LOOK])
    names = await console.console.stock.product_names(item.product_id)
    page = await lily.get(f"/stock/{names.sku}")
    lots = [row for row in rows_in(page) if row and row[0] in {"LATE", "SOON", "OVER"}]
    assert [(row[0], row[3], row[4], row[7]) for row in lots] == [
        ("OVER", str((date(2026, 1, 1) - today).days), "2", "expired"),
        ("SOON", "3", "7", "available"),
        ("LATE", "90", "5", "available"),
    ]
    page = await lily.get(f"/stock/{names.sku}/unavailable?warehouse={warehouse}")
    assert "2 expired" in page
    assert row_of(page, "OVER")[6] == "2"


@pytest.mark.parametrize(("kind", "begins"), [("pdf", b"%PDF"), ("png", b"\x89PNG")])
async def test_a_label_is_a_file(console: AtTheConsole, named: Named, kind: str, begins: bytes) -> None:
    _, sku = named.product("Label/tea")
    lily = await console.person("lily", [Role.LOOK])
    answered = await lily.http.get(f"/stock/{sku}/label", params={"format": kind})
    assert answered.content.startswith(begins)
    assert "attachment" in answered.headers["content-disposition"]
    assert "PDF or a PNG" in await lily.get(f"/stock/{sku}/label?format=exe", status=422)
    assert "100 labels" in await lily.get(f"/stock/{sku}/label?copies=101", status=422)


@pytest.mark.usefixtures("needs_browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_month_is_drawn_in_light_and_dark(
    console: AtTheConsole, shop: Shop, named: Named, orders: Orders, scheme: Literal["light", "dark"]
) -> None:
    product, sku = named.product("Earl Grey")
    warehouse, _ = named.warehouse("Emden")
    now = datetime.now(UTC).replace(microsecond=0)
    item = Past(shop).item(now - timedelta(days=29), units=400, product=product, warehouse=warehouse)
    sold = [(now - timedelta(days=28 - day), MovementType.SALE, -(20 + day % 5)) for day in range(10)]
    came = [(now - timedelta(days=8), MovementType.ADJUSTMENT, 300), (now - timedelta(days=3), MovementType.SALE, -90)]
    Past(shop).happened(item, *sold, (now - timedelta(days=17), MovementType.SALE, -180), *came)
    shop.set_point(item, 120, 300)
    await orders.reserve(new_reference(), (item, 40))
    page = await console.page("lily", [Role.LOOK], screen=DESKTOP)
    await page.emulate_media(color_scheme=scheme)
    await page.goto(f"/stock/{sku}")
    await picture(page, f"course_{scheme}")
    assert await page.locator("figure svg.chart path.on_hand").count() >= 1
    assert await page.locator("figcaption").inner_text() == (
        "On hand 210; 400 at the most, 0 at the least. Out of stock 1 time."
    )
    assert await axe_finds(page) == []
    await page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    await picture(page, f"course_{scheme}_phone")
    await page.context.close()


@pytest.mark.usefixtures("needs_browser")
@pytest.mark.parametrize(
    ("screen", "language"), [(PHONE, "de-DE"), (DESKTOP, "en-GB")], ids=["phone in German", "desktop"]
)
async def test_the_page_of_an_item_reads_well(
    console: AtTheConsole, tea: Tea, orders: Orders, shop: Shop, screen: dict[str, int], language: str
) -> None:
    item, sku, _ = tea
    for units in (20, 30, 15):
        await orders.sell(item, units)
    shop.move(item, 120, -90)
    page = await console.page("lily", [Role.LOOK], screen=screen, language=language)
    width = screen["width"]
    for what in ("", "/movements", "/holds", "/incoming", "/unavailable"):
        at = "&days=7&at=2026-01-01T10:00" if not what else ""
        await page.goto(f"/stock/{sku}{what}?warehouse={item.warehouse_id}{at}")
        await picture(page, f"item{what.replace('/', '_')}_{width}")
        assert await axe_finds(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.context.close()
