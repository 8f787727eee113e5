"""A start that is refused fails its run, which says so: an operator tells it apart from a fault."""

from functools import partial

from sqlalchemy import Engine
from temporalio.client import Client, WorkflowExecutionStatus

from devstack.stack import StackInfo
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.contracts.question import WORKFLOW_TYPE
from tests.support.books import nothing_is_stored
from tests.support.customer_return import Returns, expected, sold
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, moved, transfer
from tests.support.wire import at_once, eventually, refusal

REFUSED = 'StockStatus="REFUSED" AND ExecutionStatus="Failed"'
SAYS = (
    "**REFUSED** · UnknownProduct: no product with id 1000000000000. Nothing has changed. "
    "Next: correct the request, and start it again."
)
FOLLOWS = "This run goes on where an earlier one has ended: *Relationships* leads to that."


async def test_a_start_of_any_process_that_is_refused_is_told_apart(
    plain_client: Client, worker: None, stack: StackInfo, engine: Engine
) -> None:
    del worker
    run = new_reference("refused")

    async def status(workflow_type: str) -> tuple[str, object]:
        handle = await plain_client.start_workflow(
            workflow_type, {"colour": "red"}, id=f"{run}-{workflow_type}", task_queue=stack.task_queue
        )
        refused = (await refusal(handle.result())).type
        return refused, (await handle.describe()).search_attributes.get("StockStatus")

    kinds = [*(process.workflow_type for process in PROCESSES), WORKFLOW_TYPE]
    with nothing_is_stored(engine):
        assert await at_once(*map(status, kinds)) == [("InvalidRequest", ["REFUSED"])] * len(kinds)

    async def found() -> list[str]:
        mine = f'{REFUSED} AND WorkflowId STARTS_WITH "{run}"'
        return sorted([each.workflow_type async for each in plain_client.list_workflows(mine)])

    await eventually(found, sorted(kinds).__eq__)


async def test_a_start_that_names_something_unknown_is_found_by_its_number(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    number, item = new_reference("load"), shop.item(5)._replace(product_id=10**12)
    start = transfer(number, item.warehouse_id, shop.warehouse(), moved(item, 1))
    with nothing_is_stored(engine):
        assert (await refusal(transfers.ask_raw(number, [start]))).type == "UnknownProduct"
        assert (await refusal(transfers.result(number))).type == "UnknownProduct"
    assert await transfers.status(number) == WorkflowExecutionStatus.FAILED
    assert (await transfers.metadata(number)).current_details.splitlines()[0] == SAYS
    await eventually(partial(transfers.found, f'{REFUSED} AND StockReference="{number}"'), [number].__eq__)


async def test_a_start_under_a_fixed_update_id_is_told_apart_in_the_run_that_follows(
    returns: Returns, shop: Shop
) -> None:
    number, item = new_reference("r"), shop.item(5)._replace(product_id=10**12)
    start = expected(number, item.warehouse_id, sold(item, 1))
    assert (await refusal(returns.ask_raw(number, [start], update_id="the-return"))).type == "UnknownProduct"
    assert (await refusal(returns.result(number))).type == "UnknownProduct"
    await eventually(partial(returns.found, f'{REFUSED} AND StockReference="{number}"'), [number].__eq__)
    assert (await returns.metadata(number)).current_details.splitlines()[::2] == [
        f"Return {number}: 1 line, 1 unit. {FOLLOWS}",
        SAYS,
    ]
