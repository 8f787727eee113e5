"""What runs tell people in the Temporal UI: the summaries of their steps and, at last, their details.

The texts stand in `tests/replay/told`, a file for each process with a section for each run that was ever recorded, as
today's code writes them. So whoever changes a text sees it in every state of every process; `test_fingerprints.py`
compares. A text changes no run: `python -m tests.replay.told` writes the files anew, for a look at the difference.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from tests.replay.fingerprint import Replayed, replay
from tests.replay.record import PROCESSES

TOLD = Path(__file__).parent / "told"


def told_by(process: str, replayed: Mapping[Path, Replayed]) -> str:
    """A process's file."""
    scenes = PROCESSES[process]
    return "\n".join(_section(name, replayed[scenes.path(name)]) for name in scenes.names())


def _section(name: str, run: Replayed) -> str:
    steps = [f"  {asked.line.partition(' as ')[0]}: {asked.summary}" for asked in run.commands if asked.summary]
    # The spaces that keep words apart or together in the UI, where an editor shows none of them.
    details = run.details.replace("\u2003", "").replace("\u00a0", " ")
    return "\n".join([name, *steps, *(f"    {line}".rstrip() for line in details.splitlines()), ""])


def file_of(process: str) -> Path:
    """Where the texts of a process are."""
    return TOLD / f"{process}.txt"


def main() -> None:
    """Write the files anew."""
    TOLD.mkdir(exist_ok=True)
    replayed = asyncio.run(replay())
    for process in PROCESSES:
        file_of(process).write_text(told_by(process, replayed))


if __name__ == "__main__":
    main()
