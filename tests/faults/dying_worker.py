"""A worker that is killed from within.

It is the real one, except that it dies by SIGKILL at the first call of a step: before the step's transaction, or after
its commit and before anybody hears of it. Without arguments it lives until it is killed from outside.
"""

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.worker import Worker

import worker
from stockkeeper.contracts.processes import PROCESSES
from tests.support import notices as notices  # noqa: PLC0414 - its service has to be known when settings are read


def make_deadly(activities: type[Any], step_name: str, moment: str) -> None:
    """Let the first call of this step kill the process."""
    original = getattr(activities, step_name)

    def step_and_die(self: Any, step: Any) -> Any:
        if moment == "after":
            original(self, step)
        os.kill(os.getpid(), signal.SIGKILL)

    # The name and the types of the original, without being marked as an activity already.
    deadly = functools.wraps(original, updated=())(step_and_die)
    marked = activity.defn(name=step_name, no_thread_cancel_exception=True)(deadly)
    setattr(activities, step_name, marked)


def work(how_to_die: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
    """Work, and die.

    Args:
        how_to_die: A step, and ``before`` or ``after``; empty for a worker that dies by another's hand.
        environment: The process's environment variables; it has no others.
        log: Takes the process's output.
    """
    with log.open("wb") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    if how_to_die:
        step_name, moment = how_to_die
        [activities] = [each for each in map(worker.steps_of, PROCESSES) if hasattr(each, step_name)]
        make_deadly(activities, step_name, moment)
    # Tasks that a dead worker had kept for itself come back after a second instead of ten.
    brisk = functools.partial(Worker, sticky_queue_schedule_to_start_timeout=timedelta(seconds=1))
    setattr(worker, "Worker", brisk)  # noqa: B010
    asyncio.run(worker.run(worker.Settings()))
