"""The skeleton of a document's workflow: begun by a step of the database, commanded, and ended or continued.

The database decides; a workflow keeps its latest answer (`Document.stored`) and shows it as the state. A document says
what begins it, what it waits for, which commands it takes, and what people read of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, cast

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.difference import ApproveDifference
from stockkeeper.contracts.messages import DocumentAnswer, InspectingAnswer, Message, Step, StockAnswer, parse
from stockkeeper.contracts.messages import amount as money_amount
from stockkeeper.contracts.opened_inspection import OpenedInspection
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.stock import ShortageState, shortages_of
from stockkeeper.domain.errors import DomainError, InsufficientStock, InvalidState
from stockkeeper.domain.transitions import TransitionTable
from workflows.commands import handler_of
from workflows.opened_inspections import start_inspections
from workflows.patches import ASKED, INSPECTED
from workflows.process import Carried, Handler, Noted, Process, Stamp
from workflows.reordering import ask_for_reorder
from workflows.steps import write

OPERATOR = "operator"
"""Actor recorded when an operator cancels the workflow itself."""
WORKFLOW_CANCELLED = "the workflow was cancelled"
"""The reason recorded then."""
GIVE_UP = "workflow-cancelled"
"""The key of the command that ends the document then."""

_REJECT = "reject"
"""The event that leads to REJECTED, in the transition table of every document that can be short of stock."""

_ACCUMULATED = frozenset({"gave_way", "held_before"})
"""Fields that an answer adds to in the state, instead of replacing them."""


class DocumentState(Noted, Protocol):
    """The state of a document."""

    status: Any


class RejectedState(DocumentState, Protocol):
    """The state of a document that is rejected when stock is short."""

    shortages: list[ShortageState]


class LineOfProduct(Protocol):
    """A line of a document, as an answer has it."""

    @property
    def sku(self) -> str:
        """The SKU of its product."""
        ...


@dataclass(frozen=True)
class Shown:
    """A document as people see it in the Temporal UI and find it in lists.

    Attributes:
        details: The run in a few lines of Markdown.
        lines: Its lines, for their SKUs.
        warehouses: The names of its warehouses.
        amount: Its value in money.
        deadline: The next instant at which something is due.
        memo: The fields that a list of runs shows beside these.
    """

    details: str
    lines: Sequence[LineOfProduct]
    warehouses: Sequence[str]
    _: KW_ONLY
    amount: Decimal | None = None
    deadline: datetime | None = None
    memo: Mapping[str, Any] | None = None


S = TypeVar("S", bound=DocumentState)
R = TypeVar("R", bound=RejectedState)
D = TypeVar("D", bound=BaseModel)
M = TypeVar("M", bound=Message)
T = TypeVar("T", bound=Step)
St = TypeVar("St", bound=Stamp)
Stage = Callable[[], Awaitable[None]]


class Document(Process[S], Generic[S, D, St]):
    """A document: its state, and the database's latest answer about it; ``St`` are the fields of all of its steps."""

    process: ClassVar[ProcessSpec]
    transitions: ClassVar[TransitionTable[Any, Any]]
    """The statuses of the process."""
    given_up_by: ClassVar[str] = "cancel"
    """The command that ends the document when an operator cancels the workflow."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        process = vars(cls).get("process")
        if process is not None:
            cls.transitions = process.table

    def __init__(self, state: S, payload: Sequence[Any]) -> None:
        super().__init__(state, payload)
        self.stored: D | None = None
        """The database's latest answer; None as long as nothing is stored."""
        self.lines = 0
        """The number of lines in an answer, which decides how a step is sent (`workflows.steps.write`)."""
        self._is_ahead = False
        """Whether the state may show what commands have done whose turn is still to come."""

    @property
    def number(self) -> str:
        """The document's own name."""
        return str(getattr(self.state, self.process.number_field))

    def step_stamp(self, *step: str, performed_by: str) -> St:
        """The fields that every step of this document has: those of `stamp`, and its number."""
        return cast("St", {**self.stamp(*step, performed_by=performed_by), self.process.number_field: self.number})

    def carried(self, stored: D) -> Carried:
        """The input of the next run, which hands it to `continue_from` at init."""
        raise NotImplementedError

    def shown(self, stored: D) -> Shown:
        """The document as people see and find it."""
        raise NotImplementedError

    def changed(self, before: D | None, stored: D) -> None:
        """React to an answer that has just become the state: send notices, inform other workflows.

        Args:
            before: The answer before it; None: this is the first.
            stored: The answer.
        """

    async def give_up(self) -> None:
        """End the document by its command, when an operator cancels the workflow."""
        handler: Handler[Any] = handler_of(getattr(type(self), self.given_up_by))
        message = {"performed_by": OPERATOR, "reason": WORKFLOW_CANCELLED}
        await self.carry_out(handler, handler.message.model_validate(message), GIVE_UP)

    @property
    def is_over(self) -> bool:
        """Whether the document has reached a final status."""
        return self.transitions.is_final(self.state.status)

    def continue_from(self, state: S, stored: D, lines: int) -> None:
        """Begin with the state that the run before this one has carried."""
        self.state = state
        self.stored = stored
        self.lines = lines

    async def live(self, begin: Stage, *stages: Stage) -> S:
        """Begin the document, go through its stages, and end, or continue in another run.

        The start itself was taken at init, so that commands that come before it see it, too.

        Args:
            begin: The step that stores it. Its `DomainError` fails the run, and the start's answer with it.
            stages: The waits of its life, each of which ends with it or when the history is long.
        """
        if self.last_word is not None and not await self.begins_anew():
            return await self.say_the_last_word(self.last_word)
        await self.run_to_the_end(self._life(begin, stages), give_up=self.give_up)
        if self.stored is not None and not self.is_over:
            self.continue_in_another_run(self.carried(self.stored))
        return await self.ended()

    async def _life(self, begin: Stage, stages: Sequence[Stage]) -> None:
        if self.stored is None:
            try:
                await self.vouch_for_start()
                await self.begin(begin)
            except DomainError as failure:
                await self.failed(failure)
        else:
            self.adopt(self.stored)
        self.start_answered()
        for stage in stages:
            await stage()
        await workflow.wait_condition(self.drained)

    async def begins_anew(self) -> bool:
        """Whether a run that only ends has a reason to begin the document instead."""
        return False

    async def begin(self, begin: Stage) -> None:
        """Store the document.

        Raises:
            DomainError: The start is wrong. Nothing is stored.
        """
        await begin()

    async def until_it_is_over(self) -> None:
        """Take commands until the document has reached a final status."""
        await workflow.wait_condition(lambda: self.is_over or self.history_is_long)

    def read_start(self, model: type[M]) -> M:
        """Check the start, and show it as the state until the database has answered.

        Args:
            model: The start.

        Raises:
            InvalidRequest: The start is wrong, or came under another workflow id.
        """
        request = parse(model, self.payload)
        self._show_fields(request)
        self.require_workflow_id(self.process.id_of(self.number), of=self.process.name)
        return request

    def step_of(self, step: type[T], message: Message, *parts: str, performed_by: str, **more: Any) -> T:
        """The step that carries out a start or a command: the fields that it shares with it, its stamp, and ``more``.

        Args:
            step: The step.
            message: The checked start, or the command's message.
            parts: The parts of the operation id after the workflow id.
            performed_by: The person or service behind it.
            more: Its fields that the message doesn't have under the same name, or has empty.
        """
        shared = {name: getattr(message, name) for name in type(message).model_fields if name in step.model_fields}
        return step(**{**shared, **self.step_stamp(*parts, performed_by=performed_by), **more})

    async def answer(self) -> S:
        """Wait until the start is decided, and return the state. A payload that comes with the update is ignored.

        Raises:
            DomainError: The start failed.
        """
        self.keep_no_answer()
        await self.answer_to_start_caught_up()
        return self.state

    def require(self, event: Any, command: str = "") -> None:
        """Refuse a command that the status doesn't allow; ``command`` if it has another name than the event.

        Raises:
            InvalidState: The transition table doesn't have that pair.
        """
        try:
            self.transitions.next(self.state.status, event, of=self.number, command=command)
        except InvalidState:
            if not self.may_have_been_done():
                raise

    def may_have_been_done(self) -> bool:
        """Whether only the database knows if a command was carried out, which it refuses as well otherwise.

        An attempt at this task may have been lost after its steps. If a repeat has shown that one was, the state is
        ahead of the commands that are still to come. And an update of a lost task is given to the next one behind the
        signals that have come since, which may have ended the document.
        """
        if self._is_ahead:
            return True
        is_update = self.stored is not None and workflow.current_update_info() is not None
        return is_update and workflow.patched(ASKED)

    async def apply(self, activity: Callable[[Any, T], D], step: T, summary: str) -> None:
        """Carry a step out, once, and adopt the answer.

        Raises:
            DomainError: It is refused, and nothing has changed.
        """
        self.adopt(await write(activity, step, summary, lines=self.lines))

    async def approve_up_to(
        self, activity: Callable[[Any, T], D], step: type[T], message: ApproveDifference, key: str
    ) -> None:
        """Store a person's approval of a difference.

        Args:
            activity: The document's activity that stores it.
            step: The input of that.
            message: The approval.
            key: The command's key.
        """
        approval = self.step_of(step, message, "approve_difference", key, performed_by=message.approver)
        summary = f"a difference up to {money_amount(message.value)} approved by {message.approver}"
        await self.apply(activity, approval, summary)

    def adopt(self, stored: D) -> None:
        """Make the database's answer the state, react to the difference, and publish it."""
        self._show_fields(stored)
        self.keep(stored)

    def keep(self, stored: D) -> None:
        """Keep an answer that the state already shows, react to the difference, and publish it."""
        before, self.stored = self.stored, stored
        if isinstance(stored, DocumentAnswer) and stored.is_repeat:
            self._is_ahead = True
            self.stored = stored = cast("D", stored.model_copy(update={"is_repeat": False}))
        if isinstance(stored, InspectingAnswer) and stored.opened_inspections:
            self.begin_inspections(stored.opened_inspections)
            self.stored = stored = stored.model_copy(update={"opened_inspections": []})
        if isinstance(stored, StockAnswer):
            # These are news of this one step: a run that continues from the answer must not act on them again.
            none = {
                "opened_inspections": [],
                "fell_below": False,
                "gave_way": [],
                "gave_way_untold": 0,
                "held_before": [],
            }
            self.stored = stored.model_copy(update=none)
            if stored.fell_below:
                self.in_background(ask_for_reorder())
        self.changed(before, stored)
        self.publish()

    def begin_inspections(self, opened: Sequence[OpenedInspection], task_queue: str | None = None) -> None:
        """Start the runs of inspections that a step has opened, in the database of this task queue or the run's own."""
        # A worker of the version before has kept such an answer without starting any, while a newer one wrote it: one
        # question for each, or what was said of the first would hold for all that follow in this run.
        new = [each for each in opened if workflow.patched(f"{INSPECTED} {each.inspection_number}")]
        if new:
            self.in_background(start_inspections(new, self.note, task_queue))

    def publish(self) -> None:
        """Bring details, search attributes and memo up to date."""
        stored = self.stored
        if stored is None:
            return
        shown = self.shown(stored)
        deadline, amount = search_attributes.DEADLINE, search_attributes.AMOUNT
        self.show(
            shown.details,
            [
                *self._status_and_number(),
                search_attributes.SKUS.value_set(search_attributes.keywords([line.sku for line in shown.lines])),
                search_attributes.WAREHOUSES.value_set(search_attributes.keywords(shown.warehouses)),
                *([] if shown.amount is None else [amount.value_set(float(shown.amount))]),
                deadline.value_set(shown.deadline) if shown.deadline else deadline.value_unset(),
            ],
            shown.memo,
        )

    def read_summary(self) -> str:
        """The summary of the start."""
        return parse(self.process.start, self.payload[:1]).summary

    def found_by(self) -> Sequence[SearchAttributeUpdate[Any]]:
        """The document's number, if the start could be read."""
        number = search_attributes.keyword(self.number)
        return [search_attributes.REFERENCE.value_set(number)] if number else []

    def _status_and_number(self) -> list[Any]:
        return [
            search_attributes.STATUS.value_set(self.state.status),
            search_attributes.REFERENCE.value_set(search_attributes.keyword(self.number)),
        ]

    def _show_fields(self, source: BaseModel) -> None:
        """Set every field of the state that the source has under the same name."""
        state = cast("BaseModel", self.state)
        shared = [name for name in type(source).model_fields if name in type(state).model_fields]
        shown = type(state).model_validate(source.model_dump(include={*shared} - _ACCUMULATED))
        for name in shared:
            if name not in _ACCUMULATED:
                setattr(state, name, getattr(shown, name))


A = TypeVar("A")
Answering: TypeAlias = Callable[..., Awaitable[A]]


def answer_to_start(
    name: str, description: str
) -> Callable[[Callable[..., Awaitable[A]]], Callable[..., Awaitable[A]]]:
    """Turn the method that waits for a document's start into the update that answers it.

    The update keeps nothing of a start that is wrong in itself (`Process.refuse_unkept`).

    Args:
        name: The update.
        description: One line for readers of the Temporal UI.
    """

    def decorate(body: Answering[A]) -> Answering[A]:
        @workflow.update(name=name, description=description)
        async def update(self: Document[Any, Any, Any], *payload: Any) -> A:
            await self.vouch_for_look(name, self.take_brought())
            return await body(self, *payload)

        @update.validator
        def validate(self: Document[Any, Any, Any], *_payload: Any) -> None:
            self.refuse_unkept(self.process.start)

        return cast("Answering[A]", update)

    return decorate


class StockDocument(Document[R, D, St]):
    """A document whose start takes or holds stock: when stock is short it is REJECTED, which is an outcome.

    Args:
        state: The state.
        payload: The arguments of the start, as they came.
        rejection_of: The details of a run that was rejected: nothing is stored, so SKUs and names are unknown.
    """

    def __init__(self, state: R, payload: Sequence[Any], rejection_of: Callable[[R], str]) -> None:
        super().__init__(state, payload)
        self._rejection_of = rejection_of
        self._refusal: DomainError | None = None

    async def begins_anew(self) -> bool:
        """Whether a run that only ends with an earlier run's rejection is asked for stock again: then it looks."""
        if self.last_word is None or not self.state.shortages:
            return False
        # An update that has come with the run's first task is taken now.
        await asyncio.sleep(0)
        if not self.is_asked:
            return False
        self.last_word = None
        self.payload = self.payload[:1]
        self.state = type(self.state)()
        return True

    async def begin(self, begin: Stage) -> None:
        """Store the document, or reject it for lack of stock.

        Raises:
            DomainError: The start is wrong. Nothing is stored.
        """
        try:
            await begin()
        except InsufficientStock as shortage:
            self.state.shortages = shortages_of(shortage)
            self.end_rejected(shortage)

    def end_rejected(self, refusal: DomainError) -> None:
        """End the document as REJECTED: nothing is stored of it."""
        self.state.status = self.transitions.next(self.state.status, _REJECT)
        self.keep_refusal(refusal)
        self.publish()

    async def answer(self) -> R:
        """Wait until the start is decided, and return the state.

        Raises:
            DomainError: The document is rejected, or the start failed.
        """
        state = await super().answer()
        self.require_stock()
        return state

    def keep_refusal(self, refusal: DomainError) -> None:
        """Keep why it is rejected, for whoever asks for the answer to the start, and for operators."""
        self._refusal = refusal
        self.note(f"rejected: {refusal.message}")

    def require_stock(self) -> None:
        """Return unless it is rejected.

        Raises:
            DomainError: It is, for this reason.
        """
        if self._refusal is not None:
            raise self._refusal

    def publish(self) -> None:
        """Bring details, search attributes and memo up to date."""
        if self.stored is None:
            self.show(self._rejection_of(self.state), self._status_and_number())
        else:
            super().publish()
