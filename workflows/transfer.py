"""The transfer: held at the source, in transit, and received at its destination."""

from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, ApproveDifference
from stockkeeper.contracts.giving_way import GIVE_WAY, GiveWay
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.transfer import (
    PROCESS,
    ApproveTransferDifferenceStep,
    CancelTransferStep,
    DispatchTransferStep,
    HoldTransferStep,
    ReceiveTransferStep,
    StoredTransfer,
    TransferActivities,
    WriteOffTransferStep,
    memo,
)
from stockkeeper.contracts.transfer_state import (
    CANCEL,
    DISPATCH,
    RECEIVE,
    WORKFLOW_TYPE,
    WRITE_OFF,
    CancelTransfer,
    Dispatch,
    ReceiveTransferred,
    TransferRequest,
    TransferState,
    WriteOff,
)
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.transfer import TRANSFER, TransferEvent, TransferStatus
from workflows import transfer_texts as texts
from workflows.commands import command, signal_of
from workflows.details import ended_by
from workflows.document import Shown, answer_to_start
from workflows.notices import Notices
from workflows.process import Carried, Stamp
from workflows.transfer_between_databases import TransferBetweenDatabases


class _Carried(Carried):
    transfer: StoredTransfer
    state: TransferState
    told_overdue_for: AwareDatetime | None  # The due time of the latest notice; the name is in recorded histories.


class _Stamp(Stamp):
    transfer_number: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class TransferWorkflow(TransferBetweenDatabases[_Stamp]):
    """Moves stock from one warehouse to another: hold, departures, receipts.

    Answers: update ``held`` (use it with update-with-start). Commands: ``dispatch``, ``receive``, ``write_off``,
    ``cancel``; and ``give_way``, sent by a correction that took away held stock. Ends RECEIVED, CANCELLED, or REJECTED
    when stock was short; a request that is wrong fails the run.
    """

    process = PROCESS

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(TransferState(), payload, texts.rejection_of)
        self._notices = Notices(self)
        self._overdue_noticed_for: AwareDatetime | None = None
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.continue_from(carried.state, carried.transfer, lines=len(carried.transfer.line_items))
            self._overdue_noticed_for = carried.told_overdue_for

    @workflow.run
    async def run(self, *_payload: Any) -> TransferState:
        """Hold the stock at the source, wait until all units are accounted for, and end."""
        return await self.live(self._hold, self._until_all_is_accounted_for)

    @answer_to_start("held", "Waits until the stock is held at the source; answers with the state.")
    async def held(self, *_payload: Any) -> TransferState:
        """The answer to the start.

        Raises:
            InsufficientStock: Nothing is held.
            InvalidState: The transfer has been cancelled.
        """
        state = await self.answer()
        if state.status is TransferStatus.CANCELLED:
            raise TRANSFER.refusal(state.status, "hold", of=self.number)
        return state

    @command(DISPATCH)
    async def dispatch(self, message: Dispatch, key: str) -> None:
        """Goods leave the source: all that is held, or the lines given. `{performed_by, lines, dispatch_id}`."""
        if message.lines is None and message.dispatch_id is None:
            has_left = self.state.dispatched_at is not None and self.state.status is not TransferStatus.CANCELLED
            if has_left and not self._holds_something():
                return  # Sent twice.
            if not has_left:
                self.require(TransferEvent.DISPATCH)
        elif self.stored is None:
            self.require(TransferEvent.DISPATCH)  # Rejected: the database has no such transfer.
        # Only the database knows whether a departure with a number has been booked; its repeat is right in any status.
        key = message.dispatch_id or key
        step = self.step_of(DispatchTransferStep, message, "dispatch", key, performed_by=message.performed_by)
        summary = f"dispatched by {message.performed_by}"
        if message.lines is not None:
            summary = f"{counted(sum(line.quantity for line in message.lines), 'unit')} {summary}"
        await self.apply(TransferActivities.dispatch_transfer, step, summary)

    @command(RECEIVE)
    async def receive(self, message: ReceiveTransferred, key: str) -> None:
        """Goods have arrived. `{receipt_id, performed_by, lines: [{product_id, quantity, damaged_quantity}]}`."""
        del key  # The receipt has a name of its own; only the database knows whether it was booked before.
        if self.stored is None:
            self.require(TransferEvent.RECEIVE)  # Rejected: the database has no such transfer.
        number, by = message.receipt_id, message.performed_by
        step = self.step_of(ReceiveTransferStep, message, "receive", number, performed_by=by)
        fit = sum(line.quantity for line in message.lines)
        damaged = sum(line.damaged_quantity for line in message.lines)
        summary = f"receipt {message.receipt_id}: {counted(fit, 'unit')}, {damaged} damaged"
        if message.unfit_reason is not None:
            summary += f": {message.unfit_reason}"
        await self.apply(TransferActivities.receive_transfer, step, summary)

    @command(WRITE_OFF)
    async def write_off(self, message: WriteOff, key: str) -> None:
        """Units in transit are lost: all of them, or the lines given. `{performed_by, reason, lines, write_off_id}`."""
        if message.lines is None and message.write_off_id is None:
            is_received = self.state.status is TransferStatus.RECEIVED
            if is_received and any(line.written_off for line in self.state.line_items):
                return  # Sent twice: nothing is missing any more.
            self.require(TransferEvent.WRITE_OFF)
        elif self.stored is None:
            self.require(TransferEvent.WRITE_OFF)  # Rejected: the database has no such transfer.
        key = message.write_off_id or key
        step = self.step_of(WriteOffTransferStep, message, "write_off", key, performed_by=message.performed_by)
        lost = "what is missing"
        if message.lines is not None:
            lost = counted(sum(line.quantity for line in message.lines), "unit")
        await self.apply(TransferActivities.write_off_transfer, step, f"write off {lost}: {message.reason}")

    @command(APPROVE_DIFFERENCE)
    async def approve_difference(self, message: ApproveDifference, key: str) -> None:
        """Units may be lost or damaged up to this worth in all. `{approver, value, unvalued_units, note}`."""
        self.require(TransferEvent.RECEIVE, APPROVE_DIFFERENCE.name)
        activity = TransferActivities.approve_transfer_difference
        await self.approve_up_to(activity, ApproveTransferDifferenceStep, message, key)

    @command(CANCEL)
    async def cancel(self, message: CancelTransfer, key: str) -> None:
        """Releases the hold; units in transit go back to the source. `{performed_by, reason}`."""
        summary = ended_by(TransferEvent.CANCEL, message.performed_by, message.reason)
        await self._cancel(TransferEvent.CANCEL, message, key, summary)

    @command(GIVE_WAY)
    async def give_way(self, message: GiveWay, key: str) -> None:
        """Held stock is missing: a line has ended, and the transfer with it. `{performed_by, reason}`."""
        if await self._cancel(TransferEvent.GIVE_WAY, message, key, f"its hold gave way: {message.reason}"):
            self.note(f"the hold gave way: {message.reason}")

    async def _cancel(self, event: TransferEvent, message: CancelTransfer | GiveWay, key: str, summary: str) -> bool:
        """Cancel the transfer, and return whether this command did it: it may have been sent twice.

        If its hold gave way after a part had left, that part goes on.
        """
        if self.state.status is TransferStatus.CANCELLED:
            return False
        if event is TransferEvent.GIVE_WAY and self._rest_has_ended():
            return False
        if not (event is TransferEvent.GIVE_WAY and self._holds_something()):
            self.require(event)
        step = CancelTransferStep(
            **self.step_stamp(event, key, performed_by=message.performed_by),
            reason=message.reason,
            gave_way=event is TransferEvent.GIVE_WAY,
        )
        await self.apply(TransferActivities.cancel_transfer, step, summary)
        return True

    def _holds_something(self) -> bool:
        """Whether units are still held at the source after a part has left."""
        return any(line.held for line in self.state.line_items)

    def _rest_has_ended(self) -> bool:
        """Whether units that never left aren't held any more."""
        lines = self.state.line_items
        return bool(self.state.departures) and any(line.dispatched < line.quantity and not line.held for line in lines)

    async def _hold(self) -> None:
        """Check the start, store the transfer, and hold its lines at the source."""
        request = self.read_start(TransferRequest)
        self.lines = len(request.line_items)
        step = self.step_of(HoldTransferStep, request, "hold", performed_by=request.requested_by)
        await self.apply(TransferActivities.hold_transfer, step, f"hold {counted(self.lines, 'line')} at the source")

    async def _until_all_is_accounted_for(self) -> None:
        """Take commands until nothing is held and nothing in transit; send one notice when it is overdue."""
        while not self.is_over and not self.history_is_long:
            due = self._due_at()
            overdue = await self.wait_until(
                None if due == self._overdue_noticed_for else due,
                unless=lambda: self.is_over or self._due_at() != due,  # noqa: B023 - waited for right here
                summary=f"overdue from {utc(due)}" if due else "",
            )
            # Its last units may have arrived in the very task in which the time came.
            if overdue and self.stored is not None and not self.is_over:
                self._overdue_noticed_for = due
                self._notices.send(texts.overdue(self.stored))

    def _due_at(self) -> AwareDatetime | None:
        """The instant from which units in transit are overdue; None: nothing is in transit, or it never is."""
        return self.state.due_at if self.stored is not None and self.stored.in_transit else None

    def carried(self, stored: StoredTransfer) -> _Carried:
        """The input of the next run."""
        return _Carried(
            transfer=stored,
            state=self.state,
            told_overdue_for=self._overdue_noticed_for,
            signals=self.signals,
        )

    def changed(self, before: StoredTransfer | None, stored: StoredTransfer) -> None:
        """Send notices about damaged and missing goods."""
        if before is not None:
            self._notices.send(*texts.news(before, stored))

    def shown(self, stored: StoredTransfer) -> Shown:
        """The run as people see and find it."""
        due = stored.due_at if stored.in_transit else None
        places = [stored.from_warehouse, stored.to_warehouse]
        text = texts.details_of(self.state, stored, is_overdue=due is not None and due == self._overdue_noticed_for)
        return Shown(text, stored.line_items, places, deadline=due, memo=memo(stored))

    # The signals of the commands.
    dispatch_signal = signal_of(dispatch)
    receive_signal = signal_of(receive)
    write_off_signal = signal_of(write_off)
    approve_difference_signal = signal_of(approve_difference)
    cancel_signal = signal_of(cancel)
    give_way_signal = signal_of(give_way)
