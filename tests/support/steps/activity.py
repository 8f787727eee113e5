"""Calls an activity on PostgreSQL, without Temporal around it."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

R = TypeVar("R")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""When all tests of activities take place: they have no clock but the one they are told."""
MINUTE = timedelta(minutes=1)


def forget(engine: Engine, operation_id: str) -> None:
    """Delete an operation's row, as is done with old ones."""
    with engine.begin() as connection:
        gone = connection.execute(
            text("DELETE FROM operations WHERE operation_id = :operation_id"), {"operation_id": operation_id}
        )
        assert gone.rowcount == 1


_refused: dict[str, datetime] = {}
"""When each operation was refused for the last time."""


def run_activity(name: str, activity: Callable[[Any], R], step: Any, *, run_id: str = "run") -> R:
    """The activity's answer to this step, asked for by a run of the workflow that the operation's id names.

    One that was refused is asked for again a moment later, as a workflow would: an attempt of the same instant is
    refused like the first.
    """
    before = _refused.get(step.operation_id)
    if before is not None and step.as_of <= before < step.as_of + timedelta(milliseconds=1):
        step = step.model_copy(update={"as_of": before + timedelta(microseconds=1)})
    environment = ActivityEnvironment()
    workflow_id = step.operation_id.partition("/")[0]
    environment.info = dataclasses.replace(
        environment.info, activity_type=name, workflow_id=workflow_id, workflow_run_id=run_id
    )
    try:
        return environment.run(activity, step)
    except ApplicationError:
        _refused[step.operation_id] = step.as_of
        raise


def refused(call: Callable[[], object]) -> tuple[str | None, Any]:
    """The type and details of the error that the call ends with."""
    with pytest.raises(ApplicationError) as caught:
        call()
    return caught.value.type, caught.value.details[0] if caught.value.details else None
