"""What events cost a hold: a worker that tells what it changes, against the same one that tells nobody.

`python -m benchmarks.events_cost` (`--rounds`, `--holds`, `--at-once`). The two workers share one stack and take turns,
each round in another order: holds one after another, and many at once. CPU is that of the worker, of PostgreSQL and of
Temporal's server, with the numbering of the events, which goes on until the last of them has its number; with
`--without-temporal` the server's isn't counted, so that the others' show more.
"""

import argparse
import asyncio
import dataclasses
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import psutil
from sqlalchemy import text

from benchmarks.order_life_stage import Runner, Side, Stage, Turns, cpu_seconds, ratio, staged, take_turns, worker_on

WITH, WITHOUT = "with-events", "without"
ITEMS = 1_000
WARM_UP = 200
ALONE, TOGETHER = "one after another", "many at once"
LOOKS_EVERY = 0.005


def _server(stage: Stage) -> psutil.Process:
    with stage.engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    found = psutil.Process(pid).parent()
    if found is None:
        raise RuntimeError("PostgreSQL has no parent process")
    return found


def _temporal() -> list[psutil.Process]:
    """The server of the stack that this process has started."""
    found = [each for each in psutil.Process().children(recursive=True) if each.name().startswith("temporal")]
    if not found:
        raise RuntimeError("Temporal's server isn't among the processes of this one")
    return found


def _cpu(worker: psutil.Process, server: psutil.Process, others: Sequence[psutil.Process]) -> float:
    # Its connections stay open, so that none of their time is lost.
    return sum(cpu_seconds(each) for each in (worker, server, *server.children(), *others))


def _holding(stage: Stage, side: Side) -> Callable[[int, int], Awaitable[float]]:
    async def hold(holds: int, at_once: int) -> float:
        began = time.perf_counter()
        numbers = iter(range(holds))

        async def caller() -> None:
            for _ in numbers:
                await side.hold()

        await asyncio.gather(*(caller() for _ in range(at_once)))
        seconds = time.perf_counter() - began
        while await asyncio.to_thread(_are_waiting, stage):  # noqa: ASYNC110 - another process numbers them
            await asyncio.sleep(LOOKS_EVERY)
        return seconds

    return hold


def _are_waiting(stage: Stage) -> bool:
    with stage.engine.connect() as connection:
        return bool(connection.execute(text("SELECT EXISTS (SELECT FROM outbox)")).scalar_one())


async def measure(rounds: int, holds: int, at_once: int, *, with_temporal: bool) -> dict[str, dict[str, Turns]]:
    """What each worker reaches, one hold after another and many at once."""
    async with staged(ITEMS) as stage:
        without = [sys.executable, "-m", "benchmarks.eventless_worker"]
        with worker_on(stage, WITH, {}) as one, worker_on(stage, WITHOUT, {}, command=without) as other:
            server, others = _server(stage), _temporal() if with_temporal else []
            runners = {}
            for name, worker in ((WITH, one), (WITHOUT, other)):
                side = dataclasses.replace(stage.ours, queue=name)
                runners[name] = Runner(_holding(stage, side), partial(_cpu, worker, server, others))
            return {
                ALONE: await take_turns(runners, rounds, holds, 1, WARM_UP),
                TOGETHER: await take_turns(runners, rounds, holds, at_once, WARM_UP),
            }


def report(found: dict[str, dict[str, Turns]]) -> str:
    """The figures as a table: the ratios are medians of the rounds' ratios."""
    lines = ["| holds | with events, ms | without, ms | time, ratio | CPU with | without | CPU, ratio |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for what, sides in found.items():
        one, other = sides[WITH], sides[WITHOUT]
        slower = ratio(other.per_second, one.per_second)
        lines.append(
            f"| {what} | {1000 / statistics.median(one.per_second):.2f} "
            f"| {1000 / statistics.median(other.per_second):.2f} | {slower:.2f} "
            f"| {statistics.median(one.cpu_ms):.2f} | {statistics.median(other.cpu_ms):.2f} "
            f"| {ratio(one.cpu_ms, other.cpu_ms):.2f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--holds", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--without-temporal", action="store_true", help="don't count the CPU of Temporal's server")
    given = parser.parse_args(arguments)
    found = measure(given.rounds, given.holds, given.at_once, with_temporal=not given.without_temporal)
    print(report(asyncio.run(found)))


if __name__ == "__main__":
    main()
