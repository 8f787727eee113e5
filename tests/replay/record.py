"""Records a history of each way that a process can go: `python -m tests.replay.record [process...]`.

The histories stand in the repository. A version of the code that can't replay them can't take over the runs that are
under way when it is deployed; that is what `test_histories.py` finds out. So record anew only what has changed on
purpose, and look at the difference.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence

from tests.replay.adjustment import AdjustmentScenes
from tests.replay.customer_return import ReturnScenes
from tests.replay.cycle_count import CycleCountScenes
from tests.replay.cycle_count_plan import CycleCountPlanScenes
from tests.replay.import_file import ImportScenes
from tests.replay.purchase_order import PurchaseOrderScenes
from tests.replay.recording import Scenes, a_stage
from tests.replay.reorder import ReorderScenes
from tests.replay.replenishment_plan import ReplenishmentPlanScenes
from tests.replay.reservation import ReservationScenes
from tests.replay.stock_audit import StockAuditScenes
from tests.replay.transfer import TransferScenes

_ALL: Sequence[type[Scenes]] = (
    ReservationScenes,
    ImportScenes,
    PurchaseOrderScenes,
    TransferScenes,
    AdjustmentScenes,
    ReturnScenes,
    ReorderScenes,
    ReplenishmentPlanScenes,
    CycleCountScenes,
    CycleCountPlanScenes,
    StockAuditScenes,
)
PROCESSES: Mapping[str, type[Scenes]] = {scenes.process: scenes for scenes in _ALL}


async def record(processes: Sequence[str]) -> None:
    """Play every scene of these processes on one stack, and keep the histories."""
    async with a_stage() as stage, stage.worker():
        for process in processes:
            await PROCESSES[process](stage).record()


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(PROCESSES)
    if unknown := set(wanted) - set(PROCESSES):
        sys.exit(f"no such process: {', '.join(sorted(unknown))}; there are {', '.join(PROCESSES)}")
    asyncio.run(record(wanted))
