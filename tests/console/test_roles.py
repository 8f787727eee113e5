"""Every address of the console as every role that isn't its own, and without anybody: each is refused on the server.

Addresses that come later are tried by themselves.
"""

import inspect
import re
import sys

import pytest

from starter.console.app import ROUTES
from starter.console.routes import ANYONE, Route, Routes
from stockkeeper.domain.permission import Role
from tests.support.console import AtTheConsole
from tests.support.console_alone import Alone
from tests.support.purchase_order import Purchasing
from tests.support.shop import Shop

NAMES = [route.name for route in ROUTES]
READS = {"POST /scan"}
"""Questions whose texts are too long for an address: they change nothing."""
CHANGES = [route for route in ROUTES if route.method == "POST" and route.name not in READS]


def _path(route: Route) -> str:
    return re.sub(r"\{[^}]+\}", "x", re.sub(r"\{\w+:int\}", "7", route.path))


def test_every_address_is_there_once() -> None:
    assert len(NAMES) == len(set(NAMES)) > 0
    assert {route.method for route in ROUTES} <= {"GET", "POST"}


def test_what_changes_something_names_its_roles() -> None:
    with pytest.raises(ValueError, match="POST /x names no role"):
        Routes().post("/x")
    assert [route.name for route in CHANGES if set(route.any_of) >= {*ANYONE}] == []


@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
async def test_only_its_own_roles_reach_a_page(route: Route) -> None:
    alone = Alone()
    for role in Role:
        browser = await alone.signed_in(role.value, [role])
        csrf = {"X-CSRF-Token": alone.csrf(browser)}
        answered = await browser.request(route.method, _path(route), headers=csrf)
        assert answered.status_code == (200 if role in route.any_of else 403), role
        if role not in route.any_of:
            assert "needs the role" in answered.text
    assert alone.reached == [f"{route.name} by {role}" for role in Role if role in route.any_of]
    nobody = await alone.signed_in("nobody", [])
    answered = await nobody.request(route.method, _path(route), headers={"X-CSRF-Token": alone.csrf(nobody)})
    assert answered.status_code == 403
    assert len(alone.reached) == len(route.any_of)


@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
async def test_without_a_session_a_page_leads_to_sign_in_and_nothing_is_reached(route: Route) -> None:
    alone = Alone()
    browser, path = alone.browser(), _path(route)
    for cookie in ("", "made-up"):
        cookies = {alone.console.settings.cookie: cookie}
        browser.cookies.update(cookies)
        answered = await browser.request(route.method, path)
        if route.method == "GET":
            there = f"/sign-in?back={path.replace('/', '%2F')}"
            assert (answered.status_code, answered.headers["location"]) == (303, there)
        else:
            there = "/sign-in"
            assert (answered.status_code, answered.json()["error"]) == (401, "NotSignedIn")
        by_script = await browser.request(route.method, path, headers={"HX-Request": "true"})
        assert (by_script.status_code, by_script.headers["hx-redirect"]) == (401, there)
        by_script = await browser.request(route.method, path, headers={"Accept": "application/json"})
        assert (by_script.status_code, by_script.json()) == (401, {"error": "NotSignedIn", "sign_in": there})
    assert alone.reached == []


@pytest.mark.parametrize("route", CHANGES, ids=[route.name for route in CHANGES])
def test_what_changes_something_asks_for_the_role_where_it_takes_place(route: Route) -> None:
    """Its module checks the warehouse, which is known only once the document is."""
    module = inspect.getsource(sys.modules[route.answer.__module__])
    checks = ("visit.require(", "require_role(", "require_place(", "decide_each(")
    assert any(each in module for each in checks)


async def test_in_another_warehouse_one_may_not_and_nothing_changes(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    item, other = shop.item(0), shop.item(0)
    await purchasing.draft(number, shop.supplier(), [(item, 2_000)])
    elsewhere = await console.person("ada", [Role.APPROVE], [other.warehouse_id])
    assert "/approve" not in await elsewhere.get(f"/inbox/po/{number}")
    refused = await elsewhere.post(f"/inbox/po/{number}/approve", {"version": "1"}, status=403)
    assert f"in warehouse {item.warehouse_id}" in refused.text
    await elsewhere.post(f"/inbox/po/{number}/reject", {"reason": "no"}, status=403)
    several = await elsewhere.post("/inbox/approve", {"chosen": [f"po {number}"]}, status=200)
    assert f"in warehouse {item.warehouse_id}" in several.text
    state = await purchasing.state(number)
    assert (state["status"], state["approvals"]) == ("DRAFT", [])
    here = await console.person("ben", [Role.APPROVE], [item.warehouse_id])
    await here.post(f"/inbox/po/{number}/approve", {"version": "1"})
    assert (await purchasing.state(number))["status"] == "SUBMITTED"
