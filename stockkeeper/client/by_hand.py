"""Processes that schedules start otherwise, run by hand."""

import asyncio
import uuid
from datetime import timedelta
from typing import TypeVar

from stockkeeper.client.calls import PAUSED, answer
from stockkeeper.client.connection import Connection
from stockkeeper.client.questions import require_database
from stockkeeper.client.runs import is_paused
from stockkeeper.contracts.errors import Unreachable
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import Start, State
from stockkeeper.contracts.process import ProcessSpec

S = TypeVar("S", bound=State)

DONE_WITHIN = timedelta(hours=1)
"""How long a run that was started by hand is waited for; it goes on when the wait ends."""
_LOOKS_EVERY = 2.0
"""Seconds of waiting after which it is looked whether an operator has paused the run."""


async def run_now(connection: Connection, process: ProcessSpec, request: Start, *, state: type[S]) -> S:
    """Start a process that schedules start otherwise, under an id of its own, and wait until it has ended.

    Args:
        connection: Temporal client and task queue.
        process: The process.
        request: The start.
        state: The model of the result.

    Raises:
        DomainError, Unreachable: See `answer`.
    """
    name = process.kind.replace("_", "-")

    async def run_on(task_queue: str) -> S:
        await require_database(connection.at(task_queue))
        async with answer(name, DONE_WITHIN):
            run = await connection.client.start_workflow(
                process.workflow_type,
                request,
                id=f"{name}-{uuid.uuid4()}",
                task_queue=task_queue,
                result_type=state,
                static_summary=plain(f"{request.summary}, by hand"),
            )
            ended = asyncio.create_task(run.result())
            try:
                while not (await asyncio.wait({ended}, timeout=_LOOKS_EVERY))[0]:
                    # Waiting for a paused run would ask the server hundreds of times a second.
                    if await is_paused(connection, run.id):
                        raise Unreachable(f"{name}: {PAUSED}")
                return state.model_validate(await ended)
            finally:
                ended.cancel()

    return await connection.at_home(request, run_on)
