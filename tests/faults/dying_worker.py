"""A worker that is killed from within: `python -m tests.faults.dying_worker [STEP before|after]`.

It is the real one, except that it dies by SIGKILL at the first call of a step: before the step's transaction, or after
its commit and before anybody hears of it. Without arguments it lives until it is killed from outside.
"""

import asyncio
import functools
import os
import signal
import sys
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.worker import Worker

import worker
from activities.adjustment import AdjustmentSteps
from activities.customer_return import ReturnSteps
from activities.cycle_count import CycleCountSteps
from activities.cycle_count_plan import CycleCountPlanSteps
from activities.purchase_order import PurchaseOrderSteps
from activities.reorder import ReorderSteps
from activities.reservation import ReservationSteps
from activities.stock_audit import StockAuditSteps
from activities.transfer import TransferSteps

STEPS = (
    ReservationSteps,
    PurchaseOrderSteps,
    TransferSteps,
    ReturnSteps,
    AdjustmentSteps,
    ReorderSteps,
    CycleCountSteps,
    CycleCountPlanSteps,
    StockAuditSteps,
)


def dying(activities: type[Any], step_name: str, moment: str) -> type[Any]:
    """The activities, of which one is deadly."""
    original = getattr(activities, step_name)

    def step_and_die(self: Any, step: Any) -> Any:
        if moment == "after":
            original(self, step)
        os.kill(os.getpid(), signal.SIGKILL)

    # The name and the types of the original, without being marked as an activity already.
    deadly = functools.wraps(original, updated=())(step_and_die)
    marked = activity.defn(name=step_name, no_thread_cancel_exception=True)(deadly)
    return type("DyingSteps", (activities,), {step_name: marked})


def main(arguments: list[str]) -> None:
    """Work, and die."""
    if arguments:
        step_name, moment = arguments
        [activities] = [each for each in STEPS if hasattr(each, step_name)]
        setattr(worker, activities.__name__, dying(activities, step_name, moment))
    # Tasks that a dead worker had kept for itself come back after a second instead of ten.
    brisk = functools.partial(Worker, sticky_queue_schedule_to_start_timeout=timedelta(seconds=1))
    setattr(worker, "Worker", brisk)  # noqa: B010
    asyncio.run(worker.run(worker.Settings()))


if __name__ == "__main__":
    main(sys.argv[1:])
