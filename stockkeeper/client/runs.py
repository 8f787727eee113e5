"""Lists of documents and inboxes: runs of one kind, found by their search attributes, without asking each run."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from temporalio.client import WorkflowExecution

from stockkeeper.client.calls import answer
from stockkeeper.client.connection import Connection
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.process import ProcessSpec


@dataclass(frozen=True)
class Listed:
    """A document in a list.

    Attributes:
        number: The document's number.
        status: Its status.
        skus: Its products.
        warehouses: Its warehouses, by name.
        deadline: When it ends or is overdue; None: it has no deadline.
        memo: Further fields, by name; which ones depends on the kind of document.
        workflow_id: The workflow that may change it.
        run_id: That workflow's run.
    """

    number: str
    status: str
    skus: tuple[str, ...]
    warehouses: tuple[str, ...]
    deadline: datetime | None
    memo: Mapping[str, object]
    workflow_id: str
    run_id: str


class Waiting(Protocol):
    """A document in an inbox."""

    @property
    def since(self) -> datetime:
        """When it began to wait."""


W = TypeVar("W", bound=Waiting)


async def list_documents(
    connection: Connection, process: ProcessSpec, *, status: str | None, sku: str | None, limit: int | None
) -> list[Listed]:
    """Documents of one kind, the latest first. A change may take a moment to show.

    Args:
        connection: The namespace.
        process: The kind of document.
        status: Only documents in this status.
        sku: Only documents with this product.
        limit: How many at most; None: all.

    Raises:
        Unreachable: Temporal doesn't answer.
    """
    return [
        await _listed(run, process)
        async for run in _find_runs(connection, process, status=status, sku=sku, limit=limit)
    ]


async def awaiting(
    connection: Connection,
    process: ProcessSpec,
    status: str,
    read: Callable[[Listed, Mapping[str, Any]], W],
    limit: int | None,
) -> list[W]:
    """Documents that wait for a decision, the oldest first. A change may take a moment to show.

    Args:
        connection: The namespace.
        process: The kind of document.
        status: The status in which they wait.
        read: An inbox's line, from the document and its memo.
        limit: How many at most; None: all.

    Raises:
        Unreachable: Temporal doesn't answer.
    """
    runs = _find_runs(connection, process, status=status, running=True)
    listed = [await _listed(run, process) async for run in runs]
    # A run without a memo has only just begun, and its document isn't stored yet.
    found = [read(each, each.memo) for each in listed if each.memo]
    # Temporal lists the latest first, and not every server can do otherwise.
    found.sort(key=lambda waiting: waiting.since)
    return found[:limit]


async def _find_runs(
    connection: Connection,
    process: ProcessSpec,
    *,
    status: str | None = None,
    sku: str | None = None,
    running: bool = False,
    limit: int | None = None,
) -> AsyncIterator[WorkflowExecution]:
    conditions = [f'WorkflowType="{process.workflow_type}"']
    if status:
        conditions.append(f'{search_attributes.STATUS.name}="{_quoted(status)}"')
    if sku:
        conditions.append(f'{search_attributes.SKUS.name}="{_quoted(sku)}"')
    if running:
        conditions.append('ExecutionStatus="Running"')
    runs = connection.client.list_workflows(" AND ".join(conditions), limit=limit)
    while True:
        async with answer("the list", connection.answer_within):
            run = await anext(runs, None)
        if run is None:
            return
        yield run


async def _listed(run: WorkflowExecution, process: ProcessSpec) -> Listed:
    found = run.typed_search_attributes
    return Listed(
        number=run.id.removeprefix(process.workflow_id.partition("{")[0]),
        status=found.get(search_attributes.STATUS) or str(run.status.name if run.status else ""),
        skus=tuple(found.get(search_attributes.SKUS) or ()),
        warehouses=tuple(found.get(search_attributes.WAREHOUSES) or ()),
        deadline=found.get(search_attributes.DEADLINE),
        memo=dict(await run.memo()),
        workflow_id=run.id,
        run_id=run.run_id,
    )


def _quoted(text: str) -> str:
    """Text within the quotes of a query."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
