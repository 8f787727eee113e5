"""An order's life against a bare Temporal workflow of its shape, and against the same life in DBOS.

`python -m benchmarks.order_life` (`--rounds`, `--orders`, `--at-once`, `--without-dbos`). An order is held by
update-with-start, shipped by an update, and its result awaited. The two workers of Temporal, DBOS, the servers and the
callers share the machine; the sides take turns, each round in another order.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import psutil
from sqlalchemy import text
from sqlalchemy.engine import make_url

from benchmarks.order_life_stage import (
    ROOT,
    Runner,
    Side,
    Stage,
    Turns,
    bare_worker,
    compared,
    cpu_seconds,
    history_of,
    our_worker,
    staged,
    take_turns,
)

ITEMS = 1_000
WARM_UP = 60
OURS, BARE, DBOS = "Stockkeeper", "bare twin", "DBOS twin"


@dataclass
class Measured:
    """What was measured of one side."""

    turns: Turns
    answer_ms: list[float] = field(default_factory=list)
    events: int | None = None
    actions: int | None = None


@dataclass(frozen=True)
class Answering(Runner):
    """A side that is also asked for one order alone: seconds of its answer."""

    answer: Callable[[], Awaitable[float]]


@dataclass
class Dbos:
    """The DBOS application in its process, asked line by line."""

    started: "subprocess.Popen[str]"

    async def lives(self, orders: int, at_once: int) -> float:
        """Seconds for so many orders."""
        [seconds] = await self._ask(f"life {orders} {at_once}")
        return seconds

    async def answer(self) -> float:
        """Seconds until one order is held."""
        [seconds] = await self._ask("answer 1")
        return seconds

    async def _ask(self, line: str) -> list[float]:
        return await asyncio.to_thread(self.ask, line)

    def ask(self, line: str) -> list[float]:
        """Send a line, if there is one, and read the next."""
        if self.started.stdin is None or self.started.stdout is None:
            raise RuntimeError("DBOS has no pipes")
        if line:
            self.started.stdin.write(f"{line}\n")
            self.started.stdin.flush()
        answered: list[float] = json.loads(self.started.stdout.readline())
        return answered


@contextmanager
def _dbos(stage: Stage) -> Iterator[Dbos]:
    """The DBOS twin on the same PostgreSQL, its tables and its system tables in databases of their own."""
    with stage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in ("seed", "seed_dbos"):
            connection.execute(text(f"CREATE DATABASE {name}"))
    urls = [
        make_url(stage.info.database_url)
        .set(drivername="postgresql+psycopg", database=name)
        .render_as_string(hide_password=False)
        for name in ("seed", "seed_dbos")
    ]
    command = [sys.executable, "-m", "benchmarks.order_life_dbos", *urls, str(ITEMS)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:  # noqa: S603
        dbos = Dbos(started)
        dbos.ask("")  # It says when it is ready.
        try:
            yield dbos
        finally:
            started.kill()


def _runner(side: Side, worker: psutil.Process) -> Answering:
    return Answering(side.lives, lambda: cpu_seconds(worker), side.answer)


async def measure(rounds: int, orders: int, at_once: int, answers: int, *, with_dbos: bool) -> dict[str, Measured]:
    """Every side's figures."""
    async with staged(ITEMS) as stage:
        with ExitStack() as workers:
            runners = {
                OURS: _runner(stage.ours, workers.enter_context(our_worker(stage))),
                BARE: _runner(stage.bare, workers.enter_context(bare_worker(stage))),
            }
            if with_dbos:
                dbos = workers.enter_context(_dbos(stage))
                cpu = partial(cpu_seconds, psutil.Process(dbos.started.pid))
                runners[DBOS] = Answering(dbos.lives, cpu, dbos.answer)
            return await _measure(stage, runners, rounds, orders, at_once, answers)


async def _measure(
    stage: Stage, runners: Mapping[str, Answering], rounds: int, orders: int, at_once: int, answers: int
) -> dict[str, Measured]:
    turns = await take_turns(runners, rounds, orders, at_once, WARM_UP)
    found = {name: Measured(each) for name, each in turns.items()}
    order = random.Random(0)
    for _ in range(answers):
        for name in order.sample(list(runners), len(runners)):
            found[name].answer_ms.append(await runners[name].answer() * 1000)
    for name, side in ((OURS, stage.ours), (BARE, stage.bare)):
        found[name].events, found[name].actions = await history_of(await side.life())
    return found


def report(found: Mapping[str, Measured]) -> str:
    """The figures as a table, and the ratios beneath."""
    lines = [
        "| | orders a second | worker CPU an order, ms | answer when idle, p50 ms | events | Actions |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, side in found.items():
        figures = (statistics.median(each) for each in (side.turns.per_second, side.turns.cpu_ms, side.answer_ms))
        cells = [name, *(f"{figure:.1f}" for figure in figures), str(side.events or ""), str(side.actions or "")]
        lines.append(f"| {' | '.join(cells)} |")
    ours = found[OURS]
    lines.append("")
    for name in [name for name in found if name != OURS]:
        other = found[name]
        lines.append(compared(ours.turns, other.turns, f"against the {name}"))
        answers = statistics.median(ours.answer_ms) / statistics.median(other.answer_ms)
        lines.append(f"answer when idle, against the {name}: {answers:.2f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--without-dbos", action="store_true")
    given = parser.parse_args(arguments)
    found = asyncio.run(
        measure(given.rounds, given.orders, given.at_once, given.answers, with_dbos=not given.without_dbos)
    )
    print(report(found))


if __name__ == "__main__":
    main()
