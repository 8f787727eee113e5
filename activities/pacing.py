"""How much of the time bulk work may take: between its steps, machine and database are left to others."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

SHORT_STEP_SECONDS = 0.25
"""A shorter step delays no hold, and is followed by no pause."""
LONGEST_PAUSE_SECONDS = 4.0
"""Less than Temporal waits for a step's next sign of life (`policies.BULK_WRITE`), which none gives in its pause."""


def pause_after(seconds: float, share: float) -> float:
    """Seconds to pause after a step that took so many, so that steps take this share of the time."""
    return 0.0 if seconds < SHORT_STEP_SECONDS else min(seconds * (1 / share - 1), LONGEST_PAUSE_SECONDS)


class Paced(Interceptor):
    """Pauses after each step, in its slot and outside of its transaction.

    Args:
        share: The part of the time that a slot is busy; 1: all of it, without a pause.
    """

    def __init__(self, share: float) -> None:
        self._share = share

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Pause after what comes next."""
        return _PacedSteps(next, self._share)


class _PacedSteps(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, share: float) -> None:
        super().__init__(following)
        self._share = share

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        began = time.monotonic()
        result = await super().execute_activity(input)
        # A worker that is to end doesn't wait.
        with suppress(TimeoutError):
            await asyncio.wait_for(
                activity.wait_for_worker_shutdown(), pause_after(time.monotonic() - began, self._share)
            )
        return result
