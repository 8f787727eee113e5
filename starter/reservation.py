"""Reservations for Python services: hold stock, then ship, extend or give back what was held."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from contracts.errors import OperationConflict
from contracts.messages import Message, utc
from contracts.reservation import (
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
from starter.calls import checked, command, read_state, start_and_ask


class Hold:
    """Stock that is held for one reference.

    Attributes:
        reference_id: The caller's own name for it.
        state: What was true when it was last heard of; every command brings it up to date.
    """

    def __init__(self, client: Client, reference_id: str, state: ReservationState, within: timedelta) -> None:
        self._within = within
        self._handle = client.get_workflow_handle(workflow_id(reference_id))
        self.reference_id = reference_id
        self.state = state

    async def refresh(self) -> ReservationState:
        """Ask again how it stands; answers after it has ended, too.

        Raises:
            NotFound: There is no such reservation.
            Unreachable: No worker answers.
        """
        self.state = await read_state(self._handle, ReservationState, what=self._what, within=self._within)
        return self.state

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
        update_id = None
        if fulfillment_id is not None:
            # The content is part of it: another one under the same name has to be refused, and not answered like this.
            content = hashlib.sha256(message.model_dump_json(exclude={"performed_by"}).encode()).hexdigest()
            update_id = f"fulfill-{content[:32]}"
        return await self._command("fulfill", message, {"FULFILLED"} if lines is None else set(), update_id)

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
        return await self._command("cancel", message, {"CANCELLED"})

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
        return await self._command("extend", message, set())

    @property
    def _what(self) -> str:
        return f"reservation {self.reference_id}"

    async def _command(
        self, name: str, message: Message, done_already: set[str], update_id: str | None = None
    ) -> ReservationState:
        self.state = await command(
            self._handle,
            name,
            message,
            ReservationState,
            what=self._what,
            done_already=done_already,
            within=self._within,
            update_id=update_id,
        )
        return self.state


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
    """Hold all of these lines, or none. See `starter.client.Stockkeeper.reserve`."""
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
        summary=f"order {reference_id}: {len(lines)} line{'s' * (len(lines) != 1)} until {utc(deadline)}",
        state=ReservationState,
        within=within,
    )
    held = [(line.product_id, line.warehouse_id, line.quantity) for line in state.lines]
    if held != [(line.product_id, line.warehouse_id, line.quantity) for line in request.lines]:
        raise OperationConflict(f"reservation {reference_id} was made for other lines")
    return Hold(client, reference_id, state, within)
