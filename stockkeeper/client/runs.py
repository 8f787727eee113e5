"""Runs of one kind, found by what they can be searched by."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from temporalio.client import Client, WorkflowExecution

from stockkeeper.client.calls import answer
from stockkeeper.contracts import search_attributes


class Waiting(Protocol):
    """Something that waits for somebody."""

    @property
    def since(self) -> datetime:
        """Since when."""


W = TypeVar("W", bound=Waiting)


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


async def awaiting(
    client: Client,
    workflow_type: str,
    status: str,
    read: Callable[[WorkflowExecution, Mapping[str, Any]], W],
    limit: int | None,
) -> list[W]:
    """Runs that wait for somebody, the oldest first. What has just changed may take a moment to be found.

    Args:
        client: The namespace.
        workflow_type: Of which kind.
        status: In which they wait.
        read: What an inbox says of a run and its memo.
        limit: How many at most.

    Raises:
        Unreachable: Nobody answers.
    """
    runs = find_runs(client, workflow_type, status=status, running=True)
    # Without a memo a run has only just begun, and isn't stored yet.
    found = [read(run, shown) async for run in runs if (shown := await run.memo())]
    # Temporal lists the latest first, and not every server can do otherwise.
    found.sort(key=lambda waiting: waiting.since)
    return found[:limit]


def quoted(text: str) -> str:
    """Text within the quotes of a query."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
