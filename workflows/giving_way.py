"""How a process that corrects stock informs the processes whose holds have given way."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts.giving_way import GIVE_WAY, GiveWay, PromiseState
from stockkeeper.contracts.messages import MAX_REASON, GaveWay, HeldBefore, StockAnswer, counted, utc
from workflows.process import Process

GAVE_WAY_KEPT = 100


class CorrectingState(Protocol):
    """The state of a process that corrects stock; the latest hundred holds are kept."""

    gave_way: list[GaveWay]
    held_before: list[HeldBefore]


def show_gave_way(state: CorrectingState, answer: StockAnswer) -> None:
    """Add the holds that gave way to the state."""
    state.gave_way = [*state.gave_way, *answer.gave_way][-GAVE_WAY_KEPT:]


def show_held_before(state: CorrectingState, answer: StockAnswer) -> None:
    """Add the holds that gave way earlier, and whose units may be back, to the state."""
    state.held_before = [*state.held_before, *answer.held_before][-GAVE_WAY_KEPT:]


def held_before_lines(answer: StockAnswer, skus: Mapping[int, str]) -> list[str]:
    """The body of the notice about holds that can be held again: each with its units, and how."""
    return [
        "Units are back that these orders and transfers had to give up. An order is held again, until the deadline",
        "that it had, by `stockkeeper reserve hold-again ORDER`; a transfer is started anew under another number.",
        "",
        *(
            f"{promised(each)} of {skus.get(each.product_id, each.product_id)}"
            + (f", until {utc(each.expires_at)}" if each.expires_at else "")
            for each in answer.held_before
        ),
    ]


def inform_holders(
    process: Process[Any], answer: StockAnswer, performed_by: str, reason: str, *, quietly: bool = False
) -> None:
    """Send ``give_way`` to the workflow of each hold that has ended, in the background.

    A workflow that isn't running can't be informed. Its other holds stay, as after any run that was terminated: an
    order's until its deadline, a transfer's until it is started again and cancelled. None of these goods can leave.

    Args:
        process: The process that corrects stock.
        answer: The database's answer to the correction.
        performed_by: The person who found the difference.
        reason: The reason of the correction.
        quietly: Without a note on a workflow that isn't running: another run may have informed it before it ended.
    """
    process.in_background(_inform(answer, performed_by, reason, _ignore if quietly else process.note))


async def _inform(answer: StockAnswer, performed_by: str, reason: str, note: Callable[[str], None]) -> None:
    if answer.gave_way_untold:
        note(f"{counted(answer.gave_way_untold, 'more hold')} gave way; they are notified at their deadlines")
    for workflow_id in dict.fromkeys(hold.workflow_id for hold in answer.gave_way):
        message = GiveWay(performed_by=performed_by, reason=reason[:MAX_REASON].rstrip())
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(GIVE_WAY.name, message)
        except FailureError:
            note(f"{workflow_id} isn't running, so it wasn't notified that its hold gave way")


def _ignore(note: str) -> None:
    del note


def named(hold: GaveWay) -> str:
    """A hold as people call it: ``order 1042, 3 units``."""
    return promised(hold)


def promised(hold: GaveWay | PromiseState | HeldBefore) -> str:
    """A promise as people call it: ``order 1042, 3 units``."""
    return f"{hold.reference_type.lower()} {hold.reference_id}, {counted(hold.quantity, 'unit')}"
