"""Reservations for Python services: hold stock, then ship, extend or give back what was held."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from stockkeeper.client.calls import checked, start_and_ask
from stockkeeper.client.document import Document, update_id_of
from stockkeeper.contracts.errors import already_exists
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.reservation import (
    PROCESS,
    WORKFLOW_TYPE,
    Cancel,
    Extend,
    Fulfill,
    FulfillLine,
    ReservationLine,
    ReservationRequest,
    ReservationState,
    workflow_id,
)


class Hold(Document[ReservationState]):
    """Stock that is held for one reference.

    Attributes:
        state: What was true when it was last heard of; every command brings it up to date.
    """

    kind = "reservation"
    state_type = ReservationState
    process = PROCESS

    @property
    def reference_id(self) -> str:
        """The caller's own name for it."""
        return self.name

    async def fulfill(
        self,
        lines: Sequence[FulfillLine] | None = None,
        *,
        performed_by: str,
        fulfillment_id: str | None = None,
    ) -> ReservationState:
        """The goods leave.

        Args:
            lines: What leaves now; None: all that is left.
            performed_by: Who does it.
            fulfillment_id: Your name for this shipment. With one, the call may be repeated after a lost answer, and
                the shipment still leaves once; a part without one that is sent again is another part.

        Raises:
            InvalidRequest: More of something than is held.
            InvalidState: It is no longer held.
            OperationConflict: That shipment was something else.
            Unreachable: No answer in time.
        """
        message = checked(
            Fulfill,
            performed_by=performed_by,
            lines=None if lines is None else [line.model_dump() for line in lines],
            fulfillment_id=fulfillment_id,
        )
        return await self._command(
            "fulfill",
            message,
            lambda last: lines is None and last.status == "FULFILLED",
            None if fulfillment_id is None else update_id_of("fulfill", message),
        )

    async def cancel(
        self,
        *,
        performed_by: str,
        reason: str,
    ) -> ReservationState:
        """Give back what is still held.

        Raises:
            InvalidState: It has been fulfilled, or has expired.
            Unreachable: No answer in time.
        """
        message = checked(Cancel, performed_by=performed_by, reason=reason)
        return await self._command("cancel", message, lambda last: last.status == "CANCELLED")

    async def extend(
        self,
        *,
        performed_by: str,
        ttl_minutes: float,
    ) -> ReservationState:
        """Move the deadline to ``ttl_minutes`` from now.

        Raises:
            InvalidState: It is no longer held.
            Unreachable: No answer in time.
        """
        message = checked(Extend, performed_by=performed_by, ttl_minutes=ttl_minutes)
        return await self._command("extend", message, lambda _: False)


async def reserve(
    client: Client,
    reference_id: str,
    lines: Sequence[ReservationLine],
    *,
    performed_by: str,
    ttl_minutes: float,
    task_queue: str,
    within: timedelta,
) -> Hold:
    """Hold all of these lines, or none. See `stockkeeper.client.Stockkeeper.reserve`."""
    request = checked(
        ReservationRequest,
        reference_id=reference_id,
        lines=[line.model_dump() for line in lines],
        ttl_minutes=ttl_minutes,
        performed_by=performed_by,
    )
    deadline = datetime.now(UTC) + timedelta(minutes=ttl_minutes)
    state = await start_and_ask(
        client,
        WORKFLOW_TYPE,
        request,
        "reserved",
        what=f"reservation {reference_id}",
        workflow_id=workflow_id(reference_id),
        task_queue=task_queue,
        summary=f"order {reference_id}: {counted(len(lines), 'line')} until {utc(deadline)}",
        state=ReservationState,
        within=within,
    )
    held = [(line.product_id, line.warehouse_id, line.quantity) for line in state.lines]
    if held != [(line.product_id, line.warehouse_id, line.quantity) for line in request.lines]:
        raise already_exists("reservation", reference_id)
    return Hold(client, reference_id, workflow_id(reference_id), state, within)


async def find_hold(client: Client, reference_id: str, *, within: timedelta) -> Hold:
    """A hold that was made before. See `stockkeeper.client.Stockkeeper.hold`."""
    hold = Hold(client, reference_id, workflow_id(reference_id), ReservationState(), within)
    await hold.refresh()
    return hold
