"""How a process starts the runs of the inspections that one of its steps has opened."""

from collections.abc import Callable, Sequence

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from stockkeeper.contracts.inspection import PROCESS, InspectionRequest
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.opened_inspection import OpenedInspection


async def start_inspections(
    opened: Sequence[OpenedInspection], note: Callable[[str], None], task_queue: str | None = None
) -> None:
    """Start their runs, which outlive this one. To be called in the background: no receipt waits for it.

    The inspections are stored already. A worker that dies between that and here starts them when the step's answer
    comes again: the first step of such a run finds the inspection, and one that is over ends the run at once. So an
    earlier run under that number, as one whose start was refused, is in nobody's way.

    Args:
        opened: The inspections.
        note: Tells operators of one that couldn't be started.
        task_queue: That of the warehouse's database; None: of this run's.
    """
    for each in opened:
        try:
            request = InspectionRequest.model_validate(each.model_dump())
            await workflow.start_child_workflow(
                PROCESS.workflow_type,
                request,
                id=PROCESS.id_of(each.inspection_number),
                task_queue=task_queue,
                parent_close_policy=ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=plain(request.summary),
            )
        except WorkflowAlreadyStartedError:
            # As a rule the inspection itself: its step's answer came again.
            workflow.logger.warning("inspection %s has a run already", each.inspection_number)
        except (FailureError, ValidationError):
            note(f"inspection {each.inspection_number} is stored, but its run couldn't be started: open it again")
