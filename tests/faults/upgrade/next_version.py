"""Workers of two versions after today's: one that understands a change of the reservation, and one that begins it.

The change is one of each kind: another command before all others, in runs that are begun by a version that begins it;
and another one at the end, in whatever run comes to it there.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import workflow

import worker
from stockkeeper.contracts.reservation import WORKFLOW_TYPE, ReservationState
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.reservation import RESERVATION
from tests.faults import dying_worker
from workflows import patches
from workflows.reservation import ReservationWorkflow

AT_FIRST = "waits a moment at first"
AT_LAST = "says at last who ended it"


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class NextReservationWorkflow(ReservationWorkflow):
    """The reservation of the next version."""

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(*payload)

    @workflow.run
    async def run(self, *payload: Any) -> ReservationState:
        """Wait a moment, and live as before."""
        if workflow.patched(AT_FIRST):
            await workflow.sleep(timedelta(milliseconds=1))
        return await super().run(*payload)

    def publish(self) -> None:
        """Tell as before, and at last which version ended it."""
        super().publish()
        if RESERVATION.is_final(self.state.status) and workflow.patched(AT_LAST):
            workflow.upsert_memo({"ended_by": "the next version"})


def work(environment: Mapping[str, str], log: Path, *, begins: bool) -> None:
    """Work until a signal comes.

    Args:
        environment: The process's environment variables; it has no others.
        log: Takes the process's output.
        begins: Whether it begins the change in runs that come to it, or only understands it.
    """
    setattr(patches, "UNDERSTOOD", frozenset() if begins else frozenset({AT_FIRST, AT_LAST}))  # noqa: B010
    worker.WORKFLOWS[worker.WORKFLOWS.index(ReservationWorkflow)] = NextReservationWorkflow
    dying_worker.work((), environment, log)
