"""The edge of every activity: its payload is taken raw and checked here, like that of a start or a command.

Whoever can reach the task queue can ask for any activity by its name, with any payload. One that the SDK can't decode
is tried again for ever, and its caller never gets an answer.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, get_type_hints

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.following import Following
from activities.heartbeats import heartbeats, heartbeats_in_the_loop
from activities.writes import database_errors
from stockkeeper.contracts.converter import as_application_error
from stockkeeper.contracts.messages import Step, parse
from stockkeeper.domain.errors import InvalidRequest


def at_the_edge(implementation: Callable[..., Any], following: Following | None = None) -> Callable[..., Any]:
    """The activity as a worker runs it: of the same name, for any payload.

    Args:
        implementation: A method of a class of activities, bound, with one parameter: a model of the contract.
        following: Carries it out where its warehouse is; None: there is one database.

    Returns:
        An activity that refuses a payload that doesn't fit by `InvalidRequest`, at once, and carries out any other. A
        workflow's step that doesn't fit is tried again instead: workers of two versions disagree then, and its effect
        is owed.
    """
    definition = vars(getattr(implementation, "__func__", implementation))["__temporal_activity_definition"]
    [parameter] = inspect.signature(implementation).parameters
    model = get_type_hints(implementation)[parameter]
    defined = activity.defn(name=definition.name, no_thread_cancel_exception=definition.no_thread_cancel_exception)

    def checked(payload: tuple[Any, ...]) -> Any:
        try:
            return parse(model, payload)
        except InvalidRequest as refusal:
            if issubclass(model, Step) and activity.info().workflow_id is not None:
                raise ApplicationError(f"not a step of this version: {refusal.message}", type="UnknownStep") from None
            raise as_application_error(refusal) from None

    if inspect.iscoroutinefunction(implementation):

        async def in_the_loop(*payload: Any) -> Any:
            if not activity.info().heartbeat_timeout:
                return await implementation(checked(payload))
            async with heartbeats_in_the_loop():
                return await implementation(checked(payload))

        in_the_loop.__name__ = implementation.__name__
        return defined(in_the_loop)

    def in_a_thread(*payload: Any) -> Any:
        # The database may also fail where an activity doesn't mind it itself.
        with _signs_of_life(), database_errors():
            message = checked(payload)
            return implementation(message) if following is None else following.carry_out(implementation, message)

    in_a_thread.__name__ = implementation.__name__
    return defined(in_a_thread)


def _signs_of_life() -> AbstractContextManager[None]:
    """Heartbeats, if Temporal waits for them."""
    return heartbeats() if activity.info().heartbeat_timeout else nullcontext()
