"""Replenishment as a foreign service: a Temporal client, the contract, and plain JSON."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from tests.support.replenishment_rows import all_are_taken_over, nothing_else_to_order
from tests.support.wire import Caller, Json, RunCaller, eventually

AT_ONCE = "reorder-at-once"
"""The workflow id of the run that whoever lets an item fall below its point asks for."""
_MEGABYTE = 1024 * 1024


class Reorders(RunCaller):
    """Starts reorder runs."""

    workflow_type = "ReorderWorkflow"
    name = "reorder"
    request: ClassVar[dict[str, Json]] = {"dry_run": False}

    async def at_once_is_over(self) -> None:
        """Return once the run that looks at once has closed, if ever there was one."""

        async def status() -> WorkflowExecutionStatus | None:
            try:
                return await self.status(AT_ONCE)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise

        await eventually(status, lambda seen: seen is not WorkflowExecutionStatus.RUNNING)


class Plans(RunCaller):
    """Starts planning runs of points and quantities."""

    workflow_type = "ReplenishmentPlanWorkflow"
    name = "plan"


@asynccontextmanager
async def nobody_else_orders(engine: Engine, reorders: Reorders) -> AsyncIterator[None]:
    """The same for runs: none looks at once any more, and none leaves a draft whose workflow is yet to begin."""
    with nothing_else_to_order(engine):
        await reorders.at_once_is_over()
        yield
        await reorders.at_once_is_over()
        await all_are_taken_over(engine)


async def make_long(caller: Caller, name: str) -> None:
    """Make a run's history so long that Temporal suggests another one: with signals, of which it takes no more."""
    noted = len((await caller.state(name))["notes"])
    for number in range(1, 4):
        await caller.signal(name, "chatter", "x" * (3 * _MEGABYTE // 2))
        await caller.noted(name, noted + number)


async def goes_on(caller: Caller, name: str, first: str | None) -> None:
    """Return once another run has followed the first."""

    async def latest() -> str | None:
        return (await caller.handle(name).describe()).run_id

    await eventually(latest, lambda run: run != first)
