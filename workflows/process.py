"""What every process has at its edge: a start that is checked, a state, and commands that may come at any time.

A process is a workflow class on top of `Process`. A method marked ``@command(Message)`` becomes an update and a signal
of its own name. Both take the payload raw and check it here, so that whatever comes, from whatever client, is answered
or noted, and never leaves a workflow stuck. The update answers with the new state; the signal's trouble goes into the
state's notes. Commands are carried out one at a time, in the order in which they came.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeUpdate

from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.messages import Message, State, parse
from stockkeeper.domain.errors import DomainError, InvalidRequest

NOTES_KEPT = 100
NOTE_LENGTH = 500


class Noted(Protocol):
    """A state that keeps notes."""

    notes: list[str]


class Carried(State):
    """What a run leaves to the run that continues it; a subclass adds everything that its history had taught it."""

    signals: int


S = TypeVar("S", bound=Noted)
C = TypeVar("C", bound=Carried)
M = TypeVar("M", bound=Message)
P = TypeVar("P", bound="Process[Any]")
Body = Callable[[P, M, str], Awaitable[None]]


@dataclass(frozen=True)
class _Command:
    message: type[Message]
    body: Callable[[Any, Any, str], Awaitable[None]]


def command(message: type[M]) -> Callable[[Body[P, M]], Body[P, M]]:
    """Mark a method as what happens on a command.

    The method gets the checked message and a key that is the same whenever this one command is repeated: the caller's
    update id, or the signal's number in this chain of runs (a reset counts the same signals again). It changes the
    state, or raises a `DomainError`.
    """

    def mark(body: Body[P, M]) -> Body[P, M]:
        body.__command__ = _Command(message, body)  # type: ignore[attr-defined]
        return body

    return mark


class Process(Generic[S]):
    """The edge of a process. A subclass makes its state in ``@workflow.init`` and ends by `ended` or `failed`.

    A process with very many commands goes on in another run: it watches `history_is_long`, waits until it is
    `drained`, and calls `continue_in_another_run`; the next run takes over at init, by `left_by_the_run_before`.
    """

    state: S
    _commands: dict[str, _Command]

    def __init_subclass__(cls) -> None:
        """Give the class its updates and signals."""
        cls._commands = {
            name: marked for name, member in vars(cls).items() if (marked := getattr(member, "__command__", None))
        }
        for name, marked in cls._commands.items():
            summary = (marked.body.__doc__ or "").strip().partition("\n")[0]
            setattr(cls, name, _as_update(name, marked, summary))
            setattr(cls, f"{name}_signal", _as_signal(name, summary))

    def __init__(self, state: S, payload: Sequence[Any]) -> None:
        self.state = state
        self.payload = tuple(payload)
        """The arguments of the start, as they came."""
        self._shown: dict[str, Any] = {}
        self._memo: Mapping[str, Any] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._answered = False
        self._failure: DomainError | None = None
        self.command_lock = asyncio.Lock()
        """Whoever has it is the only one to change the state meanwhile."""
        self._signals = 0

    @workflow.query(name="state", description="What it is now; answers after the run has ended, too.")
    def state_now(self) -> S:
        """The state."""
        return self.state

    @workflow.signal(dynamic=True, description="Anything else is noted, and changes nothing.")
    async def unknown_signal(self, name: str, payload: Sequence[RawValue]) -> None:
        """Note a signal that isn't a command."""
        del payload
        self.note(f"signal {name[:80]!r} is none of its commands")

    def note(self, text: str) -> None:
        """Keep a sentence for whoever looks at the run, and show it; the latest hundred stay."""
        entry = f"{workflow.now():%Y-%m-%d %H:%M:%S} UTC: {text}"
        self.state.notes = [*self.state.notes[-(NOTES_KEPT - 1) :], entry[:NOTE_LENGTH]]
        if self._shown:
            self.publish()

    def publish(self) -> None:
        """Show how it stands, by `show`. A subclass says how; it is called again when there is something to note."""
        raise NotImplementedError

    def operation(self, *step: str) -> str:
        """The id of a step's operation: the same for every attempt, every replay, and every run of this workflow.

        A slash within a part is escaped: whatever callers call their things, two operations never share an id.
        """
        return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (workflow.info().workflow_id, *step))

    def show(
        self,
        told: str,
        attributes: Sequence[SearchAttributeUpdate[Any]],
        memo: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell whoever looks at the run, and whoever searches for it or lists it; what hasn't changed isn't sent again.

        Args:
            told: The run in a few lines of Markdown (`workflows.details`).
            attributes: What it can be found by.
            memo: What a list shows beside that.
        """
        workflow.set_current_details(told)
        if changed := [each for each in attributes if self._shown.get(each.key.name) != each.value]:
            self._shown.update({each.key.name: each.value for each in changed})
            workflow.upsert_search_attributes(changed)
        if memo and memo != self._memo:
            self._memo = memo
            workflow.upsert_memo(memo)

    def require_workflow_id(self, expected: str, of: str) -> None:
        """Two runs must never command one document, so its name is the workflow's.

        Raises:
            InvalidRequest: It was started under another id.
        """
        if workflow.info().workflow_id != expected:
            raise InvalidRequest(f"the workflow id for this {of} is {expected}")

    async def wait_until(self, deadline: datetime | None, unless: Callable[[], bool], summary: str) -> bool:
        """Wait for a deadline, unless something else comes first; also a long history is a reason to stop waiting.

        Args:
            deadline: Until when; None: there is none, and only the other things end the wait.
            unless: What else ends it.
            summary: What an operator reads beside the timer.

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

    async def meet_last_deadline(self, undecided: Callable[[], bool], end: Callable[[], Awaitable[None]]) -> None:
        """Nobody has decided in time: end it, unless somebody has after all.

        Args:
            undecided: Whether it still waits.
            end: What is done then.
        """
        async with self.command_lock:
            # A command that was under way at the deadline has finished by now, and may have decided.
            if undecided():
                try:
                    await end()
                except DomainError as refusal:
                    # After a reset the document may be further than this run knows; the next command tells it.
                    self.note(f"the last deadline came, and nothing was done: {refusal.message}")

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nothing waits for but the end of the run."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def drained(self) -> bool:
        """Whether everybody who waits for an answer has one, and nothing goes on in the background."""
        return workflow.all_handlers_finished() and not self._under_way

    @property
    def history_is_long(self) -> bool:
        """Whether Temporal suggests to go on in another run."""
        return workflow.info().is_continue_as_new_suggested()

    def continue_in_another_run(self, carried: Carried) -> NoReturn:
        """Begin a new history with the same start, and what this one had taught. Everything is settled."""
        workflow.continue_as_new(args=[self.payload[0], carried])

    def left_by_the_run_before(self, model: type[C]) -> C | None:
        """What the run before this one has left; None for a first run.

        At init, before any command: the number of a signal must go on from the last run's.
        """
        # With one argument, Temporal started the same request again, as a client's retry policy may.
        if workflow.info().continued_run_id is None or len(self.payload) != 2:
            return None
        carried = parse(model, self.payload[1:])
        self._signals = carried.signals
        return carried

    @property
    def signals(self) -> int:
        """How many signals this chain of runs has had, to be carried."""
        return self._signals

    def start_answered(self, failure: DomainError | None = None) -> None:
        """The start is decided: commands that came early go on, or fail as the run will."""
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

    async def failed(self, failure: DomainError) -> NoReturn:
        """End the run with this error, once everybody who waits for an answer has been given it."""
        self.start_answered(failure)
        await workflow.wait_condition(self.drained)
        raise failure

    async def ended(self) -> S:
        """The state as the workflow's result, once everybody who waits for an answer has one."""
        await workflow.wait_condition(self.drained)
        return self.state

    async def run_to_the_end(self, life: Coroutine[Any, Any, None], give_up: Callable[[], Awaitable[None]]) -> None:
        """Live to the end, also if an operator cancels the workflow itself: then give up in order first.

        A cancellation must not tear a step in two: what was held would be forgotten. So it doesn't reach ``life``,
        which goes on until what ``give_up`` has done has ended it.
        """
        living = asyncio.create_task(life)
        try:
            await asyncio.shield(living)
        except asyncio.CancelledError:
            with contextlib.suppress(DomainError):  # It had ended, or its start was wrong: `life` knows what to do.
                await self.answer_to_start()
                await give_up()
            await living

    async def carry_out(self, name: str, payload: Sequence[object], key: str) -> None:
        """One command, when it is its turn.

        Raises:
            DomainError: It is refused.
        """
        marked = self._commands[name]
        message = parse(marked.message, payload)
        await self.answer_to_start()
        async with self.command_lock:
            await marked.body(self, message, key)

    async def carry_out_signal(self, name: str, payload: Sequence[object]) -> None:
        """A command that came as a signal: nobody waits for its answer, so a refusal becomes a note."""
        self._signals += 1
        key = f"{workflow.info().first_execution_run_id}/signal-{self._signals}"
        try:
            await self.carry_out(name, payload, key)
        except Exception as error:
            refusal = as_domain_error(error)
            if refusal is None:
                raise
            self.note(f"signal {name} refused: {refusal.code}: {refusal.message}")


def _as_update(name: str, marked: _Command, summary: str) -> Callable[..., Awaitable[Any]]:
    @workflow.update(name=name, description=summary)
    async def update(self: Process[S], *payload: Any) -> S:
        info = workflow.current_update_info()
        if info is None:
            raise InvalidRequest(f"{name} has to be an update")
        await self.carry_out(name, payload, info.id)
        return self.state

    @update.validator
    def validate(self: Process[S], *payload: Any) -> None:
        del self
        parse(marked.message, payload)

    return update


def _as_signal(name: str, summary: str) -> Callable[..., Awaitable[None]]:
    @workflow.signal(name=name, description=summary)
    async def signal(self: Process[S], *payload: Any) -> None:
        await self.carry_out_signal(name, payload)

    return signal
