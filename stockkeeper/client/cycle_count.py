"""Cycle counts for Python services: say what is to be counted, what was there, and that a variance is right."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client

from stockkeeper.client.calls import checked, start_and_ask
from stockkeeper.client.document import Document, update_id_of
from stockkeeper.contracts.cycle_count import (
    PROCESS,
    WORKFLOW_TYPE,
    ApproveVariance,
    CancelCount,
    CountLineState,
    CountStatus,
    CycleCountRequest,
    CycleCountState,
    Record,
    RootCause,
    is_same_person,
    workflow_id,
)
from stockkeeper.contracts.errors import already_exists
from stockkeeper.contracts.messages import counted


class CycleCount(Document[CycleCountState]):
    """Products that somebody counts.

    Attributes:
        state: What was true when it was last heard of; every command brings it up to date.
    """

    kind = "count"
    state_type = CycleCountState
    process = PROCESS

    @property
    def count_number(self) -> str:
        """The count's own number."""
        return self.name

    async def record(
        self, product_id: int, counted_quantity: int, *, performed_by: str, root_cause: RootCause | None = None
    ) -> CycleCountState:
        """So much was there. Call it at once: what the books have is read in this moment.

        Within tolerance it is in the books then (POSTED). Beyond it the line is in REVIEW, until somebody else has
        counted it as well, or has approved it. The same call by the same person may be repeated, and counts once.

        Args:
            product_id: What was counted.
            counted_quantity: Units that were there; none is 0.
            performed_by: Who counted. A second count is somebody else's.
            root_cause: Why it is another number than the books have, if you know.

        Raises:
            InvalidRequest: The product isn't on the count.
            InvalidState: It is in the books already, or was given up.
            NotPermitted: The same person has counted it before.
            Unreachable: No answer in time.
        """
        message = checked(
            Record,
            performed_by=performed_by,
            product_id=product_id,
            counted_quantity=counted_quantity,
            root_cause=root_cause,
        )
        known = self._line(self.state, product_id)
        state = await self._command(
            "record",
            message,
            lambda last: _is_recorded(self._line(last, product_id), message),
            update_id_of("record", message, by_anybody=False),
        )
        if known is not None and known.status is not CountStatus.COUNTING:
            # It may be a repeat, which is answered as the first time: others have counted since.
            state = await self.refresh()
        return state

    async def approve_variance(self, product_id: int, *, approver: str, root_cause: RootCause) -> CycleCountState:
        """What was counted is right, and this is why the books were wrong. A second time changes nothing.

        Raises:
            InvalidRequest: The product isn't on the count.
            InvalidState: It doesn't wait for that.
            NotPermitted: The approver has counted it.
            InsufficientStock: What was missing then isn't there to be taken off any more: it has to be counted again.
            Unreachable: No answer in time.
        """
        message = checked(ApproveVariance, approver=approver, product_id=product_id, root_cause=root_cause)
        return await self._command(
            "approve_variance", message, lambda last: _is_approved(self._line(last, product_id), message)
        )

    async def cancel(self, *, performed_by: str, reason: str) -> CycleCountState:
        """What isn't in the books yet isn't counted any more; what is, stays.

        Raises:
            InvalidState: All of it is in the books.
            Unreachable: No answer in time.
        """
        message = checked(CancelCount, performed_by=performed_by, reason=reason)
        return await self._command("cancel", message, lambda last: last.status is CountStatus.CANCELLED)

    @staticmethod
    def _line(state: CycleCountState, product_id: int) -> CountLineState | None:
        return next((line for line in state.lines if line.product_id == product_id), None)


def _is_recorded(line: CountLineState | None, message: Record) -> bool:
    """Whether just this is what is in the books."""
    return (
        line is not None
        and line.status is CountStatus.POSTED
        and line.counted_by is not None
        and is_same_person(line.counted_by, message.performed_by)
        and line.counted_quantity == message.counted_quantity
    )


def _is_approved(line: CountLineState | None, message: ApproveVariance) -> bool:
    """Whether this person has approved it, for this cause."""
    return (
        line is not None
        and line.approved_by is not None
        and is_same_person(line.approved_by, message.approver)
        and line.root_cause in (None, message.root_cause)
    )


async def open_count(
    client: Client,
    count_number: str,
    product_ids: Sequence[int],
    *,
    warehouse_id: int,
    requested_by: str,
    task_queue: str,
    within: timedelta,
) -> CycleCount:
    """Say what is to be counted. See `stockkeeper.client.Stockkeeper.open_count`."""
    request = checked(
        CycleCountRequest,
        count_number=count_number,
        warehouse_id=warehouse_id,
        product_ids=list(product_ids),
        requested_by=requested_by,
    )
    state = await start_and_ask(
        client,
        WORKFLOW_TYPE,
        request,
        "opened",
        what=f"count {count_number}",
        workflow_id=workflow_id(count_number),
        task_queue=task_queue,
        summary=f"count {count_number}: {counted(len(request.product_ids), 'item')}",
        state=CycleCountState,
        within=within,
    )
    listed = [line.product_id for line in state.lines]
    if (state.warehouse_id, listed) != (warehouse_id, request.product_ids):
        raise already_exists("count", count_number)
    return CycleCount(client, count_number, workflow_id(count_number), state, within)


async def find_count(client: Client, count_number: str, *, within: timedelta) -> CycleCount:
    """A count that was opened before. See `stockkeeper.client.Stockkeeper.cycle_count`."""
    count = CycleCount(client, count_number, workflow_id(count_number), CycleCountState(), within)
    await count.refresh()
    return count
