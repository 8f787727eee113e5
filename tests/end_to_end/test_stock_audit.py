"""Audits over the wire: what is found is named, told and kept, and what a person decides is done."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import WorkflowExecutionStatus

from activities import stock_audit
from tests.support.auditor import assert_books_agree
from tests.support.books import level
from tests.support.shop import new_reference
from tests.support.steps.reservation import Steps
from tests.support.stock_audit import Apart, finding, result, set_item, tamper, told
from tests.support.wire import Refusal, at_once, cells, eventually, refusal


@pytest.fixture(autouse=True)
def _books_agree_there_too(apart: Apart) -> Iterator[None]:
    yield
    assert_books_agree(apart.engine)


async def test_books_that_agree_are_nothing_to_tell_of(apart: Apart) -> None:
    item, there = apart.shop.item(10), apart.shop.item(10)
    order = new_reference()
    await apart.orders.reserve(order, (item, 3))
    assert told(await apart.audits.run(item.warehouse_id)) == (result(item.warehouse_id, holds_checked=1), [])
    assert told(await apart.audits.run(there.warehouse_id)) == (result(there.warehouse_id), [])
    await apart.orders.fulfill(order)


async def test_what_does_not_agree_is_named_told_and_shown(apart: Apart) -> None:
    item = apart.shop.item(10)
    here = item.warehouse_id
    set_item(apart.engine, item, reserved=1)
    name = await apart.audits.begin(here)
    state = await apart.audits.result(name)
    [found] = state["findings"]
    number = found["finding_id"]
    off = finding("RESERVED_IS_NOT_THE_HOLDS", item, 0, 1, finding_id=number)
    assert told(state) == (result(here, off), [("WAREHOUSE", "Audit: 1 finding, 1 new")])
    assert await apart.audits.state(name) == state
    shown = (await apart.audits.metadata(name)).current_details
    looked_at = r"1 item, \d+ documents?, 0 holds, 0 reservations looked at"
    assert re.match(rf"\*\*DONE\*\* · {looked_at}\. 1 finding\. Next: [^\n]+\n", shown)
    where = f"product {item.product_id}, warehouse {here}"
    assert cells(shown)[2] == [str(number), "reserved is not the holds", where, "0", "1"]
    done = f'WorkflowId="{name}" AND StockStatus="DONE"'
    await eventually(lambda: apart.audits.found(done), lambda names: names == [name])
    again = await apart.audits.run(here)
    assert told(again) == (result(here, off | {"is_new": False}), [("WAREHOUSE", "Audit: 1 finding, 0 new")])
    await apart.repair(number)
    assert level(apart.engine, item) == (10, 0)
    assert told(await apart.audits.run(here)) == (result(here), [])


async def test_what_is_so_no_longer_is_gone(apart: Apart) -> None:
    item = apart.shop.item(10)
    here = item.warehouse_id
    set_item(apart.engine, item, reserved=1)
    name = await apart.audits.begin(here)
    [found] = (await apart.audits.result(name))["findings"]
    set_item(apart.engine, item, reserved=0)
    assert told(await apart.audits.run(here)) == (result(here, findings_gone=1), [])
    [kept] = [each for each in await apart.found() if each.finding_id == found["finding_id"]]
    assert (kept.status, kept.workflow_id, kept.closed_by) == ("GONE", name, "stock-audit")


async def test_a_warehouse_that_is_not_there_is_refused(apart: Apart) -> None:
    name = await apart.audits.begin(2**62)
    expected = Refusal("UnknownWarehouse", {"warehouse_ids": [2**62]}, f"no warehouse with id {2**62}")
    assert await refusal(apart.audits.result(name)) == expected
    assert await apart.audits.status(name) == WorkflowExecutionStatus.FAILED


async def test_what_is_held_for_a_run_that_is_gone_is_found_and_given_back(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a caller calls its orders; what is held for a run that goes on is no finding."""
    monkeypatch.setattr(stock_audit, "HOLDS_A_PAGE", 4)
    item = apart.shop.item(50)
    here, names = item.warehouse_id, ['"', "\\", '\\" OR ""="', "'; --", "Ünïcode \N{SNOWMAN}", "plain"]
    lost = [new_reference(f"lost {name}") for name in names]
    alive = [new_reference(f"alive {name}") for name in names]
    await at_once(*(apart.orders.reserve(order, (item, 2)) for order in (*lost, *alive)))
    number = new_reference("load")
    await apart.transfers.create(number, apart.shop.warehouse(), [(item, 5)])
    await at_once(*(apart.orders.handle(order).terminate() for order in lost))
    await apart.transfers.handle(number).terminate()
    # Temporal has never heard of this one, or not for so long that it has forgotten it.
    lost.append(new_reference("forgotten"))
    Steps(apart.database).reserve(lost[-1], (item, 2))
    state = await apart.audits.run(here)
    assert (state["holds_checked"], state["findings_in_all"]) == (14, 8)
    found = [(each["document"], each["kind"], each["expected"], each["actual"]) for each in state["findings"]]
    assert sorted(found) == sorted(
        [
            *((f"order {order}", "HOLD_WITHOUT_RUN", 0, 2) for order in lost),
            (f"transfer {number}", "HOLD_WITHOUT_RUN", 0, 5),
        ]
    )
    assert level(apart.engine, item) == (50, 31)
    await at_once(*(apart.repair(each["finding_id"]) for each in state["findings"]))
    assert level(apart.engine, item) == (50, 12)
    assert told(await apart.audits.run(here)) == (result(here, holds_checked=6), [])
    await at_once(*(apart.orders.cancel(order) for order in alive))


async def test_what_is_just_being_held_or_given_back_is_no_finding(apart: Apart) -> None:
    items, over = apart.shop.items(3, units=1_000_000), asyncio.Event()

    async def trade(number: int) -> None:
        rounds = 0
        while not over.is_set():
            order = new_reference()
            await apart.orders.reserve(order, (items[number], 2), (items[number - 1], 1))
            await (apart.orders.cancel(order) if rounds % 2 else apart.orders.fulfill(order))
            rounds += 1

    async def audit() -> None:
        try:
            for _ in range(2):
                state = await apart.audits.run(items[0].warehouse_id)
                assert (state["items_checked"], state["findings"]) == (3, [])
        finally:
            over.set()

    await at_once(audit(), *(trade(number) for number in range(3)))


async def test_operations_are_kept_for_as_long_as_temporal_keeps_runs_and_a_day(apart: Apart) -> None:
    item, orders = apart.shop.item(10), [new_reference() for _ in range(3)]
    for order in orders:
        await apart.orders.reserve(order, (item, 1))
        await apart.orders.cancel(order)
    namespace = await apart.ours.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=apart.ours.namespace)
    )
    kept = namespace.config.workflow_execution_retention_ttl.ToTimedelta() + timedelta(days=1)
    for order, age in zip(orders, (kept + timedelta(minutes=1), kept - timedelta(hours=1), timedelta()), strict=True):
        tamper(
            apart.engine,
            "UPDATE operations SET created_at = clock_timestamp() - :age WHERE workflow_id = :workflow_id",
            age=age,
            workflow_id=f"reservation-{order}",
        )
    assert told(await apart.audits.run(item.warehouse_id)) == (result(item.warehouse_id, operations_forgotten=2), [])
    with apart.engine.connect() as connection:
        query = text("SELECT DISTINCT workflow_id FROM operations WHERE workflow_id LIKE 'reservation-%'")
        known = set(connection.execute(query).scalars())
    assert [f"reservation-{order}" in known for order in orders] == [False, True, True]
