"""What is decided on pages of its own: counts, inspections, differences, recalls, findings, and returns at the dock."""

import asyncio
import re
import uuid
from datetime import date
from decimal import Decimal

import pytest
from playwright.async_api import expect
from sqlalchemy import Engine
from temporalio.client import Client

from starter.console.app import Console
from starter.console.serve import listening
from starter.console.settings import ConsoleSettings
from starter.console.sign_in import LocalSignIn
from stockkeeper.domain.permission import Role
from tests.support.adjustment import priced
from tests.support.books import level
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, cells, picture
from tests.support.customer_return import Returns, sent
from tests.support.cycle_count import Counts, one_count
from tests.support.inspection import Inspecting
from tests.support.lots import lot_item
from tests.support.purchase_order import Purchasing
from tests.support.recall import Recalling
from tests.support.shop import Shop, new_reference
from tests.support.stock_audit import apart_from_others, set_item
from tests.support.transfer import Transfers
from tests.support.wire import refusal
from worker import Settings

_DRAFT = re.compile(r'name="draft" value="([0-9a-f]{32})"')


async def test_only_who_decides_sees_the_numbers_of_a_count(console: AtTheConsole, counts: Counts, shop: Shop) -> None:
    count = await one_count(counts, shop, 6_311, first=4_177)
    page = f"/inbox/count/{count.number}"
    counter = await console.person("bob", [Role.COUNT], [count.item.warehouse_id])
    assert page in await counter.inbox()
    led = await counter.http.get(page)
    assert (led.status_code, led.headers["location"]) == (303, f"/count/{count.number}")
    looks = await console.person("lou", [Role.LOOK])
    both = await console.person("bea", [Role.COUNT, Role.APPROVE])
    for source in (await looks.get(page), await both.get(page), await counter.get("/inbox"), await both.get("/inbox")):
        assert [each for each in ("6,311", "6311", "4,177", "4177", "2,134", "2134") if each in source] == []
    decides = await console.person("ada", [Role.APPROVE], [count.item.warehouse_id])
    shown = await decides.get(page)
    for figure in ("6,311", "4,177", "-2,134"):
        assert figure in shown
        assert figure in await both.get(f"{page}?numbers=show")


async def test_a_count_is_approved_with_its_cause_and_not_by_who_counted(
    console: AtTheConsole, counts: Counts, shop: Shop, engine: Engine
) -> None:
    count = await one_count(counts, shop, 10, first=4)
    page = f"/inbox/count/{count.number}"
    fields = {"product_id": str(count.item.product_id), "root_cause": "THEFT"}
    ann = await console.person("Ann", [Role.APPROVE])
    assert "You counted it yourself" in await ann.inbox("kind=count")
    assert "You counted it yourself" in await ann.get(page)
    await ann.post(f"{page}/approve", fields, status=403)
    ada = await console.person("ada", [Role.APPROVE])
    assert "Choose why" in (await ada.post(f"{page}/approve", {"product_id": "1"}, status=422)).text
    assert (await counts.state(count.number))["status"] == "REVIEW"
    await ada.post(f"{page}/approve", fields)
    [line] = (await counts.state(count.number))["lines"]
    assert (line["status"], line["root_cause"], line["approved_by"]) == ("POSTED", "THEFT", "ada")
    assert level(engine, count.item) == (4, 0)


async def test_units_are_released_and_scrapped_once_for_each_page(
    console: AtTheConsole, inspecting: Inspecting, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(10, product=priced(shop, "10.00")), new_reference("QC")
    await inspecting.open(number, (item, 6))
    tom = await console.person("tom", [Role.APPROVE])
    assert "You asked for it yourself" in await tom.get(f"/inbox/inspection/{number}")
    await tom.post(f"/inbox/inspection/{number}/release", {"units-0": "6"}, status=403)
    ada = await console.person("ada", [Role.APPROVE])
    assert f"/inbox/inspection/{number}" in await ada.inbox("kind=inspection")
    page = await ada.get(f"/inbox/inspection/{number}")
    assert cells(page) == ["6", "0", "0", "6"]
    fields = {"draft": _draft_of(page), "units-0": "4"}
    for _ in range(2):
        await ada.post(f"/inbox/inspection/{number}/release", fields)
    page = await ada.get(f"/inbox/inspection/{number}")
    assert cells(page) == ["6", "4", "0", "2"]
    fields = {"draft": _draft_of(page), "units-0": "2", "reason": "broken"}
    assert "root cause" in (await ada.post(f"/inbox/inspection/{number}/scrap", fields, status=422)).text
    assert level(engine, item) == (10, 0)
    for _ in range(2):
        await ada.post(f"/inbox/inspection/{number}/scrap", fields | {"root_cause": "DAMAGE"})
    state = await inspecting.state(number)
    assert (state["status"], [each["quantity"] for each in state["decisions"]]) == ("DONE", [4, 2])
    assert level(engine, item) == (8, 0)


async def test_a_difference_above_the_limit_is_approved_by_somebody_else(
    console: AtTheConsole, inspecting: Inspecting, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(10, product=priced(shop, "100.00")), new_reference("QC")
    await inspecting.open(number, (item, 10))
    ada = await console.person("ada", [Role.APPROVE])
    page = f"/inbox/inspection/{number}"
    fields = {"draft": _draft_of(await ada.get(page)), "units-0": "10", "root_cause": "DAMAGE", "reason": "wet"}
    assert "1,000.00" in (await ada.post(f"{page}/scrap", fields, status=403)).text
    assert level(engine, item) == (10, 0)
    ben = await console.person("ben", [Role.APPROVE])
    for wrong in ("1000 euros", "-1", "", "1.005"):
        await ben.post(f"{page}/approve-difference", {"value": wrong}, status=422)
    await ben.post("/inbox/count/1/approve-difference", {"value": "1"}, status=404)
    await ben.post(f"{page}/approve-difference", {"value": "1,000.00", "unvalued_units": "0"})
    assert "ben approved up to 1,000.00" in await ada.get(page)
    await ada.post(f"{page}/scrap", fields)
    assert level(engine, item) == (0, 0)


async def test_a_loss_on_the_way_is_approved_at_the_destination(
    console: AtTheConsole, transfers: Transfers, shop: Shop
) -> None:
    number, source = new_reference("load"), shop.item(12, product=priced(shop, "100.00"))
    there = shop.warehouse()
    await transfers.dispatched(number, there, [(source, 10)], expected_transit_hours=0.000001)
    assert (await refusal(transfers.write_off(number))).type == "NotPermitted"
    page = f"/inbox/transfer/{number}"
    wes = await console.person("wes", [Role.RECEIVE], [there])
    assert f'href="/receive/transfer/{number}"' in await wes.inbox("kind=transfer")
    assert f'href="/receive/transfer/{number}"' in await wes.get(page)
    fields = {"value": "1,000.00"}
    at_the_source = await console.person("ben", [Role.APPROVE], [source.warehouse_id])
    assert "approve-difference" not in await at_the_source.get(page)
    await at_the_source.post(f"{page}/approve-difference", fields, status=403)
    ben = await console.person("ben", [Role.APPROVE], [there])
    assert cells(await ben.get(page)) == ["10", "0", "0", "0", "10"]
    await ben.post(f"{page}/approve-difference", fields)
    [approval] = (await transfers.state(number))["difference_approvals"]
    assert (approval["approver"], approval["value"]) == ("ben", "1000.00")
    assert (await transfers.write_off(number))["line_items"][0]["written_off"] == 10


async def test_orders_and_returns_take_an_approval_of_a_difference_where_goods_are_expected(
    console: AtTheConsole, purchasing: Purchasing, returns: Returns, shop: Shop, number: str
) -> None:
    item, back = shop.item(0), await sent(returns, shop)
    await purchasing.draft(number, shop.supplier(), [(item, 100)])
    ben = await console.person("ben", [Role.APPROVE])
    for page in (f"/inbox/po/{number}", f"/inbox/return/{back.number}"):
        assert f'action="{page}/approve-difference"' in await ben.get(page)
        await ben.post(f"{page}/approve-difference", {"value": "600", "unvalued_units": "3", "note": "agreed"})
        assert "ben approved up to 600.00, 3 units of unknown cost: agreed" in await ben.get(page)
    for state in (await purchasing.state(number), await returns.state(back.number)):
        assert [each["approver"] for each in state["difference_approvals"]] == ["ben"]
    small = await console.person("lin", [Role.APPROVE], limit=Decimal(500))
    await small.post(f"/inbox/po/{number}/approve-difference", {"value": "501"}, status=403)
    await small.post(f"/inbox/po/{number}/approve-difference", {"value": "1", "unvalued_units": "1"}, status=403)
    assert len((await purchasing.state(number))["difference_approvals"]) == 1


async def test_a_recall_is_released_by_another_person_or_closed(
    console: AtTheConsole, recalling: Recalling, shop: Shop
) -> None:
    numbers = [new_reference("rc") for _ in range(2)]
    for number in numbers:
        await recalling.block(number, lot_item(shop, ("BAD", date(2150, 3, 31), 9)), "BAD")
    quinn = await console.person("quinn", [Role.APPROVE, Role.RECEIVE])
    page = await quinn.get(f"/inbox/recall/{numbers[0]}")
    assert "You asked for it yourself" in page
    assert "glass in a jar" in page
    await quinn.post(f"/inbox/recall/{numbers[0]}/release", {"reason": "ours"}, status=403)
    ada = await console.person("ada", [Role.APPROVE])
    assert f"/inbox/recall/{numbers[0]}" in await ada.inbox("kind=recall")
    await ada.post(f"/inbox/recall/{numbers[0]}/release", status=422)
    assert (await recalling.state(numbers[0]))["status"] == "BLOCKED"
    await ada.post(f"/inbox/recall/{numbers[0]}/close", {"reason": "all back"}, status=403)
    await ada.post(f"/inbox/recall/{numbers[0]}/release", {"reason": "the glass was ours"})
    await quinn.post(f"/inbox/recall/{numbers[1]}/close", {"reason": "all back"})
    states = [await recalling.state(number) for number in numbers]
    assert [each["status"] for each in states] == ["RELEASED", "CLOSED"]
    assert [each["closed_reason"] for each in states] == ["the glass was ours", "all back"]


async def test_a_finding_of_the_audit_is_repaired_or_accepted(
    engine: Engine, settings: Settings, our_client: Client, plain_client: Client
) -> None:
    async with apart_from_others(engine, settings, our_client, plain_client) as place:
        one, other = place.shop.item(5), place.shop.item(5)
        set_item(place.engine, one, on_hand=7)
        set_item(place.engine, other, on_hand=8)
        await place.stock.run_audit()
        found = {each.product_id: each for each in await place.found() if each.is_repairable}
        sign_in = LocalSignIn()
        made = Console(place.stock, ConsoleSettings("http://127.0.0.1:0"), sign_in)
        async with listening(made.app(), "127.0.0.1", 0) as port:
            made.settings = ConsoleSettings(f"http://127.0.0.1:{port}")
            desk = AtTheConsole(made, made.settings.url, sign_in, None)
            amy = await desk.person("amy", [Role.ADMINISTER])
            first, second = (f"/inbox/audit/{found[item.product_id].finding_id}" for item in (one, other))
            assert first in await amy.inbox("kind=audit")
            page = await amy.get(first)
            assert "on hand is not the last balance" in page
            await amy.post(f"{first}/repair", status=422)
            looks = await desk.person("lou", [Role.APPROVE])
            assert f"{first}/repair" not in await looks.get(first)
            await looks.post(f"{first}/repair", {"reason": "no"}, status=403)
            await amy.post(f"{first}/repair", {"reason": "I looked"})
            await amy.post(f"{second}/accept", {"reason": "known"})
            await amy.get("/inbox/audit/999999", status=404)
            await desk.close()
        after = {each.finding_id: (each.status, each.closed_by) for each in await place.found()}
        assert after[found[one.product_id].finding_id] == ("REPAIRED", "amy")
        assert after[found[other.product_id].finding_id] == ("ACCEPTED", "amy")


async def test_a_return_is_inspected_once_however_often_it_is_sent(
    console: AtTheConsole, returns: Returns, shop: Shop, engine: Engine
) -> None:
    back = await sent(returns, shop)
    ines = await console.person("ines", [Role.RECEIVE], [back.item.warehouse_id])
    assert f'href="/inspect/return/{back.number}"' in await ines.get("/inspect")
    assert f'href="/inspect/return/{back.number}"' in await ines.inbox("kind=return")
    found = await ines.http.get("/inspect", params={"find": back.number})
    assert found.headers["location"] == f"/inspect/return/{back.number}"
    line = {"product_id": back.item.product_id, "units": 6, "bad": 1}
    booking = {"id": uuid.uuid4().hex, "lines": [line]}
    path = f"/inspect/return/{back.number}/book"
    answers = await asyncio.gather(*(ines.send(path, booking) for _ in range(4)))
    assert {each["message"] for each in answers} == {"7 units are booked."}
    assert {each["lines"][0]["wanted"] for each in answers} == {3}
    state = await returns.state(back.number)
    assert [(each["performed_by"], each["accepted"], each["unfit"]) for each in state["inspections"]] == [
        ("ines", 6, 1)
    ]
    assert level(engine, back.item) == (8, 0)
    elsewhere = await console.person("ed", [Role.RECEIVE], [shop.warehouse()])
    assert back.number not in await elsewhere.get("/inspect")
    await elsewhere.send(path, booking | {"id": uuid.uuid4().hex}, status=403)
    assert level(engine, back.item) == (8, 0)


@pytest.mark.usefixtures("needs_browser")
async def test_each_page_of_a_decision_fits_its_screen(
    console: AtTheConsole, counts: Counts, inspecting: Inspecting, recalling: Recalling, returns: Returns, shop: Shop
) -> None:
    count = await one_count(counts, shop, 10, first=4)
    item, aside, recall = shop.item(10, product=priced(shop, "10.00")), new_reference("QC"), new_reference("rc")
    await inspecting.open(aside, (item, 6))
    await recalling.block(recall, lot_item(shop, ("BAD", date(2150, 3, 31), 9)), "BAD")
    back = await sent(returns, shop)
    pages = {
        "count_variances": f"/inbox/count/{count.number}?numbers=show",
        "inspection": f"/inbox/inspection/{aside}",
        "recall": f"/inbox/recall/{recall}",
        "return": f"/inbox/return/{back.number}",
        "inspect": "/inspect",
    }
    for screen, language in ((PHONE, "de-DE"), (DESKTOP, "en-GB")):
        page = await console.page("ada", screen=screen, language=language)
        for name, path in pages.items():
            await page.goto(path)
            await picture(page, f"{name}_{'phone' if screen is PHONE else 'desktop'}")
            assert await axe_finds(page) == [], name
            assert await page.evaluate("document.documentElement.scrollWidth") <= screen["width"], name
        await page.context.close()


@pytest.mark.usefixtures("needs_browser")
async def test_units_are_scrapped_in_a_browser(
    console: AtTheConsole, inspecting: Inspecting, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(10, product=priced(shop, "10.00")), new_reference("QC")
    await inspecting.open(number, (item, 6))
    page = await console.page("ada", [Role.APPROVE], screen=PHONE)
    await page.goto(f"/inbox/inspection/{number}")
    await page.get_by_role("textbox").first.fill("2")
    await page.locator("summary", has_text="Scrap").click()
    await page.get_by_label("Root cause").select_option("DAMAGE")
    await page.get_by_label("Why?").fill("broken")
    await picture(page, "inspection_scrap_phone")
    assert await axe_finds(page) == []
    await page.get_by_role("button", name="Scrap").click()
    await page.get_by_role("status").wait_for()
    assert await page.get_by_role("status").inner_text() == "2 units are off the books."
    assert level(engine, item) == (8, 0)
    await page.context.close()


@pytest.mark.usefixtures("needs_browser")
async def test_what_came_back_is_scanned_and_booked_on_a_phone(
    console: AtTheConsole, returns: Returns, shop: Shop, engine: Engine
) -> None:
    back = await sent(returns, shop, 3)
    page = await console.page("ines", [Role.RECEIVE], [back.item.warehouse_id], screen=PHONE)
    await page.goto("/inspect")
    await page.get_by_label("Scan or type a number").fill(back.number)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/inspect/return/{back.number}")
    sku = await page.locator(".dock-line h2").inner_text()
    for _ in range(2):
        await page.get_by_label("Scan or type").fill(sku)
        await page.keyboard.press("Enter")
    await expect(page.locator(".dock-line .line-units")).to_have_value("2")
    await page.locator(".dock-line [data-bad] [data-more]").click()
    await picture(page, "inspect_return_phone")
    assert await axe_finds(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await page.get_by_role("button", name="Book 3 units").click()
    await expect(page.locator("#booked")).to_contain_text("3 units are booked.")
    assert level(engine, back.item) == (4, 0)
    [each] = (await returns.state(back.number))["inspections"]
    assert (each["performed_by"], each["accepted"], each["unfit"]) == ("ines", 2, 1)
    await page.context.close()


def _draft_of(page: str) -> str:
    found = _DRAFT.search(page)
    assert found is not None
    return found[1]
