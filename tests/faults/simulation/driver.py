"""Drives all lanes at once, and holds them up for comparisons."""

import asyncio
import hashlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.client import Client

from tests.faults.simulation.delivery import Delivery, Stuck
from tests.faults.simulation.lanes.lane import Lane
from tests.faults.simulation.model.outcome import Outcome, Sent
from tests.faults.simulation.script import Look, Operate, Rest, Result, Send, Step, Together, Wait


@dataclass(frozen=True)
class Violation:
    """A thing that isn't as it has to be.

    Attributes:
        text: All of it: seed, command, what was expected and found.
        brief: The same for a table; empty: the text is brief.
        is_vague: It doesn't tell what is wrong: no answer came in time, or a process didn't come back.
    """

    text: str
    brief: str = ""
    is_vague: bool = False


class Driver:
    """Runs the scripts of all lanes, each one after another, all side by side."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        delivery: Delivery,
        *,
        commands_each: int | None = None,
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Start nothing.

        Args:
            lanes: The simulated clients.
            delivery: Carries their commands.
            commands_each: Each lane ends after so many commands; None: when it is stopped.
            wait: Lets so many seconds pass.
        """
        self.lanes = lanes
        self.violations: list[Violation] = []
        self.wrong = asyncio.Event()
        """Set as soon as a lane meets a violation."""
        self._delivery = delivery
        self._commands_each = commands_each
        self._wait = wait
        self._open = asyncio.Event()
        self._open.set()
        self._stopped = False
        self._busy: set[str] = set()
        self._rested = asyncio.Condition()

    @property
    def commands(self) -> int:
        """Commands that have been carried out."""
        return sum(len(lane.digest.after) for lane in self.lanes)

    @property
    def fewest(self) -> int:
        """Commands of the own lane that has carried out the fewest."""
        return min((len(lane.digest.after) for lane in self._own), default=0)

    @property
    def _own(self) -> Sequence[Lane]:
        """The own lanes that a run with one database has as well; if there are none, all."""
        own = [lane for lane in self.lanes if lane.is_own]
        return [lane for lane in own if not lane.spans_databases] or own

    def digest(self, commands_each: int | None = None) -> str:
        """A fingerprint of the own lanes' commands: of the first so many of each, or of those that all of them have."""
        own = self._own
        count = self.fewest if commands_each is None else min(self.fewest, commands_each)
        said = "".join(lane.digest.after[count - 1] for lane in own) if count else ""
        return f"{hashlib.sha256(said.encode()).hexdigest()[:16]} of {count} x {len(own)}"

    def stop(self) -> None:
        """Let every lane end at its next rest."""
        self._stopped = True
        self._open.set()

    async def run(self) -> None:
        """Drive until every lane has ended."""
        async with asyncio.TaskGroup() as tasks:
            for lane in self.lanes:
                tasks.create_task(self._drive(lane), name=lane.name)

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Hold all lanes up at their next rest; the body runs when everything in flight has been answered.

        Or as soon as there is a violation.
        """
        self._open.clear()
        try:
            async with self._rested:
                await self._rested.wait_for(lambda: not self._busy or bool(self.violations))
            yield
        finally:
            self._open.set()

    async def _drive(self, lane: Lane) -> None:
        client = self._delivery.client()
        script = lane.script()
        step = next(script)
        self._busy.add(lane.name)
        try:
            while not self._is_over(lane, step):
                outcome = await self._carry_out(client, lane, step)
                # Held up at its rest, it may have been stopped meanwhile: what it would begin now nobody compares.
                if self._is_over(lane, step):
                    break
                step = script.send(outcome)
        except _Wrong as wrong:
            text = f"seed {lane.seed}, lane {lane.name}, {wrong}"
            self.violations.append(Violation(text, wrong.brief, wrong.is_vague))
            self.wrong.set()
        except Exception:  # noqa: BLE001 - whatever it is, the simulation has it
            text = f"seed {lane.seed}, lane {lane.name}, command {len(lane.digest.after)}: {traceback.format_exc()}"
            self.violations.append(Violation(text, "the simulation itself failed", is_vague=True))
            self.wrong.set()
        finally:
            await self._rests(lane)

    def _is_over(self, lane: Lane, step: Step) -> bool:
        done = self._commands_each is not None and len(lane.digest.after) >= self._commands_each
        return isinstance(step, Rest) and (self._stopped or done)

    async def _carry_out(self, client: Client, lane: Lane, step: Step) -> Outcome:
        if isinstance(step, Rest):
            if not self._open.is_set():
                await self._rests(lane)
                await self._open.wait()
                self._busy.add(lane.name)
            return Sent()
        if isinstance(step, Wait):
            await self._wait(step.seconds)
            return Sent()
        if isinstance(step, Together):
            for each in step.sends:
                lane.digest.add(each.command)
            await asyncio.gather(*(self._deliver(client, lane, each) for each in step.sends))
            return Sent()
        if isinstance(step, Send):
            lane.digest.add(step.command)
        return await self._deliver(client, lane, step)

    async def _deliver(self, client: Client, lane: Lane, step: Send | Result | Look | Operate) -> Outcome:
        sent = datetime.now(UTC)
        try:
            outcome = await self._delivery.carry_out(client, lane.at_home(step), lane.kept_in)
        except Stuck as stuck:
            text = f"command {len(lane.digest.after)}: {stuck}; to {step}"
            raise _Wrong(text, f"{_brief(step)}: {stuck}", is_vague=True) from None
        if (problem := step.expected.differs(outcome)) is not None:
            when = f"from {sent:%H:%M:%S.%f} to {datetime.now(UTC):%H:%M:%S.%f} UTC"
            text = f"command {len(lane.digest.after)}, {when}: {problem}; answered: {outcome}; to {step}"
            raise _Wrong(text, f"{_brief(step)}: {problem}")
        return outcome

    async def _rests(self, lane: Lane) -> None:
        async with self._rested:
            self._busy.discard(lane.name)
            self._rested.notify_all()


class _Wrong(Exception):
    """It came out otherwise."""

    def __init__(self, text: str, brief: str, *, is_vague: bool = False) -> None:
        super().__init__(text)
        self.brief = brief
        self.is_vague = is_vague


def _brief(step: Send | Result | Look | Operate) -> str:
    """What was sent or asked for, without its numbers."""
    match step:
        case Send(command):
            workflow = command.workflow_type or command.workflow_id.partition("-")[0]
            return f"{command.how} {command.name or 'nothing'} to {workflow}"
        case Result(workflow_id) | Look(workflow_id):
            return f"{type(step).__name__.lower()} of {workflow_id.partition('-')[0]}"
        case Operate(intervention, workflow_id):
            return f"{intervention} of {workflow_id.partition('-')[0]}"
