"""Runs of one kind, found by what they can be searched by."""

from collections.abc import AsyncIterator

from temporalio.client import Client, WorkflowExecution

from contracts import search_attributes
from starter.calls import answer


async def find_runs(
    client: Client,
    workflow_type: str,
    *,
    status: str | None = None,
    sku: str | None = None,
    running: bool = False,
    limit: int | None = None,
) -> AsyncIterator[WorkflowExecution]:
    """Runs, the latest first. What has just changed may take a moment to be found.

    Args:
        client: The namespace.
        workflow_type: Of which kind.
        status: Only these.
        sku: Only those that have to do with this product.
        running: Only those that haven't ended.
        limit: How many at most.

    Raises:
        Unreachable: Nobody answers.
    """
    conditions = [f'WorkflowType="{workflow_type}"']
    if status:
        conditions.append(f'{search_attributes.STATUS.name}="{quoted(status)}"')
    if sku:
        conditions.append(f'{search_attributes.SKUS.name}="{quoted(sku)}"')
    if running:
        conditions.append('ExecutionStatus="Running"')
    runs = client.list_workflows(" AND ".join(conditions), limit=limit)
    while True:
        async with answer("the list"):
            run = await anext(runs, None)
        if run is None:
            return
        yield run


def quoted(text: str) -> str:
    """Text within the quotes of a query."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
