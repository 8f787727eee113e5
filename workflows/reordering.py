"""How a process requests a reorder run when an item has fallen below its reorder point."""

import contextlib

from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts import policies
from stockkeeper.contracts.reorder import AskForReorder, ReorderActivities


async def ask_for_reorder(task_queue: str | None = None) -> None:
    """Request an immediate reorder run. To be called in the background: no reservation waits for it.

    Args:
        task_queue: That of the item's database; None: of this run's.
    """
    # Whatever goes wrong for so long, the hourly run will see the item.
    with contextlib.suppress(FailureError):
        await workflow.execute_activity_method(
            ReorderActivities.ask_for_reorder,
            AskForReorder(),
            summary="an item fell below its reorder point",
            task_queue=task_queue,
            **policies.ASK,
        )
