"""Count sheets: blind in the page's source, recorded once, and kept without a network."""

from datetime import date

import pypdfium2
import pytest
from playwright.async_api import Page, expect
from sqlalchemy import Engine

from stockkeeper.domain.permission import Role
from stockkeeper.domain.stock import ItemKey
from tests.console.test_receive import sku_of
from tests.support.books import level
from tests.support.console import PHONE, AtTheConsole, axe_finds, picture
from tests.support.cycle_count import Counts
from tests.support.lots import lot_books, lot_item
from tests.support.shop import Shop

RARE, WRONG = 486_112_937, 372_913_504
"""Units so many that no page has their digits, or those of their difference, for another reason."""


def is_blind(source: str) -> bool:
    """Whether neither number is in a page's source, however it is written."""
    digits = source.replace(",", "").replace(".", "")
    return str(RARE) not in digits and str(WRONG) not in digits and str(RARE - WRONG) not in digits


async def test_a_count_is_started_recorded_once_and_posted(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine, number: str
) -> None:
    item = shop.item(7)
    ann = await console.person("ann", [Role.COUNT])
    started = {"number": number, "warehouse": item.warehouse_id, "skus": f"{sku_of(engine, item)}\n"}
    for _ in range(2):
        assert (await ann.post("/count/start", started)).headers["location"] == f"/count/{number}"
    assert f'href="/count/{number}"' in await ann.get("/count")
    for _ in range(2):
        body = await ann.send(f"/count/{number}/record", {"product_id": item.product_id, "units": 7})
        assert body == {"state": "done", "message": "Counted."}
    state = await counts.state(number)
    assert (state["status"], state["requested_by"], state["lines"][0]["counted_by"]) == ("POSTED", "ann", "ann")
    assert level(engine, item) == (7, 0)


async def test_a_start_that_names_nothing_is_refused_and_opens_no_count(
    console: AtTheConsole, shop: Shop, engine: Engine, number: str
) -> None:
    item = shop.item(7)
    ann = await console.person("ann", [Role.COUNT], [item.warehouse_id])
    sku = sku_of(engine, item)
    for fields in (
        {"number": number, "warehouse": item.warehouse_id, "skus": " "},
        {"number": number, "warehouse": "x", "skus": sku},
        {"number": number, "warehouse": item.warehouse_id, "skus": "NO-SUCH-SKU"},
    ):
        await ann.post("/count/start", fields, status=422 if "NO-SUCH-SKU" not in str(fields["skus"]) else 409)
    elsewhere = {"number": number, "warehouse": shop.warehouse(), "skus": sku}
    await ann.post("/count/start", elsewhere, status=403)
    await ann.get(f"/count/{number}", status=404)


async def test_whoever_counts_sees_no_number_anywhere_in_the_source(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine, number: str
) -> None:
    item = shop.item(RARE)
    await counts.open(number, item)
    ann = await console.person("ann", [Role.COUNT])
    ben = await console.person("ben", [Role.COUNT])
    body = await ann.send(f"/count/{number}/record", {"product_id": item.product_id, "units": WRONG})
    assert body == {"state": "wait", "message": "Counted. Somebody else counts it once more."}
    for person in (ann, ben):
        for path in (f"/count/{number}", f"/count/{number}/print", "/count", "/inbox", f"/inbox/count/{number}"):
            source = (await person.http.get(path)).text
            assert is_blind(source), (person.name, path)
        pdf = (await person.http.get(f"/count/{number}/print.pdf")).content
        document = pypdfium2.PdfDocument(pdf)
        assert is_blind(document[0].get_textpage().get_text_range())
        document.close()
    again = await ann.send(f"/count/{number}/record", {"product_id": item.product_id, "units": WRONG + 1}, status=403)
    assert again["error"] == "NotPermitted"
    assert is_blind(str(again))
    body = await ben.send(f"/count/{number}/record", {"product_id": item.product_id, "units": WRONG})
    assert body == {"state": "done", "message": "Counted."}
    assert is_blind((await ben.http.get(f"/count/{number}")).text)
    assert level(engine, item) == (WRONG, 0)


async def test_a_lot_that_is_found_is_recorded(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine, number: str
) -> None:
    item = lot_item(shop, ("L-1", date(2031, 3, 31), 5))
    await counts.open(number, item)
    ann = await console.person("ann", [Role.COUNT])
    line = {"product_id": item.product_id, "units": 5, "lot": "L-1"}
    found = {"product_id": item.product_id, "units": 2, "lot": "L-9", "expires_on": "2032-01-31"}
    assert (await ann.send(f"/count/{number}/record", found))["state"] == "wait"
    assert (await ann.send(f"/count/{number}/record", line))["state"] == "done"
    ben = await console.person("ben", [Role.COUNT])
    assert (await ben.send(f"/count/{number}/record", found))["state"] == "done"
    assert lot_books(engine, item) == {"L-1": (5, 0, 0), "L-9": (2, 0, 0)}


async def _type(page: Page, item: ItemKey, engine: Engine, units: int) -> None:
    card = page.locator("li.card", has_text=sku_of(engine, item))
    await card.get_by_label("Units").first.fill(str(units))
    await card.get_by_label("Units").first.press("Enter")


@pytest.mark.usefixtures("needs_browser")
async def test_a_count_goes_on_without_a_network_over_a_reload_and_is_recorded_once(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine, number: str
) -> None:
    items = shop.items(3, 4)
    await counts.open(number, *items)
    page = await console.page("ann", [Role.COUNT], screen=PHONE)
    await page.goto(f"/count/{number}")
    await expect(page.locator("html[data-kept=yes]")).to_be_attached()
    await picture(page, "count_phone")
    assert await axe_finds(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await page.context.set_offline(True)
    await _type(page, items[0], engine, 4)
    await _type(page, items[1], engine, 4)
    await expect(page.locator("#network")).to_contain_text("Lines that wait to be sent: 2.")
    await page.reload()
    await expect(page.locator("#progress")).to_have_text("2 of 3 lines counted")
    await _type(page, items[2], engine, 4)
    await expect(page.locator("#progress")).to_have_text("3 of 3 lines counted")
    await picture(page, "count_offline_phone")
    assert [line["status"] for line in (await counts.state(number))["lines"]] == ["COUNTING"] * 3
    await page.context.set_offline(False)
    await expect(page.locator("li.card.ok")).to_have_count(3, timeout=20_000)
    state = await counts.state(number)
    assert (state["status"], {line["counted_by"] for line in state["lines"]}) == ("POSTED", {"ann"})
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in*")
    assert "sheets" not in await page.evaluate("caches.keys()")
    await page.context.close()


@pytest.mark.usefixtures("needs_browser")
async def test_a_scan_leads_to_its_line_and_the_keyboard_is_enough(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine, number: str
) -> None:
    items = shop.items(2, 4)
    await counts.open(number, *items)
    page = await console.page("ann", [Role.COUNT])
    await page.goto(f"/count/{number}")
    await page.keyboard.type(sku_of(engine, items[1]))
    await page.keyboard.press("Enter")
    await expect(page.locator("#last-scan")).to_have_text(sku_of(engine, items[1]))
    await page.keyboard.type("4")
    await page.keyboard.press("Enter")
    await expect(page.locator("li.card.ok")).to_have_count(1)
    await page.locator("#scan").focus()
    await page.keyboard.type("NOT-HERE")
    await page.keyboard.press("Enter")
    await expect(page.locator("#last-scan")).to_have_text("NOT-HERE isn't on this sheet.")
    await picture(page, "count_desktop")
    await page.context.close()
    posted = [line["product_id"] for line in (await counts.state(number))["lines"] if line["status"] == "POSTED"]
    assert posted == [items[1].product_id]


async def test_who_has_seen_the_numbers_decides_and_does_not_count(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine, number: str
) -> None:
    item = shop.item(RARE)
    await counts.open(number, item)
    await counts.record(number, item, WRONG, "ann")
    both = await console.person("bo", [Role.COUNT, Role.APPROVE])
    counted = {"product_id": item.product_id, "units": WRONG}
    assert not is_blind(await both.get(f"/inbox/count/{number}?numbers=show"))
    refused = await both.send(f"/count/{number}/record", counted, status=403)
    assert refused["message"] == "You have seen the numbers of this count: somebody else counts."
    assert level(engine, item) == (RARE, 0)
    ben = await console.person("ben", [Role.COUNT])
    assert (await ben.send(f"/count/{number}/record", counted))["state"] == "done"
