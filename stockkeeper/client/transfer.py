"""Transfers for Python services: move stock from one warehouse to another, and follow it on its way."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client

from stockkeeper.client.calls import checked, start_and_ask
from stockkeeper.client.document import Document, is_booked, update_id_of
from stockkeeper.contracts.errors import already_exists
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.transfer import (
    PROCESS,
    WORKFLOW_TYPE,
    ArrivedLine,
    CancelTransfer,
    Dispatch,
    ReceiveTransferred,
    TransferLine,
    TransferRequest,
    TransferState,
    TransferStatus,
    WriteOff,
    workflow_id,
)


class Transfer(Document[TransferState]):
    """Stock on its way from one warehouse to another.

    Attributes:
        state: What was true when it was last heard of; every command brings it up to date.
    """

    kind = "transfer"
    state_type = TransferState
    process = PROCESS

    @property
    def transfer_number(self) -> str:
        """The transfer's own number."""
        return self.name

    async def dispatch(self, *, performed_by: str) -> TransferState:
        """Everything leaves the source.

        Raises:
            InvalidState: It was cancelled, or rejected.
            Unreachable: No answer in time.
        """
        message = checked(Dispatch, performed_by=performed_by)
        return await self._command("dispatch", message, lambda last: last.status is TransferStatus.RECEIVED)

    async def receive(self, receipt_id: str, lines: Sequence[ArrivedLine], *, performed_by: str) -> TransferState:
        """Goods have arrived; what is fit enters the destination's stock.

        Args:
            receipt_id: Your name for this delivery: the call may be repeated, and the goods are booked once.
            lines: What arrived of each product: fit units, and damaged ones on top.
            performed_by: Who received it.

        Raises:
            InvalidRequest: A product isn't on the transfer, or more arrived than is in transit. Nothing is booked.
            InvalidState: It isn't in transit.
            OperationConflict: That receipt was another delivery.
            Unreachable: No answer in time.
        """
        message = checked(
            ReceiveTransferred,
            receipt_id=receipt_id,
            performed_by=performed_by,
            lines=[line.model_dump() for line in lines],
        )
        fit, damaged = sum(line.quantity for line in lines), sum(line.damaged_quantity for line in lines)
        return await self._command(
            "receive",
            message,
            lambda last: is_booked(last.receipts, receipt_id, fit, damaged),
            update_id_of("receive", message),
        )

    async def write_off(self, *, performed_by: str, reason: str) -> TransferState:
        """What is still missing won't come any more.

        Raises:
            InvalidState: It isn't in transit.
            Unreachable: No answer in time.
        """
        message = checked(WriteOff, performed_by=performed_by, reason=reason)
        return await self._command("write_off", message, _is_written_off)

    async def cancel(self, *, performed_by: str, reason: str) -> TransferState:
        """Release what is held at the source; in transit, put what hasn't arrived back into the source's stock.

        Raises:
            InvalidState: It has been received.
            Unreachable: No answer in time.
        """
        message = checked(CancelTransfer, performed_by=performed_by, reason=reason)
        return await self._command("cancel", message, lambda last: last.status is TransferStatus.CANCELLED)


def _is_written_off(last: TransferState) -> bool:
    return last.status is TransferStatus.RECEIVED and any(line.written_off for line in last.line_items)


async def create_transfer(
    client: Client,
    transfer_number: str,
    lines: Sequence[TransferLine],
    *,
    from_warehouse_id: int,
    to_warehouse_id: int,
    requested_by: str,
    expected_transit_hours: float | None,
    task_queue: str,
    within: timedelta,
) -> Transfer:
    """Hold all of these lines at the source, or none. See `stockkeeper.client.Stockkeeper.create_transfer`."""
    request = checked(
        TransferRequest,
        transfer_number=transfer_number,
        from_warehouse_id=from_warehouse_id,
        to_warehouse_id=to_warehouse_id,
        line_items=[line.model_dump() for line in lines],
        expected_transit_hours=expected_transit_hours,
        requested_by=requested_by,
    )
    units = sum(line.quantity for line in lines)
    state = await start_and_ask(
        client,
        WORKFLOW_TYPE,
        request,
        "held",
        what=f"transfer {transfer_number}",
        workflow_id=workflow_id(transfer_number),
        task_queue=task_queue,
        summary=f"transfer {transfer_number}: {counted(len(lines), 'line')}, {units} units",
        state=TransferState,
        within=within,
    )
    moved = [(line.product_id, line.quantity) for line in state.line_items]
    if (state.from_warehouse_id, state.to_warehouse_id, moved) != (
        from_warehouse_id,
        to_warehouse_id,
        [(line.product_id, line.quantity) for line in request.line_items],
    ):
        raise already_exists("transfer", transfer_number)
    return Transfer(client, transfer_number, workflow_id(transfer_number), state, within)


async def find_transfer(client: Client, transfer_number: str, *, within: timedelta) -> Transfer:
    """A transfer that was made before. See `stockkeeper.client.Stockkeeper.transfer`."""
    transfer = Transfer(client, transfer_number, workflow_id(transfer_number), TransferState(), within)
    await transfer.refresh()
    return transfer
