"""Workers are killed and the database goes away: what is needed is ordered, once, and its workflow runs."""

from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
from sqlalchemy import Engine
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from database.sessions import Database
from devstack.stack import StackInfo
from tests.faults.workplace import BRISK, Workplace
from tests.support.outages import Outages
from tests.support.replenishment import Plans, Reorders, nobody_else_orders
from tests.support.replenishment_rows import order_row, ordered, set_point, sold_earlier, supply
from tests.support.shop import Shop
from tests.support.wire import Caller, at_once, eventually
from worker import working


@pytest.fixture(autouse=True)
async def _alone(engine: Engine, plain_client: Client) -> AsyncIterator[None]:
    async with nobody_else_orders(engine, Reorders(plain_client, "whatever the queue")):
        yield


async def reset(caller: Caller, name: str) -> None:
    """Begin the last workflow task anew, as an operator may: here, rather than to wait until the dead are missed."""
    done = await caller.history(name, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    await caller.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=caller.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=name),
            reason="the worker is dead",
            workflow_task_finish_event_id=done[-1].event_id,
            request_id=str(uuid4()),
        )
    )


async def test_a_worker_killed_between_its_commit_and_its_report_leaves_one_order_and_its_workflow(
    workplace: Callable[[], Workplace],
    plain_client: Client,
    our_client: Client,
    database: Database,
    shop: Shop,
    engine: Engine,
) -> None:
    place, item = workplace(), shop.item(4)
    reorders = Reorders(plain_client, place.settings.task_queue, task_timeout=BRISK)
    here = item.warehouse_id
    supply(engine, item, shop.supplier())
    set_point(engine, item, 10)
    async with place.worker("draft_reorder", "after") as deadly:
        name = await reorders.begin(here)
        await deadly.has_killed_itself()
    [drafted] = ordered(engine, here)
    assert order_row(engine, drafted.po_number).run_id == ""
    with pytest.raises(RPCError) as unknown:
        await place.purchasing.status(drafted.po_number)
    assert unknown.value.status is RPCStatusCode.NOT_FOUND
    async with working(our_client, database, place.settings):
        await reset(reorders, name)
        state = await reorders.result(name)
        assert [order["po_number"] for order in state["purchase_orders"]] == [drafted.po_number]
        assert (state["status"], state["items_below"], state["items_covered"], state["notes"]) == ("DONE", 1, 0, [])
        assert (await place.purchasing.update(drafted.po_number, "drafted"))["status"] == "SUBMITTED"
        await place.purchasing.told(drafted.po_number, ("SUPPLIER", f"Purchase order {drafted.po_number}"))
        run = await place.purchasing.handle(drafted.po_number).describe()
        assert order_row(engine, drafted.po_number).run_id == run.run_id
        again = await reorders.run(here)
        assert (again["items_covered"], again["orders_drafted"], again["notes"]) == (1, 0, [])
    assert ordered(engine, here) == [drafted]


async def test_a_database_that_is_away_delays_what_is_ordered_and_planned(
    plain_client: Client, stack: StackInfo, worker: None, outages: Outages, shop: Shop, engine: Engine
) -> None:
    del worker
    reorders, plans = Reorders(plain_client, stack.task_queue), Plans(plain_client, stack.task_queue)
    needed, planned = shop.item(4), shop.item(1_000)
    supply(engine, [needed, planned], shop.supplier())
    set_point(engine, needed, 10)
    sold_earlier(engine, planned, 50)

    async def waits_for(caller: Caller, name: str, step: str) -> None:
        """The step has been tried in vain, where an operator sees it."""
        await eventually(lambda: caller.pending(name, failed=True), lambda steps: steps == [step])

    with outages.database_away():
        ordering = await reorders.begin(needed.warehouse_id)
        planning = await plans.begin(planned.warehouse_id, history_days=5, method="seed")
        await at_once(waits_for(reorders, ordering, "find_unstarted"), waits_for(plans, planning, "roll_up_demand"))
    assert (await reorders.result(ordering))["orders_drafted"] == 1
    assert (await plans.result(planning))["items_changed"] == 1
    assert [row.qty for row in ordered(engine, needed.warehouse_id)] == [6]
