"""A worker of moves that is killed from within, or pauses there, at a place in one of its steps.

It is the real one, except for that, and for how soon Temporal misses it.
"""

import asyncio
import functools
import itertools
import os
import pkgutil
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from temporalio.worker import Worker

from activities import heartbeats
from devstack import mover
from stockkeeper.contracts import policies
from tests.faults.dying_worker import begin, move_warehouses
from workflows import move

MISSED_AFTER = timedelta(seconds=1.2)


class End(NamedTuple):
    """Where a mover ends, or pauses.

    Attributes:
        place: A function that a step calls, by its module and its name, such as ``activities.move:steps.switch``.
        moment: Before the call, or after it: what it has committed is committed then.
        call: Which call it is, from 1.
        by: The signal that it sends itself.
    """

    place: str
    moment: Literal["before", "after"] = "before"
    call: int = 1
    by: signal.Signals = signal.SIGKILL


def work(ends: tuple[End, ...], environment: Mapping[str, str], log: Path) -> None:
    """Move warehouses, and die.

    Args:
        ends: Where it dies or pauses; empty for one that dies by another's hand.
        environment: The process's environment variables; it has no others.
        log: Takes the process's output.
    """
    begin(environment, log)
    for end in ends:
        _end_at(end)
    _be_brisk()
    asyncio.run(move_warehouses())


def _end_at(end: End) -> None:
    owner, _, name = end.place.rpartition(".") if "." in end.place.partition(":")[2] else end.place.rpartition(":")
    where = pkgutil.resolve_name(owner)
    original, calls = getattr(where, name), itertools.count(1)

    @functools.wraps(original)
    def call_and_end(*arguments: Any, **named: Any) -> Any:
        is_this_call = next(calls) == end.call
        if is_this_call and end.moment == "before":
            os.kill(os.getpid(), end.by)
        answer = original(*arguments, **named)
        if is_this_call and end.moment == "after":
            os.kill(os.getpid(), end.by)
        return answer

    setattr(where, name, call_and_end)


def _be_brisk() -> None:
    """A mover that is killed is missed after a second, and no warehouse is announced for long."""
    setattr(heartbeats, "_EVERY_SECONDS", 0.3)  # noqa: B010
    policies.MOVING["heartbeat_timeout"] = MISSED_AFTER
    setattr(policies, "MOVE_IS_KNOWN_AFTER", timedelta(seconds=1))  # noqa: B010
    setattr(move, "TRIES_EVERY", timedelta(seconds=0.3))  # noqa: B010
    brisk = timedelta(seconds=1)
    setattr(mover, "Worker", functools.partial(Worker, sticky_queue_schedule_to_start_timeout=brisk))  # noqa: B010
