"""Receiving and dispatching at the dock: scans become units, and one button books them once."""

import asyncio
import re
import uuid
from datetime import date
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import Engine, insert, select

from database import tables
from stockkeeper.domain.permission import Identity, Role
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.lots import lot_books, track
from tests.support.purchase_order import Purchasing
from tests.support.shop import Shop
from tests.support.transfer import Transfers

ORDERED = 200


def barcode(engine: Engine, item: ItemKey, code: str, unit: str = "each", quantity: int = 1) -> str:
    """Let a product have an own code, or a GTIN."""
    values = {"product_id": item.product_id, "barcode": code, "unit": unit, "quantity": quantity}
    with engine.begin() as connection:
        connection.execute(insert(tables.product_barcodes).values(values))
    return code


def new_gtin() -> str:
    """A GTIN-14 that nobody has."""
    digits = f"1{uuid.uuid4().int % 10**12:012}"
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return digits + str(-total % 10)


def sku_of(engine: Engine, item: ItemKey) -> str:
    """The SKU of an item."""
    with engine.connect() as connection:
        found = select(tables.products.c.sku).where(tables.products.c.product_id == item.product_id)
        return str(connection.execute(found).scalar_one())


def booking(*lines: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """A draft as its page sends it."""
    return {"id": uuid.uuid4().hex, "lines": list(lines), "reason": reason}


async def ordered(shop: Shop, purchasing: Purchasing, number: str, units: int = ORDERED) -> ItemKey:
    """An order that is with its supplier."""
    item = shop.item(0)
    state = await purchasing.draft(number, shop.supplier(), [(item, units)])
    assert state["status"] == "SUBMITTED"
    return item


async def test_a_delivery_is_booked_once_however_often_it_is_sent(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number)
    wes = await console.person("wes", [Role.RECEIVE])
    assert f'href="/receive/po/{number}"' in await wes.get("/receive")
    sent = booking({"product_id": item.product_id, "units": 150, "bad": 3}, reason="wet")
    answers = await asyncio.gather(*(wes.send(f"/receive/po/{number}/book", sent) for _ in range(8)))
    answers.append(await wes.send(f"/receive/po/{number}/book", sent))
    assert {each["message"] for each in answers} == {"153 units are booked."}
    assert {(each["lines"][0]["wanted"], each["is_over"]) for each in answers} == {(50, False)}
    assert level(engine, item) == (150, 0)
    state = await purchasing.state(number)
    assert [(each["receipt_id"], each["performed_by"], each["unfit_reason"]) for each in state["receipts"]] == [
        (f"console-{sent['id']}", "wes", "wet")
    ]
    other = {"id": sent["id"], "lines": [{"product_id": item.product_id, "units": 1}]}
    refused = await wes.send(f"/receive/po/{number}/book", other, status=409)
    assert refused["error"] == "OperationConflict"
    refused = await wes.send(f"/receive/po/{number}/book", sent | {"reason": "torn"}, status=409)
    assert refused["error"] == "OperationConflict"
    assert level(engine, item) == (150, 0)


async def test_who_may_not_receive_there_books_nothing(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number)
    sent = booking({"product_id": item.product_id, "units": 5})
    elsewhere = await console.person("wes", [Role.RECEIVE], [shop.warehouse()])
    assert number not in await elsewhere.get("/receive")
    refused = await elsewhere.send(f"/receive/po/{number}/book", sent, status=403)
    assert refused["error"] == "NotPermitted"
    await elsewhere.get(f"/receive/po/{number}", status=403)
    there = await console.person("wes", [Role.RECEIVE], [item.warehouse_id])
    assert number in await there.get("/receive")
    assert level(engine, item) == (0, 0)


async def test_what_isnt_a_draft_is_refused_and_nothing_is_booked(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number)
    wes = await console.person("wes", [Role.RECEIVE])
    line = {"product_id": item.product_id, "units": 1}
    bodies: list[Any] = [
        {"lines": [line]},
        {"id": "x", "lines": [line]},
        booking(),
        booking(line | {"units": -1}),
        booking(line | {"units": 1.5}),
        booking(line | {"product_id": 0}),
        booking(line | {"bad": 1}),
        booking(line | {"bad": 1}, reason=""),
        booking(line | {"bad": 1}, reason=" "),
        booking(line | {"bad": 1}, reason="x" * 501),
        [],
    ]
    for body in bodies:
        refused = await wes.send(f"/receive/po/{number}/book", body, status=422)
        assert refused["error"] == "InvalidRequest"
    too_many = await wes.send(f"/receive/po/{number}/book", booking(line | {"units": ORDERED + 1}), status=422)
    assert too_many["error"] == "InvalidRequest"
    no_reason = await wes.send(f"/receive/po/{number}/book", booking(line | {"bad": 1}), status=422)
    assert no_reason["message"] == "It isn't said why units are rejected or damaged."
    assert (level(engine, item), (await purchasing.state(number))["receipts"]) == ((0, 0), [])


async def test_several_scans_are_read_at_once_and_nothing_is_guessed(
    console: AtTheConsole, shop: Shop, engine: Engine
) -> None:
    item = shop.item(0)
    code = barcode(engine, item, f"OWN-{uuid.uuid4().hex[:8]}", "case", 24)
    wes = await console.person("wes", [Role.LOOK])
    body = await wes.send("/scan", {"texts": [code, "010400638133393110AB-717261231", code, "§§"]})
    sku = sku_of(engine, item)
    first, unsure, again, unknown = body["answers"]
    assert first == again
    assert (first["certain"], [(each["sku"], each["units"], each["unit"]) for each in first["readings"]]) == (
        True,
        [(sku, 24, "case")],
    )
    assert (unsure["certain"], len(unsure["readings"])) == (False, 2)
    assert (unknown["readings"], unknown["message"]) == ([], "This isn't a barcode that is known here.")
    await wes.send("/scan", {"texts": []}, status=422)
    await wes.send("/scan", {"texts": ["x"] * 51}, status=422)


async def test_a_transfer_leaves_by_lot_and_arrives_damaged_units_apart(
    console: AtTheConsole, transfers: Transfers, shop: Shop, engine: Engine, number: str
) -> None:
    source, destination = shop.item(10), shop.warehouse()
    await transfers.create(number, destination, [(source, 6)])
    wes = await console.person("wes", [Role.RECEIVE])
    assert f'href="/dispatch/{number}"' in await wes.get("/dispatch")
    leaves = booking({"product_id": source.product_id, "units": 6})
    for _ in range(2):
        body = await wes.send(f"/dispatch/{number}/book", leaves)
        assert (body["message"], body["is_over"]) == ("6 units have left.", True)
    assert level(engine, source) == (4, 0)
    assert f'href="/receive/transfer/{number}"' in await wes.get("/receive")
    arrives = booking({"product_id": source.product_id, "units": 5, "bad": 1}, reason="damaged in transport")
    for _ in range(2):
        body = await wes.send(f"/receive/transfer/{number}/book", arrives)
        assert (body["message"], body["is_over"]) == ("6 units are booked.", True)
    assert level(engine, ItemKey(destination, source.product_id)) == (5, 0)
    receipts = (await transfers.state(number))["receipts"]
    assert [(each["unfit"], each["unfit_reason"]) for each in receipts] == [(1, "damaged in transport")]


async def test_a_number_that_is_scanned_leads_to_its_document(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    await ordered(shop, purchasing, number)
    wes = await console.person("wes", [Role.RECEIVE])
    found = await wes.http.get("/receive", params={"find": number})
    assert (found.status_code, found.headers["location"]) == (303, f"/receive/po/{number}")
    assert "No order and no transfer has the number XX." in await wes.get("/receive?find=XX", status=404)


async def _scan(page: Page, *texts: str) -> None:
    """As a scanner that types does."""
    for text in texts:
        await page.keyboard.type(text)
        await page.keyboard.press("Enter")


async def _is_kept(page: Page, units: int) -> None:
    await expect(page.locator("#book")).to_have_text(f"Book {units} units")


@pytest.mark.usefixtures("needs_browser")
async def test_200_scans_with_the_network_cut_five_times_book_exactly_200_units(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number)
    code = barcode(engine, item, f"O{uuid.uuid4().hex[:6]}".upper())
    page = await console.page("wes", [Role.RECEIVE], screen=PHONE)
    await page.goto(f"/receive/po/{number}")
    for part in range(5):
        await _scan(page, *[code] * 20)
        await page.context.set_offline(True)
        await _scan(page, *[code] * 20)
        if part == 2:
            await expect(page.locator("#network")).to_contain_text("The network is away.")
            await picture(page, "receive_network_away_phone")
        await page.context.set_offline(False)
        if part == 3:
            await page.reload()
    await expect(page.locator("#book")).to_be_enabled(timeout=20_000)
    await _is_kept(page, ORDERED)
    assert level(engine, item) == (0, 0)
    await page.context.set_offline(True)
    for _ in range(5):
        await page.locator("#book").click(force=True)
    await expect(page.locator("#network")).to_contain_text("Bookings on their way: 1.")
    await page.context.set_offline(False)
    await expect(page.locator("#booked")).to_have_text("200 units are booked.", timeout=20_000)
    await picture(page, "receive_booked_phone")
    assert await axe_finds(page) == []
    await page.context.close()
    assert level(engine, item) == (ORDERED, 0)
    state = await purchasing.state(number)
    assert (state["status"], len(state["receipts"])) == ("RECEIVED", 1)


@pytest.mark.usefixtures("needs_browser")
async def test_a_lost_answer_books_once(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number)
    code = barcode(engine, item, f"O{uuid.uuid4().hex[:6]}".upper(), "case", 50)
    page = await console.page("wes", [Role.RECEIVE])
    await page.goto(f"/receive/po/{number}")
    lost = 0

    async def lose_twice(route: Any) -> None:
        nonlocal lost
        if lost < 2:
            lost += 1
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/book", lose_twice)
    await _scan(page, code, code)
    await _is_kept(page, 100)
    await page.locator("#book").click()
    # What is scanned meanwhile is another draft.
    await _scan(page, code)
    await expect(page.locator("#booked")).to_have_text("100 units are booked.", timeout=20_000)
    assert lost == 2
    await _is_kept(page, 50)
    await page.context.close()
    assert level(engine, item) == (100, 0)


@pytest.mark.usefixtures("needs_browser")
async def test_two_tabs_lose_none_of_each_others_scans(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number)
    code = barcode(engine, item, f"O{uuid.uuid4().hex[:6]}".upper())
    page = await console.page("wes", [Role.RECEIVE])
    await page.goto(f"/receive/po/{number}")
    other = await page.context.new_page()
    await other.goto(f"/receive/po/{number}")
    await asyncio.gather(_scan(page, *[code] * 7), _scan(other, *[code] * 6))
    await _is_kept(page, 13)
    await _is_kept(other, 13)
    await page.get_by_role("button", name="Undo").click()
    await _is_kept(other, 12)
    await other.locator("#book").click()
    await expect(other.locator("#booked")).to_have_text("12 units are booked.")
    await _is_kept(page, 0)
    await page.context.close()
    assert level(engine, item) == (12, 0)


@pytest.mark.usefixtures("needs_browser")
async def test_one_scan_has_product_lot_expiry_and_pack_and_a_wrong_item_is_refused(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    product, other = shop.product(), shop.item(1)
    track(engine, product)
    item = shop.item(0, product=product)
    gtin = new_gtin()
    barcode(engine, item, gtin, "case", 24)
    wrong = barcode(engine, other, f"O{uuid.uuid4().hex[:6]}".upper())
    await purchasing.draft(number, shop.supplier(), [(item, 48)])
    page = await console.page("wes", [Role.RECEIVE], screen=PHONE)
    await page.goto(f"/receive/po/{number}")
    await page.keyboard.type(f"]C101{gtin}17{date(2031, 3, 31):%y%m%d}10L-77")
    await page.keyboard.press("Enter")
    await _is_kept(page, 24)
    card = page.locator(f"[data-product='{product}']")
    await expect(card.locator("[data-lot]")).to_have_text("lot L-77, until 31 Mar 2031")
    await _scan(page, wrong)
    await expect(page.locator("#last-scan")).to_have_text(f"{sku_of(engine, other)} isn't wanted here.")
    await _is_kept(page, 24)
    await picture(page, "receive_wrong_item_phone")
    await page.get_by_role("button", name="Put aside").click()
    await expect(page.locator("#why")).to_be_hidden()
    await card.get_by_role("button", name="+1 Rejected").click()
    await expect(page.locator("#book")).to_have_text("First say why")
    await page.locator("#book").click()
    why = page.get_by_label("Why rejected?")
    await expect(why).to_be_focused()
    await picture(page, "receive_why_phone")
    assert await axe_finds(page) == []
    await page.keyboard.type("quality, torn")
    await page.reload()
    await expect(why).to_have_value("quality, torn")
    await why.press("Enter")
    await _is_kept(page, 25)
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await page.locator("#book").click()
    await expect(page.locator("#booked")).to_have_text("25 units are booked.")
    await expect(page.locator("#why")).to_be_hidden()
    await card.get_by_role("button", name="+1 Rejected").click()
    # The next draft has a reason of its own.
    await expect(why).to_have_value("")
    await page.context.close()
    [receipt] = (await purchasing.state(number))["receipts"]
    assert (receipt["accepted"], receipt["unfit"], receipt["unfit_reason"]) == (24, 1, "quality, torn")
    assert lot_books(engine, item) == {"L-77": (24, 0, 0)}


@pytest.mark.usefixtures("needs_browser")
async def test_more_than_was_ordered_is_asked_about_and_a_refusal_gives_the_draft_back(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number, 10)
    page = await console.page("wes", [Role.RECEIVE], screen=DESKTOP, language="de-DE")
    await page.goto(f"/receive/po/{number}")
    await page.keyboard.type(sku_of(engine, item))
    await page.keyboard.press("Enter")
    await expect(page.locator("#book")).to_have_text("1 Stück buchen")
    units = page.get_by_label(re.compile("^Menge"))
    await units.fill("12")
    await units.press("Enter")
    await page.locator("#scan").focus()
    await expect(page.locator("#book")).to_have_text("12 Stück buchen")
    await page.locator("#book").click()
    await expect(page.get_by_role("dialog")).to_contain_text("12 gezählt, 10 offen")
    await picture(page, "receive_over_desktop")
    assert await axe_finds(page) == []
    await page.get_by_role("button", name="Noch einmal prüfen").click()
    assert level(engine, item) == (0, 0)
    await page.get_by_role("button", name="+1 Abgelehnt").click()
    await expect(page.locator("#book")).to_have_text("Erst Grund angeben")
    why = page.get_by_label("Warum abgelehnt?")
    await why.fill("Bruch")
    await expect(page.locator("#book")).to_have_text("13 Stück buchen")
    await picture(page, "receive_why_desktop")
    await page.locator("#book").click()
    await page.get_by_role("button", name="Trotzdem buchen").click()
    await expect(page.locator("#booked")).to_contain_text("Nichts wurde gebucht")
    await expect(page.locator("#book")).to_have_text("13 Stück buchen")
    await expect(why).to_have_value("Bruch")
    assert level(engine, item) == (0, 0)
    await page.locator("[data-units] [data-less]").click()
    await page.locator("[data-units] [data-less]").click()
    await page.locator("#book").click()
    await expect(page.locator("#booked")).to_have_text("11 Stück sind gebucht.")
    await page.context.close()
    assert level(engine, item) == (10, 0)
    [receipt] = (await purchasing.state(number))["receipts"]
    assert (receipt["unfit"], receipt["unfit_reason"]) == (1, "Bruch")


@pytest.mark.usefixtures("needs_browser")
async def test_a_booking_whose_session_ended_meanwhile_is_asked_for_again_and_booked_once(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, engine: Engine, number: str
) -> None:
    item = await ordered(shop, purchasing, number)
    code = barcode(engine, item, f"O{uuid.uuid4().hex[:6]}".upper(), "case", 50)
    page = await console.page("wes", [Role.RECEIVE])
    await page.goto(f"/receive/po/{number}")
    await _scan(page, code)
    await _is_kept(page, 50)
    lost = 0

    async def lose_once(route: Any) -> None:
        nonlocal lost
        lost += 1
        if lost == 1:
            # It is booked, and its answer is lost; then somebody signs in again in this browser.
            await route.fetch()
            other = await page.context.new_page()
            await other.goto(console.sign_in.invite(Identity("wes", frozenset([Role.RECEIVE]))))
            await other.close()
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/book", lose_once)
    await page.locator("#book").click()
    await expect(page.locator("#booked")).to_have_text("50 units are booked.")
    assert lost >= 3
    await page.context.close()
    assert level(engine, item) == (50, 0)
    assert len((await purchasing.state(number))["receipts"]) == 1
