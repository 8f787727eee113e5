"""The answer to a checkout's hold while a plan and an import of a large file are under way, against idle.

`python -m benchmarks.priority` (`--items`, `--rows`, `--rounds`, `--rate`, `--idle`, `--apart`, `--share`, `--waits`,
`--slowest`). Orders arrive by chance at a steady rate, whether those before are answered or not, and each is shipped. A
round measures an idle time and then a loaded one: until the file is imported, with a plan of all items under way all
the while.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import psutil
from sqlalchemy import text
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from benchmarks.order_life_stage import ROOT, Side, Stage, staged, worker_on
from benchmarks.waits import Waits, servers, watching
from benchmarks.waits import report as report_of_waits
from benchmarks.where_holds_wait import Hold
from benchmarks.where_holds_wait import report as report_of_slowest

WARM_UP = 100
DAYS = 20
"""Days on which each item had demand, of the ninety that planning looks at."""
HOT = 1_000
"""Items that are sold; they are planned like the others."""
# Past the triggers: the rows are right, and many.
_MORE = """
    SET LOCAL session_replication_role = replica;
    SET LOCAL statement_timeout = 0;
    INSERT INTO products (sku, name)
        SELECT 'SKU-' || n, 'Product ' || n FROM generate_series({hot} + 1, {items}) AS n;
    INSERT INTO inventory_items (product_id, warehouse_id) SELECT product_id, 1 FROM products WHERE product_id > {hot};
    INSERT INTO suppliers (name) VALUES ('S');
    INSERT INTO product_suppliers (product_id, supplier_id, is_preferred, unit_cost, lead_time_days)
        SELECT product_id, 1, true, 1 + product_id % 40, 3 + product_id % 18 FROM products;
    INSERT INTO imported_demand (warehouse_id, product_id, day, quantity)
        SELECT 1, product_id, current_date - 3 * day, 1 + (product_id * 31 + day * 17) % 20
        FROM products, generate_series(1, {days}) AS day;
"""


@dataclass
class Answers:
    """The answers of both kinds of time."""

    idle: list[Hold] = field(default_factory=list)
    loaded: list[Hold] = field(default_factory=list)
    planned: int = 0
    """Plans that came to their end while it was loaded."""
    seconds: float = 0.0
    """Seconds that it was loaded."""
    slowest: str = ""
    """Where the slowest ones of the loaded time waited, where that was asked for."""
    waits: list[Waits] = field(default_factory=list)
    """Of an idle time and the loaded one after it, in turn, where that was asked for."""


async def arrivals(side: Side, rate: float, is_over: Callable[[], bool], chance: random.Random) -> list[Hold]:
    """The answers to holds that arrive at this rate until it is over, from the instant of arrival."""
    answers: list[Hold] = []
    under_way: set[asyncio.Task[None]] = set()

    async def order(due: float) -> None:
        # One that isn't answered in time counts as long as it was waited for.
        handle = None
        with contextlib.suppress(RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            try:
                handle = await side.hold()
            finally:
                seconds = time.perf_counter() - due
                answers.append(Hold(time.time() - seconds, seconds, handle))
            await side.ship(handle)

    due = time.perf_counter()
    while not is_over():
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(order(due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return answers


def write_file(path: Path, rows: int, items: int, which: int) -> None:
    """A file of demand: these items, day before day, no two files the same."""
    first = date(2020, 1, 1)
    with path.open("w") as file:
        file.write("sku,warehouse,day,quantity\n")
        for row in range(rows):
            day = first + timedelta(days=row // items)
            file.write(f"SKU-{row % items + 1},W,{day},{(row * 7 + which) % 50}\n")


async def _command(stage: Stage, *arguments: str) -> asyncio.subprocess.Process:
    """A command line of ours, as on another machine: it gives way to everything here."""
    environment = {
        "TEMPORAL_ADDRESS": stage.info.temporal_address,
        "USER": "bench",
        "PATH": "/usr/bin:/bin",
    }
    return await asyncio.create_subprocess_exec(
        *("nice", "-n", "19", sys.executable, "-m", "starter", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _loaded(stage: Stage, file: Path, found: Answers, rate: float, chance: random.Random) -> None:
    done = asyncio.Event()

    async def plan_all_the_while() -> None:
        while not done.is_set():
            planning = await _command(stage, "plan")
            await planning.wait()
            found.planned += planning.returncode == 0

    async def import_file() -> None:
        importing = await _command(stage, "import", "demand", str(file))
        if await importing.wait():
            raise RuntimeError("the import failed")

    began = time.perf_counter()
    planning = asyncio.create_task(plan_all_the_while())
    importing = asyncio.create_task(import_file())
    found.loaded += await arrivals(stage.ours, rate, importing.done, chance)
    found.seconds += time.perf_counter() - began
    await importing
    done.set()
    await planning


async def measure(
    *,
    items: int,
    rows: int,
    rounds: int,
    rate: float,
    idle_seconds: float,
    variables: Sequence[dict[str, str]],
    waits: bool,
    slowest: int,
) -> Answers:
    """Answers of all rounds, with a worker process for each of these sets of variables; and what was waited for."""
    found, chance = Answers(), random.Random(0)
    async with staged(HOT) as stage:
        with stage.engine.begin() as connection:
            connection.execute(text(_MORE.format(hot=HOT, items=items, days=DAYS)))
        with stage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        with ExitStack() as workers, tempfile.TemporaryDirectory() as directory:
            groups = servers() | {"callers": psutil.Process()}
            for each in variables:
                worker = workers.enter_context(worker_on(stage, stage.info.task_queue, each))
                groups[f"worker of {each.get('STOCKKEEPER_SERVES', 'all')}"] = worker

            @contextlib.contextmanager
            def watched() -> Iterator[None]:
                with watching(stage.engine, groups) if waits else contextlib.nullcontext() as seen:
                    yield
                found.waits += [seen] if seen is not None else []

            await stage.ours.lives(WARM_UP, 10)
            for number in range(rounds):
                file = Path(directory) / f"{number}.csv"
                write_file(file, rows, items, number)
                idle = asyncio.create_task(asyncio.sleep(idle_seconds))
                with watched():
                    found.idle += await arrivals(stage.ours, rate, idle.done, chance)
                with watched():
                    await _loaded(stage, file, found, rate, chance)
            if slowest:
                found.slowest = await report_of_slowest(found.loaded, slowest)
    return found


def _percent(holds: Sequence[Hold], percent: int) -> float:
    return statistics.quantiles([each.seconds for each in holds], n=100)[percent - 1]


def report(found: Answers) -> str:
    """The figures as a table."""
    lines = ["| answer to a hold | idle, ms | loaded, ms | ratio |", "|---|---:|---:|---:|"]
    for name, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
        idle, loaded = (_percent(each, percent) * 1000 for each in (found.idle, found.loaded))
        lines.append(f"| {name} | {idle:.1f} | {loaded:.1f} | {loaded / idle:.2f} |")
    lines.append("")
    lines.append(
        f"{len(found.idle)} and {len(found.loaded)} holds; loaded for {found.seconds:.0f} s, {found.planned} plans done"
    )
    lines += ["", found.slowest] if found.slowest else []
    for number, waits in enumerate(found.waits):
        lines += ["", f"Loaded, {waits.seconds:.0f} s:" if number % 2 else "Idle:", "", report_of_waits(waits)]
    return "\n".join(lines)


APART = ({"STOCKKEEPER_SERVES": "orders"}, {"STOCKKEEPER_SERVES": "bulk"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5.0, help="orders a second")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of each idle time")
    parser.add_argument("--apart", action="store_true", help="bulk work in a process of its own")
    parser.add_argument("--share", type=float, help="STOCKKEEPER_BULK_SHARE of the bulk worker")
    parser.add_argument("--waits", action="store_true", help="what processes and the database wait for, as well")
    parser.add_argument("--slowest", type=int, default=0, help="so many of the slowest answers: where they waited")
    given = parser.parse_args(arguments)
    share = {} if given.share is None else {"STOCKKEEPER_BULK_SHARE": str(given.share)}
    found = asyncio.run(
        measure(
            items=given.items,
            rows=given.rows,
            rounds=given.rounds,
            rate=given.rate,
            idle_seconds=given.idle,
            variables=[each | share for each in (APART if given.apart else ({},))],
            waits=given.waits,
            slowest=given.slowest,
        )
    )
    print(report(found))


if __name__ == "__main__":
    main()
