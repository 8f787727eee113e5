"""Calls to Temporal that end in our errors: a caller never has to know what an RPC is."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.errors import DomainError, InvalidState, NotFound, StockkeeperError, Unreachable
from stockkeeper.contracts.messages import Message, State, parse

S = TypeVar("S", bound=State)
M = TypeVar("M", bound=Message)

ANSWER_WITHIN = timedelta(seconds=30)
"""How long a call waits for its answer. A healthy worker needs some hundredths of a second."""

DONE_WITHIN = timedelta(hours=1)
"""How long a run that somebody has asked for is waited for; it goes on also if nobody waits."""

_LAST_LOOK = timedelta(seconds=5)

_NOBODY_THERE = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
# Temporal says it of an update that came when the workflow had a task that failed or timed out: a worker in trouble.
_NOT_READY = "Workflow Task in failed state"
# ... and of one that was not looked at before the run ended.
_ENDED_MEANWHILE = "aborted by closing workflow"


def checked(model: type[M], **fields: Any) -> M:
    """A message that would pass at the other end, too.

    Raises:
        InvalidRequest: It wouldn't; nothing was sent.
    """
    return parse(model, [fields])


@contextlib.asynccontextmanager
async def answer(what: str, within: timedelta = ANSWER_WITHIN) -> AsyncIterator[None]:
    """Wait for a call's answer, and say in our words why there was none.

    Args:
        what: The process it is about, for the message: ``reservation 1042``.
        within: How long to wait.

    Raises:
        DomainError: The process said no.
        NotFound: There is no such process.
        Unreachable: There was no answer.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            yield
    except (WorkflowUpdateFailedError, WorkflowFailureError) as error:
        refusal = as_domain_error(error)
        if refusal is None:
            raise
        raise refusal from None
    except (TimeoutError, RPCTimeoutOrCancelledError, WorkflowQueryFailedError) as error:
        raise Unreachable(f"{what}: no answer within {within.total_seconds():g} s; is a worker running?") from error
    except RPCError as error:
        raise _in_our_words(error, what) from error


def _in_our_words(error: RPCError, what: str) -> StockkeeperError:
    if _ENDED_MEANWHILE in error.message:
        return NotFound(f"{what}: it has ended")
    if error.status is RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower():
        return NotFound(f"{what}: there is none")
    if error.status in _NOBODY_THERE or _NOT_READY in error.message:
        return Unreachable(f"{what}: no answer: {error.message}")
    return StockkeeperError(f"{what}: Temporal refuses: {error.message}")


async def start_and_ask(
    client: Client,
    workflow: str,
    request: Message,
    update: str,
    *,
    what: str,
    workflow_id: str,
    task_queue: str,
    summary: str,
    state: type[S],
    within: timedelta,
) -> S:
    """Start a process, unless it runs already, and get the answer to its start: one round trip, and safe to repeat.

    A repeat while it runs is answered by the same run. A repeat after it has ended starts a run that finds the effect
    done, takes it over as it is, changes nothing and ends.

    Raises:
        DomainError, Unreachable: See `answer`.
    """
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        workflow,
        request,
        id=workflow_id,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=summary,
    )
    async with answer(what, within):
        try:
            state_then = await client.execute_update_with_start_workflow(
                update, start_workflow_operation=operation, result_type=state
            )
        except BaseException:
            # The operation has a failure of its own; whoever doesn't look at it is warned of it later.
            with contextlib.suppress(Exception):
                await operation.workflow_handle()
            raise
    return state.model_validate(state_then)


async def run_now(
    client: Client, workflow: str, request: Message, *, what: str, task_queue: str, summary: str, state: type[S]
) -> S:
    """Let a process that schedules start run now, under an id of its own, and wait until it is done.

    Args:
        client: The namespace.
        workflow: Which process.
        request: Its start.
        what: What it is called, in messages and in its id.
        task_queue: Where it is worked on.
        summary: What an operator reads beside the run.
        state: What it ends with.

    Raises:
        DomainError, Unreachable: See `answer`.
    """
    async with answer(what, DONE_WITHIN):
        ended = await client.execute_workflow(
            workflow,
            request,
            id=f"{what}-{uuid.uuid4()}",
            task_queue=task_queue,
            result_type=state,
            static_summary=summary,
        )
    return state.model_validate(ended)


async def read_state(handle: WorkflowHandle[Any, Any], state: type[S], *, what: str, within: timedelta) -> S:
    """What the process is now, or was at its end.

    Raises:
        NotFound, Unreachable: See `answer`.
    """
    async with answer(what, within):
        state_now = await handle.query("state", result_type=state)
    return state.model_validate(state_now)


async def command(
    handle: WorkflowHandle[Any, Any],
    name: str,
    message: Message,
    state: type[S],
    *,
    what: str,
    done_already: Callable[[S], bool],
    refusal: Callable[[S], InvalidState],
    within: timedelta,
    update_id: str | None = None,
) -> S:
    """Send a command and wait for the new state.

    Args:
        handle: The process.
        name: The command.
        message: Its payload.
        state: What it answers with.
        what: The process in words.
        done_already: Whether, by the last state of a process that has ended, this command has nothing left to do.
        refusal: The error for this command in the last state of a process that has ended otherwise.
        within: How long to wait for the answer.
        update_id: The caller's own name for this very command: sent again, Temporal answers as it did the first time,
            also after the process has ended. A refusal isn't final, and is asked for anew.

    Raises:
        InvalidState: The process has ended otherwise.
        DomainError, NotFound, Unreachable: See `answer`.
    """

    async def send(by: str | None) -> S:
        async with answer(what, within):
            state_then = await handle.execute_update(name, message, id=by, result_type=state)
        return state.model_validate(state_then)

    try:
        try:
            return await send(update_id)
        except DomainError:
            if update_id is None:
                raise
            # Temporal keeps a refusal under that name, too: what was too early yesterday may be right today.
            return await send(None)
    except (NotFound, Unreachable) as error:
        # A run that has ended doesn't take commands any more, and one that met the end may never be answered. Either
        # way the last state may tell that there is nothing left to do.
        last = await read_state(handle, state, what=what, within=min(within, _LAST_LOOK))
        if done_already(last):
            return last
        if isinstance(error, Unreachable):
            raise
        raise refusal(last) from None
