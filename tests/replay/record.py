"""Records a history of each way that a process can go: `python -m tests.replay.record [process...]`.

The histories stand in the repository. A version of the code that can't replay them can't take over the runs that are
under way when it is deployed; that is what `test_histories.py` finds out. So record anew only what has changed on
purpose, and look at the difference.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from stockkeeper.contracts.processes import PROCESSES as REGISTERED
from tests.replay.recording import Scenes, a_stage


def _scenes(kind: str) -> type[Scenes[Any]]:
    """The scenes of a process, in ``tests.replay.{kind}``."""
    members = vars(import_module(f"tests.replay.{kind}")).values()
    [found] = [each for each in members if isinstance(each, type) and each.__base__ is Scenes]
    return found


PROCESSES: Mapping[str, type[Scenes[Any]]] = {
    **{process.kind: _scenes(process.kind) for process in REGISTERED},
    # A reservation, whose steps are carried out in another way.
    "order_in_parts": _scenes("order_in_parts"),
    # No document, and about no single stock.
    "event_subscriber": _scenes("event_subscriber"),
}


async def record(processes: Sequence[str]) -> None:
    """Play every scene of these processes on one stack, and keep the histories."""
    async with a_stage() as stage, stage.worker():
        for process in processes:
            await PROCESSES[process](stage).record()


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(PROCESSES)
    if unknown := set(wanted) - set(PROCESSES):
        sys.exit(f"no such process: {', '.join(sorted(unknown))}; there are {', '.join(PROCESSES)}")
    asyncio.run(record(wanted))
