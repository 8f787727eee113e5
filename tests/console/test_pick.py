"""Picking by scan: a wrong item is refused, another lot is said, and a shipment leaves once."""

import uuid
from datetime import date

import pypdfium2
import pytest
from playwright.async_api import expect
from sqlalchemy import Engine

from stockkeeper.domain.permission import Role
from stockkeeper.domain.stock import ItemKey
from tests.console.test_receive import barcode, booking, new_gtin, sku_of
from tests.support.books import level
from tests.support.console import PHONE, AtTheConsole, axe_finds, picture
from tests.support.lots import lot_books, lot_item
from tests.support.reservation import Orders
from tests.support.shop import Shop

SOON, LATER = date(2031, 3, 31), date(2032, 3, 31)


async def held(orders: Orders, number: str, *wanted: tuple[ItemKey, int]) -> None:
    """An order whose stock is held."""
    state = await orders.reserve(number, *wanted)
    assert state["status"] == "ACTIVE"


async def test_a_shipment_leaves_once_however_often_it_is_sent(
    console: AtTheConsole, orders: Orders, shop: Shop, engine: Engine, number: str
) -> None:
    item = shop.item(10)
    await held(orders, number, (item, 6))
    pat = await console.person("pat", [Role.SELL])
    assert f'href="/pick/{number}"' in await pat.get("/pick")
    sent = booking({"product_id": item.product_id, "units": 4})
    path = f"/pick/{number}/{item.warehouse_id}/book"
    for _ in range(3):
        body = await pat.send(path, sent)
        assert (body["message"], body["lines"][0]["wanted"]) == ("4 units have left.", 2)
    assert level(engine, item) == (6, 2)
    refused = await pat.send(path, booking({"product_id": item.product_id, "units": 3}), status=422)
    assert refused["error"] == "InvalidRequest"
    elsewhere = await console.person("pat", [Role.SELL], [shop.warehouse()])
    await elsewhere.send(path, booking({"product_id": item.product_id, "units": 1}), status=403)
    assert level(engine, item) == (6, 2)


async def test_of_an_order_in_two_warehouses_each_is_picked_by_itself(
    console: AtTheConsole, orders: Orders, shop: Shop, engine: Engine, number: str
) -> None:
    one = shop.item(5)
    other = shop.item(5, product=one.product_id)
    await held(orders, number, (one, 2), (other, 3))
    pat = await console.person("pat", [Role.SELL])
    assert "Where do you pick?" in await pat.get(f"/pick/{number}")
    page = await pat.get(f"/pick/{number}?warehouse={other.warehouse_id}")
    assert "<strong data-wanted>3</strong>" in page
    await pat.get(f"/pick/{number}?warehouse=1x", status=422)
    sent = booking({"product_id": other.product_id, "units": 3})
    await pat.send(f"/pick/{number}/{other.warehouse_id}/book", sent)
    assert (level(engine, one), level(engine, other)) == ((5, 2), (2, 0))


async def test_a_pick_list_has_its_lots_on_paper(
    console: AtTheConsole, orders: Orders, shop: Shop, engine: Engine, number: str
) -> None:
    item = lot_item(shop, ("L-1", SOON, 2), ("L-2", LATER, 5))
    await held(orders, number, (item, 3))
    pat = await console.person("pat", [Role.SELL])
    path = f"/pick/{number}/{item.warehouse_id}/print"
    page = await pat.get(path)
    assert [f"{lot} ({day})" in page for lot, day in (("L-1", "31 Mar 2031"), ("L-2", "31 Mar 2032"))] == [True, True]
    document = pypdfium2.PdfDocument((await pat.http.get(f"{path}.pdf")).content)
    text = document[0].get_textpage().get_text_range().replace("\r", "")
    document.close()
    rows = [line.strip() for line in text.splitlines() if sku_of(engine, item) in line]
    assert [row.rpartition("L-")[2] for row in rows] == ["1 (31 Mar 2031) 2", "2 (31 Mar 2032) 1"]


@pytest.mark.usefixtures("needs_browser")
async def test_a_wrong_item_and_more_than_wanted_are_refused_and_another_lot_is_said(
    console: AtTheConsole, orders: Orders, shop: Shop, engine: Engine, number: str
) -> None:
    item = lot_item(shop, ("L-1", SOON, 5), ("L-2", LATER, 5))
    wrong = shop.item(1)
    await held(orders, number, (item, 3))
    gtin = new_gtin()
    barcode(engine, item, gtin)
    other = barcode(engine, wrong, f"O{uuid.uuid4().hex[:6]}".upper())
    page = await console.page("pat", [Role.SELL], screen=PHONE)
    await page.goto(f"/pick/{number}")
    await expect(page.get_by_text("From these lots: 3 L-1")).to_be_visible()
    for scan, said in (
        (other, f"{sku_of(engine, wrong)} isn't wanted here."),
        (f"]C101{gtin}10L-1", f"1 x {sku_of(engine, item)} (each), lot L-1"),
        (f"]C101{gtin}10L-2", "Another lot is held for it; this one is taken in its place if it is free."),
        (f"]C101{gtin}10L-1", f"1 x {sku_of(engine, item)} (each), lot L-1"),
        (f"]C101{gtin}10L-1", f"{sku_of(engine, item)}: no more than 3 are wanted."),
    ):
        await page.keyboard.type(scan)
        await page.keyboard.press("Enter")
        await expect(page.locator("#last-scan")).to_contain_text(said)
    await expect(page.locator("#book")).to_have_text("Ship 3 units")
    await picture(page, "pick_phone")
    assert await axe_finds(page) == []
    await page.locator("#book").click()
    await expect(page.locator("#booked")).to_have_text("3 units have left.")
    await expect(page.locator("#over-ended")).to_be_visible()
    await page.context.close()
    assert lot_books(engine, item) == {"L-1": (3, 0, 0), "L-2": (4, 0, 0)}
