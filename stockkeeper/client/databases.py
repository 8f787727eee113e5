"""Several databases: each call goes to the one that keeps its warehouses (`docs/several-databases.md`).

The task queue of its workers is a database's name. Which one keeps a warehouse is read from their directory, once, and
again every minute, when a warehouse isn't in it, or when one of them says that it doesn't keep the warehouse.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client

from stockkeeper.client.calls import answer
from stockkeeper.client.connection import ANSWER_WITHIN, Connection
from stockkeeper.client.questions import ask, pages
from stockkeeper.contracts import transfer
from stockkeeper.contracts.documents import DocumentListed, ShowDocument
from stockkeeper.contracts.errors import (
    InvalidRequest,
    NotFound,
    StockkeeperError,
    Unreachable,
    WarehouseElsewhere,
)
from stockkeeper.contracts.homes import Place, ShowHomes, lines_of, places_of
from stockkeeper.contracts.import_file import ImportKind
from stockkeeper.contracts.messages import Message, Page
from stockkeeper.contracts.operation import FindOperation, OperationFound
from stockkeeper.contracts.processes import DOCUMENTS
from stockkeeper.contracts.question import (
    EXPORT_BARCODES,
    EXPORT_SUPPLY,
    FIND_ITEMS,
    FIND_TERMS,
    FORGET_BARCODE,
    LIST_DOCUMENTS,
    READ_SCAN,
    RENAME_PRODUCT,
    SEARCH_PRODUCTS,
    SHOW_DOCUMENT,
    SHOW_FINDINGS,
    SHOW_HOMES,
    SHOW_IN_TRANSIT,
    SHOW_PRODUCT,
    SHOW_WAITING,
    PagedQuestion,
    Question,
)
from stockkeeper.contracts.recall import RecallRequest
from stockkeeper.contracts.settings import queues_of
from stockkeeper.contracts.stock import InTransit
from stockkeeper.contracts.transfer_state import TransferRequest

Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)
P = TypeVar("P", bound=Page)
R = TypeVar("R")

_READ_AGAIN_AFTER = 60.0
"""Seconds after which the directory is read again before it is used."""
_LOOK_AGAIN_AFTER = 5.0
"""Seconds after which it is looked, beside a call, whether a warehouse has moved since."""
_MOVES_WITHIN = 30.0
"""Seconds for which a call follows a warehouse that isn't where it should be: while it moves, two databases may say of
each other for a moment that it is there."""
_FOLLOWS_EVERY = 0.5
_NEXT_AFTER = 0.5
"""Seconds after which what every database knows is asked of the next one as well. A healthy one needs hundredths."""

_OF_THE_CATALOGUE = frozenset(
    each.name
    for each in (
        *(FIND_ITEMS, FIND_TERMS, SHOW_PRODUCT, SEARCH_PRODUCTS),
        *(EXPORT_SUPPLY, SHOW_HOMES, READ_SCAN, EXPORT_BARCODES),
    )
)
"""Questions that every database answers alike."""
_CHANGES_OF_THE_CATALOGUE = frozenset({RENAME_PRODUCT.name, FORGET_BARCODE.name})
_CATALOGUE_KINDS = frozenset(
    {
        ImportKind.PRODUCTS,
        ImportKind.WAREHOUSES,
        ImportKind.SUPPLIERS,
        ImportKind.PRODUCT_SUPPLIERS,
        ImportKind.BARCODES,
        ImportKind.UNITS,
    }
)
_PLACES: Mapping[str, Callable[[Any], Any]] = {
    LIST_DOCUMENTS.name: lambda document: document.created_at,
    SHOW_WAITING.name: lambda line: line.waiting_since,
    SHOW_FINDINGS.name: lambda finding: finding.first_seen_at,
}
"""By which rows of several databases are merged, where each counts its rows by itself."""


class _OnProduct(Protocol):
    """A line of an order."""

    @property
    def warehouse_id(self) -> int | None:
        """Its warehouse; None: any."""


L = TypeVar("L", bound=_OnProduct)


@dataclass
class _Directory:
    """Which database keeps each warehouse: its task queue by id, and by name in small letters."""

    by_id: dict[int, str] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    version: int = 0

    def learn(self, warehouse_id: int, home: str) -> None:
        """Know a warehouse's home."""
        self.by_id[warehouse_id] = home
        if (name := self.names.get(warehouse_id)) is not None:
            self.by_name[name] = home

    def home(self, place: Place) -> str | None:
        """The task queue of a warehouse's database; None: there is no such warehouse."""
        if isinstance(place, int):
            return self.by_id.get(place)
        number = place.removeprefix("id:")
        by_id = self.by_id.get(int(number)) if number.isdecimal() else None
        return self.by_name.get(place.lower()) or by_id


class Databases:
    """Several databases behind one connection.

    Attributes:
        queues: Their task queues; the first one's keeps the catalogue.
    """

    def __init__(self, connection: Connection, queues: Sequence[str]) -> None:
        self._client = connection.client
        self.queues = tuple(queues)
        self._at = {queue: connection.at(queue) for queue in queues}
        self._directory = _Directory()
        self._read_at = self._looked_at = -_READ_AGAIN_AFTER
        self._looking: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._first_asked = queues[0]

    def learn_from(self, other: "Databases | None") -> None:
        """Know of warehouses what another one knows, until it is read again."""
        if other is not None:
            self._directory, self._read_at = other._directory, other._read_at  # noqa: SLF001 - of the same class
            self._looked_at = other._looked_at  # noqa: SLF001

    async def begin(self, request: Message, begin: Callable[[str], Awaitable[R]]) -> R:
        """Begin a process in the database that keeps the warehouses of its start.

        Args:
            request: The start.
            begin: Begins it on a task queue.

        Raises:
            InvalidRequest: Its warehouses are kept in several databases, or it names none. Nothing was begun.
        """

        async def begin_at_home() -> R:
            return await begin(await self._home_of(request))

        return await self._following(begin_at_home)

    async def _following(self, call: Callable[[], Awaitable[R]]) -> R:
        """Make a call again that has met a warehouse that is elsewhere by now, with what has been learnt by it."""
        until = time.monotonic() + _MOVES_WITHIN
        while True:
            try:
                return await call()
            except WarehouseElsewhere as elsewhere:
                before = self._directory.by_id.get(elsewhere.warehouse_id)
                await self._read()
                if self._directory.by_id.get(elsewhere.warehouse_id) == before:
                    # The directory is behind, or the client was right all the time.
                    if time.monotonic() > until or elsewhere.task_queue not in self._at:
                        raise
                    self._directory.learn(elsewhere.warehouse_id, elsewhere.task_queue)
                    await asyncio.sleep(_FOLLOWS_EVERY)

    async def parts(self, lines: Iterable[L]) -> dict[str, list[L]]:
        """The lines of an order by the task queue of the database that keeps their warehouse, each in their order.

        Raises:
            InvalidRequest: A line leaves the warehouse open.
        """
        found: dict[str, list[L]] = {}
        for line in lines:
            if line.warehouse_id is None:
                raise InvalidRequest("warehouse_id: with several databases each line names its warehouse")
            home = await self._home(line.warehouse_id)
            found.setdefault(home or self.queues[0], []).append(line)
        return found

    async def queue_of(self, workflow_id: str) -> str:
        """The task queue of the database that has a workflow's document.

        Raises:
            NotFound: Temporal has no run of it, and no database the document.
            Unreachable: Temporal doesn't answer, or a database that may have it.
        """
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        )
        try:
            async with answer(workflow_id, self._at[self.queues[0]].answer_within, if_lost=None):
                described = await self._client.workflow_service.describe_workflow_execution(request)
        except NotFound:
            return await self._keeps(workflow_id)
        queue = described.execution_config.task_queue.name
        return queue if queue in self._at else await self._keeps(workflow_id)

    async def ask(self, question: Question[Q, A], asked: Q, prefix: str) -> A:
        """Ask the database that knows: see `stockkeeper.client.questions.ask`."""
        if question.name in _OF_THE_CATALOGUE:
            return await self._ask_any(question, asked, prefix)
        if question.name in _CHANGES_OF_THE_CATALOGUE or getattr(asked, "kind", None) in _CATALOGUE_KINDS:
            return await ask(self._at[self.queues[0]], question, asked, prefix=prefix)
        workflow_id = _workflow_of(asked)
        if isinstance(asked, FindOperation) and _is_transfer(workflow_id):
            return await self._ask_both_ends(question, asked, prefix)
        if workflow_id is not None:
            return await ask(self._at[await self.queue_of(workflow_id)], question, asked, prefix=prefix)

        async def ask_at_home() -> A:
            home = self._at[await self._only_home(question.name, asked)]
            return await ask(home, question, asked, prefix=prefix)

        return await self._following(ask_at_home)

    async def pages(self, question: PagedQuestion[Q, P, R], asked: Q) -> AsyncIterator[R]:
        """All rows of an answer, merged in their order: see `stockkeeper.client.questions.pages`.

        With warehouses in the question only their databases are asked.

        Raises:
            Unreachable: One of the databases doesn't answer; the message names it. Rows may have come before.
        """
        place, latest_first = _PLACES.get(question.name, question.place), question.goes_on == "before"
        told: set[object] = set()
        streams: dict[str, AsyncGenerator[R]] = {}

        async def begin_all() -> list[tuple[R] | None]:
            queues: Collection[str] = self.queues[:1]
            if question.name not in _OF_THE_CATALOGUE:
                queues = await self._homes(asked) or self.queues
            streams.clear()
            streams.update({queue: self._rows(queue, question, asked) for queue in queues})
            return await asyncio.gather(*(_next(each) for each in streams.values()))

        try:
            first = await self._following(begin_all)
            heads = {queue: row for queue, row in zip(streams, first, strict=True) if row is not None}
            choose = max if latest_first else min
            while heads:
                queue = choose(heads, key=lambda each: place(heads[each][0]))
                [row] = heads.pop(queue)
                # A transfer between two databases is in both, with the same figures.
                if (in_both := _in_both(asked, row)) is None or in_both not in told:
                    yield row
                told.update(() if in_both is None else (in_both,))
                if (following := await _next(streams[queue])) is not None:
                    heads[queue] = following
        finally:
            for stream in streams.values():
                await stream.aclose()

    async def _rows(self, queue: str, question: PagedQuestion[Q, P, R], asked: Q) -> AsyncGenerator[R]:
        try:
            async for row in pages(self._at[queue], question, asked):
                yield row
        except Unreachable as away:
            raise Unreachable(f"the database of task queue {queue}: {away}") from away

    async def _ask_any(self, question: Question[Q, A], asked: Q, prefix: str) -> A:
        """The first answer: of the one that answered last, and of the next ones if that takes its time."""
        order = [self._first_asked, *(queue for queue in self.queues if queue != self._first_asked)]
        under_way: dict[asyncio.Task[A], str] = {}
        last: Unreachable | None = None
        try:
            while order or under_way:
                if order:
                    queue = order.pop(0)
                    under_way[asyncio.create_task(ask(self._at[queue], question, asked, prefix=prefix))] = queue
                wait = _NEXT_AFTER if order else None
                done, _ = await asyncio.wait(under_way, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    queue = under_way.pop(task)
                    failed = task.exception()
                    if isinstance(failed, Unreachable):
                        last = failed
                        continue
                    self._first_asked = queue
                    return task.result()
            raise last or Unreachable("no database answers")
        finally:
            for task in under_way:
                task.cancel()

    async def _ask_both_ends(self, question: Question[Q, A], asked: Q, prefix: str) -> A:
        """Ask for an operation of a transfer, which is carried out where the warehouse of either end is kept."""
        workflow_id = _workflow_of(asked) or ""
        first = await self.queue_of(workflow_id)
        found = await ask(self._at[first], question, asked, prefix=prefix)
        if isinstance(found, OperationFound) and not found.done:
            wanted = ShowDocument(
                kind=transfer.PROCESS.kind, number=workflow_id.removeprefix(transfer.PROCESS.id_of(""))
            )
            state = (await ask(self._at[first], SHOW_DOCUMENT, wanted)).state or {}
            there = await self._home(state["to_warehouse_id"]) if "to_warehouse_id" in state else None
            if there not in (None, first):
                return await ask(self._at[there or first], question, asked, prefix=prefix)
        return found

    async def _keeps(self, workflow_id: str) -> str:
        """The database that has a document of which Temporal has no run any more."""
        found = ((each, workflow_id.removeprefix(each.id_of(""))) for each in DOCUMENTS.values())
        for process, number in found:
            if process.id_of(number) != workflow_id:
                continue
            for queue in self.queues:
                asked = ShowDocument(kind=process.kind, number=number)
                if (await ask(self._at[queue], SHOW_DOCUMENT, asked)).state is not None:
                    return queue
        return self.queues[0]

    async def _home_of(self, request: Message) -> str:
        """The database that keeps all warehouses of a start."""
        lines = lines_of(request)
        if any("warehouse_id" in type(line).model_fields and line.warehouse_id is None for line in lines):
            raise InvalidRequest("warehouse_id: with several databases each line names its warehouse")
        if getattr(request, "kind", None) in _CATALOGUE_KINDS:
            return self.queues[0]
        if isinstance(request, RecallRequest):
            # Its run blocks the lot in all of them.
            return self.queues[0]
        if isinstance(request, TransferRequest):
            # Its destination may be kept elsewhere: its run tells that database.
            return await self._home(request.from_warehouse_id) or self.queues[0]
        return await self._only_home("this", request)

    async def _only_home(self, what: str, message: BaseModel) -> str:
        homes = await self._homes(message)
        if not homes:
            raise InvalidRequest(
                f"{what.replace('_', ' ')}: with several databases it needs a warehouse, or one of the databases by "
                "itself: `Stockkeeper.at`, or STOCKKEEPER_TASK_QUEUE without STOCKKEEPER_DATABASES"
            )
        if len(homes) > 1:
            kept = "; ".join(f"{queue}: {', '.join(map(str, places))}" for queue, places in sorted(homes.items()))
            raise InvalidRequest(f"its warehouses are kept in several databases, and nothing was done ({kept})")
        return next(iter(homes))

    async def _homes(self, message: BaseModel) -> dict[str, list[Place]]:
        """The databases of the warehouses that a message names; one that nobody knows is looked for in the first."""
        found: dict[str, list[Place]] = {}
        for place in places_of(message):
            found.setdefault(await self._home(place) or self.queues[0], []).append(place)
        return found

    async def _home(self, place: Place) -> str | None:
        if time.monotonic() - self._read_at > _READ_AGAIN_AFTER:
            await self._read()
        elif time.monotonic() - self._looked_at > _LOOK_AGAIN_AFTER:
            self._looked_at = time.monotonic()
            self._looking = asyncio.create_task(self._look())
        home = self._directory.home(place)
        if home is None:
            await self._read()
            home = self._directory.home(place)
        if home is not None and home not in self._at:
            raise StockkeeperError(
                f"warehouse {place} is kept in the database of task queue {home}, which STOCKKEEPER_DATABASES "
                f"({', '.join(self.queues)}) hasn't got"
            )
        return home

    async def _read(self) -> None:
        """Read the directory, from whichever database answers; whoever needs it meanwhile waits for the same answer."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_now())
        await asyncio.shield(self._reading)

    async def _look(self) -> None:
        """Read the directory if a warehouse has moved since; a database that doesn't answer is asked again later."""
        with contextlib.suppress(StockkeeperError):
            known = self._directory.version
            page = await ask(self._at[self.queues[0]], SHOW_HOMES, ShowHomes(unless=known), prefix="question")
            if page.version != known:
                await self._read()

    async def _read_now(self) -> None:
        self._first_asked = self.queues[0]
        read, asked = _Directory(), ShowHomes()
        while True:
            page = await self._ask_any(SHOW_HOMES, asked, "question")
            read.version = page.version
            for each in page.homes:
                home = each.task_queue or self.queues[0]
                read.names[each.warehouse_id] = each.warehouse.lower()
                read.learn(each.warehouse_id, home)
            if not page.more:
                break
            asked = ShowHomes(after=page.homes[-1].warehouse_id)
        self._directory = read
        self._read_at = self._looked_at = time.monotonic()


async def parts_by_database(connection: Connection, lines: Iterable[L]) -> dict[str, list[L]]:
    """The lines of an order by the task queue of the database that keeps their warehouse; of one database, all of them.

    Raises:
        InvalidRequest: There are several databases, and a line leaves the warehouse open.
    """
    if connection.databases is None:
        return {connection.task_queue: list(lines)}
    return await connection.databases.parts(lines)


def connection_to(
    client: Client, queue: str, databases: Sequence[str], *, answer_within: timedelta = ANSWER_WITHIN
) -> Connection:
    """A connection to several databases by their task queues; without any, to the one of the task queue ``queue``."""
    connection = Connection(client, databases[0] if databases else queue, answer_within=answer_within)
    if databases:
        connection.databases = Databases(connection, databases)
    return connection


def databases_by_environment() -> Sequence[str]:
    """The task queues in ``STOCKKEEPER_DATABASES``; empty: there is one database.

    Raises:
        StockkeeperError: The setting names only one, or one twice.
    """
    try:
        return queues_of(os.environ.get("STOCKKEEPER_DATABASES", ""))
    except ValueError as error:
        raise StockkeeperError(f"STOCKKEEPER_DATABASES: {error}") from None


def _in_both(asked: BaseModel, row: object) -> object:
    """By what a row is known that two databases may have; None: only one of them can have it."""
    if isinstance(row, DocumentListed) and getattr(asked, "kind", None) == transfer.PROCESS.kind:
        return row.number
    return SHOW_IN_TRANSIT.place(row) if isinstance(row, InTransit) else None


def _is_transfer(workflow_id: str | None) -> bool:
    return workflow_id is not None and workflow_id.startswith(transfer.PROCESS.id_of(""))


def _workflow_of(asked: BaseModel) -> str | None:
    """The workflow of the document that a question is about."""
    if isinstance(asked, ShowDocument):
        return DOCUMENTS[asked.kind].id_of(asked.number)
    return asked.workflow_id if isinstance(asked, FindOperation) else None


async def _next(stream: AsyncIterator[R]) -> tuple[R] | None:
    """The next row; None: there is no more."""
    async for row in stream:
        return (row,)
    return None
