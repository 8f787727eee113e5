"""How a workflow has a step carried out by the database."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, overload

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, TimeoutError, TimeoutType  # noqa: A004

from stockkeeper.contracts import policies
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.messages import Step
from workflows.waits import under_way

LINES_OF_A_SMALL_DOCUMENT = 50
"""The most lines of an answer that goes through a workflow task, beside the answers of other workflows."""

R = TypeVar("R")
Q = TypeVar("Q", bound=BaseModel)
St = TypeVar("St", bound=Step)


@overload
async def through_the_queue(
    activity: Callable[[Any, Q], Awaitable[R]], question: Q, summary: str, policy: Mapping[str, Any]
) -> R: ...


@overload
async def through_the_queue(
    activity: Callable[[Any, Q], R], question: Q, summary: str, policy: Mapping[str, Any]
) -> R: ...


async def through_the_queue(
    activity: Callable[[Any, Q], Any], question: Q, summary: str, policy: Mapping[str, Any]
) -> Any:
    """Ask for something through the task queue, where an operator sees it under way.

    Raises:
        DomainError: It is refused, and nothing has changed.
        FailureError: It failed for as long as the policy allows.
    """
    try:
        with under_way().step(activity):
            return await workflow.execute_activity_method(activity, question, summary=summary, **policy)
    except FailureError as error:
        raise as_domain_error(error) or error from None


@overload
async def in_bulk(
    activity: Callable[[Any, Q], Awaitable[R]], question: Q, summary: str, policy: Mapping[str, Any]
) -> R: ...


@overload
async def in_bulk(activity: Callable[[Any, Q], R], question: Q, summary: str, policy: Mapping[str, Any]) -> R: ...


async def in_bulk(activity: Callable[[Any, Q], Any], question: Q, summary: str, policy: Mapping[str, Any]) -> Any:
    """Ask for something large on the task queue of bulk work, where it is in no order's way.

    Where nobody takes it in time, because workers of an earlier version don't know that queue, or none is told to serve
    it, it goes by the queue of everything else.

    Raises:
        DomainError: It is refused, and nothing has changed.
        FailureError: It failed for as long as the policy allows.
    """
    queue = policies.bulk_queue(workflow.info().task_queue)
    try:
        with under_way().step(activity):
            return await workflow.execute_activity_method(
                activity,
                question,
                summary=summary,
                task_queue=queue,
                schedule_to_start_timeout=policies.BULK_TAKEN_WITHIN,
                **policy,
            )
    except FailureError as error:
        if refusal := as_domain_error(error):
            raise refusal from None
        if not _was_not_taken(error):
            raise
    workflow.logger.warning("nobody serves task queue %s: %s goes by the other one", queue, activity.__name__)
    return await through_the_queue(activity, question, summary, policy)


def _was_not_taken(error: FailureError) -> bool:
    cause = error.cause if isinstance(error, ActivityError) else None
    return isinstance(cause, TimeoutError) and cause.type is TimeoutType.SCHEDULE_TO_START


async def write(activity: Callable[[Any, St], R], step: St, summary: str, *, lines: int = 1) -> R:
    """Carry a step out, once, and wait for it as long as it takes.

    The fast way, and normally the only one, is a local activity in this workflow task. If the database doesn't answer,
    the step goes through the task queue, where it is tried until it succeeds and an operator sees it waiting, with its
    last error. Both ways carry the same operation id, so an attempt that was lost can't count twice.

    Args:
        activity: A method of the activities' interface in `contracts`.
        step: The step.
        summary: The text beside it in the Temporal UI.
        lines: The number of lines in the answer. A large one doesn't go the fast way: many of them in one workflow
            task, after a worker was away for a while, are more than Temporal takes at once, in every attempt.

    Raises:
        DomainError: It is refused, and nothing has changed.
    """
    waits = under_way()
    with waits.step(activity):
        if lines <= LINES_OF_A_SMALL_DOCUMENT:
            try:
                return await workflow.execute_local_activity_method(
                    activity, step, summary=summary, **policies.LOCAL_WRITE
                )
            except FailureError as error:
                if refusal := as_domain_error(error):
                    raise refusal from None
                waits.local_attempts_failed(activity, error)
        return await through_the_queue(activity, step, summary, policies.LOCKED_WRITE)
