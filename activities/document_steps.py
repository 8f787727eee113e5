"""Group commit for documents: steps on several documents of a kind that come at the same time share a transaction.

It is as for steps on the stock (`activities.stock_steps`), with one round trip before: the documents are locked and
read first, because their lines say which items a step needs. A step plans on the document as it is, says what it wants
of the stock, and carries its plan out once the items are locked. Documents, items, operations and events are written
together.

A step on a document that another one is under way on goes alone, and waits for it in the database. So does one that has
to write past the memory, as the use of an approval, and one whose neighbours have failed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection

from activities.document_events import document_changed
from activities.step_log import log_repeated
from activities.together import SharedStep, answer_of, carry_out
from activities.writes import as_repeat, database_errors, operation_of, or_refused, with_effects
from database.events import NewEvent, insert_events
from database.gathering import Gathering
from database.locked_stock import LockedStock
from database.operations import (
    Operation,
    Refused,
    StoredOperation,
    claim,
    find_refused,
    find_stored,
    refused_by_id,
    require_later,
    stored_by_id,
)
from database.patience import SHORT_LOCK_TIMEOUT
from database.pipeline import Statement, send
from database.sessions import Database
from database.stock_reading import Wants, lock_stock
from stockkeeper.contracts.messages import InspectingAnswer, Step
from stockkeeper.domain.effective_time import require_past
from stockkeeper.domain.errors import DomainError

Result = TypeVar("Result", bound=BaseModel)
D = TypeVar("D")
Shown_co = TypeVar("Shown_co", bound=BaseModel, covariant=True)

_TOGETHER = 8
"""Documents of 20 lines that share a transaction: more make it long, and others wait for its items."""

_AT_ONCE = 2
"""Transactions of such steps at once: while one decides here, the other writes in the database."""

_PATIENCE_SECONDS = 0.25
"""How long a step waits for those under way, before it goes on without them. They take a fifth of it."""


class Plan(NamedTuple):
    """What a step is going to do with a document.

    Attributes:
        wants: What it needs of the stock.
        carry_out: Changes stock and document in memory, or raises before it has changed anything. It returns its
            effects on others, which the workflow has to pass on; None: there were none.
        writes_itself: Whether it writes past the memory, and so needs a transaction of its own.
        is_repeat: Whether the operation was carried out before.
    """

    wants: Wants
    carry_out: Callable[[LockedStock], InspectingAnswer | None]
    writes_itself: bool = False
    is_repeat: bool = False


def nothing(stock: LockedStock) -> None:
    """Carry out the plan of a step whose effect is there already: nothing changes, and no event is written."""
    del stock


class Command(NamedTuple):
    """A step on a document: the document's number, the operation, and the caller's own number for it, if any."""

    number: str
    operation: Operation
    name: str | None


class Room(Protocol[D, Shown_co]):
    """How a kind of document is locked, read, written and shown, many of them at once."""

    def lock(self, numbers: Sequence[str]) -> Statement:
        """Lock documents by their numbers."""

    def read(self, commands: Sequence[Command]) -> list[Statement]:
        """Read what decisions and answers need."""

    def take_in(self, rows: Sequence[list[Any]]) -> Mapping[str, D]:
        """The documents by number."""

    def require(self, found: Mapping[str, D], number: str) -> D:
        """The document of this number; raises `InvalidRequest` if there is none."""

    def changes(self, documents: Iterable[D]) -> Iterable[Statement]:
        """What has changed of documents, as statements."""

    def answer(self, document: D, operation: Operation) -> Shown_co:
        """The document as it is now."""

    def booked(self, document: D, operation: Operation) -> Sequence[Mapping[str, Any]] | None:
        """The units that the step has booked, for its event; None: they are what the step says."""


class _Known(NamedTuple):
    """What is known of the operations: those that were carried out, and those that were refused, by id."""

    stored: Mapping[str, StoredOperation]
    refused: Mapping[str, Refused]


@dataclass(slots=True)
class _DocumentStep(SharedStep[Result], Generic[D, Result]):
    """A step on a document."""

    command: Command
    plan: Callable[[D, Operation], Plan]


class DocumentSteps(Generic[D, Result]):
    """Where the steps on one kind of document gather.

    Args:
        database: The database.
        room: The kind of document.
        result: The type of the answers.
    """

    def __init__(self, database: Database, room: Room[D, Result], result: type[Result]) -> None:
        self._database = database
        self._room = room
        self._result = result
        self._gatherings: list[Gathering[_DocumentStep[D, Result]]] = [
            Gathering(_TOGETHER, _PATIENCE_SECONDS) for _ in range(_AT_ONCE)
        ]
        self._lock_of_numbers = Lock()
        self._under_way: set[str] = set()

    def once(self, step: Step, number: str, plan: Callable[[D, Operation], Plan], *, name: str | None = None) -> Result:
        """Carry out a step on a document once, and answer with the document as it is now.

        Locks: the operation, the document, then the items wanted.

        Args:
            step: The step; its operation id makes it happen once.
            number: The document's number.
            plan: Plans on the document as it is, by the domain.
            name: The caller's own number for the command, under which it may have been booked before.

        Raises:
            DomainError: The step is refused, and nothing has changed; nor does an attempt that was begun earlier change
                anything from here on.
            ApplicationError: The database failed; Temporal tries the step again.
        """
        operation = operation_of(step)
        this = _DocumentStep(operation, self._result, Command(number, operation, name), plan)
        with database_errors():
            require_past(step.occurred_at, step.as_of)
            with self._alone_on(number) as is_alone:
                if is_alone:
                    self._gatherings[hash(number) % _AT_ONCE].join(this, self._carry_out)
            answer = answer_of(this, self._in_one_transaction)
        if this.is_repeat:
            log_repeated(operation)
        return answer

    @contextmanager
    def _alone_on(self, number: str) -> Iterator[bool]:
        """Whether no other step on this document is under way here."""
        with self._lock_of_numbers:
            is_alone = number not in self._under_way
            self._under_way.add(number)
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._lock_of_numbers:
                    self._under_way.discard(number)

    def _carry_out(self, steps: Sequence[_DocumentStep[D, Result]]) -> None:
        carry_out(steps, self._in_one_transaction)

    def _in_one_transaction(self, steps: Sequence[_DocumentStep[D, Result]]) -> list[Result | DomainError | None]:
        if len(steps) > 1:
            return self._attempt(steps)
        # One that is refused may have written past the memory by then, so its transaction is rolled back.
        return or_refused(self._database, steps[0].operation, partial(self._attempt, steps))

    def _attempt(self, steps: Sequence[_DocumentStep[D, Result]]) -> list[Result | DomainError | None]:
        is_shared = len(steps) > 1
        with self._database.transaction(steps=len(steps)) as connection:
            known, documents = self._lock(connection, [step.command for step in steps], is_shared=is_shared)
            planned = [self._planned(step, known, documents) for step in steps]
            if not is_shared and isinstance(planned[0], DomainError):
                raise planned[0]
            wants = [
                each.wants for each in planned if isinstance(each, Plan) and not (is_shared and each.writes_itself)
            ]
            stock = lock_stock(connection, wants)
            told: list[NewEvent] = []
            outcomes = [
                self._outcome_of(step, plan, stock, documents, told, is_shared=is_shared)
                for step, plan in zip(steps, planned, strict=True)
            ]
            for step, outcome in zip(steps, outcomes, strict=True):
                if isinstance(outcome, DomainError):
                    stock.add_refused(step.operation, outcome)
            # In the order of the steps: of what two of them change, the last one counts.
            changed = [documents[number] for step in steps if (number := step.command.number) in documents]
            events = [insert_events(told)] if told else []
            stock.write(commit=True, beside=[*self._room.changes(changed), *events])
        return outcomes

    def _lock(
        self, connection: Connection, commands: Sequence[Command], *, is_shared: bool
    ) -> tuple[_Known, Mapping[str, D]]:
        wanted = [each.operation.operation_id for each in commands]
        before = [Statement(SHORT_LOCK_TIMEOUT)] if is_shared else []
        before += [claim(wanted), self._room.lock([each.number for each in commands])]
        known = [find_stored(wanted), find_refused(wanted)]
        stored, refused, *rows = send(connection, [*before, *known, *self._room.read(commands)])[len(before) :]
        return _Known(stored_by_id(stored), refused_by_id(refused)), self._room.take_in(rows)

    def _planned(
        self,
        step: _DocumentStep[D, Result],
        known: _Known,
        documents: Mapping[str, D],
    ) -> Plan | DomainError:
        operation = step.command.operation
        try:
            document = self._room.require(documents, step.command.number)
            if (before := known.stored.get(operation.operation_id)) is not None:
                before.require_same(operation)
                step.is_repeat = True
                return Plan(Wants(), partial(_effects_before, step, before), is_repeat=True)
            require_later(operation, known.refused)
            plan = step.plan(document, operation)
        except DomainError as refusal:
            return refusal
        return plan

    def _outcome_of(
        self,
        step: _DocumentStep[D, Result],
        plan: Plan | DomainError,
        stock: LockedStock,
        documents: Mapping[str, D],
        told: list[NewEvent],
        *,
        is_shared: bool,
    ) -> Result | DomainError | None:
        if isinstance(plan, DomainError):
            return plan
        if is_shared and plan.writes_itself:
            return None
        try:
            on_others = plan.carry_out(stock)
        except DomainError as refusal:
            if not is_shared:
                raise
            return refusal
        document, operation = documents[step.command.number], step.command.operation
        answer = with_effects(self._room.answer(document, operation), on_others)
        if plan.is_repeat:
            return as_repeat(answer)
        stock.add_done(operation, answer.model_dump_json())
        if plan.carry_out is not nothing:
            told.append(document_changed(operation, answer, lines=self._room.booked(document, operation)))
        return answer


def _effects_before(step: SharedStep[Any], before: StoredOperation, stock: LockedStock) -> InspectingAnswer | None:
    del stock
    return step.effects_before(before)
