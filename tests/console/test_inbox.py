"""The inbox: what waits, the decision beside its numbers, and what came of it."""

from decimal import Decimal

import pytest

from stockkeeper.domain.permission import Role
from tests.support.console import PHONE, AtTheConsole, axe_finds, picture
from tests.support.purchase_order import Purchasing
from tests.support.shop import Shop


async def _draft(shop: Shop, purchasing: Purchasing, number: str, units: int = 2_000) -> None:
    item = shop.item(0)
    await purchasing.draft(number, shop.supplier(), [(item, units)])


async def test_an_order_is_approved_by_the_person_who_is_signed_in(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    await _draft(shop, purchasing, number)
    ada = await console.person("ada", [Role.APPROVE])
    assert f'/inbox/po/{number}"' in await ada.get("/inbox?kind=po")
    page = await ada.get(f"/inbox/po/{number}")
    assert "2,000.00" in page
    assert "below the reorder point" in page
    answered = await ada.post(f"/inbox/po/{number}/approve", {"version": "1", "approver": "eve"})
    assert answered.headers["location"] == "/inbox"
    assert f"{number} is approved and goes to the supplier." in await ada.get("/inbox")
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
