"""Where the time of a hold's answer went, by the times in its run's history.

Temporal and the caller are on one machine here, and so by one clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

PARTS = ("the start is stored", "a worker takes it", "the step, with its commit", "the answer is stored and sent")


@dataclass(frozen=True)
class Hold:
    """One call for a hold, and how long its answer took.

    Attributes:
        arrived: Seconds of the clock.
        seconds: From the arrival to the answer.
        handle: The run; None: there was no answer.
    """

    arrived: float
    seconds: float
    handle: WorkflowHandle[Any, Any] | None


def parts_of(hold: Hold, events: Sequence[HistoryEvent]) -> tuple[float, ...]:
    """Seconds of each of `PARTS`; a task that was begun in vain belongs to the time until a worker takes it."""
    accepted = next(
        number
        for number, event in enumerate(events)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    )
    before = [(event.event_type, _seconds(event)) for event in events[:accepted]]
    taken, done = (
        [at for kind, at in before if kind == wanted][-1]
        for wanted in (EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    )
    marks = (hold.arrived, _seconds(events[0]), taken, done, hold.arrived + hold.seconds)
    return tuple(later - earlier for earlier, later in pairwise(marks))


def _seconds(event: HistoryEvent) -> float:
    return event.event_time.seconds + event.event_time.nanos / 1e9


async def report(holds: Sequence[Hold], slowest: int) -> str:
    """The slowest ones as a table, in their order."""
    lines = ["| at, s | answer, ms |" + "".join(f" {part} |" for part in PARTS), "|---:|---:|" + "---:|" * len(PARTS)]
    first = min(each.arrived for each in holds)
    for hold in sorted(holds, key=lambda each: -each.seconds)[:slowest]:
        row = [f"{hold.arrived - first:.1f}", f"{hold.seconds * 1000:.0f}"]
        if hold.handle is not None:
            history = await hold.handle.fetch_history()
            row += [f"{each * 1000:.0f}" for each in parts_of(hold, history.events)]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)
