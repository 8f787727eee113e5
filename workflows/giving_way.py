"""How a process that corrects stock tells those whose holds have given way."""

from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts.giving_way import GIVE_WAY, GiveWay
from stockkeeper.contracts.messages import MAX_REASON, GaveWay, StockAnswer, counted


async def tell_holders(answer: StockAnswer, performed_by: str, reason: str, note: Callable[[str], None]) -> None:
    """Tell the workflow of each hold that has ended. To be called in the background.

    One that isn't running can't be told. What else it held is held on, as after any run that was terminated: an order's
    until its deadline, a transfer's until it is started again and cancelled. None of it can leave.

    Args:
        answer: What came of the correction.
        performed_by: Who found it.
        reason: What was found.
        note: Keeps a sentence for whoever looks at the run that tells.
    """
    if answer.gave_way_untold:
        note(f"{counted(answer.gave_way_untold, 'more hold')} gave way, and will learn it at their deadlines")
    for workflow_id in dict.fromkeys(hold.workflow_id for hold in answer.gave_way):
        message = GiveWay(performed_by=performed_by, reason=reason[:MAX_REASON].rstrip())
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(GIVE_WAY.name, message)
        except FailureError:
            note(f"{workflow_id} isn't running: it couldn't be told that its hold gave way")


def named(hold: GaveWay) -> str:
    """A hold as people call it: ``order 1042, 3 units``."""
    return f"{hold.reference_type.lower()} {hold.reference_id}, {counted(hold.quantity, 'unit')}"
