"""Reservations: hold stock for an order, then ship it, move the deadline or release it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from stockkeeper.client.document import Document, Finding, Listing, Number, Part, in_status
from stockkeeper.client.lines import Line
from stockkeeper.contracts import reservation
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.reservation import (
    ReservationActivities,
    ReservationRequest,
    ReservationState,
    ReservationStatus,
)


class Hold(Document[ReservationState]):
    """Stock that is held for one order."""

    process = reservation.PROCESS
    reference_id = Number()

    async def fulfill(
        self,
        lines: Sequence[Line] | None = None,
        *,
        performed_by: str,
        fulfillment_id: str | None = None,
        occurred_at: datetime | None = None,
    ) -> ReservationState:
        """Ship held stock.

        Args:
            lines: Units that leave now; None: all that is left.
            performed_by: The person or service that ships.
            fulfillment_id: The shipment's number. With one, the call may be repeated after a lost answer, and the
                shipment still leaves once; a part without one that is sent again is another part.
            occurred_at: When the goods left, if that was before now; demand counts on that day.

        Raises:
            InvalidRequest: More of a product than is held.
            InvalidState: The stock is no longer held.
            OperationConflict: The shipment's number was used for other lines.
            Unreachable: No answer in time.
        """
        fields = {"lines": lines, "fulfillment_id": fulfillment_id, "occurred_at": occurred_at}
        return await self._send_once(
            reservation.FULFILL,
            ReservationActivities.fulfill_reservation,
            fulfillment_id,
            lambda last: lines is None and last.status is ReservationStatus.FULFILLED,
            performed_by=performed_by,
            **fields,
        )

    async def release(
        self, lines: Sequence[Line], *, performed_by: str, reason: str, release_id: str | None = None
    ) -> ReservationState:
        """Give up a part of the held stock; the rest stays held.

        Args:
            lines: Units that aren't needed any more.
            performed_by: The person or service that gives them up.
            reason: Why.
            release_id: The release's number. With one, the call may be repeated after a lost answer, and the units are
                given up once; a part without one that is sent again is another part.

        Raises:
            InvalidRequest: More of a product than is held.
            InvalidState: The stock is no longer held.
            OperationConflict: The release's number was used for other lines.
            Unreachable: No answer in time.
        """
        fields = {"reason": reason, "lines": lines, "release_id": release_id}
        activity = ReservationActivities.lower_reservation
        return await self._send_once(
            reservation.RELEASE, activity, release_id, lambda _: False, performed_by=performed_by, **fields
        )

    async def cancel(self, *, performed_by: str, reason: str) -> ReservationState:
        """Release the stock that is still held.

        Raises:
            InvalidState: It has been fulfilled, or has expired.
            Unreachable: No answer in time.
        """
        return await self._send(
            reservation.CANCEL, in_status(ReservationStatus.CANCELLED), performed_by=performed_by, reason=reason
        )

    async def extend(self, *, performed_by: str, ttl_minutes: float) -> ReservationState:
        """Move the deadline to ``ttl_minutes`` from now.

        Raises:
            InvalidState: The stock is no longer held.
            Unreachable: No answer in time.
        """
        return await self._send(reservation.EXTEND, lambda _: False, performed_by=performed_by, ttl_minutes=ttl_minutes)

    def _deadline(self) -> datetime | None:
        return self.state.expires_at if self.state.status is ReservationStatus.ACTIVE else None

    @staticmethod
    def _summary(request: ReservationRequest) -> str:
        until = datetime.now(UTC) + timedelta(minutes=request.ttl_minutes)
        return f"order {request.reference_id}: {counted(len(request.lines), 'line')} until {utc(until)}"

    @staticmethod
    def _contents(document: ReservationRequest | ReservationState) -> object:
        return [(line.product_id, line.warehouse_id, line.quantity) for line in document.lines]


class Reservations(Part):
    """Holding stock for orders."""

    hold = Finding(Hold)
    holds = Listing[ReservationStatus](Hold)

    async def hold_again(self, reference_id: str, *, performed_by: str) -> Hold:
        """Hold an order's lines again that gave way to a correction, until the deadline that they had.

        All of them are held or none; what has been shipped stays shipped. Asked again, it is the same hold.

        Args:
            reference_id: The order's number.
            performed_by: The person or service that asks.

        Raises:
            NotFound: There is no hold of that order.
            InvalidState: It ended in another way, or its deadline has come: hold it under another reference.
            InsufficientStock: With the numbers of every item that is short. Nothing is held.
            Unreachable: No answer in time. It may be held: ask again.
        """
        before = (await self.hold(reference_id)).state
        if before.status is ReservationStatus.ACTIVE:
            return await self.hold(reference_id)
        lines = [Line(each.product_id, each.warehouse_id, quantity=each.quantity) for each in before.lines]
        return await Hold.start(self.connection, reference_id, lines=lines, hold_again=True, performed_by=performed_by)

    async def reserve(
        self, reference_id: str, lines: Sequence[Line], *, performed_by: str, ttl_minutes: float = 30
    ) -> Hold:
        """Hold all of these lines until the deadline, or none of them.

        The reference makes it happen once: the same call again, after a lost answer or a crash, gives the same hold. A
        reference whose hold has ended isn't held again; an order that starts over needs a new one, such as ``1042-2``.
        After `InsufficientStock` the same reference may try again.

        Args:
            reference_id: The order's number.
            lines: Units of a product in a warehouse. The same product on two lines counts together.
            performed_by: The person or service that asks.
            ttl_minutes: How long to hold; may be a fraction.

        Raises:
            InsufficientStock: With the numbers of every item that is short. Nothing is held.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is held.
            OperationConflict: The reference was used for other lines.
            InvalidState: The reference's hold was cancelled or has expired.
            Unreachable: No answer in time. It may be held: ask again.
        """
        return await Hold.start(
            self.connection, reference_id, lines=lines, ttl_minutes=ttl_minutes, performed_by=performed_by
        )
