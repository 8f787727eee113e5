"""Reservations: hold stock for an order, then ship it, move the deadline or release it."""

import asyncio
import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, Self, TypeVar

from stockkeeper.client.calls import Interrupted, answer, checked
from stockkeeper.client.connection import Connection
from stockkeeper.client.databases import parts_by_database
from stockkeeper.client.document import Document, Finding, Listing, Number, Part, in_status
from stockkeeper.client.event_waiters import ENDS_OF_HOLDS, look_patiently, waiters_of
from stockkeeper.client.lines import Line
from stockkeeper.client.names import Names, with_ids, with_names
from stockkeeper.client.operations import Numbered
from stockkeeper.client.order_in_parts import hold_in_parts, is_in_parts, read_order, was_decided
from stockkeeper.client.questions import pages
from stockkeeper.client.runs import status_of_run
from stockkeeper.contracts import reservation
from stockkeeper.contracts.errors import DomainError, InvalidRequest, InvalidState, NotFound, Unreachable
from stockkeeper.contracts.messages import MAX_MINUTES, Message, utc
from stockkeeper.contracts.order_in_parts import OrderInParts
from stockkeeper.contracts.process import Command
from stockkeeper.contracts.question import SHOW_WAITING
from stockkeeper.contracts.reservation import (
    ReservationActivities,
    ReservationLine,
    ReservationRequest,
    ReservationState,
    ReservationStatus,
    requested_lines,
)
from stockkeeper.contracts.stock import shortage_of
from stockkeeper.contracts.waiting import ShowWaiting, WaitingShown

M = TypeVar("M", bound=Message)

_AT_ONCE = timedelta(seconds=1)
"""How long an answer to a cancellation is waited for, before it is left with the run as well."""


class Hold(Document[ReservationState]):
    """Stock that is held for one order."""

    process = reservation.PROCESS
    reference_id = Number()
    in_parts = False
    """Whether several databases hold it."""

    @classmethod
    async def find(cls, connection: Connection, name: str) -> Self:
        """A hold that exists already, in one database or in several.

        Raises:
            NotFound: There is none of that number.
            Unreachable: No worker answers.
        """
        hold = await cls.unseen(connection, name)
        await hold.refresh()
        return hold

    @classmethod
    async def unseen(cls, connection: Connection, name: str) -> Self:
        """A hold of which only the number is known, and where it is held."""
        hold = cls(connection, name, ReservationState(reference_id=name))
        hold.in_parts = await is_in_parts(connection, name)
        return hold

    @classmethod
    async def begin_in_parts(
        cls, connection: Connection, request: OrderInParts, names: Names, within: timedelta
    ) -> Self:
        """Hold the lines of an order in several databases, or none of them: see `hold_in_parts`."""
        hold = cls(connection, request.reference_id, await hold_in_parts(connection, request, names, within), names)
        hold.in_parts = True
        return hold

    async def refresh(self) -> ReservationState:
        """Read the state again, from the databases: they answer whatever has become of the order's run.

        Raises:
            NotFound: There is no such hold.
            Unreachable: No worker answers.
        """
        if not self.in_parts:
            return await super().refresh()
        self.state = await read_order(self._connection, self.name)
        return self.state

    async def _was_carried_out(
        self, sent: Command[M], message: M, key: str, numbered: Numbered | None, connection: Connection | None = None
    ) -> bool:
        if connection is not None or not self.in_parts:
            return await super()._was_carried_out(sent, message, key, numbered, connection)
        return await was_decided(
            self._connection,
            lambda each: self._was_carried_out(sent, message, key, numbered, each),
            by_all=sent.name == reservation.EXTEND.name,
        )

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
        return await self._ship(await self._message(reservation.FULFILL, performed_by=performed_by, **fields))

    async def fulfill_as(self, message: reservation.Fulfill) -> ReservationState:
        """Ship what a checked message says: `fulfill`, by the contract."""
        return await self._ship(message)

    async def _ship(self, message: reservation.Fulfill) -> ReservationState:
        number = message.fulfillment_id
        return await self._command(
            reservation.FULFILL,
            message,
            lambda last: message.lines is None and last.status is ReservationStatus.FULFILLED,
            None if number is None else Numbered(number, ReservationActivities.fulfill_reservation),
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

    async def record_cancellation(self, *, performed_by: str, reason: str) -> bool:
        """Leave a cancellation with the order's run, for when a worker comes; False: no run of it is open.

        Raises:
            Unreachable: Temporal doesn't answer.
        """
        message = await self._message(reservation.CANCEL, performed_by=performed_by, reason=reason)
        try:
            async with answer(self._what, self._connection.answer_within, if_lost=None):
                await self._handle.signal(reservation.CANCEL.name, message)
        except NotFound:
            return False
        return True

    async def last_seen(self, note: str) -> ReservationState:
        """The status of the order's run as Temporal has it, without asking a worker; ``note`` is added to it.

        Raises:
            Unreachable: Temporal doesn't answer.
        """
        status = await status_of_run(self._connection, self.process, self.reference_id)
        self.state = ReservationState(reference_id=self.reference_id, status=ReservationStatus(status), notes=[note])
        return self.state

    async def extend(self, *, performed_by: str, ttl_minutes: float) -> ReservationState:
        """Move the deadline to ``ttl_minutes`` from now.

        Raises:
            InvalidState: The stock is no longer held.
            Unreachable: No answer in time.
        """
        return await self._send(reservation.EXTEND, lambda _: False, performed_by=performed_by, ttl_minutes=ttl_minutes)

    async def held(self) -> ReservationState:
        """Wait until an order that waits for stock is held, and answer with its state; of any other at once.

        It waits until the end of the order's own wait, and ``answer_within`` more. The order keeps its place if nobody
        waits here.

        Raises:
            InsufficientStock: The wait is over, with the numbers of every item that is short then.
            InvalidState: The order was cancelled, or its hold has ended since.
            Unreachable: No answer in time.
        """
        if self.state.status is ReservationStatus.WAITING and self.state.waiting_until is not None:
            left = max(self.state.waiting_until - datetime.now(UTC), timedelta())
            # If its run has just ended, the database says how.
            with contextlib.suppress(DomainError, Interrupted, NotFound):
                async with answer(self._what, left + self._connection.answer_within, if_lost=None):
                    await self._handle.execute_update(reservation.RESERVED, result_type=ReservationState)
        state = await self.refresh()
        if state.status is ReservationStatus.REJECTED:
            raise self._names.in_words(shortage_of(state.shortages))
        if state.status not in (ReservationStatus.ACTIVE, ReservationStatus.FULFILLED):
            raise self.process.refusal(state.status, "reserve", self.name)
        return state

    async def ended(self) -> ReservationState:
        """Wait for the end of the hold, and answer with its state: shipped, released, expired, or never held.

        All who wait in one client share one question to a worker: a thousand holds cost no more than one. While nobody
        answers, it waits on.

        Raises:
            NotFound: There is no such hold.
            Unreachable: No worker answers at first.
        """
        about = f"order/{self.name}"
        async with waiters_of(self._connection).waiter(ENDS_OF_HOLDS, about) as waiter:
            state = await self.refresh()
            while not self.process.is_over(state.status):
                await waiter.called()
                state = await look_patiently(self.refresh)
        return state

    def _deadline(self) -> datetime | None:
        if self.state.status is ReservationStatus.WAITING:
            return self.state.waiting_until
        return self.state.expires_at if self.state.status is ReservationStatus.ACTIVE else None

    @staticmethod
    def _summary(request: ReservationRequest) -> str:
        return f"{request.summary} until {utc(datetime.now(UTC) + timedelta(minutes=request.ttl_minutes))}"

    @staticmethod
    def _terms(request: ReservationRequest) -> Mapping[str, object] | None:
        return None if request.hold_again else {"ttl_minutes": request.ttl_minutes}

    @staticmethod
    def _contents(document: ReservationRequest | ReservationState) -> object:
        return requested_lines(document.lines) if isinstance(document, ReservationState) else document.lines


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
        if self.connection.databases is not None:
            parts = await parts_by_database(self.connection, requested_lines(before.lines))
            if len(parts) > 1:
                asked = {"reference_id": reference_id, "performed_by": performed_by, "hold_again": True}
                request = checked(OrderInParts, parts=_as_sent(parts), **asked)
                return await Hold.begin_in_parts(self.connection, request, Names(), self.connection.answer_within)
        lines = [each.model_dump() for each in requested_lines(before.lines)]
        return await Hold.start(self.connection, reference_id, lines=lines, hold_again=True, performed_by=performed_by)

    async def cancel(self, reference_id: str, *, performed_by: str, reason: str) -> ReservationState:
        """Cancel an order, also one whose start nobody has answered yet.

        If no worker answers, the cancellation is recorded with the order's run, and is the first thing that a worker
        does with it: nothing is held then, not even for a moment; and what is held is released. A call that was given
        up before it reached Temporal has started nothing.

        Args:
            reference_id: The order's number.
            performed_by: The person or service that cancels.
            reason: Why.

        Returns:
            The state: CANCELLED; or, if no worker answers, the status that the order had when it was last seen, and a
            note that the cancellation is recorded.

        Raises:
            NotFound: No start of that order has reached Temporal.
            InvalidState: It has been fulfilled, has expired, or was rejected.
            Unreachable: Temporal itself doesn't answer.
        """
        hold = await Hold.unseen(self.connection, reference_id)
        asked = asyncio.create_task(hold.cancel(performed_by=performed_by, reason=reason))
        try:
            await asyncio.wait({asked}, timeout=_AT_ONCE.total_seconds())
            is_recorded = False
            if not asked.done() or isinstance(asked.exception(), Unreachable):
                is_recorded = await hold.record_cancellation(performed_by=performed_by, reason=reason)
            try:
                return await asked
            except Unreachable:
                if not is_recorded:
                    raise
                return await hold.last_seen("no worker has answered yet: the cancellation is recorded, and comes first")
        finally:
            asked.cancel()

    async def reserve(
        self,
        reference_id: str,
        lines: Sequence[Line],
        *,
        performed_by: str,
        ttl_minutes: float = 30,
        wait_minutes: float = 0,
        at_once: bool = False,
        not_after: datetime | Literal["answer"] | None = "answer",
        minimum_days_left: int | None = None,
    ) -> Hold:
        """Hold all of these lines until the deadline, or none of them; or wait for stock that is short.

        With ``wait_minutes`` an order that is short gets a place in the queue, and is held as soon as it is its turn
        and all of it is there. This call then waits with it, up to the end of the wait and ``answer_within`` more; with
        ``at_once`` it answers as soon as the order is held or has its place, and `Hold.held` waits for the rest.

        The reference makes it happen once: the same call again, after a lost answer or a crash, gives the same hold. A
        reference whose hold has ended isn't held again; an order that starts over needs a new one, such as ``1042-2``.
        After `InsufficientStock` the same reference may try again.

        Args:
            reference_id: The order's number.
            lines: Units of a product, in a warehouse or, without one, from anywhere: then one warehouse that has
                everything is chosen, or else the fewest, and of as many those that come first by their priority. The
                same product on two lines counts together.
            performed_by: The person or service that asks.
            ttl_minutes: How long to hold, counted from when it is held; may be a fraction.
            wait_minutes: How long to wait for stock; may be a fraction. 0: an order that is short is refused at once.
            at_once: Whether to answer with an order that waits, in status WAITING.
            not_after: The order isn't held later than this. ``"answer"``: for as long as this call waits for its
                answer, so that a shopper who has gone leaves no hold; this machine's clock has to be right. None:
                however late.
            minimum_days_left: Days that each unit of a tracked product must have left until it expires. None: what the
                product asks for.

        Raises:
            InsufficientStock: With the numbers of every item that is short, at the end of the wait if there is one.
                Nothing is held.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is held.
            OperationConflict: The reference was used for other lines.
            InvalidState: The reference's hold was cancelled or has expired, or its wait was cancelled; or its turn came
                later than ``not_after``, and nothing is held; or an earlier call has left it WAITING, and this one
                doesn't wait.
            Unreachable: No answer in time. It may be held, or wait: ask again.
        """
        within = self.connection.answer_within
        if not at_once:
            within += _minutes(wait_minutes)
        until = None if not_after == "answer" and at_once and wait_minutes else not_after
        if until == "answer":
            until = datetime.now(UTC) + within

        said = {"not_after": until, "minimum_days_left": minimum_days_left}
        fields: dict[str, object] = {name: value for name, value in said.items() if value is not None}
        parts, names = await self._parts(reference_id, lines, wait_minutes, ttl_minutes, performed_by, fields)

        async def ask() -> Hold:
            if parts is not None:
                return await Hold.begin_in_parts(self.connection, parts, names, within)
            return await Hold.start(
                self.connection,
                reference_id,
                asking=reservation.PLACED if at_once else None,
                within=within,
                lines=_spelled_out(lines),
                ttl_minutes=ttl_minutes,
                performed_by=performed_by,
                **({"wait_minutes": wait_minutes} if wait_minutes else {}),
                **fields,
            )

        try:
            return await ask()
        except Unreachable:
            if at_once or wait_minutes:
                raise
            # An order that an earlier call has left in the queue answers when it is held, and that may take hours.
            with contextlib.suppress(NotFound, Unreachable):
                state = (await self.hold(reference_id)).state
                if state.status is ReservationStatus.WAITING and state.waiting_until is not None:
                    message = (
                        f"order {reference_id} waits for stock until {utc(state.waiting_until)}, and isn't held yet"
                    )
                    raise InvalidState(f"{message}; `wait_minutes` waits with it", state.status, "reserve") from None
            raise
        except InvalidState as refusal:
            # An earlier call's run, which nobody waits for any more, may have been refused just now, for being late.
            if refusal.status != ReservationStatus.REJECTED or until is None or datetime.now(UTC) > until:
                raise
            return await ask()

    async def _parts(
        self,
        reference_id: str,
        lines: Sequence[Line],
        wait_minutes: float,
        ttl_minutes: float,
        performed_by: str,
        others: Mapping[str, object],
    ) -> tuple[OrderInParts | None, Names]:
        """The order by the databases that keep its warehouses, with the caller's names; None: one keeps them all.

        Raises:
            InvalidRequest: A line leaves the warehouse open; or the order may wait, and has lines in several.
            UnknownProduct, UnknownWarehouse: Nothing has that name.
            Unreachable: No worker answers.
        """
        if self.connection.databases is None:
            return None, Names()
        asked = {"reference_id": reference_id, "ttl_minutes": ttl_minutes, "performed_by": performed_by}
        request, names = await with_ids(self.connection, ReservationRequest, lines=_spelled_out(lines), **asked)
        parts = await parts_by_database(self.connection, request.lines)
        if len(parts) == 1:
            return None, names
        if wait_minutes:
            raise InvalidRequest(
                "wait_minutes: an order with lines in several databases doesn't wait for stock; send 0"
            )
        sent = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in others.items()}
        return checked(OrderInParts, parts=_as_sent(parts), **asked, **sent), names

    async def queue(self, *, sku: str | None = None, warehouse: str | None = None) -> list[WaitingShown]:
        """Who waits for what, in the order in which they are served: a line for each order and product.

        Args:
            sku: Only orders that wait for this product.
            warehouse: Only those that may get units of this warehouse, by its name.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowWaiting, product=sku, warehouse=warehouse)
        return [line async for line in pages(self.connection, SHOW_WAITING, asked)]


def _minutes(minutes: float) -> timedelta:
    """A wait's length, for a patience; one that the contract doesn't allow is refused before it matters."""
    return timedelta(minutes=min(max(minutes, 0), MAX_MINUTES)) if math.isfinite(minutes) else timedelta()


def _spelled_out(lines: object) -> object:
    """Lines that say so where they leave the warehouse open; what isn't a line is left as it is, to be refused."""
    if not isinstance(lines, Iterable):
        return lines
    return [
        {name: value for name, value in vars(line).items() if name != "lots" or value is not None}
        if isinstance(line, Line)
        else line
        for line in lines
    ]


def _as_sent(parts: Mapping[str, Sequence[ReservationLine]]) -> list[dict[str, object]]:
    """The lines of an order by the databases that keep their warehouses, as its start has them."""
    return [{"task_queue": queue, "lines": [line.model_dump() for line in of_part]} for queue, of_part in parts.items()]
