"""The inbox of somebody who was away: five hundred things, fifty at a time."""

import gzip
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse, Response

from starter.console.addresses import segment
from starter.console.pages import inbox
from starter.console.routes import Route
from starter.console.security import path_of_ours
from starter.console.visit import Visit
from stockkeeper.client.inbox import InboxItem
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.homes import HomeShown
from stockkeeper.domain.permission import Role
from tests.support.console_alone import Alone

SINCE = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
_NUMBER = re.compile(r'href="/inbox/po/(PO-\d+)"')


def _item(count: int, **other: Any) -> InboxItem:
    fields: dict[str, Any] = {
        "kind": "po",
        "number": f"PO-{count}",
        "waits_for": "approval 1 of 1",
        "about": "worth 2,000.00, from Acme",
        "where": ("Berlin",),
        "requested_by": "rita",
        "since": SINCE + timedelta(minutes=count),
        "due_at": None,
        "task": "approve",
        "facts": {"total": Decimal("2000.00"), "supplier": "Acme"},
    }
    return InboxItem(**fields | other)


@dataclass
class _Stock:
    items: list[InboxItem]

    async def inbox(self) -> list[InboxItem]:
        return self.items

    async def warehouses(self) -> list[HomeShown]:
        return [HomeShown(warehouse_id=1, warehouse="Berlin", task_queue=None, timezone="Europe/Berlin")]


def _with(items: list[InboxItem]) -> Alone:
    alone = Alone(routes=inbox.routes.all)
    alone.console.stock = cast("Stockkeeper", _Stock(items))
    return alone


async def test_five_hundred_things_come_in_pages_of_fifty_oldest_first() -> None:
    alone = _with([_item(number) for number in range(500)])
    ada = await alone.signed_in("ada", [Role.APPROVE])
    shown: list[str] = []
    path: str | None = "/inbox"
    pages = 0
    while path:
        page = (await ada.get(path)).text
        assert len(gzip.compress(page.encode())) < 20_000
        shown += _NUMBER.findall(page)
        pages += 1
        found = re.search(r'href="(/inbox\?after=\d+)">Newer ones', page)
        path = found[1] if found else None
    assert shown == [f"PO-{number}" for number in range(500)]
    assert pages == 10
    assert 'href="/inbox?after=400">Older ones' in page
    assert (await ada.get("/inbox?after=-1")).status_code == 422
    assert "Nothing waits for you" in (await ada.get("/inbox?after=500")).text


async def test_times_are_those_of_the_warehouse_and_what_is_late_is_marked() -> None:
    late = {"due_at": SINCE, "task": "receive", "waits_for": "the supplier's delivery: overdue", "facts": {}}
    alone = _with([_item(1, **late)])
    wes = await alone.signed_in("wes", [Role.RECEIVE])
    page = (await wes.get("/inbox", headers={"Accept-Language": "de"})).text
    assert "01.11.2026, 09:01 CET" in page
    assert "Lieferung des Lieferanten: überfällig" in page
    assert 'href="/receive/po/PO-1"' in page
    assert 'class="card overdue"' in page
    assert 'name="chosen"' not in page


async def test_a_number_with_strange_letters_leads_to_its_own_page() -> None:
    alone = _with([_item(1, number='P/1 "x"<&')])
    ada = await alone.signed_in("ada", [Role.APPROVE])
    page = (await ada.get("/inbox")).text
    assert 'href="/inbox/po/P%2F1%20%22x%22%3C%26"' in page
    assert 'value="po P/1 &#34;x&#34;&lt;&amp;\t2000.00 ' in page


async def test_a_page_of_such_a_number_is_found_also_after_sign_in() -> None:
    seen: list[str] = []

    async def note(visit: Visit) -> Response:
        seen.append(visit.path("number"))
        return PlainTextResponse("reached")

    alone = Alone(routes=[Route("GET", "/inbox/po/{number}", tuple(Role), note)])
    ada = await alone.signed_in("ada", [Role.APPROVE])
    for number in ("2026/031", "a b", "100%", "%2F", "x?y#z", "ä"):
        path = f"/inbox/po/{segment(number)}"
        assert (await ada.get(path)).text == "reached", number
        led = (await alone.browser().get(path)).headers["location"]
        back = parse_qs(urlsplit(led).query)["back"][0]
        assert (path_of_ours(back), seen[-1]) == (path, number)
    assert (await ada.get("/inbox/po/a/b")).status_code == 404
    assert (await ada.get("/static/..%2Fapp.py")).status_code == 404
