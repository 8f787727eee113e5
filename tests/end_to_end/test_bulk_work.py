"""Plans, audits and files go by a task queue of their own; where nobody serves that, by the one of everything else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from activities.settings import Serves
from database.sessions import Database
from stockkeeper import Connection, Line, Stockkeeper
from stockkeeper.contracts import policies
from tests.support.import_file import Imports, new_name
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import ANSWER_SECONDS
from worker import Settings, working

QUEUE = "bulk-tests"


@asynccontextmanager
async def serving(
    client: Client, database: Database, settings: Settings, queue: str, *serve: Serves
) -> AsyncIterator[None]:
    """Workers of this process on a task queue, one for each."""
    async with AsyncExitStack() as workers:
        for each in serve:
            told = settings.model_copy(update={"task_queue": queue, "serves": each})
            await workers.enter_async_context(working(client, database, told))
        yield


async def planned(client: Client, warehouse_id: int, queue: str) -> WorkflowHandle[Any, Any]:
    """A planning run of one warehouse, done."""
    run = await client.start_workflow(
        "ReplenishmentPlanWorkflow", {"warehouse_id": warehouse_id}, id=new_reference("plan"), task_queue=queue
    )
    assert (await asyncio.wait_for(run.result(), ANSWER_SECONDS))["status"] == "DONE"
    return run


async def asked_of(run: WorkflowHandle[Any, Any]) -> list[tuple[str, str]]:
    """The steps that went through a task queue, and which one."""
    scheduled = [
        event.activity_task_scheduled_event_attributes
        async for event in run.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return [(each.activity_type.name, each.task_queue.name) for each in scheduled]


async def test_one_worker_serves_both_queues_and_a_plan_goes_by_that_of_bulk_work(
    plain_client: Client, worker: None, settings: Settings, shop: Shop
) -> None:
    del worker
    run = await planned(plain_client, shop.warehouse(), settings.task_queue)
    bulk = f"{settings.task_queue}-bulk"
    assert await asked_of(run) == [("roll_up_demand", bulk), ("plan_page", bulk)]


async def test_a_file_is_applied_by_a_worker_for_bulk_work_alone_beside_one_for_orders(
    our_client: Client, plain_client: Client, database: Database, settings: Settings, imports: Imports, shop: Shop
) -> None:
    item = shop.item(3)
    async with serving(our_client, database, settings, QUEUE, Serves.ORDERS, Serves.BULK):
        there = Imports(our_client, QUEUE, imports.directory, shop.engine)
        state = await there.send("products", "sku,name", f"{new_name('SKU')},Kettle")
        assert (state.status, state.inserted) == ("IMPORTED", 1)
        held = await Orders(plain_client, QUEUE).reserve(new_reference(), (item, 2))
        assert held["status"] == "ACTIVE"


async def test_an_order_takes_turns_with_those_of_its_warehouse(
    our_client: Client, worker: None, settings: Settings, shop: Shop
) -> None:
    del worker
    item, reference = shop.item(1), new_reference()
    stock = Stockkeeper(Connection(our_client, settings.task_queue))
    await stock.reserve(reference, [Line(item.product_id, item.warehouse_id, quantity=1)], performed_by="shop")
    run = our_client.get_workflow_handle(f"reservation-{reference}")
    [first] = [event async for event in run.fetch_history_events(page_size=1) if event.event_id == 1]
    started = first.workflow_execution_started_event_attributes
    assert started.priority.fairness_key == f"warehouse-{item.warehouse_id}"


async def test_where_nobody_serves_bulk_work_its_steps_go_by_the_other_queue_and_nothing_hangs(
    our_client: Client,
    plain_client: Client,
    database: Database,
    settings: Settings,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policies, "BULK_TAKEN_WITHIN", timedelta(seconds=1))
    queue = f"{QUEUE}-alone"
    async with serving(our_client, database, settings, queue, Serves.ORDERS):
        run = await planned(plain_client, shop.warehouse(), queue)
    steps = [(step, at) for step in ("roll_up_demand", "plan_page") for at in (f"{queue}-bulk", queue)]
    assert await asked_of(run) == steps
