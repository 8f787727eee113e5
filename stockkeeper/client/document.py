"""The parts that all documents share: start or find one, command it, list those of a kind, and print one."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Generic, Self, TypeVar, cast, overload

from temporalio.client import WithStartWorkflowOperation
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy

from stockkeeper.client.calls import LAST_LOOK, LOOK_FIRST, MAY_BE_DONE, answer, as_it_is_away, command, start_and_ask
from stockkeeper.client.conflicts import differences
from stockkeeper.client.connection import Connection
from stockkeeper.client.inbox import InboxItem
from stockkeeper.client.lines import Named
from stockkeeper.client.names import Names, with_ids
from stockkeeper.client.operations import Numbered, was_carried_out
from stockkeeper.client.questions import require_database
from stockkeeper.client.runs import Listed, list_documents, read_document
from stockkeeper.client.tracing import goes_to, trace_calls
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.errors import DomainError, Unreachable, already_exists
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import Message, State, counted
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.receipt import ReceiptState

S = TypeVar("S", bound=State)
M = TypeVar("M", bound=Message)
D = TypeVar("D", bound="Document[Any]")
St = TypeVar("St", bound=StrEnum)

_LINES_PRINTED = 2


class Document(Generic[S]):
    """A document and the one workflow that may change it.

    Attributes:
        name: The document's number, chosen by the caller.
        state: The state when it was last read; every command brings it up to date.
    """

    process: ClassVar[ProcessSpec]
    after_the_end: ClassVar[frozenset[str]] = frozenset()
    """Commands that are right after the end of the document's run, too: a new run takes them then."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        trace_calls(cls, cls.__name__)

    def __init__(self, connection: Connection, name: str, state: S, names: Names | None = None) -> None:
        self._connection = connection
        self._names = names or Names()
        self._handle = connection.client.get_workflow_handle(self.process.id_of(name))
        self.name = name
        self.state = state

    @classmethod
    async def find(cls, connection: Connection, name: str) -> Self:
        """A document that exists already.

        Raises:
            NotFound: There is none of that number.
            Unreachable: No worker answers.
        """
        document = cls(connection, name, cls._state_type()())
        await document.refresh()
        return document

    @classmethod
    async def start(
        cls,
        connection: Connection,
        name: str,
        *,
        asking: str | None = None,
        within: timedelta | None = None,
        **fields: object,
    ) -> Self:
        """Start the document, or get the one of that number if its contents are the same.

        Args:
            connection: Temporal client, task queue and patience.
            name: The document's number.
            asking: The update that answers; None: the process's own.
            within: How long to wait for the answer; None: as long as for any.
            fields: The other fields of the start, with names or ids.

        Raises:
            OperationConflict: The number belongs to a document with other contents.
            UnknownProduct, UnknownWarehouse, UnknownSupplier: Nothing has that name.
            DomainError, Unreachable: See `stockkeeper.client.calls.answer`.
        """
        number = {cls.process.number_field: name}
        request, names = await with_ids(connection, cls.process.start, **number, **fields)
        try:
            state = await start_and_ask(
                connection,
                cls.process,
                request,
                what=f"{cls.process.name} {name}",
                workflow_id=cls.process.id_of(name),
                summary=cls._summary(request),
                state=cls._state_type(),
                asking=asking,
                within=within,
                search_attributes=_known(name, names),
                terms=cls._terms(request),
                turn_of=cls._turn_of(request),
            )
        except DomainError as error:
            raise names.in_words(error) from None
        except Unreachable as lost:
            what = f"{cls.process.name} {name}"
            try:
                async with answer(what, min(connection.answer_within, LAST_LOOK), if_lost=None):
                    await connection.at_home(request, lambda queue: require_database(connection.at(queue)))
            except Unreachable as unknown:
                raise as_it_is_away(what, lost, unknown) from unknown
            raise
        if cls._contents(state) != cls._contents(request):
            raise already_exists(cls.process.name, name, differences(state, request, names))
        return cls(connection, name, state, names)

    @classmethod
    def _state_type(cls) -> type[S]:
        return cast("type[S]", cls.process.state)

    @staticmethod
    def _summary(request: Any) -> str:
        """The line that an operator reads beside the run of this start."""
        return str(request.summary)

    @staticmethod
    def _terms(request: Any) -> Mapping[str, object] | None:
        """Fields of the start that the document of that number is told, if there is one; None: none."""
        del request
        return None

    @staticmethod
    def _turn_of(request: Any) -> str | None:
        """The warehouse with whose documents it takes turns: that of the document, or of its first line."""
        named = [request, *getattr(request, "lines", [])[:1]]
        fields = ("warehouse_id", "from_warehouse_id")
        found = [number for each in named for field in fields if (number := getattr(each, field, None)) is not None]
        return f"warehouse-{found[0]}" if found else None

    @staticmethod
    def _contents(document: Any) -> object:
        """The part of start and state in which two documents of one number may not differ."""
        raise NotImplementedError

    async def refresh(self) -> S:
        """Read the state again, from the database: it answers whatever has become of the document's run.

        Raises:
            NotFound: There is no such document.
            Unreachable: No worker answers.
        """
        self.state = await read_document(self._connection, self.process, self.name, self._state_type())
        return self.state

    def __repr__(self) -> str:
        """Kind, number, status, deadline and the first lines: for logs and a debugger."""
        until = f" until {_moment(self._deadline())}" if self._deadline() else ""
        lines = self._lines()
        more = len(lines) - _LINES_PRINTED
        shown = [*lines[:_LINES_PRINTED], *([f"and {counted(more, 'more line')}"] if more > 0 else [])]
        status = getattr(self.state, "status", "")
        return f"<{type(self).__name__} {self.name} {status}{until}{': ' if shown else ''}{', '.join(shown)}>"

    def _lines(self) -> list[str]:
        """Units and product of each line, and the warehouse where a product comes from several, for `repr`."""
        fields = self.state.model_dump(include={"lines", "line_items"})
        lines = [line for of_name in fields.values() for line in of_name]
        places = {(line["product_id"], line.get("warehouse_id")) for line in lines}
        split = [product_id for product_id, count in Counter(each for each, _ in places).items() if count > 1]
        return [
            f"{line['quantity' if 'quantity' in line else 'qty']} of {self._names.of('product', line['product_id'])}"
            + (f" in {self._names.of('warehouse', line['warehouse_id'])}" if line["product_id"] in split else "")
            for line in lines
        ]

    def _deadline(self) -> datetime | None:
        """When the document ends by itself, for `repr`."""
        return None

    @property
    def _what(self) -> str:
        return f"{self.process.name} {self.name}"

    async def _message(self, sent: Command[M], **fields: object) -> M:
        """The payload of a command, checked, with ids in place of names."""
        message, names = await with_ids(self._connection, sent.message, **fields)
        self._names = Names({**self._names.ids, **names.ids})
        return message

    async def _send(self, sent: Command[M], done_already: Callable[[S], bool], **fields: object) -> S:
        """Command the document, with names or ids in the fields."""
        return await self._command(sent, await self._message(sent, **fields), done_already)

    async def _send_once(
        self,
        sent: Command[M],
        activity: Callable[..., Any],
        number: str | None,
        done_already: Callable[[S], bool],
        **fields: object,
    ) -> S:
        """Command the document, once if the command has a number.

        Args:
            sent: The command.
            activity: The step that carries it out.
            number: The command's own number; None: it has none.
            done_already: Whether, by a state, it has nothing left to do.
            fields: Its payload, with names or ids.
        """
        message = await self._message(sent, **fields)
        return await self._command(sent, message, done_already, None if number is None else Numbered(number, activity))

    async def _book(
        self,
        sent: Command[M],
        activity: Callable[..., Any],
        number: str | None,
        receipts: Callable[[S], Sequence[ReceiptState]],
        units: tuple[str, str],
        **fields: object,
    ) -> S:
        """Command the document to book a receipt, once if it has a number.

        Args:
            sent: The command.
            activity: The step that carries it out.
            number: The receipt's number; None: it has none.
            receipts: The receipts in a state.
            units: The fields of a line with units that enter stock, and with further ones, which don't.
            fields: Its payload, with names or ids.
        """
        message = await self._message(sent, **fields)
        lines: Sequence[Message] = cast("Any", message).lines
        accepted, unfit = (sum(getattr(line, name) for line in lines) for name in units)
        why = getattr(message, "unfit_reason", None)
        return await self._command(
            sent,
            message,
            lambda last: number is not None and is_booked(receipts(last), number, accepted, unfit, why),
            None if number is None else Numbered(number, activity),
        )

    async def _command(
        self,
        sent: Command[M],
        message: M,
        done_already: Callable[[S], bool],
        numbered: Numbered | None = None,
    ) -> S:
        """Command the document, and keep the state of now.

        Args:
            sent: The command.
            message: Its payload.
            done_already: Whether, by a state, the command has nothing left to do.
            numbered: Its own number, under which it is carried out once.
        """
        goes_to(self._handle.id)

        async def was_done(key: str) -> bool:
            return await self._was_carried_out(sent, message, key, numbered)

        # Units without a number are other units each time.
        is_repeatable = numbered is not None or getattr(message, "lines", None) is None

        async def through_a_run(by: str) -> Any:
            queue = await self._connection.queue_of(self._handle.id)
            start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
                self.process.workflow_type,
                self._resumption(message),
                id=self._handle.id,
                task_queue=queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=plain(f"{self._what}: {sent.name}"),
            )
            try:
                return await self._connection.client.execute_update_with_start_workflow(
                    sent.name, message, id=by, start_workflow_operation=start, result_type=self._state_type()
                )
            except BaseException:
                # The operation holds a failure of its own, which asyncio would report later if it weren't awaited.
                with contextlib.suppress(Exception):
                    await start.workflow_handle()
                raise

        try:
            self.state = await command(
                self._handle,
                sent,
                message,
                self._state_type(),
                what=self._what,
                done_already=done_already,
                was_done=was_done,
                last_state=self.refresh,
                refusal=lambda last: self.process.refusal(_status_of(last), sent.name, self.name),
                is_over=lambda last: self.process.is_over(_status_of(last)),
                within=self._connection.answer_within,
                if_lost=MAY_BE_DONE if is_repeatable else LOOK_FIRST,
                send_by=through_a_run if sent.name in self.after_the_end else None,
            )
        except DomainError as error:
            raise self._names.in_words(error) from None
        return self.state

    async def _was_carried_out(
        self, sent: Command[M], message: M, key: str, numbered: Numbered | None, connection: Connection | None = None
    ) -> bool:
        """Whether a command was carried out, by its own number or else its update id.

        Args:
            sent: The command.
            message: Its payload.
            key: Its update id.
            numbered: Its own number.
            connection: To the database that is asked; None: the document's.
        """
        asked, workflow_id = connection or self._connection, self._handle.id
        if numbered is None:
            return await was_carried_out(asked, workflow_id, sent.name, key)
        contents = numbered.contents(message, self._with_its_number())
        return await was_carried_out(asked, workflow_id, sent.name, numbered.key, kind=numbered.kind, contents=contents)

    def _resumption(self, message: Message) -> Message:
        """The start of a run that takes a command after the end of the document's own."""
        raise NotImplementedError

    def _with_its_number(self) -> State:
        """A state with the fields by which the document is named in its steps."""
        return self._state_type().model_validate({self.process.number_field: self.name})


def _known(number: str, names: Names) -> TypedSearchAttributes:
    """The search attributes that a start knows: its number, and the SKUs and warehouses that the caller has named.

    Not the status: it says that the document is stored.
    """
    kinds = ((search_attributes.SKUS, "product"), (search_attributes.WAREHOUSES, "warehouse"))
    return TypedSearchAttributes(
        [
            SearchAttributePair(search_attributes.REFERENCE, search_attributes.keyword(number)),
            *(
                SearchAttributePair(key, search_attributes.keywords(found))
                for key, kind in kinds
                if (found := names.of_kind(kind))
            ),
        ]
    )


def _status_of(state: object) -> str:
    return str(getattr(state, "status", ""))


class Number:
    """The document's number, under the name that the wire has for it: ``transfer_number``, ``po_number``, ..."""

    @overload
    def __get__(self, document: None, owner: type[Document[Any]]) -> Self: ...

    @overload
    def __get__(self, document: Document[Any], owner: type[Document[Any]]) -> str: ...

    def __get__(self, document: Document[Any] | None, owner: type[Document[Any]]) -> Self | str:
        """The number of one document."""
        return self if document is None else document.name


class Part:
    """The methods of `Stockkeeper` that belong to one document or subject."""

    connection: Connection

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        trace_calls(cls, "Stockkeeper")

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """All in this part that waits for a person at this instant.

        Raises:
            Unreachable: No worker answers.
        """
        del now
        return []


class Finding(Generic[D]):
    """The method that finds a document of one kind by its number: `Stockkeeper.hold`, `Stockkeeper.transfer`, ..."""

    def __init__(self, document: type[D], part: Part | None = None) -> None:
        self._document = document
        self._part = part

    def __get__(self, part: Part | None, owner: type[Part]) -> "Finding[D]":
        """The method of one client."""
        return Finding(self._document, part)

    async def __call__(self, number: str) -> D:
        """A document that exists already, by its number.

        Raises:
            NotFound: There is none of that number.
            Unreachable: No worker answers.
        """
        return await self._document.find(_connection_of(self._part), number)


class Listing(Generic[St]):
    """The method that lists documents of one kind: `Stockkeeper.holds`, `Stockkeeper.transfers`, ..."""

    def __init__(self, document: type[Document[Any]], part: Part | None = None) -> None:
        self._document = document
        self._part = part

    def __get__(self, part: Part | None, owner: type[Part]) -> "Listing[St]":
        """The method of one client."""
        return Listing(self._document, part)

    async def __call__(
        self,
        *,
        status: St | None = None,
        sku: Named | None = None,
        warehouse: Named | None = None,
        limit: int | None = 50,
    ) -> list[Listed]:
        """Documents, the latest first, each once and in its present status.

        They come from the database, whatever has become of their runs. Without ``sku`` and ``warehouse`` there are also
        starts that are on their way, whose lines aren't known yet, and those that were rejected for lack of stock, for
        as long as Temporal keeps them.

        Args:
            status: Only documents in this status.
            sku: Only documents with this product, by its SKU or id.
            warehouse: Only documents of this warehouse, by its name or id; of transfers, source or destination.
            limit: How many at most; None: all.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: Temporal or its workers don't answer.
        """
        return await list_documents(
            _connection_of(self._part),
            self._document.process,
            status=status,
            sku=sku,
            warehouse=warehouse,
            limit=limit,
        )


def _connection_of(part: Part | None) -> Connection:
    if part is None:
        raise TypeError("a method of a Stockkeeper that is connected")
    return part.connection


def _moment(moment: datetime | None) -> str:
    """An instant in a line: of today only the time."""
    if moment is None:
        return "-"
    day = "" if moment.astimezone(UTC).date() == datetime.now(UTC).date() else "%Y-%m-%d "
    return f"{moment.astimezone(UTC):{day}%H:%M} UTC"


def in_status(status: StrEnum) -> Callable[[Any], bool]:
    """The test whether a state has this status: a command that leads there has nothing left to do."""
    return lambda state: state.status is status


def is_booked(
    receipts: Sequence[ReceiptState], receipt_id: str, accepted: int, unfit: int, unfit_reason: str | None
) -> bool:
    """Whether this receipt, by its number, its units and the reason for unfit ones, has been booked."""
    wanted = (receipt_id, accepted, unfit, unfit_reason)
    return any((each.receipt_id, each.accepted, each.unfit, each.unfit_reason) == wanted for each in receipts)
