"""How a workflow asks for a write."""

from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts import policies
from contracts.converter import as_domain_error
from contracts.messages import Step

LINES_OF_A_SMALL_DOCUMENT = 50
"""How many lines an answer may have that goes into a workflow task, beside those of everybody else."""

R = TypeVar("R")
St = TypeVar("St", bound=Step)


async def write(activity: Callable[[Any, St], R], step: St, summary: str, *, locally: bool = True) -> R:
    """Let a step happen, once, whatever it takes.

    First in this workflow task, as a local activity: that is the fast way, and normally all there is. If the database
    doesn't answer, the step goes through the task queue, where it is tried until it succeeds and an operator sees it
    waiting, with its last error. Both ways carry the same operation id, so an attempt that was lost can't count twice.

    Args:
        activity: A method of the activities' interface in `contracts`.
        step: What it is to do.
        summary: What the operator reads beside it.
        locally: Whether to try the fast way. Not for an answer that is large: many of them in one workflow task, after
            a worker was away for a while, would be more than Temporal takes at once, however often it is tried.

    Raises:
        DomainError: The answer is no, and nothing has changed.
    """
    if locally:
        try:
            return await workflow.execute_local_activity_method(activity, step, summary=summary, **policies.LOCAL_WRITE)
        except FailureError as error:
            if refusal := as_domain_error(error):
                raise refusal from None
    try:
        return await workflow.execute_activity_method(activity, step, summary=summary, **policies.LOCKED_WRITE)
    except FailureError as error:
        raise as_domain_error(error) or error from None
