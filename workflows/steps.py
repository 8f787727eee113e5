"""How a workflow asks for a write."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, overload

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts import policies
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.messages import Step

LINES_OF_A_SMALL_DOCUMENT = 50
"""How many lines an answer may have that goes into a workflow task, beside those of everybody else."""

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
        DomainError: The answer is no, and nothing has changed.
        FailureError: There was none for as long as the policy allows.
    """
    try:
        return await workflow.execute_activity_method(activity, question, summary=summary, **policy)
    except FailureError as error:
        raise as_domain_error(error) or error from None


async def write(activity: Callable[[Any, St], R], step: St, summary: str, *, lines: int = 1) -> R:
    """Let a step happen, once, whatever it takes.

    First in this workflow task, as a local activity: that is the fast way, and normally all there is. If the database
    doesn't answer, the step goes through the task queue, where it is tried until it succeeds and an operator sees it
    waiting, with its last error. Both ways carry the same operation id, so an attempt that was lost can't count twice.

    Args:
        activity: A method of the activities' interface in `contracts`.
        step: What it is to do.
        summary: What the operator reads beside it.
        lines: How many the answer has. A large one doesn't go the fast way: many of them in one workflow task, after a
            worker was away for a while, would be more than Temporal takes at once, however often it is tried.

    Raises:
        DomainError: The answer is no, and nothing has changed.
    """
    if lines <= LINES_OF_A_SMALL_DOCUMENT:
        try:
            return await workflow.execute_local_activity_method(activity, step, summary=summary, **policies.LOCAL_WRITE)
        except FailureError as error:
            if refusal := as_domain_error(error):
                raise refusal from None
    return await through_the_queue(activity, step, summary, policies.LOCKED_WRITE)
