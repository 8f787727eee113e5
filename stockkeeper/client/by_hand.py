"""Processes that schedules start otherwise, run by hand."""

import uuid
from datetime import timedelta
from typing import TypeVar

from stockkeeper.client.calls import answer
from stockkeeper.client.connection import Connection
from stockkeeper.client.questions import require_database
from stockkeeper.contracts.messages import Message, State
from stockkeeper.contracts.process import ProcessSpec

S = TypeVar("S", bound=State)

DONE_WITHIN = timedelta(hours=1)
"""How long a run that was started by hand is waited for; it goes on when the wait ends."""


async def run_now(connection: Connection, process: ProcessSpec, request: Message, *, summary: str, state: type[S]) -> S:
    """Start a process that schedules start otherwise, under an id of its own, and wait until it has ended.

    Args:
        connection: Temporal client and task queue.
        process: The process.
        request: The start.
        summary: The line that an operator reads beside the run.
        state: The model of the result.

    Raises:
        DomainError, Unreachable: See `answer`.
    """
    name = process.kind.replace("_", "-")
    await require_database(connection)
    async with answer(name, DONE_WITHIN):
        ended = await connection.client.execute_workflow(
            process.workflow_type,
            request,
            id=f"{name}-{uuid.uuid4()}",
            task_queue=connection.task_queue,
            result_type=state,
            static_summary=summary,
        )
    return state.model_validate(ended)
