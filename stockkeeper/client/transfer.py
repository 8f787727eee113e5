"""Transfers: move stock from one warehouse to another, and follow it on its way."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from stockkeeper.client.difference import WithDifference
from stockkeeper.client.document import Finding, Listing, Number, Part, in_status
from stockkeeper.client.inbox import InboxItem, overdue
from stockkeeper.client.lines import ArrivalLine, Line, Named
from stockkeeper.client.names import with_names
from stockkeeper.client.questions import pages
from stockkeeper.client.runs import stored_documents
from stockkeeper.contracts import transfer, transfer_state
from stockkeeper.contracts.question import SHOW_IN_TRANSIT
from stockkeeper.contracts.stock import InTransit, ShowInTransit
from stockkeeper.contracts.transfer import TransferActivities
from stockkeeper.contracts.transfer_state import TransferRequest, TransferState, TransferStatus


class Transfer(WithDifference[TransferState]):
    """Stock on its way from one warehouse to another."""

    process = transfer.PROCESS
    transfer_number = Number()

    async def dispatch(
        self,
        lines: Sequence[Line] | None = None,
        *,
        performed_by: str,
        dispatch_id: str | None = None,
        occurred_at: datetime | None = None,
    ) -> TransferState:
        """Let goods leave the source; the rest stays held.

        Args:
            lines: Units that leave now, maybe with the lots that were loaded; None: all that are still held.
            performed_by: The person or service that dispatches.
            dispatch_id: The departure's number. With one, the call may be repeated after a lost answer, and the goods
                leave once; a part without one that is sent again is another part.
            occurred_at: When the goods left, if that was before now; demand counts on that day.

        Raises:
            InvalidRequest: More of a product than is held. Nothing leaves.
            InvalidState: The transfer was cancelled or rejected, or everything has left.
            OperationConflict: The departure's number was used for other units.
            Unreachable: No answer in time.
        """

        def has_left(last: TransferState) -> bool:
            if dispatch_id is None:
                return lines is None and last.status is TransferStatus.RECEIVED
            return _is_among([(each.dispatch_id, each.quantity) for each in last.departures], dispatch_id, lines)

        return await self._send_once(
            transfer_state.DISPATCH,
            TransferActivities.dispatch_transfer,
            dispatch_id,
            has_left,
            performed_by=performed_by,
            lines=lines,
            dispatch_id=dispatch_id,
            occurred_at=occurred_at,
        )

    async def receive(
        self,
        receipt_id: str,
        lines: Sequence[ArrivalLine],
        *,
        performed_by: str,
        unfit_reason: str | None = None,
        occurred_at: datetime | None = None,
    ) -> TransferState:
        """Book an arrival; fit units enter the destination's stock.

        Args:
            receipt_id: The delivery's number: the call may be repeated, and the goods are booked once.
            lines: Units of each product, and of each lot of a tracked one: fit, and damaged on top.
            performed_by: The person or service that received the delivery.
            unfit_reason: Why units came damaged; None: none were, or nobody says it.
            occurred_at: When the goods arrived, if that was before now.

        Raises:
            InvalidRequest: A product isn't on the transfer, or more arrived than is in transit. Nothing is booked.
            InvalidState: The transfer isn't in transit.
            OperationConflict: The delivery's number was used for other quantities.
            Unreachable: No answer in time.
        """
        fields = {"receipt_id": receipt_id, "lines": lines, "unfit_reason": unfit_reason, "occurred_at": occurred_at}
        return await self._book(
            transfer_state.RECEIVE,
            TransferActivities.receive_transfer,
            receipt_id,
            lambda last: last.receipts,
            ("quantity", "damaged_quantity"),
            performed_by=performed_by,
            **fields,
        )

    async def write_off(
        self,
        lines: Sequence[Line] | None = None,
        *,
        performed_by: str,
        reason: str,
        write_off_id: str | None = None,
    ) -> TransferState:
        """Give up units in transit.

        Args:
            lines: Units that are lost, of a tracked product by lot; None: all that are still in transit.
            performed_by: The person or service that gives them up.
            reason: Why.
            write_off_id: The write-off's number. With one, the call may be repeated after a lost answer, and the units
                are written off once; a part without one that is sent again is another part.

        Raises:
            InvalidRequest: More of a product than is in transit. Nothing is written off.
            InvalidState: The transfer isn't in transit.
            OperationConflict: The write-off's number was used for other units.
            Unreachable: No answer in time.
        """

        def is_booked(last: TransferState) -> bool:
            if write_off_id is None:
                return lines is None and _is_written_off(last)
            return _is_among([(each.write_off_id, each.quantity) for each in last.write_offs], write_off_id, lines)

        fields = {"reason": reason, "lines": lines, "write_off_id": write_off_id}
        activity = TransferActivities.write_off_transfer
        return await self._send_once(
            transfer_state.WRITE_OFF, activity, write_off_id, is_booked, performed_by=performed_by, **fields
        )

    async def cancel(self, *, performed_by: str, reason: str) -> TransferState:
        """Release the stock held at the source; in transit, put units that haven't arrived back into its stock.

        Raises:
            InvalidState: The transfer has been received.
            Unreachable: No answer in time.
        """
        return await self._send(
            transfer_state.CANCEL, in_status(TransferStatus.CANCELLED), performed_by=performed_by, reason=reason
        )

    def _deadline(self) -> datetime | None:
        return self.state.due_at if self.state.status is TransferStatus.IN_TRANSIT else None

    @staticmethod
    def _contents(document: TransferRequest | TransferState) -> object:
        lines = [(line.product_id, line.quantity) for line in document.line_items]
        return document.from_warehouse_id, document.to_warehouse_id, lines


def _is_among(booked: Sequence[tuple[str | None, int]], number: str, lines: Sequence[Line] | None) -> bool:
    """Whether a command of this number and with these units is among those booked; None: all that there were then."""
    units = None if lines is None else sum(line.quantity for line in lines)
    return any(known == number and units in (None, quantity) for known, quantity in booked)


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
        return await Transfer.start(
            self.connection,
            transfer_number,
            from_warehouse_id=from_warehouse_id,
            to_warehouse_id=to_warehouse_id,
            line_items=lines,
            expected_transit_hours=expected_transit_hours,
            requested_by=requested_by,
        )

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Transfers that are overdue."""
        listed = await stored_documents(self.connection, transfer.PROCESS, TransferStatus.IN_TRANSIT)
        return overdue("transfer", listed, "its arrival", now)

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
