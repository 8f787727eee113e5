"""In which order tasks that wait are given to a worker."""

import asyncio
import uuid
from statistics import median

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority
from temporalio.worker import Worker

from tests.relied_on.probes import RUNNER

QUEUE = "relied-on-turns"
NOISY, QUIET = 120, 8


@workflow.defn
class Ends:
    """Ends at once."""

    @workflow.run
    async def run(self) -> None:
        """Nothing."""


async def test_tasks_that_wait_take_turns_by_their_fairness_key_where_that_is_switched_on(plain_client: Client) -> None:
    ended: list[str] = []

    async def start(key: str) -> tuple[str, WorkflowHandle[Ends, None]]:
        priority = Priority(fairness_key=key)
        return key, await plain_client.start_workflow(
            Ends.run, id=f"{key}-{uuid.uuid4()}", task_queue=QUEUE, priority=priority
        )

    async def end(key: str, run: WorkflowHandle[Ends, None]) -> None:
        await run.result()
        ended.append(key)

    noisy = await asyncio.gather(*(start("noisy") for _ in range(NOISY)))
    quiet = await asyncio.gather(*(start("quiet") for _ in range(QUIET)))
    async with Worker(
        plain_client,
        task_queue=QUEUE,
        workflows=[Ends],
        workflow_runner=RUNNER,
        max_concurrent_workflow_tasks=2,
        max_concurrent_workflow_task_polls=2,
        max_cached_workflows=4,
    ):
        await asyncio.gather(*(end(*each) for each in (*noisy, *quiet)))
    # In the order of their starts they would be among the last of each partition.
    places = [place for place, key in enumerate(ended) if key == "quiet"]
    assert median(places) < NOISY / 2, places
