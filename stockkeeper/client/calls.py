"""Calls to Temporal that end in Stockkeeper's errors: a caller never has to know what an RPC is."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.client import (
    ActivityFailureError,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.exceptions import TimeoutError as TimeoutFailure
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.client.connection import Connection
from stockkeeper.contracts import converter
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.errors import DomainError, InvalidState, NotFound, StockkeeperError, Unreachable
from stockkeeper.contracts.messages import Message, State, parse
from stockkeeper.contracts.process import Command, ProcessSpec

S = TypeVar("S", bound=State)
M = TypeVar("M", bound=Message)
B = TypeVar("B", bound=BaseModel)

DONE_WITHIN = timedelta(hours=1)
"""How long a run that was started by hand is waited for; it goes on when the wait ends."""

MAY_BE_DONE = "it may have been done; ask again with the same name"
"""The end of a message about a call whose outcome is unknown."""
DATABASE_AWAY = "the database is away; nothing was booked"
"""The message while a worker can't reach the database, if nothing was asked for but an answer."""

_LAST_LOOK = timedelta(seconds=5)

_NO_ANSWER = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
# Temporal's words for an update that came while the workflow's task had failed or timed out: a worker in trouble.
_NOT_READY = "Workflow Task in failed state"
PAUSED = "its run is paused, and takes no commands until `temporal workflow unpause`"
# Temporal's words for an update to a run that an operator has paused.
_PAUSED = "Workflow is paused"
# Temporal's words for an update that no worker had seen when the run ended.
_ENDED_MEANWHILE = "aborted by closing workflow"


def checked(model: type[B], **fields: object) -> B:
    """Check a message before it is sent, by the rules of the process that gets it.

    Raises:
        InvalidRequest: A field is wrong; the message names it. Nothing was sent.
    """
    return parse(model, [fields])


@contextlib.asynccontextmanager
async def answer(what: str, within: timedelta, *, changes: bool = True) -> AsyncIterator[None]:
    """Wait for a call's answer, and turn what Temporal raises into Stockkeeper's errors.

    Args:
        what: The document or process, for the message: ``reservation 1042``.
        within: How long to wait.
        changes: Whether the call may have changed something when its answer is lost.

    Raises:
        DomainError: The process refused.
        NotFound: There is no such process.
        Unreachable: No answer came.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            yield
    except (WorkflowUpdateFailedError, WorkflowFailureError, ActivityFailureError) as error:
        refusal = as_domain_error(error)
        if refusal is None:
            raise _without_an_answer(error, what, changes=changes) from error
        raise refusal from None
    except (TimeoutError, RPCTimeoutOrCancelledError, WorkflowQueryFailedError) as error:
        raise Unreachable(f"{what}: no answer within {within.total_seconds():g} s; is a worker running?") from error
    except RPCError as error:
        raise _as_ours(error, what) from error


def _without_an_answer(error: BaseException, what: str, *, changes: bool) -> StockkeeperError:
    """The error for a call that ended with neither an answer nor a refusal."""
    perhaps = f"; {MAY_BE_DONE}" if changes else "; nothing was booked"
    for cause in _causes(error):
        match cause:
            case ApplicationError(type=converter.DATABASE_AWAY):
                return Unreachable(f"{what}: the database is away{perhaps}" if changes else DATABASE_AWAY)
            case ApplicationError(type="AcceptedUpdateCompletedWorkflow"):
                return Unreachable(f"{what}: its run ended meanwhile{perhaps}")
            case TimeoutFailure():
                return Unreachable(f"{what}: no answer in time from a worker or its database{perhaps}")
            case TerminatedError() | CancelledError():
                return Unreachable(f"{what}: its run was ended by an operator{perhaps}")
            case ApplicationError():
                return StockkeeperError(f"{what}: a worker failed: {cause.type}: {_first_line(cause.message)}{perhaps}")
    return StockkeeperError(f"{what}: {_first_line(str(error))}{perhaps}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is behind it, beginning with the outermost."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _as_ours(error: RPCError, what: str) -> StockkeeperError:
    if _ENDED_MEANWHILE in error.message:
        return NotFound(f"{what} has ended")
    if error.status is RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower():
        return NotFound(f"{what} doesn't exist")
    if _PAUSED in error.message:
        return Unreachable(f"{what}: {PAUSED}")
    if error.status in _NO_ANSWER or _NOT_READY in error.message:
        return Unreachable(f"{what}: no answer: {error.message}")
    return StockkeeperError(f"{what}: Temporal refuses: {error.message}")


async def start_and_ask(
    connection: Connection,
    process: ProcessSpec,
    request: Message,
    *,
    what: str,
    workflow_id: str,
    summary: str,
    state: type[S],
) -> S:
    """Start a process, unless it runs already, and get the answer to its start: one round trip, and safe to repeat.

    A repeat while it runs is answered by the same run. A repeat after it has ended starts a run that finds the document
    stored, changes nothing, answers with its state and ends.

    Args:
        connection: Temporal client, task queue and patience.
        process: The process.
        request: The start.
        what: The document, for messages: ``reservation 1042``.
        workflow_id: The document's one workflow.
        summary: The line that an operator reads beside the run.
        state: The model of the answer.

    Raises:
        DomainError, Unreachable: See `answer`.
    """
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        process.workflow_type,
        request,
        id=workflow_id,
        task_queue=connection.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=summary,
    )
    async with answer(what, connection.answer_within):
        try:
            state_then = await connection.client.execute_update_with_start_workflow(
                str(process.answer), start_workflow_operation=operation, result_type=state
            )
        except BaseException:
            # The operation holds a failure of its own, which asyncio would report later if it weren't awaited.
            with contextlib.suppress(Exception):
                await operation.workflow_handle()
            raise
    return state.model_validate(state_then)


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


async def read_state(handle: WorkflowHandle[Any, Any], state: type[S], *, what: str, within: timedelta) -> S:
    """The state of a process now, or at its end.

    Raises:
        NotFound, Unreachable: See `answer`.
    """
    async with answer(what, within):
        state_now = await handle.query("state", result_type=state)
    return state.model_validate(state_now)


async def command(
    handle: WorkflowHandle[Any, Any],
    sent: Command[M],
    message: M,
    state: type[S],
    *,
    what: str,
    done_already: Callable[[S], bool],
    last_state: Callable[[], Awaitable[S]],
    refusal: Callable[[S], InvalidState],
    within: timedelta,
    update_id: str | None = None,
) -> S:
    """Send a command and wait for the new state.

    Args:
        handle: The process.
        sent: The command.
        message: Its payload.
        state: The model of the answer.
        what: The document, for messages.
        done_already: Whether, by the last state of a process that has ended, this command has nothing left to do.
        last_state: Reads the state of a process that takes no commands any more.
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
            state_then = await handle.execute_update(sent.name, message, id=by, result_type=state)
        return state.model_validate(state_then)

    try:
        try:
            return await send(update_id)
        except DomainError:
            if update_id is None:
                raise
            # Temporal keeps a refusal under that id, too: a command that came too early yesterday may be right today.
            return await send(None)
    except (NotFound, Unreachable) as error:
        # A run that has ended takes no commands, and a command that met the end may never be answered. Either way the
        # last state shows whether anything is left to do.
        async with answer(what, min(within, _LAST_LOOK), changes=False):
            last = await last_state()
        if done_already(last):
            return last
        if isinstance(error, Unreachable):
            raise
        raise refusal(last) from None
