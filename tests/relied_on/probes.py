"""Workflows and activities that show one behaviour of Temporal each; nothing of ours is in them."""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner

TRIES: Counter[str] = Counter()
"""Attempts of each activity, by the key that it was called with."""
_MAY_END: defaultdict[str, threading.Event] = defaultdict(threading.Event)
RUNNER = UnsandboxedWorkflowRunner()
_ONCE_MORE = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2)


def may_end(key: str) -> threading.Event:
    """Lets the `held` activity of that key end."""
    return _MAY_END[key]


async def started(key: str) -> bool:
    """Whether an activity has been called with that key."""
    return TRIES[key] > 0


@activity.defn
def held(key: str) -> None:
    """End when the test lets it."""
    TRIES[key] += 1
    may_end(key).wait(20)


@activity.defn
def fails_after_two_heartbeats(key: str) -> list[Any]:
    """Report progress twice at once and fail; the second attempt answers with the progress that it gets."""
    TRIES[key] += 1
    if TRIES[key] == 1:
        activity.heartbeat("first")
        activity.heartbeat("first", "second")
        raise ApplicationError("come again")
    return list(activity.info().heartbeat_details)


@activity.defn
def takes_a_number(number: int) -> str | None:
    """Answer with the workflow that it belongs to."""
    del number
    return activity.info().workflow_id


@activity.defn
def answers_with(key: str, size: int) -> str:
    """Answer with a text of this size."""
    TRIES[key] += 1
    return "x" * size


@workflow.defn
class Waits:
    """Counts what it is asked to count, until it may end."""

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        """Begin at nothing."""
        del payload
        self.counted = 0
        self.seen: list[str] = []
        self.ends = False
        self.goes_on = False

    @workflow.run
    async def run(self, *payload: Any) -> int:
        """Wait for the end, or begin again."""
        del payload
        await workflow.wait_condition(lambda: self.ends or self.goes_on)
        if self.goes_on:
            workflow.upsert_memo({"added": "later", "changed": "later"})
            workflow.set_current_details("details")
            workflow.continue_as_new(args=["again"])
        return self.counted

    @workflow.update(name="count")
    async def count_update(self) -> str:
        """Count, and answer with the run that did."""
        info = workflow.current_update_info()
        self.counted += 1
        self.seen.append(info.id if info else "")
        return workflow.info().run_id

    @workflow.signal(name="count")
    async def count_signal(self) -> None:
        """Count."""
        self.counted += 1
        self.seen.append("signal")

    @workflow.signal
    async def number(self, number: int) -> None:
        """Count a number, whose type the SDK checks before."""
        self.counted += number

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def wait(self) -> None:
        """Never answer."""
        await asyncio.get_running_loop().create_future()

    @workflow.update
    async def choose(self, fits: bool) -> str:
        """Answer with the run."""
        del fits
        return workflow.info().run_id

    @choose.validator
    def _validate_choose(self, fits: bool) -> None:
        if not fits:
            raise ApplicationError("it doesn't fit", type="Unfit")

    @workflow.signal
    async def end(self) -> None:
        """End the run."""
        self.ends = True

    @workflow.signal
    async def go_on(self) -> None:
        """Continue as new."""
        self.goes_on = True

    @workflow.query
    def state(self) -> list[Any]:
        """The count, and who counted."""
        return [self.counted, self.seen]


@workflow.defn
class TakesANumber:
    """Has a typed parameter."""

    @workflow.run
    async def run(self, number: int) -> int:
        """Answer with it."""
        return number

    @workflow.update
    async def ready(self) -> str:
        """Answer."""
        return "ready"


@workflow.defn
class EndsAfterALocalActivity:
    """Ends as soon as its local activity has ended."""

    @workflow.init
    def __init__(self, key: str) -> None:
        """Begin without signals."""
        del key
        self.signals = 0

    @workflow.run
    async def run(self, key: str) -> int:
        """Answer with the signals that came."""
        await workflow.execute_local_activity(held, key, start_to_close_timeout=timedelta(seconds=30))
        return self.signals

    @workflow.signal
    async def signal(self) -> None:
        """Count."""
        self.signals += 1

    @workflow.update
    async def ready(self) -> str:
        """Answer."""
        return "ready"


@workflow.defn
class ComesAgain:
    """Fails once, under a retry policy of its own."""

    @workflow.run
    async def run(self) -> list[Any]:
        """Answer with the attempt, and whether it looks like a continued run."""
        info = workflow.info()
        if info.attempt == 1:
            raise ApplicationError("come again")
        return [info.attempt, info.continued_run_id is not None]


@workflow.defn
class RunsOneActivity:
    """Runs an activity, twice at most."""

    @workflow.run
    async def run(self, name: str, arguments: list[Any]) -> Any:
        """Answer with its answer."""
        return await workflow.execute_activity(
            name, args=arguments, start_to_close_timeout=timedelta(seconds=20), retry_policy=_ONCE_MORE
        )


@workflow.defn
class CountsAfterAnActivity:
    """Runs an activity, and counts beside it."""

    @workflow.init
    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        """Answer with what was seen, in its order, once the activity has ended and something was counted."""
        await workflow.execute_activity(takes_a_number, 1, start_to_close_timeout=timedelta(seconds=20))
        workflow.upsert_memo({"looked": True})
        self.seen.append("activity")
        await workflow.wait_condition(lambda: len(self.seen) == 2)
        return self.seen

    @workflow.update
    async def count(self) -> list[str]:
        """Count, and answer with what was seen before."""
        before = list(self.seen)
        self.seen.append("update")
        return before

    @workflow.query
    def state(self) -> list[str]:
        """What was seen."""
        return self.seen


@workflow.defn
class NotesBeforeALocalActivity:
    """Has a command to be recorded while a local activity is under way."""

    @workflow.init
    def __init__(self) -> None:
        """Begin without a key."""
        self.key = ""

    @workflow.run
    async def run(self) -> None:
        """Wait for a key, note it, and call the activity with it."""
        await workflow.wait_condition(lambda: bool(self.key))
        workflow.upsert_memo({"key": self.key})
        await workflow.execute_local_activity(held, self.key, start_to_close_timeout=timedelta(seconds=30))

    @workflow.signal
    async def begin(self, key: str) -> None:
        """Begin."""
        self.key = key


@workflow.defn(name="Changes")
class Before:
    """A workflow before its code changed."""

    @workflow.init
    def __init__(self) -> None:
        """Begin."""
        self.ends = False

    @workflow.run
    async def run(self) -> list[bool]:
        """Wait for the end."""
        await workflow.wait_condition(lambda: self.ends)
        return []

    @workflow.signal
    async def end(self) -> None:
        """End."""
        self.ends = True


@workflow.defn(name="Changes")
class After:
    """The same with two patches: one is asked for from the beginning, one only at the end."""

    @workflow.init
    def __init__(self) -> None:
        """Begin."""
        self.ends = False

    @workflow.run
    async def run(self) -> list[bool]:
        """Answer with what the patches say at the end."""
        workflow.patched("early")
        await workflow.wait_condition(lambda: self.ends)
        return [workflow.patched("early"), workflow.patched("late")]

    @workflow.signal
    async def end(self) -> None:
        """End."""
        self.ends = True


WORKFLOWS = [
    Waits,
    TakesANumber,
    EndsAfterALocalActivity,
    ComesAgain,
    RunsOneActivity,
    CountsAfterAnActivity,
    NotesBeforeALocalActivity,
]
ACTIVITIES: list[Callable[..., Any]] = [held, fails_after_two_heartbeats, takes_a_number, answers_with]
