"""A simulation from the command line: ``python -m tests.faults.simulation SEED MINUTES``."""

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import mkdtemp

from tests.faults.simulation.faults import STREAMS
from tests.faults.simulation.report import MARKS, render, silence_the_sdk, write
from tests.faults.simulation.soak import soak
from tests.faults.simulation.stage import SEVERAL_TASK_QUEUES, TASK_QUEUES


def main() -> int:
    """Simulate; the exit status is 1 if there was a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation")
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("minutes", type=float, nargs="?", default=2.0)
    parser.add_argument("--each", type=int, default=4, help="clients of each kind")
    parser.add_argument("--databases", type=int, choices=[1, 2], default=1, help="databases, each with workers")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--often", type=float, default=1.0, help="how many times as often as usual faults come")
    for stream in STREAMS:
        told = f"the same of the faults of {stream.name}, beside that"
        parser.add_argument(f"--often-{stream.name}", type=float, default=1.0, help=told)
    parser.add_argument("--kills", type=int, default=0, help="go on until there have been so many")
    parser.add_argument("--per-second", type=float, default=1_000.0, help="steps of clients at most")
    parser.add_argument("--patience", type=float, default=90.0, help="seconds until a command is stuck")
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks/faults.md")
    options = parser.parse_args()
    silence_the_sdk()
    directory = Path(mkdtemp(prefix="stockkeeper-simulation-"))
    soaked = asyncio.run(
        soak(
            directory,
            options.seed,
            60 * options.minutes,
            each=options.each,
            queues=TASK_QUEUES if options.databases == 1 else SEVERAL_TASK_QUEUES,
            workers=options.workers,
            often=options.often,
            often_by_stream={each.name: vars(options)[f"often_{each.name}"] for each in STREAMS},
            kills=options.kills,
            per_second=options.per_second,
            patience=options.patience,
            say=lambda line: sys.stderr.write(f"{line}\n"),
        )
    )
    section = render(soaked)
    sys.stdout.write(section)
    if options.write:
        begin, end = MARKS[options.databases]
        write(section, begin=begin, end=end)
    if soaked.violations:
        sys.stdout.write(f"\nAgain: python -m tests.faults.simulation {options.seed} {options.minutes:g}")
        sys.stdout.write(f" --each {options.each} --databases {options.databases} --workers {options.workers}")
        sys.stdout.write(f"; logs and data: {directory}\n")
    return 1 if soaked.violations else 0


if __name__ == "__main__":
    sys.exit(main())
