"""A notice leads to the page of what it is about."""

import re

from pydantic import SecretStr
from temporalio.client import Client

from database.sessions import Database
from stockkeeper.domain.permission import Role
from tests.support.console import AtTheConsole
from tests.support.notices import KEEPING, KEPT
from tests.support.purchase_order import Branch
from tests.support.shop import Shop
from tests.support.wire import eventually
from worker import Settings


async def test_the_notice_to_approvers_leads_to_the_very_order(
    console: AtTheConsole,
    plain_client: Client,
    our_client: Client,
    database: Database,
    settings: Settings,
    shop: Shop,
    number: str,
) -> None:
    branch = Branch(plain_client, our_client, database, settings)
    item = shop.item(0)

    async def told() -> list[str]:
        return [body for title, body in KEPT if number in title]

    async with branch.worker(notice_urls=SecretStr(KEEPING), console_url=console.url):
        await branch.purchasing.draft(number, shop.supplier(), [(item, 2_000)])
        [body] = await eventually(told, bool)
        found = re.search(rf"\n\n{re.escape(console.url)}(/\S+)$", body)
        assert found is not None
        assert found[1] == f"/inbox/po/{number}"
        ada = await console.person("ada", [Role.APPROVE], [item.warehouse_id])
        page = await ada.get(found[1])
        assert f'action="/inbox/po/{number}/approve"' in page
        await ada.post(f"{found[1]}/approve", {"version": "1"})
        assert (await branch.purchasing.state(number))["approvals"][0]["approver"] == "ada"
