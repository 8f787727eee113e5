"""A worker that is killed from within: `python -m tests.faults.dying_worker [STEP before|after]`.

It is the real one, except that it dies by SIGKILL at the first call of a step: before the step's transaction, or after
its commit and before anybody hears of it. Without arguments it lives until it is killed from outside.
"""

import asyncio
import functools
import os
import signal
import sys
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.worker import Worker

import worker
from stockkeeper.contracts.processes import PROCESSES


def make_deadly(activities: type[Any], step_name: str, moment: str) -> None:
    """Let the first call of this step kill the process."""
    original = getattr(activities, step_name)

    def step_and_die(self: Any, step: Any) -> Any:
        if moment == "after":
            original(self, step)
        os.kill(os.getpid(), signal.SIGKILL)

    # The name and the types of the original, without being marked as an activity already.
    deadly = functools.wraps(original, updated=())(step_and_die)
    setattr(activities, step_name, activity.defn(name=step_name, no_thread_cancel_exception=True)(deadly))


def main(arguments: list[str]) -> None:
    """Work, and die."""
    if arguments:
        step_name, moment = arguments
        steps = [worker.steps_of(process) for process in PROCESSES]
        [activities] = [each for each in steps if hasattr(each, step_name)]
        make_deadly(activities, step_name, moment)
    # Tasks that a dead worker had kept for itself come back after a second instead of ten.
    brisk = functools.partial(Worker, sticky_queue_schedule_to_start_timeout=timedelta(seconds=1))
    setattr(worker, "Worker", brisk)  # noqa: B010
    asyncio.run(worker.run(worker.Settings()))


if __name__ == "__main__":
    main(sys.argv[1:])
