"""`python -m tests.faults.upgrade`: v1 to v2 and back with 10,000 open holds; `--open`, `--commands`.

The figures are printed as the table of docs/benchmarks/faults.md. The status is 1 if a workflow task failed, or a level
or a run isn't as it should be.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import Client

from database.sessions import connect
from devstack.setup import set_up
from devstack.stack import running_stack
from stockkeeper.client.connection import Connection, connect_temporal
from tests.faults.upgrade.upgrade import ON_HAND, Figures, Upgrade
from tests.support.auditor import assert_books_agree, auditors_engine


async def measure(open_holds: int, commands: int) -> Figures:
    """The figures, on a stack of its own."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        async with running_stack(data / "stack", headless=True, environ={}) as stack:
            ours = await connect_temporal(stack.temporal_address, stack.namespace)
            await set_up(Connection(ours), stack.database_url)
            engine, auditor = connect(stack.database_url, pool_size=20), auditors_engine(stack.database_url)
            client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
            upgrade = Upgrade(stack, engine, client, data)
            figures = await upgrade.run(open_holds, commands)
            expected = {"held": (ON_HAND, open_holds), "sold": (ON_HAND - figures.shipped, 0)}
            if upgrade.levels() != expected:
                raise RuntimeError(f"{upgrade.levels()} instead of {expected}")
            await upgrade.open_runs(open_holds)
            assert_books_agree(auditor)
            engine.dispose()
            auditor.dispose()
    return figures


def table(figures: Figures) -> str:
    """The figures for a page."""
    lines = [
        f"{figures.open_holds:,} open holds, {figures.shipped:,} orders held and shipped meanwhile.",
        "",
        "| current version | commands | slowest answer, s | tasks by v1 | tasks by v2 | last task of the other, s |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {each.current} | {each.commands:,} | {each.slowest:.2f} | {each.tasks['v1']:,} | {each.tasks['v2']:,} "
            f"| {each.last_of_another:.2f} |"
            for each in figures.stretches
        ),
        "",
        f"Workflow tasks that failed: {figures.not_completed['failed']}.",
        f"Tasks that waited a second for the worker that had the run before: {figures.not_completed['timed out']}.",
        *(f"Runs with the change of v2, {name}: {count:,}." for name, count in sorted(figures.changed.items())),
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--commands", type=int, default=1_000, help="before and after each switch")
    given = parser.parse_args(arguments)
    figures = asyncio.run(measure(given.open, given.commands))
    sys.stdout.write(table(figures) + "\n")
    sys.exit(1 if figures.not_completed["failed"] else 0)


if __name__ == "__main__":
    main()
