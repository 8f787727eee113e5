"""The skeleton of a scheduled run: it goes through its subject page by page, takes no commands, and ends.

A schedule starts it, or a person by hand. A long history continues in another run, from the page that is next. When an
operator cancels the workflow, the run ends after the step under way; what has been done stays.
"""

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.messages import Start, parse
from stockkeeper.domain.errors import DomainError
from workflows.process import Carried, Noted, Process, Stamp

_BY_SCHEDULE = {"from_hour"}
"""Fields of starts that only schedules have: by them no more is done, but less."""


class ScheduledState(Noted, Protocol):
    """The state of a scheduled run."""

    status: Any


S = TypeVar("S", bound=ScheduledState)
Q = TypeVar("Q", bound=Start)


class ScheduledRun(Process[S], Generic[S, Q]):
    """A scheduled run.

    Args:
        state: The state.
        payload: The arguments of the start, as they came.
        start: The model of the start.
        actor: The actor recorded for its steps.
    """

    request: Q
    """The start, once it has been checked."""

    def __init__(self, state: S, payload: Sequence[Any], start: type[Q], actor: str) -> None:
        super().__init__(state, payload)
        self._start_model = start
        self._actor = actor
        self.continued = False
        """Whether a run before this one has begun the work."""
        self.stopped = False
        """Whether an operator has cancelled the workflow."""

    @property
    def is_done(self) -> bool:
        """Whether no page is left."""
        raise NotImplementedError

    def carried(self) -> Carried:
        """The input of the next run."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Prepare the work, once the start has been checked."""

    async def work(self) -> None:
        """Do page after page until the work is done or this run ends.

        Raises:
            DomainError: The start is wrong, such as `UnknownWarehouse`: the run fails with it.
        """
        while not self.is_done and not self.ends_here:
            await self.next_page()

    async def next_page(self) -> None:
        """Do the work of one page."""
        raise NotImplementedError

    async def finish(self) -> None:
        """Conclude the work, or this run's share of it."""

    def details(self) -> str:
        """The run in a few lines of Markdown."""
        raise NotImplementedError

    async def go_through(self) -> None:
        """Check the start and work until it is done or stopped; continue in another run if the history is long."""
        await self.run_to_the_end(self._life(), give_up=self.give_up)
        if not self.is_done and not self.stopped:
            self.continue_in_another_run(self.carried())

    async def close(self, status: Any) -> S:
        """End with this status."""
        self.state.status = status
        self.publish()
        return await self.ended()

    async def give_up(self) -> None:
        """Stop after the step under way."""
        self.stopped = True
        self.note("stopped: the workflow was cancelled")

    @property
    def stopped_early(self) -> str:
        """How the details of a run begin that an operator has stopped; empty: it goes on, or has come to its end."""
        return "Stopped early. " if self.stopped else ""

    @property
    def ends_here(self) -> bool:
        """Whether this run takes no further page."""
        return self.stopped or self.history_is_long

    async def _life(self) -> None:
        try:
            self.request = parse(self._start_model, self.payload[:1] if self.continued else self.payload)
            if person := await self.vouch_for_start(is_the_systems=self._is_the_systems()):
                self.note(f"asked for by {person}")
            self.start_answered()
            await self.begin()
            await self.work()
        except DomainError as failure:
            await self.failed(failure)
        await self.finish()
        await workflow.wait_condition(self.drained)

    def _is_the_systems(self) -> bool:
        """Whether the start is what a schedule sends: with every field as it is unless somebody says otherwise."""
        asked, usual = (
            self.request.model_dump(exclude=_BY_SCHEDULE),
            self._start_model().model_dump(exclude=_BY_SCHEDULE),
        )
        return asked == usual

    def step_stamp(self, *step: str) -> Stamp:
        """The fields that every step has. A schedule's runs share no operations, but those of one chain of runs do."""
        return self.stamp(workflow.info().first_execution_run_id, *step, performed_by=self._actor)

    def read_summary(self) -> str:
        """The summary of the start."""
        return parse(self._start_model, self.payload[:1]).summary

    def publish(self) -> None:
        """Bring details and the status up to date."""
        self.show(self.details(), [search_attributes.STATUS.value_set(self.state.status)])
