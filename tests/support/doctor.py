"""`stockkeeper doctor` as an operator runs it."""

import asyncio
from collections.abc import Awaitable, Callable

from typer.testing import CliRunner, Result

from devstack.stack import StackInfo
from starter.cli.app import app

Doctor = Callable[..., Awaitable[Result]]


def doctor_of(stack: StackInfo) -> Doctor:
    """Runs the doctor in the environment of the session's worker, but for some variables."""
    environment = {
        "DATABASE_URL": stack.database_url,
        "STOCKKEEPER_DATABASE_ROLE": "stockkeeper_worker",
        "STOCKKEEPER_TASK_QUEUE": stack.task_queue,
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
    }

    async def run(*options: str, **other: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["doctor", *options], env=environment | other)

    return run
