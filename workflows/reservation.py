"""The reservation: stock held for an order until it leaves, is given back, or the deadline comes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.giving_way import GIVE_WAY, GiveWay
from stockkeeper.contracts.messages import parse, utc
from stockkeeper.contracts.reservation import (
    CANCEL,
    EXTEND,
    FULFILL,
    WORKFLOW_TYPE,
    Cancel,
    EndedStatus,
    Extend,
    ExtendReservationStep,
    Fulfill,
    FulfillReservationStep,
    HeldLineState,
    Holding,
    ReleaseReservationStep,
    ReservationActivities,
    ReservationLineState,
    ReservationRequest,
    ReservationState,
    ReserveStockStep,
    workflow_id,
)
from stockkeeper.contracts.stock import shortages_of
from stockkeeper.domain.errors import DomainError, InsufficientStock, InvalidRequest, InvalidState
from stockkeeper.domain.reservation import RESERVATION, ReservationEvent, ReservationStatus
from workflows.commands import command, handler_of, signal_of
from workflows.details import details, table
from workflows.process import Carried, Process
from workflows.reordering import ask_for_reorder
from workflows.steps import write

_ENDED_EMPTY = (ReservationStatus.CANCELLED, ReservationStatus.EXPIRED)


class _Carried(Carried):
    holding: Holding
    notes: list[str]


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ReservationWorkflow(Process[ReservationState]):
    """Holds stock for one order: all of its lines, or none, until one deadline.

    Answers: update ``reserved`` (use it with update-with-start). Commands: ``fulfill``, ``cancel``, ``extend``; and
    ``give_way``, by which it is told that what it holds isn't there. Ends FULFILLED, CANCELLED, EXPIRED, or REJECTED
    when the stock wasn't there; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(ReservationState(), payload)
        self._shortage: InsufficientStock | None = None
        self._holding: Holding | None = None
        self._requested_by = ""
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self._holding = carried.holding
            self.state.notes = carried.notes
            self._read_request()

    @workflow.run
    async def run(self, *payload: Any) -> ReservationState:
        """Hold the stock, serve commands until nothing is held any more, and release at the deadline."""
        del payload  # It was taken at init, so that commands that come first see it too.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if self.state.status is ReservationStatus.ACTIVE:
            self._continue_in_another_run()
        return await self.ended()

    @workflow.update(name="reserved", description="Waits until the stock is held, and answers with the state.")
    async def reserved(self, *payload: Any) -> ReservationState:
        """The answer to the start.

        Raises:
            InsufficientStock: Nothing is held.
            InvalidState: The reference was held before, and its hold was cancelled or has expired.
        """
        del payload  # Takes none; a client that sends null or {} means the same.
        await self.answer_to_start()
        if self._shortage is not None:
            raise self._shortage
        if self.state.status in _ENDED_EMPTY:
            raise RESERVATION.refusal(self.state.status, "reserve", of=self.state.reference_id)
        return self.state

    @command(FULFILL)
    async def fulfill(self, message: Fulfill, key: str) -> None:
        """Goods leave: all that is left, or the lines given. `{performed_by, lines, fulfillment_id}`."""
        if self.state.status is ReservationStatus.FULFILLED and message.lines is None:
            return  # Everything has left: sent twice, that is what was wanted.
        if message.fulfillment_id is None:
            self._require(ReservationEvent.FULFILL)
        # A shipment with a name may be one that has left already, and then its repeat is right in any status. Only the
        # database knows.
        step = FulfillReservationStep(
            operation_id=self.operation("fulfill", message.fulfillment_id or key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            reference_type=self.state.reference_type,
            reference_id=self.state.reference_id,
            lines=message.lines,
        )
        units = "all that is left" if message.lines is None else f"{sum(line.quantity for line in message.lines)} units"
        self._take_over(await write(ReservationActivities.fulfill_reservation, step, f"fulfil {units}"))

    @command(CANCEL)
    async def cancel(self, message: Cancel, key: str) -> None:
        """Gives the stock back. `{performed_by, reason}`."""
        if self.state.status is ReservationStatus.CANCELLED:
            return
        self._require(ReservationEvent.CANCEL)
        await self._release(ReservationStatus.CANCELLED, message.performed_by, message.reason, "cancel", key)

    @command(EXTEND)
    async def extend(self, message: Extend, key: str) -> None:
        """Moves the deadline, counted from now. `{performed_by, ttl_minutes}`."""
        self._require(ReservationEvent.EXTEND)
        step = ExtendReservationStep(
            operation_id=self.operation("extend", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            reference_type=self.state.reference_type,
            reference_id=self.state.reference_id,
            ttl_minutes=message.ttl_minutes,
            expires_at=workflow.now() + timedelta(minutes=message.ttl_minutes),
        )
        self._take_over(
            await write(ReservationActivities.extend_reservation, step, f"extend until {utc(step.expires_at)}")
        )

    @command(GIVE_WAY)
    async def give_way(self, message: GiveWay, key: str) -> None:
        """What was promised isn't there: a line has ended, and the rest goes back. `{performed_by, reason}`."""
        if self.state.status is ReservationStatus.CANCELLED:
            return
        self._require(ReservationEvent.GIVE_WAY)
        await self._release(
            ReservationStatus.CANCELLED, message.performed_by, message.reason, "give_way", key, gave_way=True
        )
        self.note(f"the hold gave way: {message.reason}")

    fulfill_signal = signal_of(fulfill)
    cancel_signal = signal_of(cancel)
    extend_signal = signal_of(extend)
    give_way_signal = signal_of(give_way)

    async def _give_up(self) -> None:
        """What a cancelled workflow holds goes back, as by the command."""
        message = Cancel(performed_by="operator", reason="the workflow was cancelled")
        await self.carry_out(handler_of(ReservationWorkflow.cancel), message, "workflow-cancelled")

    async def _run_process(self) -> None:
        if self._holding is None:
            try:
                await self._hold()
            except InsufficientStock as shortage:
                self._reject(shortage)
            except DomainError as failure:
                await self.failed(failure)
        else:
            self._take_over(self._holding)
        self.start_answered()
        if self.state.status is ReservationStatus.EXPIRED:
            # A hold that was over when this run found it: a buyer may have released no more of it than they needed.
            await self._expire()
        while self.state.status is ReservationStatus.ACTIVE:
            if self.history_is_long:
                # Many parcels make a long history. Commands that are under way are answered first.
                await workflow.wait_condition(self.drained)
                return
            await self._until_the_deadline()
        await self._release_the_rest()

    async def _hold(self) -> None:
        request = self._read_request()
        self.state.lines = [
            ReservationLineState(
                reservation_id=None,
                product_id=line.product_id,
                warehouse_id=line.warehouse_id,
                quantity=line.quantity,
            )
            for line in request.lines
        ]
        self.require_workflow_id(workflow_id(request.reference_id), of="reference")
        _require_served(request)
        step = ReserveStockStep(
            operation_id=self.operation("reserve"),
            performed_by=request.performed_by,
            as_of=workflow.now(),
            reference_type=request.reference_type,
            reference_id=request.reference_id,
            lines=request.lines,
            expires_at=workflow.now() + timedelta(minutes=request.ttl_minutes),
        )
        summary = f"hold {len(request.lines)} lines until {utc(step.expires_at)}"
        self._take_over(await write(ReservationActivities.reserve_stock, step, summary))

    async def _until_the_deadline(self) -> None:
        """Wait for commands to end the hold or move its deadline; at the deadline, release it."""
        deadline = self.state.expires_at
        if deadline is None:
            message = f"reservation {self.state.reference_id} has no deadline and can't expire"
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
        """Let the other lines follow one that somebody else has ended.

        Whoever did so tells this run; but a hold that is found again, or a shipment that is sent again, may say it
        first.
        """
        async with self.command_lock:
            if self._holding is None or not self._holding.rest_is_held:
                return
            if self.state.status is ReservationStatus.EXPIRED:
                await self._expire()
                return
            reason = "a line of it gave way"
            await self._release(ReservationStatus.CANCELLED, self._requested_by, reason, "give_way", gave_way=True)
            self.note("the hold gave way: what it was promised isn't there")

    async def _release(
        self, status: EndedStatus, performed_by: str, reason: str, *step_name: str, gave_way: bool = False
    ) -> None:
        step = ReleaseReservationStep(
            operation_id=self.operation(*step_name),
            performed_by=performed_by,
            as_of=workflow.now(),
            reference_type=self.state.reference_type,
            reference_id=self.state.reference_id,
            status=status,
            reason=reason,
            gave_way=gave_way,
        )
        self._take_over(await write(ReservationActivities.release_reservation, step, f"release: {reason}"))

    def _read_request(self) -> ReservationRequest:
        request = parse(ReservationRequest, self.payload if self._holding is None else self.payload[:1])
        self._requested_by = request.performed_by
        self.state.reference_type = request.reference_type
        self.state.reference_id = request.reference_id
        return request

    def _continue_in_another_run(self) -> NoReturn:
        """What is held, the notes and a number are all there is to hand over."""
        holding = self._holding
        if holding is None:
            message = f"reservation {self.state.reference_id} holds nothing to carry into another run"
            raise InvalidState(message, str(self.state.status), "continue")
        self.continue_in_another_run(_Carried(holding=holding, notes=self.state.notes, signals=self.signals))

    def _reject(self, shortage: InsufficientStock) -> None:
        self.state.status = RESERVATION.next(self.state.status, ReservationEvent.REJECT)
        self._shortage = shortage
        self.state.shortages = shortages_of(shortage)
        self.note(f"rejected: {shortage.message}")
        self.publish()

    def _require(self, event: ReservationEvent) -> None:
        RESERVATION.next(self.state.status, event, of=self.state.reference_id)

    def _take_over(self, holding: Holding) -> None:
        """What the database says is how it is."""
        if holding.fell_below:
            self.in_background(ask_for_reorder())
        self._holding = holding.model_copy(update={"fell_below": False})
        self.state.status = holding.status
        self.state.expires_at = holding.expires_at
        self.state.lines = [ReservationLineState.model_validate(line.model_dump()) for line in holding.lines]
        self.publish()

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        held = self._holding.lines if self._holding else []
        self.show(
            _details(self.state, held),
            [
                search_attributes.STATUS.value_set(self.state.status),
                search_attributes.REFERENCE.value_set(search_attributes.keyword(self.state.reference_id)),
                search_attributes.SKUS.value_set(search_attributes.keywords(line.sku for line in held)),
                search_attributes.WAREHOUSES.value_set(search_attributes.keywords(line.warehouse for line in held)),
                *([search_attributes.DEADLINE.value_set(self.state.expires_at)] if self.state.expires_at else []),
            ],
        )


def _require_served(request: ReservationRequest) -> None:
    """What the contract has and this version can't do yet is refused, rather than done otherwise."""
    if request.wait_minutes:
        raise InvalidRequest("wait_minutes: waiting for stock isn't served yet; send 0")
    if any(line.warehouse_id is None for line in request.lines):
        raise InvalidRequest("warehouse_id: choosing the warehouse isn't served yet; name one on each line")


def _details(state: ReservationState, held: Sequence[HeldLineState]) -> str:
    """The run in a few lines of Markdown: where it stands, what it holds, what comes next."""
    of = f"{state.reference_type.lower()} {state.reference_id}"
    until = f" until {utc(state.expires_at)}" if state.expires_at else ""
    told = {
        ReservationStatus.ACTIVE: f"Stock is held for {of}{until}. Next: `fulfill`, `cancel` or `extend`; "
        "otherwise it is released at the deadline.",
        ReservationStatus.FULFILLED: f"Everything has left for {of}.",
        ReservationStatus.CANCELLED: f"Cancelled: nothing is held for {of} any more.",
        ReservationStatus.EXPIRED: f"The deadline came: nothing is held for {of} any more.",
        ReservationStatus.REJECTED: f"Out of stock: nothing was held for {of}.",
    }
    rows = [(line.sku, line.warehouse, line.quantity, line.quantity_fulfilled) for line in held] or [
        # Nothing is held, so nobody has looked up what people call it.
        (f"product {line.product_id}", f"warehouse {line.warehouse_id}", line.quantity, 0)
        for line in state.lines
    ]
    lines = table(["product", "warehouse", "#ordered", "#shipped"], rows)
    return details(state.status, told.get(state.status, ""), lines, state.notes)
