"""Each screen of the dock and on paper, on a phone and a desktop, in both languages; by keyboard, and back again."""

import pytest
from playwright.async_api import expect
from sqlalchemy import Engine

from starter.console.app import ROUTES
from stockkeeper.domain.permission import Role
from tests.console.test_receive import ordered, sku_of
from tests.support.books import level
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.customer_return import Returns, sent
from tests.support.cycle_count import Counts
from tests.support.purchase_order import Purchasing
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers

HERE = {
    "/receive",
    "/receive/po/{number}",
    "/receive/transfer/{number}",
    "/dispatch",
    "/dispatch/{number}",
    "/pick",
    "/pick/{number}",
    "/pick/{number}/{place:int}/print",
    "/count",
    "/count/{number}",
    "/count/{number}/print",
    "/inspect/return/{number}",
    "/inbox/po/{number}/print",
}
"""The screens that are looked at here."""
ELSEWHERE = {
    "/inbox": "test_inbox",
    "/inbox/po/{number}": "test_inbox",
    "/inbox/adjust/{number}": "test_inbox",
    "/inbox/audit/{finding}": "test_inbox_kinds, without a browser: a finding is one line",
    "/inbox/count/{number}": "test_inbox_kinds",
    "/inbox/inspection/{number}": "test_inbox_kinds",
    "/inbox/recall/{number}": "test_inbox_kinds",
    "/inbox/return/{number}": "test_inbox_kinds",
    "/inbox/transfer/{number}": "test_inbox_kinds",
    "/inspect": "test_inbox_kinds",
    "/lots": "test_lots_and_transit",
    "/lots/holders": "test_lots_and_transit",
    "/transit": "test_lots_and_transit",
    "/replenishment": "test_replenishment",
    "/replenishment/{sku:path}": "test_replenishment",
    "/stock": "test_stock",
    "/stock/{sku:path}": "test_item",
    "/stock/{sku:path}/holds": "test_item",
    "/stock/{sku:path}/incoming": "test_item",
    "/stock/{sku:path}/movements": "test_item",
    "/stock/{sku:path}/unavailable": "test_item",
}
NO_SCREENS = {"/live", "/stock/{sku:path}/label"}


def test_every_screen_is_looked_at_somewhere() -> None:
    shown = {route.path for route in ROUTES if route.method == "GET" and not route.path.endswith(".pdf")}
    assert shown == HERE | set(ELSEWHERE) | NO_SCREENS


@pytest.mark.usefixtures("needs_browser")
async def test_each_screen_fits_and_axe_finds_nothing(
    console: AtTheConsole,
    purchasing: Purchasing,
    transfers: Transfers,
    orders: Orders,
    counts: Counts,
    returns: Returns,
    shop: Shop,
    number: str,
) -> None:
    item = await ordered(shop, purchasing, number)
    source, held = shop.item(10), shop.item(10)
    leaves, comes, order, count = (new_reference(each) for each in ("T", "T", "O", "C"))
    await transfers.create(leaves, shop.warehouse(), [(source, 3)])
    await transfers.dispatched(comes, shop.warehouse(), [(source, 2)])
    await orders.reserve(order, (held, 2))
    await counts.open(count, item, shop.item(4, warehouse=item.warehouse_id))
    back = await sent(returns, shop)
    paths = {
        "/receive": "/receive",
        "/receive/po/{number}": f"/receive/po/{number}",
        "/receive/transfer/{number}": f"/receive/transfer/{comes}",
        "/dispatch": "/dispatch",
        "/dispatch/{number}": f"/dispatch/{leaves}",
        "/pick": "/pick",
        "/pick/{number}": f"/pick/{order}",
        "/pick/{number}/{place:int}/print": f"/pick/{order}/{held.warehouse_id}/print",
        "/count": "/count",
        "/count/{number}": f"/count/{count}",
        "/count/{number}/print": f"/count/{count}/print",
        "/inspect/return/{number}": f"/inspect/return/{back.number}",
        "/inbox/po/{number}/print": f"/inbox/po/{number}/print",
    }
    assert set(paths) == HERE
    for screen, language, kind in ((PHONE, "de-DE", "phone"), (DESKTOP, "en-GB", "desktop")):
        page = await console.page("ada", screen=screen, language=language)
        for route, path in paths.items():
            answered = await page.goto(path)
            assert answered is not None
            assert answered.status == 200, path
            await picture(page, f"{route.strip('/').replace('/', '_')}_{kind}")
            assert await axe_finds(page) == [], path
            assert await page.evaluate("document.documentElement.scrollWidth") <= screen["width"], path
            assert await page.locator("h1").count() == 1
        await page.context.close()


@pytest.mark.usefixtures("needs_browser")
async def test_a_delivery_is_received_by_the_keyboard_alone_and_going_back_books_nothing_again(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number, 5)
    page = await console.page("wes", [Role.RECEIVE])
    await page.goto("/receive")
    await page.keyboard.type(number)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/receive/po/{number}")
    await page.keyboard.type(sku_of(engine, item))
    await page.keyboard.press("Enter")
    await expect(page.locator("#book")).to_be_enabled()
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == "book":
            break
    await page.keyboard.press("Enter")
    await expect(page.locator("#booked")).to_have_text("1 unit is booked.")
    await page.go_back()
    await page.wait_for_url("**/receive")
    await page.go_forward()
    await page.wait_for_url(f"**/receive/po/{number}")
    await expect(page.locator("[data-wanted]")).to_have_text("4")
    await expect(page.locator("#book")).to_be_disabled()
    await page.context.close()
    assert level(engine, item) == (1, 0)
    assert len((await purchasing.state(number))["receipts"]) == 1


@pytest.mark.usefixtures("needs_browser")
async def test_two_tabs_of_a_count_lose_none_of_each_others_lines(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine, number: str
) -> None:
    one, other = shop.items(2, 4)
    await counts.open(number, one, other)
    page = await console.page("ann", [Role.COUNT])
    await page.goto(f"/count/{number}")
    second = await page.context.new_page()
    await second.goto(f"/count/{number}")
    await page.context.set_offline(True)
    for tab, item in ((page, one), (second, other)):
        units = tab.locator("li.card", has_text=sku_of(engine, item)).get_by_label("Units").first
        await units.fill("4")
        await units.press("Enter")
    for tab in (page, second):
        await expect(tab.locator("#progress")).to_have_text("2 of 2 lines counted")
    await page.context.set_offline(False)
    for tab in (page, second):
        await expect(tab.locator("li.card.ok")).to_have_count(2)
    await page.context.close()
    state = await counts.state(number)
    assert (state["status"], [line["counted_quantity"] for line in state["lines"]]) == ("POSTED", [4, 4])
