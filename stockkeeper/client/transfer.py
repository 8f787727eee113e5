"""Transfers: move stock from one warehouse to another, and follow it on its way."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from stockkeeper.client.document import Document, Finding, Listing, Part, is_booked, update_id_of
from stockkeeper.client.lines import ArrivalLine, Line, Named
from stockkeeper.client.names import with_ids, with_names
from stockkeeper.client.questions import pages
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.question import SHOW_IN_TRANSIT
from stockkeeper.contracts.stock import InTransit, ShowInTransit
from stockkeeper.contracts.transfer import (
    CANCEL,
    DISPATCH,
    PROCESS,
    RECEIVE,
    WRITE_OFF,
    TransferRequest,
    TransferState,
    TransferStatus,
)


class Transfer(Document[TransferState]):
    """Stock on its way from one warehouse to another."""

    process = PROCESS
    state_type = TransferState

    @property
    def transfer_number(self) -> str:
        """The transfer's number."""
        return self.name

    async def dispatch(self, *, performed_by: str) -> TransferState:
        """Let all lines leave the source.

        Raises:
            InvalidState: The transfer was cancelled, or rejected.
            Unreachable: No answer in time.
        """
        message = await self._message(DISPATCH, performed_by=performed_by)
        return await self._command(DISPATCH, message, lambda last: last.status is TransferStatus.RECEIVED)

    async def receive(self, receipt_id: str, lines: Sequence[ArrivalLine], *, performed_by: str) -> TransferState:
        """Book an arrival; fit units enter the destination's stock.

        Args:
            receipt_id: The delivery's number: the call may be repeated, and the goods are booked once.
            lines: Units of each product: fit, and damaged on top.
            performed_by: The person or service that received the delivery.

        Raises:
            InvalidRequest: A product isn't on the transfer, or more arrived than is in transit. Nothing is booked.
            InvalidState: The transfer isn't in transit.
            OperationConflict: The delivery's number was used for other quantities.
            Unreachable: No answer in time.
        """
        message = await self._message(RECEIVE, receipt_id=receipt_id, performed_by=performed_by, lines=lines)
        fit = sum(line.quantity for line in message.lines)
        damaged = sum(line.damaged_quantity for line in message.lines)
        return await self._command(
            RECEIVE,
            message,
            lambda last: is_booked(last.receipts, receipt_id, fit, damaged),
            update_id_of(RECEIVE, message),
        )

    async def write_off(self, *, performed_by: str, reason: str) -> TransferState:
        """Give up the units that are still in transit.

        Raises:
            InvalidState: The transfer isn't in transit.
            Unreachable: No answer in time.
        """
        message = await self._message(WRITE_OFF, performed_by=performed_by, reason=reason)
        return await self._command(WRITE_OFF, message, _is_written_off)

    async def cancel(self, *, performed_by: str, reason: str) -> TransferState:
        """Release the stock held at the source; in transit, put units that haven't arrived back into its stock.

        Raises:
            InvalidState: The transfer has been received.
            Unreachable: No answer in time.
        """
        message = await self._message(CANCEL, performed_by=performed_by, reason=reason)
        return await self._command(CANCEL, message, lambda last: last.status is TransferStatus.CANCELLED)

    def _units(self) -> Sequence[tuple[int, int]]:
        return [(line.product_id, line.quantity) for line in self.state.line_items]

    def _deadline(self) -> datetime | None:
        return self.state.due_at if self.state.status is TransferStatus.IN_TRANSIT else None


def _is_written_off(last: TransferState) -> bool:
    return last.status is TransferStatus.RECEIVED and any(line.written_off for line in last.line_items)


class Transfers(Part):
    """Moving stock between warehouses."""

    transfer = Finding(Transfer)
    transfers = Listing[TransferStatus](Transfer)

    async def create_transfer(
        self,
        transfer_number: str,
        lines: Sequence[Line],
        *,
        from_warehouse_id: Named,
        to_warehouse_id: Named,
        requested_by: str,
        expected_transit_hours: float | None = None,
    ) -> Transfer:
        """Plan a transfer: all of these lines are held at the source until it is dispatched, or none of them.

        The number makes it happen once: the same call again, after a lost answer or a crash, gives the same transfer.
        After `InsufficientStock` the same number may try again.

        Args:
            transfer_number: The transfer's number.
            lines: Units of a product. The same product on two lines counts together.
            from_warehouse_id: The source.
            to_warehouse_id: The destination.
            requested_by: The person or service that asks.
            expected_transit_hours: Hours from dispatch after which a notice says that it is overdue; None: no notice.

        Raises:
            InsufficientStock: With the numbers of every item that is short. Nothing is held.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is held.
            OperationConflict: The number belongs to another transfer.
            InvalidState: The transfer of this number was cancelled.
            Unreachable: No answer in time. It may be held: ask again.
        """
        request, names = await with_ids(
            self.connection,
            TransferRequest,
            transfer_number=transfer_number,
            from_warehouse_id=from_warehouse_id,
            to_warehouse_id=to_warehouse_id,
            line_items=lines,
            expected_transit_hours=expected_transit_hours,
            requested_by=requested_by,
        )
        units = sum(line.quantity for line in request.line_items)
        return await Transfer.start(
            self.connection,
            transfer_number,
            request,
            names,
            summary=f"transfer {transfer_number}: {counted(len(request.line_items), 'line')}, {units} units",
            contents=_contents,
        )

    async def in_transit(
        self,
        *,
        product: Named | None = None,
        from_warehouse: Named | None = None,
        to_warehouse: Named | None = None,
    ) -> AsyncIterator[InTransit]:
        """Units between warehouses, in the order of SKU, source and destination, read page by page.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(
            self.connection, ShowInTransit, product=product, from_warehouse=from_warehouse, to_warehouse=to_warehouse
        )
        async for line in pages(self.connection, SHOW_IN_TRANSIT, asked):
            yield line


def _contents(document: TransferRequest | TransferState) -> object:
    lines = [(line.product_id, line.quantity) for line in document.line_items]
    return document.from_warehouse_id, document.to_warehouse_id, lines
