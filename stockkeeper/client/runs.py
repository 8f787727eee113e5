"""Lists of documents, inboxes, and one document: from the database, with what only its run knows.

The database keeps every document for ever. Temporal keeps runs for a while, has several of one document after another,
and what they show of themselves stays as it was when they ended. So it is asked only for what the database hasn't got:
starts that are on their way, those that were rejected for lack of stock, and the notes and notices of a run.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.converter import decode_typed_search_attributes

from stockkeeper.client.calls import answer, checked, read_state
from stockkeeper.client.connection import Connection
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_names
from stockkeeper.client.questions import ask, pages
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.documents import (
    DOCUMENTS_AT_ONCE,
    DocumentListed,
    DocumentsListed,
    ListDocuments,
    ListTogether,
    ShowDocument,
)
from stockkeeper.contracts.errors import InvalidRequest, NotFound, StockkeeperError
from stockkeeper.contracts.messages import MAX_LINES, Reference, State
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.question import LIST_DOCUMENTS, LIST_TOGETHER, SHOW_DOCUMENT

_REJECTED = "REJECTED"
"""Status of a document that was short of stock: nothing of it is stored."""
_OF_THE_RUN = ("notes", "notices", "gave_way", "shortages")
"""Fields of a state that the database hasn't got."""
_WITH_A_STATE = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
)
"""Statuses of a run whose state says something about a document that isn't stored: on its way, or rejected."""
_RUN_WITHIN = 2.0
"""Seconds for which the run's own fields are waited for, once the database has answered."""

_NUMBER: TypeAdapter[str] = TypeAdapter(Reference)

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Listed:
    """A document in a list.

    Attributes:
        number: The document's number.
        status: Its status.
        skus: Its products.
        warehouses: Its warehouses, by name.
        deadline: When it ends or is overdue; None: it has no deadline.
        memo: Further fields, by name; which ones depends on the kind of document. Empty before it is stored.
        workflow_id: The workflow that may change it.
        run_id: The run that stored it, or its present run before it is stored.
        created_at: When it was stored, or started before it is stored.
    """

    number: str
    status: str
    skus: tuple[str, ...]
    warehouses: tuple[str, ...]
    deadline: datetime | None
    memo: Mapping[str, object]
    workflow_id: str
    run_id: str
    created_at: datetime


class Waiting(Protocol):
    """A document in an inbox."""

    @property
    def since(self) -> datetime:
        """When it began to wait."""


W = TypeVar("W", bound=Waiting)


async def list_documents(
    connection: Connection,
    process: ProcessSpec,
    *,
    status: str | None,
    sku: Named | None = None,
    warehouse: Named | None = None,
    limit: int | None,
) -> list[Listed]:
    """Documents of one kind, the latest first, each once and in its present status.

    Args:
        connection: Temporal client, task queue and patience.
        process: The kind of document.
        status: Only documents in this status.
        sku: Only documents with this product.
        warehouse: Only documents of this warehouse.
        limit: How many at most; None: all.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing has that name or id.
        Unreachable: Temporal or its workers don't answer.
    """
    # Temporal first: what is stored between the two answers is in the second one.
    has_names = sku is not None or warehouse is not None
    not_stored = [] if has_names else await _not_stored(connection, process, status, limit)
    stored = await _stored(connection, process, limit, status=status, product=sku, warehouse=warehouse)
    if not_stored:
        by_now = await _stored_of(connection, process, [each.number for each in not_stored])
        stored += [each for each in not_stored if each.number not in by_now]
        stored.sort(key=lambda each: each.created_at, reverse=True)
    return stored[:limit]


async def awaiting(
    connection: Connection,
    process: ProcessSpec,
    status: str,
    read: Callable[[Listed, Mapping[str, Any]], W],
    limit: int | None,
) -> list[W]:
    """Documents that wait for a decision, the oldest first.

    Args:
        connection: Temporal client, task queue and patience.
        process: The kind of document.
        status: The status in which they wait.
        read: An inbox's line, from the document and its memo.
        limit: How many at most; None: all.

    Raises:
        Unreachable: No worker answers.
    """
    found = [read(each, each.memo) for each in await _stored(connection, process, None, status=status)]
    found.sort(key=lambda waiting: waiting.since)
    return found[:limit]


async def read_document(connection: Connection, process: ProcessSpec, number: str, state: type[S]) -> S:
    """The state of a document: the database's, with the notes and notices of its run.

    A run that was terminated, is paused, or is gone takes nothing from it but those.

    Args:
        connection: Temporal client, task queue and patience.
        process: The kind of document.
        number: Its number.
        state: The model of its state.

    Raises:
        NotFound: There is no such document, and no run of it.
        Unreachable: No worker answers.
    """
    what = f"{process.name} {number}"
    try:
        asked = checked(ShowDocument, kind=process.kind, number=number)
    except InvalidRequest:
        raise NotFound(f"{what} doesn't exist") from None
    handle = connection.client.get_workflow_handle(process.id_of(number))
    of_the_run = asyncio.create_task(read_state(handle, state, what=what, within=connection.answer_within))
    of_the_run.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        answered = await ask(connection, SHOW_DOCUMENT, asked)
        shown = answered.state
        if shown is None:
            # It may be on its way, or was rejected; a run that has ended otherwise has stored nothing.
            try:
                status = await _status_of(connection, handle.id, what)
            except NotFound:
                if answered.alike is None:
                    raise
                status = None
            if status not in _WITH_A_STATE:
                why = "its start was refused, or stopped before anything was stored"
                meant = f"did you mean {answered.alike}?" if answered.alike is not None else why
                raise NotFound(f"{what} doesn't exist; {meant}")
            return await of_the_run
        await asyncio.wait({of_the_run}, timeout=_RUN_WITHIN)
        stored = state.model_validate(shown)
        if not of_the_run.done() or isinstance(of_the_run.exception(), StockkeeperError):
            return stored
        only_there = {name: getattr(of_the_run.result(), name) for name in _OF_THE_RUN if name in state.model_fields}
        return stored.model_copy(update=only_there)
    finally:
        of_the_run.cancel()


async def is_paused(connection: Connection, workflow_id: str) -> bool:
    """Whether an operator has paused the run."""
    status = await _status_of(connection, workflow_id, workflow_id)
    return status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED


async def status_of_run(connection: Connection, process: ProcessSpec, number: str) -> str:
    """The status of a document as its latest run shows it in Temporal, so that no worker is needed.

    A run that no worker has had yet shows none, and its document has the first one.

    Raises:
        NotFound: There is no run.
        Unreachable: Temporal doesn't answer.
    """
    described = await _described(connection, process.id_of(number), f"{process.name} {number}")
    return _of_run(described, process, _first_status(process)).status


async def type_of_run(connection: Connection, process: ProcessSpec, number: str) -> str | None:
    """The workflow type of a document's latest run; None: Temporal has none any more.

    Raises:
        Unreachable: Temporal doesn't answer.
    """
    try:
        return (await _described(connection, process.id_of(number), f"{process.name} {number}")).type.name
    except NotFound:
        return None


async def _status_of(connection: Connection, workflow_id: str, what: str) -> int:
    """The status of the latest run of a workflow, as the service has it: the SDK can't read all of them."""
    return (await _described(connection, workflow_id, what)).status


async def _described(connection: Connection, workflow_id: str, what: str) -> WorkflowExecutionInfo:
    """The latest run of a workflow, as the service has it."""
    request = DescribeWorkflowExecutionRequest(
        namespace=connection.client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    async with answer(what, connection.answer_within, if_lost=None):
        described = await connection.client.workflow_service.describe_workflow_execution(request)
    return described.workflow_execution_info


async def stored_documents(connection: Connection, process: ProcessSpec, status: str) -> list[Listed]:
    """All documents of a kind that the database has in a status, the latest first: those that a person may act on.

    Raises:
        Unreachable: No worker answers.
    """
    return await _stored(connection, process, None, status=status)


async def _stored(connection: Connection, process: ProcessSpec, limit: int | None, **fields: object) -> list[Listed]:
    """Documents of the database, the latest first, at most ``limit``."""
    at_once = min(limit or DOCUMENTS_AT_ONCE, DOCUMENTS_AT_ONCE)
    asked = await with_names(connection, ListDocuments, kind=process.kind, limit=at_once, **fields)
    found: list[Listed] = []
    together = _TOGETHER.get(None)
    if together is not None and limit is None and connection.databases is None:
        page = await together.page(connection, asked)
        found = [_listed(each) for each in page.documents]
        if not page.more:
            return found
        asked = asked.model_copy(update={LIST_DOCUMENTS.goes_on: LIST_DOCUMENTS.place(page.documents[-1])})
    async for each in pages(connection, LIST_DOCUMENTS, asked):
        found.append(_listed(each))
        if len(found) == limit:
            break
    return found


class _Together:
    """Lists that several tasks want at the same moment, asked for as one question."""

    def __init__(self) -> None:
        self._wanted: list[tuple[ListDocuments, asyncio.Future[DocumentsListed | None]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def page(self, connection: Connection, asked: ListDocuments) -> DocumentsListed:
        """The first page of a list."""
        answer: asyncio.Future[DocumentsListed | None] = asyncio.get_running_loop().create_future()
        self._wanted.append((asked, answer))
        if len(self._wanted) == 1:
            self._asking = asyncio.create_task(self._ask(connection))
        return await answer or await ask(connection, LIST_DOCUMENTS, asked)

    async def _ask(self, connection: Connection) -> None:
        # Whoever wants a list at this moment, also through a task of its own, has said so by then.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        wanted, self._wanted = self._wanted, []
        try:
            found = await ask(connection, LIST_TOGETHER, ListTogether(lists=[asked for asked, _ in wanted]))
        except BaseException as error:
            for _, answer in wanted:
                if not answer.done():
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), page in zip(wanted, found.pages, strict=True):
            if not answer.done():
                answer.set_result(page)


_TOGETHER: ContextVar[_Together] = ContextVar("together")
_TURNS = 5


@contextmanager
def lists_together() -> Iterator[None]:
    """Ask for all lists that the tasks begun within the block want at the same moment by one question."""
    before = _TOGETHER.set(_Together())
    try:
        yield
    finally:
        _TOGETHER.reset(before)


async def _stored_of(connection: Connection, process: ProcessSpec, numbers: Sequence[str]) -> set[str]:
    """Those of these numbers that the database has."""
    # A workflow id may be anything; a document has a number.
    numbers = [number for number in numbers if _is_number(number)]
    found: set[str] = set()
    for start in range(0, len(numbers), MAX_LINES):
        some = await _stored(connection, process, None, numbers=numbers[start : start + MAX_LINES])
        found.update(each.number for each in some)
    return found


def _is_number(text: str) -> bool:
    try:
        _NUMBER.validate_python(text)
    except ValidationError:
        return False
    return True


def _first_status(process: ProcessSpec) -> str:
    """The status of a document before anything of it is stored."""
    return str(process.state().model_dump(mode="json")["status"])


async def _not_stored(
    connection: Connection, process: ProcessSpec, status: str | None, limit: int | None
) -> list[Listed]:
    """Runs whose document isn't in the database as far as their search attributes show, the latest of each number."""
    first = _first_status(process)
    name = search_attributes.STATUS.name
    ways = {first: f"({name} IS NULL AND CloseTime IS NULL)", _REJECTED: f'{name}="{_REJECTED}"'}
    wanted = [way for of_status, way in ways.items() if status in (None, of_status)]
    if not wanted:
        return []
    query = f'WorkflowType="{process.workflow_type}" AND ({" OR ".join(wanted)})'
    found: dict[str, Listed] = {}
    token = b""
    while True:
        # By the service itself: the SDK's own list fails on a page with a paused run.
        request = ListWorkflowExecutionsRequest(
            namespace=connection.client.namespace, query=query, page_size=MAX_LINES, next_page_token=token
        )
        async with answer("the list", connection.answer_within, if_lost=None):
            page = await connection.client.workflow_service.list_workflow_executions(request)
        for run in page.executions:
            listed = _of_run(run, process, first)
            found.setdefault(listed.number, listed)
        token = page.next_page_token
        if not token or (limit is not None and len(found) >= limit):
            return list(found.values())[:limit]


def _listed(each: DocumentListed) -> Listed:
    return Listed(
        number=each.number,
        status=each.status,
        skus=tuple(each.skus),
        warehouses=tuple(each.warehouses),
        deadline=each.deadline,
        memo=each.memo,
        workflow_id=each.workflow_id,
        run_id=each.run_id,
        created_at=each.created_at,
    )


def _of_run(run: WorkflowExecutionInfo, process: ProcessSpec, first: str) -> Listed:
    attributes = decode_typed_search_attributes(run.search_attributes)
    workflow_id = run.execution.workflow_id
    return Listed(
        number=workflow_id.removeprefix(process.id_of("")),
        status=attributes.get(search_attributes.STATUS) or first,
        skus=(),
        warehouses=(),
        deadline=None,
        memo={},
        workflow_id=workflow_id,
        run_id=run.execution.run_id,
        created_at=run.start_time.ToDatetime(UTC),
    )
