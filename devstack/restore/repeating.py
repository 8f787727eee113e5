"""Carrying steps out again that the database has lost.

A step is what it was: the operation id, the contents, the workflow's time, and the run behind it. So whoever repeats it
later, the run itself or a client, finds it done; and it is decided as it was, because the steps are repeated in the
order in which they were done.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.writes import BOOKED_LATER
from database.sessions import Database
from devstack.restore.gaps import Gap
from devstack.restore.recorded import ReadRun, RecordedStep
from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.contracts.messages import Step
from stockkeeper.contracts.reservation import FulfillReservationStep, Holding, LowerReservationStep
from worker import Settings, activities_of, build_steps


class Refused(NamedTuple):
    """A step that can't be carried out again, and why."""

    gap: Gap
    why: str


class Repeated(NamedTuple):
    """What came of repeating steps.

    Attributes:
        done: The steps that were carried out.
        otherwise: Of these, those after which the document has another status than the first time, or its lines have
            other ids, so that its run has to look.
        refused: The others.
    """

    done: list[Gap]
    otherwise: list[Gap]
    refused: list[Refused]


class Steps:
    """All activities on one database, outside of a worker.

    Args:
        database: The database.
        settings: The workers' settings: drafts follow the policies in them.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._activities: dict[str, Callable[..., Any]] = {
            vars(each)["__temporal_activity_definition"].name: each
            for each in activities_of(*build_steps(database, settings))
        }
        self._lines: dict[int, int] = {}
        """The ids of lines of holds, as the database gives them now, by those that they had."""

    async def repeat(self, lost: Sequence[Gap]) -> Repeated:
        """Carry lost steps out, in their order; what is refused is tried again after the others.

        Two workers' clocks differ by some milliseconds, and so may the order of steps that came at the same time.
        """
        done: list[Gap] = []
        otherwise: list[Gap] = []
        left = list(lost)
        while left:
            refused: list[Refused] = []
            for gap in left:
                run, step = gap.run, gap.step
                if run is None or step is None:
                    continue
                try:
                    answer = await asyncio.to_thread(self.carry_out, run, step)
                except ApplicationError as error:
                    refused.append(Refused(gap, error.message))
                    continue
                done.append(gap)
                if self._learn(step.answer, answer) or _status(answer) != _status(step.answer):
                    otherwise.append(gap)
            if len(refused) == len(left):
                return Repeated(done, otherwise, refused)
            left = [each.gap for each in refused]
        return Repeated(done, otherwise, [])

    def carry_out(self, run: ReadRun, step: RecordedStep) -> Any:
        """Carry one step out as its run has asked for it.

        Raises:
            ApplicationError: It is refused, or the database fails.
        """
        environment = in_run(run.run.workflow_id, run.run.run_id, step.activity)
        booked_later = BOOKED_LATER.set(True)
        try:
            return environment.run(self._activities[step.activity], self._now(step.step).model_dump(mode="json"))
        finally:
            BOOKED_LATER.reset(booked_later)

    def _learn(self, then: Any, now: Any) -> bool:
        """Keep the ids that lines of a hold have now, and say whether they have changed."""
        were, are = _lines_of(then), _lines_of(now)
        if len(were) != len(are):
            return bool(were or are)
        self._lines |= zip(were, are, strict=True)
        return were != are

    def _now(self, step: Step) -> Step:
        """A step whose lines may be named by ids, with those that they have now."""
        if not isinstance(step, FulfillReservationStep | LowerReservationStep) or step.lines is None:
            return step
        lines = [
            line.model_copy(update={"reservation_id": self._lines.get(line.reservation_id, line.reservation_id)})
            if line.reservation_id is not None
            else line
            for line in step.lines
        ]
        return step.model_copy(update={"lines": lines})


def in_run(workflow_id: str, run_id: str, activity: str) -> ActivityEnvironment:
    """The context of an activity that a run has asked for."""
    environment = ActivityEnvironment()
    environment.info = replace(
        ActivityEnvironment.default_info(),
        activity_type=activity,
        is_local=True,
        workflow_id=workflow_id,
        workflow_run_id=run_id,
    )
    environment.payload_converter = DATA_CONVERTER.payload_converter
    return environment


def _lines_of(answer: Any) -> list[int]:
    ids = [line.reservation_id for line in answer.lines] if isinstance(answer, Holding) else []
    return [each for each in ids if each is not None]


def _status(answer: Any) -> str | None:
    status = getattr(answer, "status", None)
    return None if status is None else str(status)
