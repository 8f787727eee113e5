"""Planning counts, for programs and the command line: start the counts of the day now."""

from temporalio.client import Client

from stockkeeper.client.calls import checked, run_now
from stockkeeper.contracts.cycle_count_plan import WORKFLOW_TYPE, CycleCountPlanRequest, CycleCountPlanState


async def run_count_plan(client: Client, *, warehouse_id: int | None = None, task_queue: str) -> CycleCountPlanState:
    """Start the count of the day wherever there is none yet, whatever the clock says, and wait until that is done.

    Raises:
        UnknownWarehouse: There is no such place.
        InvalidRequest: The request is wrong.
        Unreachable: Nobody answers.
    """
    return await run_now(
        client,
        WORKFLOW_TYPE,
        checked(CycleCountPlanRequest, warehouse_id=warehouse_id),
        what="cycle-count-plan",
        task_queue=task_queue,
        summary="what is due to be counted, asked for by hand",
        state=CycleCountPlanState,
    )
