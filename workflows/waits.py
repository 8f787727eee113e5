"""Steps of a run that the database doesn't carry out at present: what the run's details say of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import utc
from stockkeeper.contracts.outage import DATABASE_TROUBLES, AttemptFailed

_WHY_LENGTH = 200


@dataclass
class _UnderWay:
    since: datetime
    calls: int = 0
    text: str = ""


class Waits:
    """The steps of one run that are under way, and what is known of those that fail and are tried again.

    Args:
        show: Brings the details up to date.
    """

    def __init__(self, show: Callable[[], None]) -> None:
        self._show = show
        self._steps: dict[str, _UnderWay] = {}

    @contextmanager
    def step(self, activity: Callable[..., Any]) -> Iterator[None]:
        """Around a step, from its first attempt to its answer."""
        name = activity.__name__
        waiting = self._steps.setdefault(name, _UnderWay(workflow.now()))
        waiting.calls += 1
        try:
            yield
        finally:
            waiting.calls -= 1
            if not waiting.calls:
                del self._steps[name]
                # Not where a worker drops the run from its memory.
                if waiting.text and workflow.in_workflow():
                    self._show()

    def local_attempts_failed(self, activity: Callable[..., Any], failure: FailureError) -> None:
        """The attempts in the workflow's task have failed; it goes on through the task queue."""
        # The failure of a local activity is the attempt's own, without an `ActivityError` around it.
        cause = failure.cause if isinstance(failure, ActivityError) and failure.cause else failure
        waiting = self._steps[activity.__name__]
        if isinstance(cause, ApplicationError) and cause.type in DATABASE_TROUBLES:
            waiting.text = _waiting("", waiting.since, cause.message)
        else:
            why = _cut(cause.message if isinstance(cause, FailureError) else str(cause))
            waiting.text = (
                f"**`{activity.__name__}` fails** since {utc(waiting.since)}, and is tried again: {plain(why)}"
            )
        self._show()

    def have_failed(self, step: str) -> bool:
        """Whether attempts at a step that is under way have failed."""
        waiting = self._steps.get(step)
        return waiting is not None and bool(waiting.text)

    def attempt_failed(self, failed: AttemptFailed) -> None:
        """An attempt through the task queue has met trouble with the database. One of a step that is over is late."""
        if (waiting := self._steps.get(failed.step)) is not None:
            waiting.text = _waiting(f", attempt {failed.attempt}", waiting.since, failed.why)
            self._show()

    @property
    def text(self) -> str:
        """A paragraph of Markdown for each step that waits; empty: none does."""
        return "\n\n".join(waiting.text for waiting in self._steps.values() if waiting.text)


def _waiting(attempt: str, since: datetime, why: str) -> str:
    return (
        f"**waiting for the database**{attempt} since {utc(since)}: {plain(_cut(why))}. "
        "It goes on by itself; *Pending Activities* has the latest attempt."
    )


def _cut(why: str) -> str:
    return why.partition("\n")[0][:_WHY_LENGTH]


def under_way() -> Waits:
    """The waits of the run that asks; a run without details has none to show."""
    waits: Waits | None = getattr(workflow.instance(), "waits", None)
    return waits or Waits(lambda: None)
