"""A worker that is killed from within.

It is the real one, except that it dies by SIGKILL at the first call of a step: before the step's transaction, or after
its commit and before anybody hears of it; or after the commit of a group of steps. Or it pauses before the step, and
dies after it. Without arguments it lives until it is killed from outside.
"""

import asyncio
import functools
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
from temporalio import activity
from temporalio.worker import Worker

import worker
from activities import stock_steps
from database import gathering
from database.sessions import Database
from devstack import mover
from stockkeeper.client.connection import connect_temporal
from stockkeeper.contracts.processes import PROCESSES
from tests.faults.simulation.breaking import BROKEN_PROMISE, break_worker
from tests.support import notices as notices  # noqa: PLC0414 - its service has to be known when settings are read

MOVER = ("mover",)
"""In place of how to die: move warehouses."""


def make_deadly(activities: type[Any], step_name: str, moment: str) -> None:
    """Let the first call of this step kill the process."""
    original = getattr(activities, step_name)
    pauses = iter([signal.SIGSTOP] if moment == "late" else [])

    def step_and_die(self: Any, step: Any) -> Any:
        try:
            for pause in pauses:
                os.kill(os.getpid(), pause)
            if moment != "before":
                original(self, step)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    # The name and the types of the original, without being marked as an activity already.
    deadly = functools.wraps(original, updated=())(step_and_die)
    marked = activity.defn(name=step_name, no_thread_cancel_exception=True)(deadly)
    setattr(activities, step_name, marked)


def die_in_a_group(size: int) -> None:
    """Let steps gather, and die when so many have been committed in one transaction, before any of them hears of it."""
    original = stock_steps._carry_out

    def carry_out(database: Database, steps: Sequence[Any]) -> None:
        # The first leads alone: until the others have come.
        while len(steps) == 1 and len(database.gathering._waiting) < size:
            time.sleep(0.001)
        original(database, steps)
        if len(steps) == size:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(gathering, "_PATIENCE_SECONDS", 30.0)  # noqa: B010
    setattr(stock_steps, "_carry_out", carry_out)  # noqa: B010


async def move_warehouses() -> None:
    """Move warehouses until the process is killed."""
    settings = mover.settings_of_environment()
    async with mover.moving(await connect_temporal(), mover.urls_to_move(settings), settings):
        logging.getLogger(__name__).info("working on moves")
        await asyncio.Event().wait()


def begin(environment: Mapping[str, str], log: Path) -> None:
    """Give this process its environment variables and no others, its log, and its parent's end."""
    with log.open("wb") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    threading.Thread(target=_die_with_the_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _die_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def work(how_to_die: tuple[str, ...], environment: Mapping[str, str], log: Path, hours_off: float = 0) -> None:
    """Work, and die.

    Args:
        how_to_die: A step, and ``before``, ``after`` or ``late``; ``in a group``, and how many steps it has; empty for
            a worker that dies by another's hand; `MOVER` for one that moves warehouses until then.
        environment: The process's environment variables; it has no others.
        log: Takes the process's output.
        hours_off: How much Python's clock is fast here, or slow if it is negative.
    """
    begin(environment, log)
    # Tasks that a dead worker had kept for itself come back after a second instead of ten.
    brisk = functools.partial(Worker, sticky_queue_schedule_to_start_timeout=timedelta(seconds=1))
    setattr(worker, "Worker", brisk)  # noqa: B010
    setattr(mover, "Worker", brisk)  # noqa: B010
    if hours_off:
        time_machine.travel(timedelta(hours=hours_off)).start()
    if (promise := environment.get(BROKEN_PROMISE)) is not None:
        break_worker(promise)
    if how_to_die == MOVER:
        asyncio.run(move_warehouses())
    elif how_to_die[:1] == ("in a group",):
        die_in_a_group(int(how_to_die[1]))
    elif how_to_die:
        step_name, moment = how_to_die
        [activities] = [each for each in map(worker.steps_of, PROCESSES) if hasattr(each, step_name)]
        make_deadly(activities, step_name, moment)
    asyncio.run(worker.run(worker.Settings()))
