"""Calls to Temporal that end in Stockkeeper's errors: a caller never has to know what an RPC is."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
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
from temporalio.common import Priority, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.exceptions import TimeoutError as TimeoutFailure
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.client.connection import Connection
from stockkeeper.client.tracing import goes_to
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.encryption import UnknownKey
from stockkeeper.contracts.errors import InvalidState, NotFound, StockkeeperError, Unreachable
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import Message, State, parse
from stockkeeper.contracts.outage import DATABASE_AWAY, DATABASE_LOST
from stockkeeper.contracts.process import Command, ProcessSpec

S = TypeVar("S", bound=State)
M = TypeVar("M", bound=Message)
B = TypeVar("B", bound=BaseModel)

MAY_BE_DONE = "it may have been done; ask again with the same name"
"""The words about a call whose outcome is unknown, and which may be made again."""
LOOK_FIRST = "it may have been done; look at it before you send it again, or give it a number"
"""The same about one that would have its effect a second time."""
NOTHING_BOOKED = "the database is away; nothing was booked"
"""The message while a worker can't reach the database, if nothing was to be changed."""

# As attempts name it that found no database, and the one whose connection was cut when it left.
_AWAY = {DATABASE_AWAY, DATABASE_LOST, "OperationalError", "InterfaceError"}
LAST_LOOK = timedelta(seconds=5)
"""How long the database is asked for after a call without an answer."""
_STARTS = 3

_NO_ANSWER = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
}
# Temporal's words for an update that came while the workflow's task had failed or timed out: a worker in trouble.
_NOT_READY = "Workflow Task in failed state"
PAUSED = "its run is paused, and takes no commands until `temporal workflow unpause`"
# Temporal's words for an update to a run that an operator has paused.
_PAUSED = "Workflow is paused"
# The words of temporalio 1.35, which doesn't know paused runs, for a query to one.
_PAUSED_TO_THE_SDK = "is not a valid WorkflowExecutionStatus"
# Temporal's words for the eleventh update of a run that has answered none of ten; the SDK has tried it again by then.
_IN_FLIGHT = "concurrent in-flight updates"
# The SDK's words for an activity that the worker doesn't know; a list of all that it does know comes behind them.
_NOT_KNOWN = re.compile(r"^Activity function (\w+) .*is not registered on this worker")
# Temporal's words for an update that no worker had seen when the run ended.
_ENDED_MEANWHILE = "aborted by closing workflow"


def checked(model: type[B], **fields: object) -> B:
    """Check a message before it is sent, by the rules of the process that gets it.

    Raises:
        InvalidRequest: A field is wrong; the message names it. Nothing was sent.
    """
    return parse(model, [fields])


@contextlib.asynccontextmanager
async def answer(what: str, within: timedelta, *, if_lost: str | None = MAY_BE_DONE) -> AsyncIterator[None]:
    """Wait for a call's answer, and turn what Temporal raises into Stockkeeper's errors.

    Args:
        what: The document or process, for the message: ``reservation 1042``.
        within: How long to wait.
        if_lost: The words if its answer is lost, and it may have changed something; None: it changes nothing.

    Raises:
        DomainError: The process refused.
        NotFound: There is no such process.
        Unreachable: No answer came.
        UnknownKey: The answer is encrypted with a key that isn't there.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            yield
    except (WorkflowUpdateFailedError, WorkflowFailureError, ActivityFailureError) as error:
        refusal = as_domain_error(error)
        if refusal is None:
            raise _without_an_answer(error, what, if_lost) from error
        raise refusal from None
    except (TimeoutError, RPCTimeoutOrCancelledError, WorkflowQueryFailedError) as error:
        why = f"no answer within {within.total_seconds():g} s; is a worker running?"
        raise Unreachable(_unknown(what, why, if_lost)) from error
    except RPCError as error:
        raise _as_ours(error, what, if_lost) from error
    except UnknownKey as error:
        raise UnknownKey(_unknown(what, str(error), if_lost)) from None
    except ValueError as error:
        if _PAUSED_TO_THE_SDK not in str(error):
            raise
        raise Unreachable(f"{what}: {PAUSED}") from None


class Interrupted(Unreachable):
    """The run ended while a call was under way: what was asked for may have been done or not."""


def _unknown(what: str, why: str, if_lost: str | None) -> str:
    """The message for a call without an answer."""
    return f"{what}: {if_lost}: {why}" if if_lost else f"{what}: {why}"


def as_it_is_away(what: str, lost: Unreachable, asked: Unreachable, if_lost: str = MAY_BE_DONE) -> Unreachable:
    """The error for a call without an answer, once the database has been asked, which may be the reason itself.

    Args:
        what: The document or process.
        lost: The call's error.
        asked: The question's error.
        if_lost: The words about an unknown outcome.
    """
    return Unreachable(_unknown(what, "the database is away", if_lost)) if str(asked) == NOTHING_BOOKED else lost


def _without_an_answer(error: BaseException, what: str, if_lost: str | None) -> StockkeeperError:
    """The error for a call that ended with neither an answer nor a refusal."""
    for cause in _causes(error):
        match cause:
            case ApplicationError() if cause.type in _AWAY:
                return Unreachable(_unknown(what, "the database is away", if_lost) if if_lost else NOTHING_BOOKED)
            case ApplicationError(type="AcceptedUpdateCompletedWorkflow"):
                return Interrupted(_unknown(what, "its run ended meanwhile", if_lost))
            case TimeoutFailure():
                why = "no answer in time from a worker or its database"
                return Unreachable(_unknown(what, why, if_lost))
            case TerminatedError() | CancelledError():
                return Interrupted(_unknown(what, "its run was ended by an operator", if_lost))
            case ApplicationError() if unknown := _NOT_KNOWN.match(cause.message):
                why = f"a worker is older than this client, and doesn't know {unknown[1]}; all workers need its version"
                return Unreachable(_unknown(what, why, if_lost))
            case ApplicationError():
                why = f"a worker failed: {cause.type}: {_first_line(cause.message)}"
                return StockkeeperError(_unknown(what, why, if_lost))
    return StockkeeperError(_unknown(what, _first_line(str(error)), if_lost))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that is behind it, beginning with the outermost."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _as_ours(error: RPCError, what: str, if_lost: str | None) -> StockkeeperError:
    if _ENDED_MEANWHILE in error.message:
        return Interrupted(_unknown(what, "its run ended meanwhile", if_lost))
    if error.status is RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower():
        return NotFound(f"{what} doesn't exist")
    if _PAUSED in error.message:
        return Unreachable(f"{what}: {PAUSED}")
    if _IN_FLIGHT in error.message:
        return Unreachable(_unknown(what, "too many commands at once wait for an answer", if_lost))
    if error.status in _NO_ANSWER or _NOT_READY in error.message:
        return Unreachable(_unknown(what, f"no answer: {error.message}", if_lost))
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
    asking: str | None = None,
    within: timedelta | None = None,
    search_attributes: TypedSearchAttributes = TypedSearchAttributes.empty,
    terms: Mapping[str, object] | None = None,
    turn_of: str | None = None,
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
        asking: The update that answers; None: the process's own.
        within: How long to wait for the answer; None: as long as for any.
        search_attributes: Those that are known already, so that the workflow doesn't have to set them.
        terms: Fields of the start that a run which is there already is told with the question; None: it takes none.
        turn_of: With whom its tasks take turns, where tasks wait: those of one key don't hold up those of another, on a
            server that has fairness switched on; None: nobody in particular.

    Raises:
        DomainError, Unreachable: See `answer`.
    """
    goes_to(workflow_id)

    async def ask(task_queue: str) -> S:
        # Each attempt needs an operation of its own.
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            process.workflow_type,
            request,
            id=workflow_id,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=plain(summary),
            search_attributes=search_attributes,
            priority=Priority(fairness_key=turn_of),
        )
        async with answer(what, within or connection.answer_within):
            try:
                # Without an update id: an answer under a fixed one is kept, and given again after the run has closed.
                state_now = await connection.client.execute_update_with_start_workflow(
                    asking or str(process.answer),
                    args=[] if terms is None else [terms],
                    start_workflow_operation=operation,
                    result_type=state,
                )
            except BaseException:
                # The operation holds a failure of its own, which asyncio would report later if it weren't awaited.
                with contextlib.suppress(Exception):
                    await operation.workflow_handle()
                raise
        return state.model_validate(state_now)

    async def ask_until_answered(task_queue: str) -> S:
        for _ in range(_STARTS - 1):
            # The run of before was just closing, and took the start with it: another run has the answer.
            with contextlib.suppress(Interrupted):
                return await ask(task_queue)
        return await ask(task_queue)

    return await connection.at_home(request, ask_until_answered)


async def read_state(handle: WorkflowHandle[Any, Any], state: type[S], *, what: str, within: timedelta) -> S:
    """The state of a process now, or at its end.

    Raises:
        NotFound, Unreachable: See `answer`.
    """
    async with answer(what, within, if_lost=None):
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
    was_done: Callable[[str], Awaitable[bool]],
    last_state: Callable[[], Awaitable[S]],
    refusal: Callable[[S], InvalidState],
    is_over: Callable[[S], bool],
    within: timedelta,
    if_lost: str = MAY_BE_DONE,
    send_by: Callable[[str], Awaitable[Any]] | None = None,
) -> S:
    """Send a command and wait for the new state.

    No answer isn't a no. A command whose run has ended, or whose answer was lost, is looked for in the database before
    it is called refused.

    Args:
        handle: The process.
        sent: The command.
        message: Its payload.
        state: The model of the answer.
        what: The document, for messages.
        done_already: Whether, by the last state, this command has nothing left to do.
        was_done: Whether the command was carried out under this key; one that is under way is waited for.
        last_state: Reads the state as it is now, whatever has become of the run.
        refusal: The error for this command in the last state.
        is_over: Whether a state is final, so that the command can't be carried out any more.
        within: How long to wait for the answer.
        if_lost: The words if its outcome can't be known.
        send_by: Another way to send it under an update id than to the run that is running.

    Raises:
        InvalidState: The process has ended otherwise.
        DomainError, NotFound, Unreachable: See `answer`.
    """
    # Random: Temporal keeps an answer under its id, and what came too early yesterday may be right today.
    key = str(uuid.uuid4())
    try:
        async with answer(what, within, if_lost=if_lost):
            if send_by is None:
                state_then = await handle.execute_update(sent.name, message, id=key, result_type=state)
            else:
                state_then = await send_by(key)
        return state.model_validate(state_then)
    except (NotFound, Unreachable) as error:
        # A run that has ended takes no commands, and a command that met the end may never be answered.
        last_look = min(within, LAST_LOOK)
        try:
            async with answer(what, last_look, if_lost=None):
                done, last = await was_done(key), await last_state()
        except Unreachable as unknown:
            if isinstance(error, NotFound):
                raise
            raise as_it_is_away(what, error, unknown, if_lost) from unknown
        if done or done_already(last):
            return last
        if isinstance(error, Unreachable) and not is_over(last):
            raise
        raise refusal(last) from None
