"""`python -m tests.faults.restore`: the drill with many documents; `--each` of every turn, 20 unless told.

It prints the table of docs/backup.md. The status is 1 if anything differs from what clients were answered.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from devstack.stack import running_stack
from tests.faults.restore.drill import figures, fits, go_on, live_and_copy, restored
from tests.faults.restore.place import Backup


async def drill(each: int) -> bool:
    """Whether every combination came out right."""
    right = True
    with tempfile.TemporaryDirectory(prefix="stockkeeper-drill-") as directory:
        data = Path(directory)
        async with running_stack(data / "stack", fast=True, headless=True, environ={}) as stack:
            copies = await live_and_copy(stack.database_url, data, each)
            earlier, later = copies.earlier, copies.later
            _say(f"{each} documents of each turn, {copies.life.answered:,} orders held and shipped beside them\n")
            _say("| combination | runs compared | lost | missing | behind | repeated | started | replaced | fits |")
            _say("|---|---:|---:|---:|---:|---:|---:|---:|---|")
            for name, backup in {
                "both of the end": later,
                "database older": Backup(earlier.database, later.temporal),
                "Temporal older": Backup(later.database, earlier.temporal),
            }.items():
                async with restored(stack.database_url, data, backup) as mended:
                    if mended.place.picture() != copies.truth:
                        raise RuntimeError(f"{name}: the tables aren't what clients were answered")
                    _say(figures(name, mended))
                    async with mended.place.worker():
                        await go_on(copies.life, mended.place)
                    mended.place.require_books()
                    right = right and fits(mended.mended)
    return right


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Drill, and end with the outcome as status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.restore", description=__doc__)
    parser.add_argument("--each", type=int, default=20, help="documents of each turn")
    sys.exit(0 if asyncio.run(drill(parser.parse_args().each)) else 1)


if __name__ == "__main__":
    main()
