"""Shows that the simulation finds what is broken: ``python -m tests.faults.simulation.mutations [NAME ...]``.

Each promise of `breaking` is broken in a simulation of its own, with a third of a soak's faults, until a violation is
found. ``--sound`` breaks nothing: the same clients and faults for as long, and nothing may be found.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.faults.simulation.breaking import MUTATIONS
from tests.faults.simulation.report import silence_the_sdk, write
from tests.faults.simulation.run import LANES
from tests.faults.simulation.soak import Soaked, soak
from tests.faults.simulation.stage import SEVERAL_TASK_QUEUES, TASK_QUEUES

SECONDS = 120.0
"""Within which each has to be found."""
_PATIENCE = 60.0
"""Seconds until a command without an answer is stuck: shorter than a soak's, because these two minutes are short."""
_CLIENTS = 12
_OFTEN = 0.33
_BEGIN = "<!-- What the simulation finds, by `python -m tests.faults.simulation.mutations --write`: begin -->\n"
_END = "<!-- What the simulation finds: end -->\n"
_WORDS = 160


class Tried(NamedTuple):
    """What came of one.

    Attributes:
        name: Its name.
        found: The violation that was found first; None: none was.
        seconds: After how long.
        commands: After how many commands and looks.
        faults: After how many faults.
    """

    name: str
    found: str | None
    seconds: float
    commands: int
    faults: int


async def tried(name: str, seed: int, *, is_broken: bool = True, seconds: float = SECONDS) -> Tried:
    """Simulate with something broken, until it is found or the time is over."""
    mutation = MUTATIONS[name]
    kinds = [kind for kind in LANES if kind.kind in mutation.clients]
    with TemporaryDirectory(prefix="stockkeeper-mutation-", ignore_cleanup_errors=True) as directory:
        soaked = await soak(
            Path(directory),
            seed,
            seconds,
            each=max(1, round(_CLIENTS / sum(kind.share for kind in kinds))),
            queues=SEVERAL_TASK_QUEUES if any(kind.spans_databases for kind in kinds) else TASK_QUEUES,
            workers=mutation.workers,
            often=_OFTEN,
            patience=_PATIENCE,
            kinds=kinds,
            more=mutation.more,
            brisk=True,
            broken=name if is_broken else None,
        )
    return Tried(name, _first(soaked), soaked.seconds, sum(soaked.sent.values()), len(soaked.happened))


def _first(soaked: Soaked) -> str | None:
    """What was wrong, if one tells it."""
    return next((each.brief or each.text for each in soaked.violations if not each.is_vague), None)


def render(all_tried: Sequence[Tried]) -> str:
    """A table of what was broken and what was found."""
    return "\n".join(_rows(all_tried)) + "\n"


def _rows(all_tried: Sequence[Tried]) -> Iterator[str]:
    yield "| broken | found as | seconds | commands and looks | faults |"
    yield "|---|---|---:|---:|---:|"
    for each in all_tried:
        found = "**not found**" if each.found is None else _cell(each.found)
        broken = MUTATIONS[each.name].broken
        yield f"| {broken} | {found} | {each.seconds:.0f} | {each.commands:,} | {each.faults} |"


def _cell(violation: str) -> str:
    """A violation without what differs from run to run, and no longer than a cell of a table should be."""
    text = re.sub(r"^seed \d+[,:] ", "", violation)
    text = re.sub(r"Answered\(state=\{.*?'status': '(\w+)'.*\}\)", r"answered with the status \1", text)
    text = re.sub(r"Refused\(type='(\w+)', details=.*, message='(.*)'\)", r"refused as \1, \2", text)
    text = re.sub(r"\bs\d+x[0-9a-f]{6}-", "", text).replace("|", "\\|").replace("\n", " ")
    if len(text) <= _WORDS:
        return text
    head, tail = text[: _WORDS // 2].rsplit(" ", 1)[0], text[-_WORDS // 2 :].split(" ", 1)[-1]
    return f"{head} … {tail}"


def main(words: Sequence[str]) -> int:
    """Try them; the exit status is 1 if one wasn't found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation.mutations")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, unless named: {', '.join(MUTATIONS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="within which each has to be found")
    parser.add_argument("--sound", action="store_true", help="break nothing; nothing may be found")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks/faults.md")
    asked = parser.parse_args(words)
    if unknown := sorted(set(asked.names) - MUTATIONS.keys()):
        parser.error(f"there is no {', '.join(unknown)}")
    silence_the_sdk()
    all_tried = []
    for name in asked.names or MUTATIONS:
        all_tried.append(asyncio.run(tried(name, asked.seed, is_broken=not asked.sound, seconds=asked.seconds)))
        sys.stderr.write(f"{all_tried[-1]}\n")
    table = render(all_tried)
    sys.stdout.write(table)
    if asked.write:
        write(table, begin=_BEGIN, end=_END)
    return 1 if any((each.found is None) is not asked.sound for each in all_tried) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
