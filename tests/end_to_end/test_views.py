"""Views of the Temporal UI: the server takes each search, which finds what its name says, and the page has it."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from starter.views import VIEWS, View
from stockkeeper.contracts import search_attributes
from tests.support.adjustment import Adjusting, pending
from tests.support.commands import Command
from tests.support.cycle_count import Counts, one_count
from tests.support.inspection import Inspecting
from tests.support.lots import lot_item
from tests.support.purchase_order import Purchasing
from tests.support.recall import Recalling
from tests.support.reservation import Orders, one_hold, request
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, journey
from tests.support.wire import at_once, eventually, refusal

NOW = datetime(2026, 11, 29, 12, 0, 30, 500, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
BY_NAME = {view.name: view for view in VIEWS}


@workflow.defn(name="FailsByAFault")
class FailsByAFault:
    """Fails as a workflow does that meets a fault."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("a fault")


async def _finds(client: Client, view: View, only: str, *ids: str, now: datetime | None = None) -> None:
    """Return once the view, among the runs that the second search finds, finds exactly these."""

    async def found() -> list[str]:
        search = f"({view.query(now or datetime.now(UTC))}) AND {only}"
        return sorted([run.id async for run in client.list_workflows(search)])

    await eventually(found, sorted(ids).__eq__)


async def test_what_waits_for_a_person_is_found(
    purchasing: Purchasing,
    adjusting: Adjusting,
    counts: Counts,
    transfers: Transfers,
    orders: Orders,
    inspecting: Inspecting,
    recalling: Recalling,
    shop: Shop,
) -> None:
    item, order, late = shop.item(1), new_reference("po"), new_reference("po")
    waits, looked_at, stopped = new_reference(), new_reference("in"), new_reference("rc")
    short, journeyed, (count, _), (adjusted, _), hold, longer, *_ = await at_once(
        orders.ask_raw(waits, [request(waits, (item, 3), wait_minutes=30)], command=("placed", None)),
        journey(transfers, shop, expected_transit_hours=0.0001),
        one_count(counts, shop, first=5),
        pending(adjusting, shop),
        one_hold(orders, shop, 2, ttl_minutes=10),
        one_hold(orders, shop, 2, ttl_minutes=60),
        purchasing.draft(order, shop.supplier(), [(item, 5_000)]),
        purchasing.draft(late, shop.supplier(), [(item, 5)], expected_delivery_date="2199-08-01"),
        inspecting.open(looked_at, (shop.item(3), 2)),
        recalling.block(stopped, lot_item(shop, ("BAD", None, 1)), "BAD"),
    )
    assert short["status"] == "WAITING"
    expected = {
        "Procurement's inbox": (f"purchase-order-{order}", f"purchase-order-{late}"),
        "Overdue deliveries": (f"purchase-order-{late}", f"purchase-order-{order}"),
        "Adjustments to approve": (f"adjustment-{adjusted}", ""),
        "Counts in review": (f"cycle-count-{count}", ""),
        "Inspections to decide": (f"inspection-{looked_at}", ""),
        "Recalls under way": (f"recall-{stopped}", ""),
        "Overdue transfers": (f"transfer-{journeyed.number}", ""),
        "Holds about to expire": (f"reservation-{hold.reference}", f"reservation-{longer.reference}"),
        "Orders that wait for stock": (f"reservation-{waits}", f"reservation-{hold.reference}"),
    }

    async def finds(name: str, this: str, other: str) -> None:
        # Nothing can be ordered for yesterday.
        now = datetime(2199, 9, 1, tzinfo=UTC) if name == "Overdue deliveries" else None
        await _finds(orders.client, BY_NAME[name], f'WorkflowId IN ("{this}", "{other}")', this, now=now)

    await at_once(*(finds(name, *ids) for name, ids in expected.items()))


async def test_a_fault_is_found_among_requests_that_were_refused(orders: Orders, our_client: Client) -> None:
    of = new_reference("failed")
    status = TypedSearchAttributes([SearchAttributePair(search_attributes.STATUS, "ACTIVE")])
    faults: list[tuple[str, Any]] = [(f"{of}-without", TypedSearchAttributes.empty), (f"{of}-with", status)]
    async with Worker(
        our_client, task_queue=of, workflows=[FailsByAFault], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        for name, attributes in faults:
            with pytest.raises(WorkflowFailureError):
                await our_client.execute_workflow(
                    FailsByAFault.run, id=name, task_queue=of, search_attributes=attributes
                )
    ended = await our_client.start_workflow("NeverRuns", id=f"{of}-ended", task_queue=of)
    await ended.terminate("by an operator")
    await refusal(orders.first_update(f"{of}-refused", {}, "reserved"))
    mine = f'WorkflowId STARTS_WITH "{of}"'
    await _finds(our_client, BY_NAME["Real failures"], mine, f"{of}-with", f"{of}-without")
    await _finds(our_client, BY_NAME["Refused requests"], mine, f"{of}-refused")
    await _finds(our_client, BY_NAME["Runs that were ended"], mine, f"{of}-ended")
    await _finds(our_client, BY_NAME["Runs that can't go on"], mine)


def test_a_search_with_a_time_is_of_this_moment() -> None:
    assert BY_NAME["Holds about to expire"].query(NOW) == (
        'WorkflowType="ReservationWorkflow" AND ExecutionStatus="Running" AND StockStatus="ACTIVE" '
        'AND StockDeadline < "2026-11-29T12:15:30Z"'
    )
    assert 'StockDeadline < "2026-11-29T12:00:30Z"' in BY_NAME["Overdue transfers"].query(NOW)


def test_a_link_shows_the_view_and_another_one_keeps_it_unless_it_would_be_outdated() -> None:
    view, of = BY_NAME["Counts in review"], ("http://localhost:8233", "shop.a1b2", NOW)
    address = (
        "http://localhost:8233/namespaces/shop.a1b2/workflows?query=WorkflowType%3D%22CycleCountWorkflow%22%20AND%20"
        "ExecutionStatus%3D%22Running%22%20AND%20StockStatus%3D%22REVIEW%22"
    )
    assert view.url(*of) == address
    assert view.url(*of, save=True) == f"{address}&savedQuery=Counts%20in%20review"
    assert BY_NAME["Overdue transfers"].url(*of, save=True) is None
    assert view.url(None, "default", NOW) is None


async def test_the_command_prints_links_or_searches(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKKEEPER_UI_URL", "http://ui.example/")
    listed = json.loads((await command("views", "--json")).stdout)
    assert [each["name"] for each in listed] == [view.name for view in VIEWS]
    assert listed[2] == {
        "name": "Counts in review",
        "shows": "counts with a line that another person has to count again or approve",
        "query": BY_NAME["Counts in review"].search,
        "url": BY_NAME["Counts in review"].url("http://ui.example", "default", NOW),
        "save_url": BY_NAME["Counts in review"].url("http://ui.example", "default", NOW, save=True),
    }
    assert f"  {listed[2]['url']}\n" in (await command("views")).stdout
    monkeypatch.delenv("STOCKKEEPER_UI_URL")
    printed = await command("views")
    assert f"  {BY_NAME['Real failures'].search}\n" in printed.stdout
    assert "STOCKKEEPER_UI_URL" in printed.stderr


def test_the_page_has_each_view_as_it_is() -> None:
    """With a time in place of each that has one."""
    page = re.sub(r'StockDeadline < "[^"]+"', 'StockDeadline < "{before}"', PAGE.read_text())
    assert [view.name for view in VIEWS if f"| {view.name} |" not in page] == []
    assert [view.search for view in VIEWS if view.search not in page] == []


def test_the_time_of_a_hold_about_to_expire_is_in_its_words() -> None:
    view = BY_NAME["Holds about to expire"]
    assert (view.within, view.shows) == (timedelta(minutes=15), "orders whose hold ends within 15 minutes")
