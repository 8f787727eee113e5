"""The edge of every process: a checked start, a state, and commands at any time.

A process is a workflow class on top of `Process`. Its commands are declared by `workflows.commands`. Start and commands
are taken raw and checked here, so that any payload of any client is answered or noted, and never leaves a workflow
stuck. Commands are carried out one at a time, in the order in which they came.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NoReturn, Protocol, TypedDict, TypeVar, cast

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.messages import Message, State, parse
from stockkeeper.contracts.metrics import START
from stockkeeper.contracts.operation import operation_id
from stockkeeper.contracts.outage import ATTEMPT_FAILED, AttemptFailed
from stockkeeper.domain.errors import DomainError, InvalidRequest
from workflows.counters import count_refusal
from workflows.details import continued, refused
from workflows.identity import Brought
from workflows.last_word import LastWord, handed_on, is_fixed, to_hand_on
from workflows.patches import CAUGHT_UP, NAMED_ANSWERS, REFUSED
from workflows.unknown import KnowsItsCommands
from workflows.waits import Waits

NOTES_KEPT = 100
NOTE_LENGTH = 500


class Noted(Protocol):
    """A state that keeps notes."""

    notes: list[str]


class Carried(State):
    """The input of a continued run, beside the start; a subclass adds the state that its history has built up.

    Attributes:
        signals: The number of signals that this chain of runs has received.
    """

    signals: int


class Stamp(TypedDict):
    """The fields that every step has: its operation, the person or service behind it, and the workflow's time."""

    operation_id: str
    performed_by: str
    as_of: datetime


S = TypeVar("S", bound=Noted)
C = TypeVar("C", bound=Carried)
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Handler(Generic[M]):
    """The part of a command that is the process's own.

    Attributes:
        name: The name of its update and its signal.
        message: The payload.
        body: The method that carries it out: process, checked message, key.
    """

    name: str
    message: type[M]
    body: Callable[[Any, M, str], Awaitable[None]]


class Process(KnowsItsCommands, Generic[S]):
    """The edge of a process. A subclass makes its state in ``@workflow.init`` and ends by `ended` or `failed`.

    A process with very many commands goes on in another run: it watches `history_is_long`, waits until it is
    `drained`, and calls `continue_in_another_run`; the next run reads `left_by_the_run_before` at init.
    """

    state: S

    def __init__(self, state: S, payload: Sequence[Any]) -> None:
        self.state = state
        self.payload = tuple(payload)
        """The arguments of the start, as they came."""
        self.checked: dict[str, Message] = {}
        """What validators have read of updates, by their ids, until their handlers take it."""
        self._shown: dict[str, Any] | None = None
        self._memo: Mapping[str, Any] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._answered = False
        self._failure: DomainError | None = None
        self.command_lock = asyncio.Lock()
        """Held by the command that is changing the state."""
        self._signals = 0
        self._details = ""
        self._continued: str | None = None
        self.waits = Waits(self._show_details)
        """The steps under way that the database doesn't carry out at present."""
        self._leaving: asyncio.Task[None] | None = None
        self._has_to_leave = False
        self.is_asked = False
        """Whether a caller has asked for the answer to the start."""
        self.last_word: LastWord | None = None
        """The end that the run before this one has left to it."""

    @workflow.query(name="state", description="The present state; answers after the run has ended, too.")
    def state_now(self, *_payload: Any) -> S:
        """Return the state. What comes with the query is passed over, also what can't be read."""
        return self.state

    @workflow.signal(name=ATTEMPT_FAILED, description="An attempt of a step has met trouble with the database.")
    def attempt_failed(self, *payload: Any) -> None:
        """Show that a step waits for the database; sent by the attempt itself."""
        try:
            self.waits.attempt_failed(parse(AttemptFailed, payload))
        except InvalidRequest as refusal:
            self.note(f"signal {ATTEMPT_FAILED} refused: {refusal.code}: {refusal.message}")

    def note(self, text: str) -> None:
        """Add a sentence to the notes of the state, and publish it; the latest hundred are kept."""
        entry = f"{workflow.now():%Y-%m-%d %H:%M:%S} UTC: {text}"
        self.state.notes = [*self.state.notes[-(NOTES_KEPT - 1) :], entry[:NOTE_LENGTH]]
        if self._shown is not None:
            self.publish()

    def publish(self) -> None:
        """Bring details, search attributes and memo up to date, by `show`. Called again after each note."""
        raise NotImplementedError

    def operation(self, *step: str) -> str:
        """The id of a step's operation: the same for every attempt, every replay, and every run of this workflow."""
        return operation_id(workflow.info().workflow_id, *step)

    def stamp(self, *step: str, performed_by: str) -> Stamp:
        """The fields that every step has, to be unpacked into its model.

        Args:
            step: The parts of the operation id after the workflow id.
            performed_by: The person or service behind the step.
        """
        return Stamp(operation_id=self.operation(*step), performed_by=performed_by, as_of=workflow.now())

    def show(
        self,
        text: str,
        attributes: Sequence[SearchAttributeUpdate[Any]],
        memo: Mapping[str, Any] | None = None,
    ) -> None:
        """Set the run's details, search attributes and memo; unchanged values aren't sent again.

        Nor are search attributes that the caller has set at the start.

        Args:
            text: The run in a few lines of Markdown (`workflows.details`).
            attributes: The search attributes.
            memo: The fields that a list of runs shows beside them.
        """
        self._details = text
        self._show_details()
        shown = self._shown if self._shown is not None else _known_at_the_start()
        if changed := [each for each in attributes if shown.get(each.key.name) != each.value]:
            workflow.upsert_search_attributes(changed)
        self._shown = shown | {each.key.name: each.value for each in changed}
        if memo and memo != self._memo:
            self._memo = memo
            workflow.upsert_memo(memo)

    def _show_details(self) -> None:
        if self._continued is None:
            self._continued = continued(self.summary) if workflow.info().continued_run_id else ""
        shown = (self.waits.text, self._continued, self._details)
        workflow.set_current_details("\n\n".join(each for each in shown if each))

    @property
    def summary(self) -> str:
        """What the summary of the start says; empty: the start can't be read."""
        try:
            return self.read_summary()
        except InvalidRequest:
            return ""

    def read_summary(self) -> str:
        """The summary of the start.

        Raises:
            InvalidRequest: It can't be read.
        """
        raise NotImplementedError

    def found_by(self) -> Sequence[SearchAttributeUpdate[Any]]:
        """The search attributes, beside the status, by which a run whose start is refused is found."""
        return ()

    def require_workflow_id(self, expected: str, of: str) -> None:
        """Refuse a start under another id: two runs must never command one document.

        Raises:
            InvalidRequest: It was started under another id.
        """
        if workflow.info().workflow_id != expected:
            raise InvalidRequest(f"this {of} has to be started under the workflow id {expected}")

    async def wait_until(self, deadline: datetime | None, unless: Callable[[], bool], summary: str) -> bool:
        """Wait for a deadline or a condition, whichever comes first; a long history ends the wait, too.

        Args:
            deadline: The instant; None: only the condition ends the wait.
            unless: The condition.
            summary: The text beside the timer in the Temporal UI.

        Returns:
            Whether the deadline came.
        """
        try:
            await workflow.wait_condition(
                lambda: unless() or self.history_is_long,
                timeout=None if deadline is None else max(deadline - workflow.now(), timedelta()),
                timeout_summary=summary,
            )
        except TimeoutError:
            return True
        return False

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work that only the end of the run waits for."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def drained(self) -> bool:
        """Whether every caller has its answer, and no background work is left."""
        return workflow.all_handlers_finished() and not self._under_way

    @property
    def history_is_long(self) -> bool:
        """Whether to continue in another run: Temporal suggests it, or this one keeps an answer to a start."""
        return self._has_to_leave or workflow.info().is_continue_as_new_suggested()

    def keep_no_answer(self) -> None:
        """Let another run follow at once, if the update under way, which asks for the start's answer, has a fixed id.

        Temporal keeps an answer under its update id for as long as the run that gave it is the latest of its workflow,
        and gives it again whatever has become of the document: also after the run has ended, when the same question
        would otherwise start a run that looks. So a run that has given such an answer is never the last one. Temporal
        gives a run that follows one of less than a second its first task when that second is over, or when an update
        comes.
        """
        self.is_asked = True
        info = workflow.current_update_info()
        if self._leaving is not None or info is None or not is_fixed(info.id):
            return
        if workflow.patched(NAMED_ANSWERS):
            self._leaving = asyncio.create_task(self._leave_when_it_is_quiet())

    async def _leave_when_it_is_quiet(self) -> None:
        await workflow.wait_condition(self.drained)
        self._has_to_leave = True

    async def _end_in_another_run(self, failure: DomainError | None = None) -> None:
        """Leave the end to another run, if this one keeps an answer to a start."""
        if self._leaving is None:
            return
        await workflow.wait_condition(self.drained)
        last_word = LastWord(
            last_word=cast("BaseModel", self.state).model_dump(mode="json"),
            failure=None if failure is None else to_hand_on(failure),
            details=self._details,
            memo=dict(self._memo),
            signals=self._signals,
        )
        workflow.continue_as_new(args=[self.payload[0] if len(self.payload) == 1 else None, last_word])

    def refuse_unkept(self, start: type[Message]) -> None:
        """Refuse an update with a fixed id that asks for the answer to a start that is wrong in itself.

        To be called by the update's validator: Temporal keeps nothing of an update that it refuses, and so the next
        start, put right, may ask under the same id. The same goes for a run that only ends with an earlier refusal.

        Args:
            start: The model of the start.

        Raises:
            DomainError: The run fails with this.
        """
        info = workflow.current_update_info()
        if self.last_word is not None and self.last_word.failure is not None:
            raise handed_on(self.last_word.failure)
        if workflow.info().continued_run_id is None and info is not None and is_fixed(info.id):
            parse(start, self.payload)

    async def say_the_last_word(self, word: LastWord) -> S:
        """End as the run before this one would have."""
        self._details = word.details
        self._show_details()
        if word.memo:
            self._memo = word.memo
            workflow.upsert_memo(word.memo)
        if word.failure is not None:
            await self.failed(handed_on(word.failure))
        self.start_answered()
        return await self.ended()

    def continue_in_another_run(self, carried: Carried) -> NoReturn:
        """Begin a new history with the same start and the carried state. The run must be `drained`."""
        workflow.continue_as_new(args=[self.payload[0], carried])

    def left_by_the_run_before(self, model: type[C]) -> C | None:
        """The carried state of the run before this one; None for a first run.

        To be called at init, before any command: signals are numbered on from the last run's.
        """
        # With one argument, Temporal started the same request again, as a client's retry policy may.
        if workflow.info().continued_run_id is None or len(self.payload) != 2:
            return None
        if isinstance(self.payload[1], dict) and "last_word" in self.payload[1]:
            self.last_word = parse(LastWord, self.payload[1:])
            state = cast("type[BaseModel]", type(self.state))
            self.state = cast("S", state.model_validate(self.last_word.last_word))
            self._signals = self.last_word.signals
            return None
        carried = parse(model, self.payload[1:])
        self._signals = carried.signals
        return carried

    @property
    def signals(self) -> int:
        """The number of signals that this chain of runs has received, to be carried."""
        return self._signals

    def start_answered(self, failure: DomainError | None = None) -> None:
        """Record that the start is decided: early commands proceed, or fail as the run will."""
        # A last word has been counted by the run before this one.
        if failure is not None and not self._answered and self.last_word is None:
            count_refusal(START, failure)
        self._failure = failure
        self._answered = True

    async def answer_to_start(self) -> None:
        """Wait until the start is decided.

        Raises:
            DomainError: The run fails with this.
        """
        await workflow.wait_condition(lambda: self._answered)
        if self._failure is not None:
            raise self._failure

    async def answer_to_start_caught_up(self) -> None:
        """Wait until the start is decided; if it has been, until the commands before this have been carried out.

        Of what comes in one task, the SDK carries out signals and updates before the results of activities. So the
        state would be older than what a query has shown, which is answered after all of it.

        What comes in one task on one worker may come in two when another one replays the run. So nothing is asked of
        Temporal here, a timer for example, that depends on what is under way.

        Raises:
            DomainError: The run fails with this.
        """
        is_repeat = self._answered
        await self.answer_to_start()
        if is_repeat and workflow.patched(CAUGHT_UP):
            async with self.command_lock:
                pass

    async def failed(self, failure: DomainError) -> NoReturn:
        """End the run with this error, once every waiting caller has received it: its start is refused."""
        self._details = refused(failure)
        self._show_details()
        self.start_answered(failure)
        await self._end_in_another_run(failure)
        await workflow.wait_condition(self.drained)
        if workflow.patched(REFUSED):
            status = search_attributes.STATUS.value_set(search_attributes.REFUSED)
            self.show(self._details, [status, *self.found_by()])
        raise failure

    async def ended(self) -> S:
        """The state as the workflow's result, once the run is `drained`."""
        await self._end_in_another_run()
        await workflow.wait_condition(self.drained)
        return self.state

    async def run_to_the_end(self, life: Coroutine[Any, Any, None], give_up: Callable[[], Awaitable[None]]) -> None:
        """Run ``life`` to its end, also when an operator cancels the workflow: then ``give_up`` first.

        A cancellation must not interrupt a step: its hold would be forgotten. So it doesn't reach ``life``, which
        continues until ``give_up`` has ended the document.
        """
        living = asyncio.create_task(life)
        try:
            await asyncio.shield(living)
        except asyncio.CancelledError:
            with contextlib.suppress(DomainError):  # It has ended, or its start was wrong: `life` handles both.
                await self.answer_to_start()
                await give_up()
            await living

    async def carry_out(self, handler: Handler[M], message: M, key: str, brought: Brought | None = None) -> None:
        """Carry out a command once the start is decided and the commands before it have finished.

        Args:
            handler: The command.
            message: Its message, checked.
            key: Its key.
            brought: What came with it; None: this run itself gives the command.

        Raises:
            DomainError: It is refused.
        """
        await self.answer_to_start()
        async with self.command_lock:
            message = await self.vouched(handler.name, message, brought)
            await handler.body(self, message, key)

    async def carry_out_signal(self, handler: Handler[Any], payload: Sequence[object]) -> None:
        """Carry out a command that came as a signal; a refusal becomes a note, for lack of a caller that waits."""
        self._signals += 1
        brought = self.take_brought()
        key = f"{workflow.info().first_execution_run_id}/signal-{self._signals}"
        try:
            await self.carry_out(handler, parse(handler.message, payload), key, brought)
        except Exception as error:
            refusal = as_domain_error(error)
            if refusal is None:
                raise
            count_refusal(handler.name, refusal)
            self.note(f"signal {handler.name} refused: {refusal.code}: {refusal.message}")


def _known_at_the_start() -> dict[str, Any]:
    """The search attributes that a caller has set, by their names."""
    info = workflow.info()
    # A run that continues another one has that run's, and shows all of them anew, as its history may say.
    if info.continued_run_id is not None:
        return {}
    return {pair.key.name: pair.value for pair in info.typed_search_attributes}
