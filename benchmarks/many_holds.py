"""Many holds at once: a thousand with one deadline, and ten thousand that stay open.

`python -m benchmarks.many_holds` (`--due`, `--open`, `--cancels`). Measured are: the time from a deadline that many
holds share until the last of their rows is released, against as many bare timers that fire and complete; the worker's
memory with very many open holds; after `kill -9`, the time from a new worker's readiness to its first hold; and cancels
of runs that the new worker hasn't in its cache, against the updates of a bare twin in the same situation.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil
from sqlalchemy import text
from temporalio.client import WorkflowHandle

from benchmarks.order_life_stage import Side, Stage, bare_worker, our_worker, staged

ITEMS = 1_000
AT_ONCE = 50
LOOKS_EVERY = 0.02
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Figures:
    """What was measured, in seconds and megabytes."""

    released: float
    fired: float
    memory: float
    first_hold: float
    cancels: float
    bare_updates: float

    def report(self, *, due: int, open_holds: int, cancels: int) -> str:
        """The figures as a table."""
        return "\n".join(
            [
                "| | Stockkeeper | bare twin | ratio | bar |",
                "|---|---:|---:|---:|---:|",
                (
                    f"| {due:,} with one deadline: the last is released, s | {self.released:.1f} | {self.fired:.1f} "
                    f"| {self.released / self.fired:.2f} | ≤ 1.1 |"
                ),
                f"| {open_holds:,} open holds: worker's memory, MB | {self.memory:.0f} | | | ≤ 400 |",
                f"| after kill -9: first hold after ready, s | {self.first_hold:.2f} | | | ≤ 2 |",
                (
                    f"| {cancels:,} cancels of uncached runs, a second | {cancels / self.cancels:.1f} "
                    f"| {cancels / self.bare_updates:.1f} | {self.bare_updates / self.cancels:.2f} | ≥ 0.8 |"
                ),
            ]
        )


async def in_flight(calls: int, call: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """Make so many calls, fifty of them at any time, and return their answers."""
    numbers = iter(range(calls))

    async def caller() -> list[Any]:
        return [await call(number) for number in numbers]

    answered = await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return [answer for answers in answered for answer in answers]


async def _until(deadline: float, is_over: Callable[[], Awaitable[bool]]) -> float:
    """Seconds from a deadline until something is over."""
    await asyncio.sleep(max(0.0, deadline - time.time()))
    while not await is_over():  # noqa: ASYNC110 - neither server has an event for it
        await asyncio.sleep(LOOKS_EVERY)
    return time.time() - deadline


async def _released(stage: Stage, holds: int, within: float) -> float:
    """Seconds from the deadline of so many holds until the last row is released."""
    deadline = time.time() + within
    await in_flight(holds, lambda _: stage.ours.hold((deadline - time.time()) / 60))
    query = text("SELECT count(*) FROM reservations WHERE status = 'ACTIVE'")

    def held() -> int:
        with stage.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    if held() != holds:
        raise RuntimeError(f"{held()} of {holds} are held: give them more time")

    async def is_over() -> bool:
        return await asyncio.to_thread(held) == 0

    return await _until(deadline, is_over)


async def _fired(stage: Stage, timers: int, within: float) -> float:
    """Seconds from the deadline of so many bare timers until the last of their runs is over."""
    deadline = time.time() + within
    bare = stage.bare

    async def start(number: int) -> None:
        await bare.client.start_workflow("BareTimer", deadline, id=f"timer-{number}", task_queue=bare.queue)

    await in_flight(timers, start)
    query = 'WorkflowType="BareTimer" AND ExecutionStatus="Completed"'

    async def is_over() -> bool:
        return (await bare.client.count_workflows(query)).count == timers

    return await _until(deadline, is_over)


async def _cancelled(side: Side, handles: Sequence[WorkflowHandle[Any, Any]]) -> float:
    """Seconds for the cancels of these orders."""

    async def cancel(number: int) -> None:
        reason = {"performed_by": "shop", "reason": "measured"}
        answer = await side.client.get_workflow_handle(handles[number].id).execute_update("cancel", reason)
        if answer["status"] != "CANCELLED":
            raise RuntimeError(answer)

    began = time.perf_counter()
    await in_flight(len(handles), cancel)
    return time.perf_counter() - began


async def measure(due: int, open_holds: int, cancels: int, within: float) -> Figures:
    """All figures, on one stack."""
    async with staged(ITEMS) as stage:
        with ExitStack() as workers:
            bare = workers.enter_context(bare_worker(stage))
            with our_worker(stage) as ours:
                await stage.ours.life()
                released = await _released(stage, due, within)
                fired = await _fired(stage, due, within)
                held = await in_flight(open_holds, lambda _: stage.ours.hold())
                memory = ours.memory_info().rss / MEGABYTE
                ours.kill()
            bare_held = await in_flight(cancels, lambda _: stage.bare.hold())
            bare.kill()
            with our_worker(stage, until_ready=True) as ours:
                began = time.perf_counter()
                await stage.ours.hold()
                first_hold = time.perf_counter() - began
                seconds = await _cancelled(stage.ours, held[:cancels])
                memory = max(memory, psutil.Process(ours.pid).memory_info().rss / MEGABYTE)
            with bare_worker(stage):
                await stage.bare.life()
                bare_updates = await _cancelled(stage.bare, bare_held)
    return Figures(released, fired, memory, first_hold, seconds, bare_updates)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--due", type=int, default=1_000)
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--cancels", type=int, default=1_000)
    parser.add_argument("--within", type=float, default=90, help="seconds in which those with one deadline are made")
    given = parser.parse_args(arguments)
    figures = asyncio.run(measure(given.due, given.open, given.cancels, given.within))
    print(figures.report(due=given.due, open_holds=given.open, cancels=given.cancels))


if __name__ == "__main__":
    main()
