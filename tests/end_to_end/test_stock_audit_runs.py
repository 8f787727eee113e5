"""An audit of everything: reservations that run and their holds, and runs that are long, or that somebody stops."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import RetryPolicy
from temporalio.service import RPCError

from activities import runs, stock_audit
from stockkeeper.contracts import policies
from stockkeeper.domain.stock import ItemKey
from tests.support.auditor import assert_books_agree
from tests.support.books import level
from tests.support.replenishment import goes_on, make_long
from tests.support.shop import new_reference
from tests.support.stock_audit import Apart, finding, result, set_item, tamper, told, unnumbered
from tests.support.wire import Json, at_once, eventually

RUNNING = 'WorkflowType="ReservationWorkflow" AND ExecutionStatus="Running"'


@pytest.fixture(autouse=True)
def _books_agree_there_too(apart: Apart) -> Iterator[None]:
    yield
    assert_books_agree(apart.engine)


@pytest.fixture
async def alone(plain_client: Client) -> None:
    """No reservation runs that holds stock elsewhere: what other tests have left."""
    async for run in plain_client.list_workflows(RUNNING):
        with contextlib.suppress(RPCError):  # It has ended, and the list doesn't know yet.
            await plain_client.get_workflow_handle(run.id, run_id=run.run_id).terminate()

    async def listed() -> int:
        return (await plain_client.count_workflows(RUNNING)).count

    await eventually(listed, lambda count: count == 0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What seems wrong is looked at again at once."""
    monkeypatch.setattr(policies, "LOOKS_AGAIN", [timedelta(), timedelta(milliseconds=100)])


async def reserved(apart: Apart, item: ItemKey, count: int = 1) -> list[str]:
    """The references of new orders that hold two units each, once a list has them."""
    orders = [new_reference() for _ in range(count)]
    await at_once(*(apart.orders.reserve(order, (item, 2)) for order in orders))
    active = f'{RUNNING} AND StockStatus="ACTIVE"'
    await eventually(lambda: apart.orders.found(active), lambda found: set(orders) <= set(found))
    return orders


def counted(apart: Apart, what: str) -> int:
    """How many there are."""
    with apart.engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {what}")).scalar_one())


async def test_a_reservation_that_runs_without_its_hold_is_found(
    apart: Apart, alone: None, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has deleted the hold, and made everything else agree."""
    del alone, soon
    monkeypatch.setattr(runs, "RUNS_A_PAGE", 2)
    item = apart.shop.item(50)
    lost, *kept = await reserved(apart, item, 5)
    tamper(apart.engine, "DELETE FROM reservations WHERE reference_id = :lost", lost=lost)
    set_item(apart.engine, item, reserved=8)
    name = await apart.audits.begin(None)
    state = await apart.audits.result(name)
    off = finding("RUN_WITHOUT_HOLD", None, 1, 0, document=f"order {lost}")
    assert unnumbered(state) == [off]
    everything = {
        "items_checked": counted(apart, "inventory_items"),
        "holds_checked": 4,
        "runs_checked": 5,
    }
    assert told(state) == (
        result(None, *state["findings"], **everything, findings_gone=state["findings_gone"]),
        [("WAREHOUSE", "Audit: 1 finding, 1 new")],
    )
    assert state["documents_checked"] == counted(apart, "audited_documents")
    # One warehouse is no place to ask for it.
    here = await apart.audits.run(item.warehouse_id)
    assert told(here) == (result(item.warehouse_id, holds_checked=4), [])
    await apart.orders.handle(lost).terminate()
    await at_once(*(apart.orders.cancel(order) for order in kept))
    again = await apart.audits.run(None)
    assert (again["findings"], again["findings_gone"]) == ([], 1)
    assert level(apart.engine, item) == (50, 0)


async def test_a_reservation_that_is_just_ending_is_looked_at_again(apart: Apart, alone: None) -> None:
    """What it held is given back already, and it still runs: when the audit looks again, it doesn't."""
    del alone
    item = apart.shop.item(10)
    [order] = await reserved(apart, item)
    tamper(apart.engine, "DELETE FROM reservations WHERE reference_id = :order", order=order)
    set_item(apart.engine, item, reserved=0)
    name = await apart.audits.begin(None)
    timer = EventType.EVENT_TYPE_TIMER_STARTED
    await eventually(lambda: apart.audits.summaries(name, timer), lambda summaries: len(summaries) > 0)
    await apart.orders.handle(order).terminate()
    state = await apart.audits.result(name)
    assert (state["runs_checked"], state["findings"]) == (1, [])
    assert (await apart.audits.summaries(name, timer))[0] == "1 reservation may just be ending"


@pytest.fixture
def broken(apart: Apart, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ItemKey]]:
    """Three items of one warehouse that don't agree until the end, and pages of one."""
    items = apart.shop.items(3, units=10)
    for item in items:
        set_item(apart.engine, item, reserved=1)
    monkeypatch.setattr(stock_audit, "ITEMS_A_PAGE", 1)
    yield items
    for item in items:
        set_item(apart.engine, item, reserved=0)


def off(item: ItemKey) -> Json:
    """What is found of one."""
    return finding("RESERVED_IS_NOT_THE_HOLDS", item, 0, 1)


async def until_keeping(apart: Apart) -> None:
    """Return once an audit waits for somebody who holds the table of findings."""
    query = text("""
        SELECT count(*) FROM pg_locks
        WHERE NOT granted AND relation = 'audit_findings'::regclass
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """)

    async def waiting() -> int:
        with apart.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    await eventually(waiting, lambda count: count > 0)


async def test_an_audit_that_an_operator_cancels_ends_with_the_page_that_it_is_at(
    apart: Apart, broken: list[ItemKey]
) -> None:
    """What it hasn't looked at stays as it was found before."""
    here = broken[0].warehouse_id
    before = await apart.audits.run(here)
    assert (unnumbered(before), before["items_checked"]) == ([off(item) for item in broken], 3)
    with apart.engine.begin() as connection:
        connection.execute(text("LOCK TABLE audit_findings IN EXCLUSIVE MODE"))
        name = await apart.audits.begin(here)
        await until_keeping(apart)
        assert (await apart.audits.state(name))["status"] == "RUNNING"
        assert (await apart.audits.metadata(name)).current_details.startswith("**RUNNING** · 0 items")
        await apart.audits.handle(name).cancel()
        assert await apart.audits.noted(name, 1) == ["stopped: the workflow was cancelled"]
    state = await apart.audits.result(name)
    assert (state["status"], state["items_checked"], state["findings_gone"]) == ("STOPPED", 1, 0)
    assert unnumbered(state) == [off(broken[0]) | {"is_new": False}]
    assert told(state)[1] == [("WAREHOUSE", "Audit, stopped early: 1 finding, 0 new")]
    assert await apart.audits.status(name) == WorkflowExecutionStatus.COMPLETED
    assert (await apart.audits.metadata(name)).current_details.startswith("**STOPPED** · 1 item, 0 documents")
    kept = {each.finding_id: each.status for each in await apart.found()}
    assert [kept[each["finding_id"]] for each in before["findings"]] == ["OPEN"] * 3


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails has failed for as long as its policy allows."""
    monkeypatch.setattr(policies, "PLANNING", policies.PLANNING | {"retry_policy": RetryPolicy(maximum_attempts=1)})


@contextlib.contextmanager
def without_the_right(apart: Apart, right: str) -> Iterator[None]:
    """The worker may not do this, until the end."""
    with apart.engine.begin() as connection:
        connection.exec_driver_sql(f"REVOKE {right} FROM stockkeeper_worker")
    try:
        yield
    finally:
        with apart.engine.begin() as connection:
            connection.exec_driver_sql(f"GRANT {right} TO stockkeeper_worker")


async def test_a_page_that_fails_for_too_long_stops_the_audit_and_what_was_found_is_told(
    apart: Apart, broken: list[ItemKey], once: None
) -> None:
    del once
    here, nowhere = broken[0].warehouse_id, apart.shop.item(10).warehouse_id
    with without_the_right(apart, "SELECT ON documents_say"):
        state, unable = await at_once(apart.audits.run(here), apart.audits.run(nowhere))
    why = "stopped: a step of 'purchase order' failed for too long; the last error is in the history"
    for each in (state, unable):
        assert (each["status"], [note[25:] for note in each["notes"]]) == ("STOPPED", [why])
    assert (state["items_checked"], unnumbered(state)) == (3, [off(item) for item in broken])
    assert told(state)[1] == [("WAREHOUSE", "Audit, stopped early: 3 findings, 3 new")]
    # Somebody has to know that nothing was proved, too.
    assert told(unable)[1] == [("WAREHOUSE", "Audit, stopped early: 0 findings, 0 new")]


async def test_an_audit_that_can_not_forget_has_told_what_it_found_and_is_done(
    apart: Apart, broken: list[ItemKey], once: None
) -> None:
    del once
    with without_the_right(apart, "DELETE ON operations"):
        state = await apart.audits.run(broken[0].warehouse_id)
    assert (state["status"], unnumbered(state)) == ("DONE", [off(item) for item in broken])
    assert [note[25:] for note in state["notes"]] == [
        "operations were kept: forgetting them failed for too long; see the history"
    ]
    assert told(state)[1] == [("WAREHOUSE", "Audit: 3 findings, 3 new")]


async def test_what_is_new_is_shown_first_and_all_of_it_is_counted(apart: Apart, broken: list[ItemKey]) -> None:
    here = broken[0].warehouse_id
    set_item(apart.engine, broken[2], reserved=0)
    assert unnumbered(await apart.audits.run(here)) == [off(item) for item in broken[:2]]
    set_item(apart.engine, broken[2], reserved=1)
    state = await apart.audits.run(here)
    assert unnumbered(state) == [off(broken[2]), *(off(item) | {"is_new": False} for item in broken[:2])]
    assert (state["findings_in_all"], state["findings_new"]) == (3, 1)
    assert told(state)[1] == [("WAREHOUSE", "Audit: 3 findings, 1 new")]


async def test_a_long_audit_goes_on_in_another_run(apart: Apart, broken: list[ItemKey]) -> None:
    here = broken[0].warehouse_id
    with apart.engine.begin() as connection:
        connection.execute(text("LOCK TABLE audit_findings IN EXCLUSIVE MODE"))
        name = await apart.audits.begin(here)
        await until_keeping(apart)
        run = (await apart.audits.handle(name).describe()).run_id
        await make_long(apart.audits, name)
    await goes_on(apart.audits, name, run)
    state = await apart.audits.result(name)
    assert (state["status"], state["items_checked"], unnumbered(state)) == ("DONE", 3, [off(item) for item in broken])
    assert [note[25:] for note in state["notes"]] == ["signal 'chatter' isn't one of its commands"] * 3
    assert [notice["title"] for notice in state["notices"]] == ["Audit: 3 findings, 3 new"]
    # Both runs are one audit.
    known = {each.finding_id: each for each in await apart.found()}
    assert {known[each["finding_id"]].run_id for each in state["findings"]} == {run}
    assert {known[each["finding_id"]].status for each in state["findings"]} == {"OPEN"}


async def test_two_audits_at_once_find_the_same(apart: Apart, broken: list[ItemKey]) -> None:
    states: list[Any] = await at_once(*(apart.audits.run(broken[0].warehouse_id) for _ in range(4)))
    assert len({frozenset(each["finding_id"] for each in state["findings"]) for state in states}) == 1
    assert [state["findings_in_all"] for state in states] == [3] * 4
    assert [state["findings_gone"] for state in states] == [0] * 4
    new = [each["is_new"] for state in states for each in state["findings"]]
    # Of those who come to it at once, the first to keep it tells that it is new.
    assert new.count(True) >= 3
    known = {each.finding_id: each.status for each in await apart.found()}
    assert [known[each["finding_id"]] for each in states[0]["findings"]] == ["OPEN"] * 3
