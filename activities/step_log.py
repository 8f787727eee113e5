"""One line in the log for each step that was refused, repeated, or done after attempts that failed.

A line has the step, its workflow, its operation, and of a refusal the error's name. The refusal's words aren't in it:
they may have a person's name, and they are in the answer and in the run. Where logs are JSON, all of these are fields.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from database.operations import Operation
from stockkeeper.contracts.outage import FAILED_BEFORE
from stockkeeper.contracts.policies import LOCAL_ATTEMPTS

_log = logging.getLogger("stockkeeper.steps")


def operation_of_payload(payload: Sequence[Any]) -> str | None:
    """The operation id in an activity's payload; None: it is no step, or none that can be read."""
    first = payload[0] if payload else None
    found = first.get("operation_id") if isinstance(first, dict) else getattr(first, "operation_id", None)
    return found if isinstance(found, str) else None


def log_repeated(operation: Operation) -> None:
    """A step whose operation was carried out before: its effect is there, and wasn't made again."""
    _tell("repeated", operation.kind, operation.workflow_id, operation.run_id, operation.operation_id)


def log_refused(payload: Sequence[Any], error: str) -> None:
    """The step that this activity was asked for is refused, with this error, and has changed nothing."""
    if (operation_id := operation_of_payload(payload)) is not None:
        info = activity.info()
        _tell("refused", info.activity_type, info.workflow_id, info.workflow_run_id, operation_id, error=error)


def log_if_recovered(payload: Sequence[Any], headers: Sequence[str]) -> None:
    """The step that this activity was asked for is done; said if attempts before this one have failed.

    Args:
        payload: The activity's payload.
        headers: The names of its headers: one says that the attempts in the workflow's task failed.
    """
    info = activity.info()
    failed = info.attempt - 1 + (LOCAL_ATTEMPTS if FAILED_BEFORE in headers else 0)
    if not failed:
        return
    seconds = (datetime.now(UTC) - info.scheduled_time).total_seconds()
    whose = info.workflow_id, info.workflow_run_id, operation_of_payload(payload)
    _tell("recovered", info.activity_type, *whose, attempt=failed + 1, seconds=round(seconds, 1))


def _tell(
    outcome: str, step: str, workflow_id: str | None, run_id: str | None, operation_id: str | None, **more: Any
) -> None:
    text = f"{outcome}: {step} of {workflow_id or 'a question'}"
    if "error" in more:
        text += f", {more['error']}"
    if "attempt" in more:
        text += f", done at attempt {more['attempt']} after {more['seconds']} s"
    if operation_id is not None:
        text += f" ({operation_id})"
    fields = {
        "outcome": outcome,
        "step": step,
        "workflow_id": workflow_id,
        "run_id": run_id,
        "operation_id": operation_id,
        **more,
    }
    _log.info("%s", text, extra={"stockkeeper": {name: value for name, value in fields.items() if value is not None}})
