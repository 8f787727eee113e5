"""The reservation: stock held for an order until it leaves, is given back, or the deadline comes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from temporalio import workflow
from temporalio.common import RawValue

from stockkeeper.contracts.giving_way import GIVE_WAY, GiveWay
from stockkeeper.contracts.messages import Message, counted, parse, utc
from stockkeeper.contracts.reservation import (
    CANCEL,
    EXTEND,
    FULFILL,
    PLACED,
    PROCESS,
    RELEASE,
    RESERVED,
    STOCK_CAME,
    WORKFLOW_TYPE,
    Cancel,
    EndedStatus,
    Extend,
    ExtendReservationStep,
    Fulfill,
    FulfillReservationStep,
    HoldAgainStep,
    Holding,
    LowerReservationStep,
    Release,
    ReleaseReservationStep,
    ReservationActivities,
    ReservationLineState,
    ReservationRequest,
    ReservationState,
    ReserveStockStep,
    ServeWaitingStep,
)
from stockkeeper.contracts.stock import shortage_of
from stockkeeper.domain.errors import DomainError, InvalidRequest, InvalidState, NotPermitted
from stockkeeper.domain.reservation import RESERVATION, ReservationEvent, ReservationStatus, too_late
from workflows import reservation_texts as texts
from workflows.commands import command, signal_of
from workflows.document import Shown, StockDocument, answer_to_start
from workflows.identity import Brought
from workflows.patches import WITHDRAWN
from workflows.process import Carried, Handler, Stamp

M = TypeVar("M", bound=Message)
_ENDED_EMPTY = (ReservationStatus.CANCELLED, ReservationStatus.EXPIRED)


class _Carried(Carried):
    holding: Holding
    notes: list[str]


class _Stamp(Stamp):
    reference_type: str
    reference_id: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ReservationWorkflow(StockDocument[ReservationState, Holding, _Stamp]):
    """Holds stock for one order: all of its lines, or none, until one deadline. It may wait for stock that is short.

    Answers: update ``reserved`` (use it with update-with-start), or ``placed``, which doesn't wait for the end of a
    wait. Commands: ``fulfill``, ``release``, ``cancel``, ``extend``; and ``give_way``, sent by a correction that took
    away held stock. Signal ``stock_came``: an order that waits looks whether it is its turn. Ends FULFILLED, CANCELLED,
    EXPIRED, or REJECTED when stock was short; a request that is wrong fails the run.
    """

    process = PROCESS
    tries_anew: ClassVar[bool] = False
    """Whether each run makes an attempt of its own to hold the lines, also of an order that doesn't wait."""

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(ReservationState(), payload, texts.details_of)
        self._requested_by = ""
        self._stock_came = False
        self._looks = 0
        self._first_command: tuple[Message, str, Brought | None] | None = None
        self._told: set[float] = set()
        self._why = ""
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            # The state follows from the start, the notes and the database's answer.
            self.state.notes = carried.notes
            self._read_request(self.requested(self.payload[:1]))
            self.continue_from(self.state, carried.holding, lines=0)

    @workflow.run
    async def run(self, *_payload: Any) -> ReservationState:
        """Hold the stock, wait until it has left or the deadline comes, and end."""
        return await self.live(
            self._hold, self._until_it_waits_no_more, self._until_nothing_is_held, self._release_the_rest
        )

    @answer_to_start(RESERVED, "Waits until the stock is held, or its wait is over, and answers with the state.")
    async def reserved(self, *payload: Any) -> ReservationState:
        """The answer to the start, once it is settled. A repeat may say what it asks for: `{ttl_minutes}`.

        Raises:
            InsufficientStock: Nothing is held.
            InvalidState: The reference was held before, and its hold was cancelled or has expired; or its wait was
                cancelled.
        """
        state = await self.answer()
        if state.status is ReservationStatus.WAITING:
            await workflow.wait_condition(lambda: state.status is not ReservationStatus.WAITING)
            self.require_stock()
        return self._held_or_waiting(payload)

    @answer_to_start(PLACED, "Waits until the stock is held or the order has its place in the queue.")
    async def placed(self, *payload: Any) -> ReservationState:
        """The answer to the start at once, which may be WAITING. Raises what ``reserved`` does."""
        await self.answer()
        return self._held_or_waiting(payload)

    def _held_or_waiting(self, asked: Sequence[object]) -> ReservationState:
        if self.state.status in _ENDED_EMPTY:
            raise RESERVATION.refusal(self.state.status, "reserve", of=self.number)
        self._note_other_terms(asked)
        return self.state

    @workflow.signal(name=STOCK_CAME, description="Stock may have come that the order waits for: it looks.")
    def stock_came(self, *_payload: RawValue) -> None:
        """Let an order that waits look whether it is its turn. Any other isn't concerned."""
        self._stock_came = True

    @command(FULFILL)
    async def fulfill(self, message: Fulfill, key: str) -> None:
        """Goods leave: all that is left, or the lines given. `{performed_by, lines, fulfillment_id}`."""
        if self.state.status is ReservationStatus.FULFILLED and message.lines is None:
            return  # Sent twice: everything has left.
        if message.fulfillment_id is None or self._waits:
            self.require(ReservationEvent.FULFILL)
        # Only the database knows whether a shipment with a name has left already; its repeat is right in any status.
        key = message.fulfillment_id or key
        step = self.step_of(FulfillReservationStep, message, "fulfill", key, performed_by=message.performed_by)
        units = "all that is left"
        if message.lines is not None:
            units = counted(sum(line.quantity for line in message.lines), "unit")
        await self.apply(ReservationActivities.fulfill_reservation, step, f"fulfil {units}")

    @command(RELEASE)
    async def release(self, message: Release, key: str) -> None:
        """A part isn't needed any more, and becomes available. `{performed_by, reason, lines, release_id}`."""
        if message.release_id is None or self._waits:
            self.require(ReservationEvent.RELEASE)
        # As for a shipment: only the database knows whether a release with a name has been done.
        key = message.release_id or key
        step = self.step_of(LowerReservationStep, message, "release", key, performed_by=message.performed_by)
        units = counted(sum(line.quantity for line in message.lines), "unit")
        self._why = f"By {message.performed_by}: {message.reason}"
        await self.apply(ReservationActivities.lower_reservation, step, f"release {units}: {message.reason}")

    @command(CANCEL)
    async def cancel(self, message: Cancel, key: str) -> None:
        """Gives the stock back. `{performed_by, reason}`."""
        await self._cancel(ReservationEvent.CANCEL, message, key)

    @command(EXTEND)
    async def extend(self, message: Extend, key: str) -> None:
        """Moves the deadline, counted from now. `{performed_by, ttl_minutes}`."""
        self.require(ReservationEvent.EXTEND)
        step = ExtendReservationStep(
            **self.step_stamp("extend", key, performed_by=message.performed_by),
            ttl_minutes=message.ttl_minutes,
            expires_at=workflow.now() + timedelta(minutes=message.ttl_minutes),
        )
        await self.apply(ReservationActivities.extend_reservation, step, f"extend until {utc(step.expires_at)}")

    @command(GIVE_WAY)
    async def give_way(self, message: GiveWay, key: str) -> None:
        """Promised stock is missing: a line has ended, and the other lines are released. `{performed_by, reason}`."""
        if await self._cancel(ReservationEvent.GIVE_WAY, message, key):
            self.note(f"the hold gave way: {message.reason}")

    async def _cancel(self, event: ReservationEvent, message: Cancel | GiveWay, key: str) -> bool:
        """Release the hold, and return whether this command did it: it may have been sent twice."""
        if self.state.status is ReservationStatus.CANCELLED:
            return False
        self.require(event)
        gave_way = event is ReservationEvent.GIVE_WAY
        by, reason = message.performed_by, message.reason
        await self._release(ReservationStatus.CANCELLED, by, reason, event, key, gave_way=gave_way)
        return True

    async def carry_out(self, handler: Handler[M], message: M, key: str, brought: Brought | None = None) -> None:
        """Carry out a command in its turn; the first one is known before the start is decided."""
        if self._first_command is None:
            self._first_command = message, key, brought
        await super().carry_out(handler, message, key, brought)

    async def _hold(self) -> None:
        """Check the start, and hold its lines, unless it was cancelled before."""
        request = self.requested(self.payload)
        self._read_request(request)
        self.state.lines = [
            ReservationLineState(
                reservation_id=None,
                product_id=line.product_id,
                warehouse_id=line.warehouse_id,
                quantity=line.quantity,
            )
            for line in request.lines
        ]
        self.require_workflow_id(PROCESS.id_of(request.reference_id), of="reference")
        _require_served(request)
        if request.hold_again:
            # One attempt a run: when it gives way again, another run may hold it again.
            again = HoldAgainStep(
                **self.step_stamp("hold_again", workflow.info().run_id, performed_by=request.performed_by),
                lines=request.lines,
            )
            await self.apply(ReservationActivities.hold_again, again, "hold again what gave way")
            return
        if await self._is_withdrawn():
            return
        now = workflow.now()
        # A wait that ends without a hold is no reason to refuse another one: it is one attempt a run, too.
        run = (workflow.info().run_id,) if request.wait_minutes or self.tries_anew else ()
        step = ReserveStockStep(
            **self.step_stamp("reserve", *run, performed_by=request.performed_by),
            lines=request.lines,
            expires_at=now + timedelta(minutes=request.ttl_minutes),
            waiting_until=_end_of_wait(request, now),
            not_after=request.not_after,
            minimum_days_left=request.minimum_days_left,
        )
        summary = f"hold {counted(len(request.lines), 'line')} until {utc(step.expires_at)}"
        if step.waiting_until is not None:
            summary += f", or wait for stock until {utc(step.waiting_until)}"
        try:
            await self.apply(ReservationActivities.reserve_stock, step, summary)
        except InvalidState as refusal:
            # It was asked for too late.
            self.end_rejected(refusal)

    def requested(self, payload: Sequence[Any]) -> ReservationRequest:
        """The checked start.

        Raises:
            InvalidRequest: It is wrong.
        """
        return parse(ReservationRequest, payload)

    def may_have_been_done(self) -> bool:
        """As for any document; nothing is done for an order that waits."""
        return not self._waits and super().may_have_been_done()

    @property
    def _waits(self) -> bool:
        return self.state.status is ReservationStatus.WAITING

    @property
    def history_is_long(self) -> bool:
        """Whether to continue in another run; not as long as somebody waits for the answer of an order that waits."""
        return super().history_is_long and (not self._waits or self.drained())

    async def _until_it_waits_no_more(self) -> None:
        """Look whenever stock may have come, until the order is held; at the end of the wait, for the last time."""
        while self._waits and not self.history_is_long:
            until = self.state.waiting_until
            is_last = await self.wait_until(
                until,
                unless=lambda: self._stock_came or not self._waits,
                summary=f"wait for stock ends {utc(until)}" if until else "",
            )
            async with self.command_lock:
                if self._waits and (self._stock_came or is_last):
                    await self._look(is_last=is_last)

    async def _look(self, *, is_last: bool) -> None:
        """Hold the lines, if it is the order's turn."""
        self._stock_came = False
        self._looks += 1
        request = self.requested(self.payload[:1])
        step = ServeWaitingStep(
            **self.step_stamp("serve", workflow.info().run_id, str(self._looks), performed_by=self._requested_by),
            lines=request.lines,
            expires_at=workflow.now() + timedelta(minutes=request.ttl_minutes),
            is_last=is_last,
            not_after=request.not_after,
            minimum_days_left=request.minimum_days_left,
        )
        summary = "the wait is over: hold it now or reject it" if is_last else f"hold it until {utc(step.expires_at)}"
        try:
            await self.apply(ReservationActivities.serve_waiting, step, summary)
        except DomainError as refusal:
            self.note(f"can't be held: {refusal.message}")
            if is_last:
                await self._release(ReservationStatus.CANCELLED, self._requested_by, refusal.message, "end_wait")
            return
        if self.state.status is ReservationStatus.REJECTED:
            late = too_late(self.number, request.not_after, workflow.now())
            self.keep_refusal(shortage_of(self.state.shortages) if self.state.shortages else late)

    async def _is_withdrawn(self) -> bool:
        """Whether the order is cancelled before anything else is done: nothing is held then, not even for a moment.

        An earlier run may have left a hold, which is released.
        """
        message, key, brought = self._first_command or (None, "", None)
        if not isinstance(message, Cancel) or not workflow.patched(WITHDRAWN):
            return False
        try:
            message = await self.vouched(CANCEL.name, message, brought)
        except NotPermitted:
            return False  # It is refused when its turn comes.
        event = ReservationEvent.CANCEL
        try:
            await self._release(ReservationStatus.CANCELLED, message.performed_by, message.reason, event, key)
        except InvalidState as refusal:
            if refusal.status != ReservationStatus.REJECTED:
                return False  # It has ended in another way: the look for its hold says how.
            self.state.status = RESERVATION.next(self.state.status, event)
            self.note(f"cancelled before anything was held: {message.reason}")
            self.publish()
        return True

    def _note_other_terms(self, payload: Sequence[object]) -> None:
        """Note that a repeat of the start asks for another time to hold, which a hold that is there doesn't take."""
        asked = payload[0] if len(payload) == 1 and isinstance(payload[0], dict) else {}
        minutes, until = asked.get("ttl_minutes"), self.state.expires_at
        if not isinstance(minutes, int | float) or self.state.status is not ReservationStatus.ACTIVE or until is None:
            return
        first = self.payload[0].get("ttl_minutes", ReservationRequest.model_fields["ttl_minutes"].default)
        if minutes != first and minutes not in self._told:
            self._told.add(minutes)
            self.note(f"asked for again for {minutes:g} minutes: it is held until {utc(until)}; `extend` moves that")

    async def _until_nothing_is_held(self) -> None:
        """Take commands until they have ended the hold; at the deadline, release it."""
        if self.state.status is ReservationStatus.EXPIRED:
            # The hold was over when this run found it; a buyer may have released no more of it than they needed.
            await self._expire()
        while self.state.status is ReservationStatus.ACTIVE and not self.history_is_long:
            await self._until_the_deadline()

    async def _until_the_deadline(self) -> None:
        """Wait for commands to end the hold or move its deadline; at the deadline, release it."""
        deadline = self.state.expires_at
        if deadline is None:
            message = f"reservation {self.number} has no deadline and can't expire"
            raise InvalidState(message, str(self.state.status), "expire")
        over = await self.wait_until(
            deadline,
            unless=lambda: self.state.status is not ReservationStatus.ACTIVE or self.state.expires_at != deadline,
            summary=f"hold ends {utc(deadline)}",
        )
        if over:
            async with self.command_lock:
                # A command that was under way at the deadline has finished by now, and may have won.
                if self.state.status is ReservationStatus.ACTIVE and self.state.expires_at == deadline:
                    await self._expire()

    async def _expire(self) -> None:
        await self._release(ReservationStatus.EXPIRED, self._requested_by, "the deadline came", "expire")

    async def _release_the_rest(self) -> None:
        """Release the other lines of a hold of which another process has ended one.

        That process sends ``give_way``; but a hold that is found again, or a shipment that is sent again, may show it
        earlier.
        """
        async with self.command_lock:
            if self.stored is None or not self.stored.rest_is_held:
                return
            if self.state.status is ReservationStatus.EXPIRED:
                await self._expire()
                return
            reason = "a line of it gave way"
            await self._release(ReservationStatus.CANCELLED, self._requested_by, reason, "give_way", gave_way=True)
            self.note("the hold gave way: its stock is missing")

    async def _release(
        self, status: EndedStatus, performed_by: str, reason: str, *step_name: str, gave_way: bool = False
    ) -> None:
        self._why = f"By {performed_by}: {reason}"
        step = ReleaseReservationStep(
            **self.step_stamp(*step_name, performed_by=performed_by),
            status=status,
            reason=reason,
            gave_way=gave_way,
        )
        await self.apply(ReservationActivities.release_reservation, step, f"release: {reason}")

    def _read_request(self, request: ReservationRequest) -> None:
        self._requested_by = request.performed_by
        self.state.reference_type = request.reference_type
        self.state.reference_id = request.reference_id

    def step_stamp(self, *step: str, performed_by: str) -> _Stamp:
        """The fields that every step of it has: those of `stamp`, and the order."""
        return {
            **self.stamp(*step, performed_by=performed_by),
            "reference_type": self.state.reference_type,
            "reference_id": self.state.reference_id,
        }

    def carried(self, stored: Holding) -> _Carried:
        """The input of the next run."""
        return _Carried(holding=stored, notes=self.state.notes, signals=self.signals)

    def shown(self, stored: Holding) -> Shown:
        """The run as people see and find it."""
        warehouses = [line.warehouse for line in stored.lines]
        text = texts.details_of(self.state, stored.lines, self._why)
        deadline = self.state.waiting_until if self._waits else self.state.expires_at
        return Shown(text, stored.lines, [each for each in warehouses if each], deadline=deadline)

    # The signals of the commands.
    fulfill_signal = signal_of(fulfill)
    release_signal = signal_of(release)
    cancel_signal = signal_of(cancel)
    extend_signal = signal_of(extend)
    give_way_signal = signal_of(give_way)


def _require_served(request: ReservationRequest) -> None:
    """Refuse what the contract has and this version can't do yet."""
    if request.wait_minutes and request.hold_again:
        raise InvalidRequest("wait_minutes: what is held again doesn't wait for stock; send 0")


def _end_of_wait(request: ReservationRequest, now: datetime) -> datetime | None:
    """Until when an order waits that is short; None: not at all."""
    if not request.wait_minutes:
        return None
    end = now + timedelta(minutes=request.wait_minutes)
    return end if request.not_after is None else min(end, request.not_after)
