"""The share of the time that bulk work takes: pauses between its steps."""

import asyncio
import time
from typing import Any

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.pacing import LONGEST_PAUSE_SECONDS, Paced, pause_after
from stockkeeper.contracts.policies import BULK_WRITE, REORDER


@pytest.mark.parametrize(
    ("seconds", "share", "pause"),
    [(0.5, 1, 0), (0.5, 0.5, 0.5), (0.3, 0.25, 0.9), (0.2, 0.25, 0), (60, 0.5, LONGEST_PAUSE_SECONDS)],
)
def test_a_pause_is_as_long_as_the_share_leaves(seconds: float, share: float, pause: float) -> None:
    assert pause_after(seconds, share) == pytest.approx(pause)


@pytest.mark.parametrize("policy", [BULK_WRITE, REORDER])
def test_no_pause_is_as_long_as_a_sign_of_life_is_waited_for(policy: dict[str, Any]) -> None:
    # A step gives one every few seconds, and none in its pause.
    assert policy["heartbeat_timeout"].total_seconds() > 2 * LONGEST_PAUSE_SECONDS


class Step(ActivityInboundInterceptor):
    """A step that takes three tenths of a second."""

    def __init__(self) -> None:
        """It is the last of its chain."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        await asyncio.sleep(0.3)
        return "done"


async def paced(share: float, *, ends_after: float | None = None) -> float:
    """Seconds until the step is reported."""
    environment, paced_step = ActivityEnvironment(), Paced(share).intercept_activity(Step())

    @activity.defn
    async def step() -> Any:
        return await paced_step.execute_activity(ExecuteActivityInput(step, (), None, {}))

    if ends_after is not None:
        asyncio.get_running_loop().call_later(ends_after, environment.worker_shutdown)
    began = time.monotonic()
    assert await environment.run(step) == "done"
    return time.monotonic() - began


async def test_a_slot_is_busy_for_its_share_of_the_time_unless_the_worker_is_to_end() -> None:
    assert await paced(0.25) >= 1.2
    assert await paced(0.05, ends_after=0.4) < 4
