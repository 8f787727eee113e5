"""A whole run: so many payloads from a seed, in lanes beside each other, and what came of them."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Engine
from temporalio.client import Client

from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import PROCESSES
from tests.faults.fuzz import runs
from tests.faults.fuzz.cases import Case, cases, targets
from tests.faults.fuzz.lanes import Lane, Tally
from tests.faults.fuzz.values import SCHEMA


def _steps_of(process: ProcessSpec) -> list[str]:
    members = vars(process.activities).values()
    definitions = [getattr(each, "__temporal_activity_definition", None) for each in members]
    return [each.name for each in definitions if each is not None and each.name not in SCHEMA["questions"]]


def made(seed: int, payloads: int) -> list[Case]:
    """The cases of a seed."""
    return cases(payloads, seed, targets([step for process in PROCESSES for step in _steps_of(process)]))


async def send_all(sent: Sequence[Case], client: Client, task_queue: str, engine: Engine, *, lanes: int = 8) -> Tally:
    """Send all cases, and judge what comes of each, and of all of them together.

    Args:
        sent: The cases.
        client: A plain client.
        task_queue: Where the workers are.
        engine: The database, to see what changes.
        lanes: Clients beside each other; the cases are dealt to them in turn.
    """
    tally = Tally()
    clients = [Lane(client, task_queue, engine, tally) for _ in range(lanes)]

    async def go(lane: int) -> None:
        for case in sent[lane::lanes]:
            await clients[lane].send(case)

    async with asyncio.TaskGroup() as tasks:
        for lane in range(lanes):
            tasks.create_task(go(lane))
    for each in clients:
        failed = await runs.failed_tasks(client, each.workflow_ids)
        tally.violations.extend(f"a workflow task failed: {told}" for told in failed)
    return tally
