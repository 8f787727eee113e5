"""When a worker last asked Temporal for tasks, by the counters of the SDK's own core.

A worker may be alive, with its connections open and its event loop running, and not ask for tasks any more
(temporalio/sdk-python 1295): nothing of the SDK's interface tells. But its core counts each call of
`PollWorkflowTaskQueue` and `PollActivityTaskQueue` when it makes it, also one that fails because Temporal is away. As
long as these move, the worker does what it can.
"""

import http.client
import re
from dataclasses import dataclass

QUIET_SECONDS = 90.0
"""A poll is given up after 70 s, and one that has failed is made again within 12 s: a counter that stands for longer
than both belongs to a worker that doesn't ask."""
READ_WITHIN_SECONDS = 5.0

_LABELS = r'\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}'
_CALLS = re.compile(rf"^temporal_long_request(?:_total)?{_LABELS} (\S+)", re.MULTILINE)
_FREE = re.compile(rf"^temporal_worker_task_slots_available{_LABELS} (\S+)", re.MULTILINE)
_FOR_WORKFLOWS = 'operation="PollWorkflowTaskQueue"'
_FOR_ACTIVITIES = 'operation="PollActivityTaskQueue"'
_OF_ACTIVITIES = 'worker_type="ActivityWorker"'


@dataclass(frozen=True)
class Counters:
    """The core's counters, at one moment.

    Attributes:
        for_workflows: Calls that asked for workflow tasks, so far.
        for_activities: Calls that asked for activities.
        is_busy: Whether all of the worker's slots for activities are taken: then it asks for none.
    """

    for_workflows: float
    for_activities: float
    is_busy: bool


@dataclass(frozen=True)
class Seen:
    """What was seen of a worker, or of what it needs.

    Attributes:
        name: Stable, for programs.
        ok: Whether it is well.
        reason: Why, or why not.
    """

    name: str
    ok: bool
    reason: str


def counters_in(metrics: str) -> Counters:
    """The counters in what the core serves for Prometheus."""
    calls = [(labels, float(count)) for labels, count in _CALLS.findall(metrics)]
    free = [float(count) for labels, count in _FREE.findall(metrics) if _OF_ACTIVITIES in labels]
    return Counters(
        for_workflows=sum(count for labels, count in calls if _FOR_WORKFLOWS in labels),
        for_activities=sum(count for labels, count in calls if _FOR_ACTIVITIES in labels),
        is_busy=bool(free) and sum(free) == 0,
    )


def read_counters(address: tuple[str, int]) -> Counters:
    """The counters of this process's core.

    Args:
        address: Where the core serves its metrics.

    Raises:
        OSError, http.client.HTTPException: They can't be read.
    """
    connection = http.client.HTTPConnection(*address, timeout=READ_WITHIN_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return counters_in(connection.getresponse().read().decode())
    finally:
        connection.close()


class Polls:
    """The polls of one worker, as its counters have been seen to move.

    Args:
        now: When the worker began, by the clock that all other instants are of, in seconds.
        for_workflows: Whether it asks for workflow tasks, too: one for bulk work doesn't.
    """

    def __init__(self, now: float, *, for_workflows: bool = True) -> None:
        self._asks_for_workflows = for_workflows
        self._last: Counters | None = None
        self._problem = ""
        self._for_workflows_at = self._for_activities_at = now

    def seen(self, counters: Counters, now: float) -> None:
        """Take note of the counters."""
        last, self._last, self._problem = self._last, counters, ""
        if last is None or counters.for_workflows != last.for_workflows:
            self._for_workflows_at = now
        if last is None or counters.for_activities != last.for_activities or counters.is_busy:
            self._for_activities_at = now

    def not_seen(self, problem: str) -> None:
        """Take note that the counters can't be read: if that goes on, the worker counts as one that doesn't ask."""
        self._problem = problem

    def state(self, now: float) -> list[Seen]:
        """Whether the worker asks for the kinds of tasks that it carries out."""
        of_workflows = [self._asked("workflow_tasks", "workflow tasks", now - self._for_workflows_at)]
        return [
            *(of_workflows if self._asks_for_workflows else []),
            Seen("activities", ok=True, reason="all slots for activities are taken")
            if self._last is not None and self._last.is_busy
            else self._asked("activities", "activities", now - self._for_activities_at),
        ]

    def _asked(self, name: str, what: str, seconds: float) -> Seen:
        if seconds <= QUIET_SECONDS:
            return Seen(name, ok=True, reason=f"asked for {what} {seconds:.0f} s ago")
        problem = f", as far as can be seen: {self._problem}" if self._problem else ""
        return Seen(name, ok=False, reason=f"hasn't asked for {what} for {seconds:.0f} s{problem}")
