"""The inbox: what waits, the decision beside its numbers, and what came of it."""

import html
import re
from decimal import Decimal

import pytest

from stockkeeper.domain.permission import Role
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import Adjusting, pending, priced
from tests.support.books import level
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, cells, picture
from tests.support.purchase_order import Purchasing, wanted
from tests.support.shop import Shop, new_reference


def box(page: str, named: str) -> str:
    """The value of a document's box in the list."""
    found = re.search(f'value="({re.escape(named)}[^"]*)"', page)
    assert found is not None
    return html.unescape(found[1])


def on_hand(shop: Shop, item: ItemKey) -> int:
    """Units on hand by the books."""
    return level(shop.engine, item)[0]


async def _draft(shop: Shop, purchasing: Purchasing, number: str, units: int = 2_000) -> None:
    item = shop.item(0)
    await purchasing.draft(number, shop.supplier(), [(item, units)])


async def test_an_order_is_approved_by_the_person_who_is_signed_in(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    await _draft(shop, purchasing, number)
    ada = await console.person("ada", [Role.APPROVE])
    assert f'/inbox/po/{number}"' in await ada.inbox("kind=po")
    page = await ada.get(f"/inbox/po/{number}")
    assert "2,000.00" in page
    assert "below the reorder point" in page
    answered = await ada.post(f"/inbox/po/{number}/approve", {"version": "1", "approver": "eve"})
    assert answered.headers["location"] == "/inbox"
    assert f"{number} is approved and goes to the supplier." in await ada.inbox()
    state = await purchasing.state(number)
    assert [(each["approver"]) for each in state["approvals"]] == ["ada"]
    assert Decimal(state["total"]) == Decimal(2000)


async def test_an_order_is_rejected_with_a_reason_and_not_without(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    await _draft(shop, purchasing, number)
    ada = await console.person("ada", [Role.APPROVE])
    refused = await ada.post(f"/inbox/po/{number}/reject", {"reason": " "}, status=422)
    assert "Say why" in refused.text
    assert (await purchasing.state(number))["status"] == "DRAFT"
    await ada.post(f"/inbox/po/{number}/reject", {"reason": "too much"})
    state = await purchasing.state(number)
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "too much")


async def test_several_are_approved_at_once_and_each_says_what_came_of_it(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    numbers = [f"{number}-{each}" for each in range(3)]
    for each in numbers:
        await _draft(shop, purchasing, each)
    await purchasing.reject(numbers[1], "bob")
    ada = await console.person("ada", [Role.APPROVE])
    answered = await ada.post("/inbox/approve", {"chosen": [f"po {each}" for each in numbers]}, status=200)
    assert answered.text.count("is approved and goes to the supplier.") == 2
    assert answered.text.count("overdue") == 1
    assert [(await purchasing.state(each))["status"] for each in numbers] == ["SUBMITTED", "CANCELLED", "SUBMITTED"]


async def test_who_drafted_it_is_refused_and_nothing_changes(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    await _draft(shop, purchasing, number)
    rita = await console.person("rita", [Role.APPROVE])
    refused = await rita.post(f"/inbox/po/{number}/approve", {"version": "1"}, status=403)
    assert "rita" in refused.text
    state = await purchasing.state(number)
    assert (state["status"], state["approvals"]) == ("DRAFT", [])


@pytest.mark.usefixtures("needs_browser")
async def test_two_taps_approve_on_a_phone(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    await _draft(shop, purchasing, number)
    page = await console.page("ada", screen=PHONE)
    await page.goto(f"/inbox/po/{number}")
    await picture(page, "purchase_order_phone")
    assert await axe_finds(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await page.get_by_role("button", name="Approve").click()
    await page.wait_for_url("**/inbox")
    assert await page.get_by_role("status").inner_text() == f"{number} is approved and goes to the supplier."
    await picture(page, "inbox_phone")
    assert await axe_finds(page) == []
    await page.context.close()


async def test_an_adjustment_shows_what_is_before_and_after_and_is_posted(
    console: AtTheConsole, adjusting: Adjusting, shop: Shop
) -> None:
    number, item = await pending(adjusting, shop)
    ada = await console.person("ada", [Role.APPROVE])
    listed = await ada.inbox("kind=adjust")
    assert f'href="/inbox/adjust/{number}"' in listed
    assert box(listed, f"adjust {number}").startswith(f"adjust {number}\t1000.00 ")
    page = await ada.get(f"/inbox/adjust/{number}")
    assert cells(page) == ["12", "-10", "2", "-1,000.00"]
    assert "broken in the rain" in page
    await ada.post(f"/inbox/adjust/{number}/approve")
    assert f"{number} is approved and in the books." in await ada.inbox()
    state = await adjusting.state(number)
    assert (state["status"], state["approved_by"]) == ("POSTED", "ada")
    assert on_hand(shop, item) == 2


async def test_an_adjustment_is_rejected_with_a_reason_and_stock_stays(
    console: AtTheConsole, adjusting: Adjusting, shop: Shop
) -> None:
    number, item = await pending(adjusting, shop)
    ada = await console.person("ada", [Role.APPROVE])
    assert "Say why" in (await ada.post(f"/inbox/adjust/{number}/reject", status=422)).text
    assert (await adjusting.state(number))["status"] == "PENDING"
    await ada.post(f"/inbox/adjust/{number}/reject", {"reason": "count again"})
    state = await adjusting.state(number)
    assert (state["status"], state["closed_reason"]) == ("REJECTED", "count again")
    assert on_hand(shop, item) == 12


async def test_several_kinds_are_rejected_at_once_for_one_reason(
    console: AtTheConsole, purchasing: Purchasing, adjusting: Adjusting, shop: Shop, number: str
) -> None:
    await _draft(shop, purchasing, number)
    adjustment, item = await pending(adjusting, shop)
    ada = await console.person("ada", [Role.APPROVE])
    chosen = [f"po {number}", f"adjust {adjustment}", "po NONE"]
    assert "Say why" in (await ada.post("/inbox/reject", {"chosen": chosen}, status=422)).text
    assert (await purchasing.state(number))["status"] == "DRAFT"
    answered = await ada.post("/inbox/reject", {"chosen": chosen, "reason": "not this month"}, status=200)
    assert answered.text.count("is rejected") == 2
    assert "NONE doesn&#39;t exist" in answered.text
    assert (await purchasing.state(number))["closed_reason"] == "not this month"
    assert (await adjusting.state(adjustment))["closed_reason"] == "not this month"
    assert on_hand(shop, item) == 12


async def test_an_order_that_was_amended_meanwhile_is_not_approved_unseen(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    item = shop.item(0)
    await purchasing.draft(number, shop.supplier(), [(item, 2_000)])
    ada = await console.person("ada", [Role.APPROVE])
    seen = box(await ada.inbox("kind=po"), f"po {number}")
    assert seen.startswith(f"po {number}\t2000.00 ")
    # Other lines that are worth the same.
    other = {"line_items": [wanted(item, 1_000, "2.00")], "performed_by": "rita", "reason": "dearer"}
    await purchasing.update(number, "amend", other)
    answered = await ada.post("/inbox/approve", {"chosen": [seen]}, status=200)
    assert f"{number} has been changed meanwhile" in answered.text
    answered = await ada.post("/inbox/approve", {"chosen": [f"po {number}\t2000.00"]}, status=200)
    assert "This page is too old" in answered.text
    await ada.post(f"/inbox/po/{number}/approve", {"version": "1"}, status=409)
    assert (await purchasing.state(number))["approvals"] == []
    seen = box(await ada.inbox("kind=po"), f"po {number}")
    await ada.post("/inbox/approve", {"chosen": [seen]}, status=200)
    assert (await purchasing.state(number))["status"] == "SUBMITTED"


async def test_only_what_concerns_a_person_is_shown_and_why_they_may_not_decide(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    item, elsewhere = shop.item(0), shop.item(0)
    await purchasing.draft(number, shop.supplier(), [(item, 2_000)])
    here = await console.person("ada", [Role.APPROVE], [item.warehouse_id])
    assert f"po {number}\t2000.00" in await here.inbox("kind=po")
    there = await console.person("ada", [Role.APPROVE], [elsewhere.warehouse_id])
    assert number not in await there.inbox()
    everything = await there.inbox("kind=po&whose=all")
    assert number in everything
    assert f'value="po {number}' not in everything
    assert "It is in a warehouse that isn&#39;t yours." in everything
    counter = await console.person("cy", [Role.COUNT])
    assert number not in await counter.inbox()
    drafted_by = await console.person("Rita", [Role.APPROVE, Role.BUY], [item.warehouse_id])
    for page in (await drafted_by.inbox("kind=po"), await drafted_by.get(f"/inbox/po/{number}")):
        assert "You asked for it yourself: somebody else has to decide." in page
        assert f'value="po {number}' not in page
        assert f"/inbox/po/{number}/approve" not in page
    small = await console.person("lin", [Role.APPROVE], limit=Decimal(500))
    for page in (await small.get(f"/inbox/po/{number}"), await small.inbox("kind=po")):
        assert "It is worth 2,000.00, and you approve up to 500.00." in page
    refused = await small.post(f"/inbox/po/{number}/approve", {"version": "1"}, status=403)
    assert "up to which" in refused.text
    state = await purchasing.state(number)
    assert (state["status"], state["approvals"]) == ("DRAFT", [])


async def test_the_paper_of_an_order_has_its_lines_and_no_address(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    item, supplier = shop.item(0), shop.supplier("sales@supplier.example")
    await purchasing.draft(number, supplier, [(item, 2_000)])
    looks = await console.person("lou", [Role.LOOK])
    paper = await looks.get(f"/inbox/po/{number}/print")
    assert cells(paper)[:5] == ["1", "2,000", "1.00", "2,000.00", "2,000.00"]
    assert "it isn&#39;t approved" in paper
    assert "@" not in paper + await looks.get(f"/inbox/po/{number}")


@pytest.mark.usefixtures("needs_browser")
async def test_several_are_decided_by_keyboard_alone(
    console: AtTheConsole, purchasing: Purchasing, adjusting: Adjusting, shop: Shop, number: str
) -> None:
    item = shop.item(12, product=priced(shop, "100.00"))
    adjustment = new_reference("a")
    await adjusting.adjust(adjustment, (item, -10))
    await purchasing.draft(number, shop.supplier(), [(item, 2_000)])
    page = await console.page("ada", [Role.APPROVE], [item.warehouse_id], screen=DESKTOP)
    await page.get_by_label(f"Choose {number}").focus()
    await page.keyboard.press("Space")
    await page.get_by_label(f"Choose {adjustment}").focus()
    await page.keyboard.press("Space")
    await page.get_by_text("Reject what is ticked").focus()
    await page.keyboard.press("Enter")
    await picture(page, "inbox_desktop")
    assert await axe_finds(page) == []
    await page.get_by_label("Why?").fill("wrong month")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="What came of it").wait_for()
    await picture(page, "outcomes_desktop")
    assert await axe_finds(page) == []
    assert (await purchasing.state(number))["closed_reason"] == "wrong month"
    assert (await adjusting.state(adjustment))["status"] == "REJECTED"
    await page.context.close()


@pytest.mark.usefixtures("needs_browser")
async def test_an_adjustment_and_a_paper_fit_their_screens(
    console: AtTheConsole, purchasing: Purchasing, adjusting: Adjusting, shop: Shop, number: str
) -> None:
    adjustment, _ = await pending(adjusting, shop)
    await _draft(shop, purchasing, number)
    page = await console.page("ada", screen=PHONE, language="de-DE")
    for path, name in ((f"/inbox/adjust/{adjustment}", "adjustment"), (f"/inbox/po/{number}/print", "paper")):
        await page.goto(path)
        await picture(page, f"{name}_phone")
        assert await axe_finds(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await page.emulate_media(media="print")
    await picture(page, "paper_printed")
    assert not await page.get_by_role("button", name="Drucken").is_visible()
    await page.context.close()
