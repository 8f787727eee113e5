"""The transfer: held at the source, on its way, and at its destination."""

from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.giving_way import GiveWay
from stockkeeper.contracts.messages import counted, parse, utc
from stockkeeper.contracts.notice import Notice
from stockkeeper.contracts.stock import shortages_of
from stockkeeper.contracts.transfer import (
    WORKFLOW_TYPE,
    CancelTransfer,
    CancelTransferStep,
    Dispatch,
    DispatchTransferStep,
    HoldTransferStep,
    ReceiveTransferred,
    ReceiveTransferStep,
    StoredTransfer,
    TransferActivities,
    TransferLineState,
    TransferRequest,
    TransferState,
    WriteOff,
    WriteOffTransferStep,
    memo,
    workflow_id,
)
from stockkeeper.domain.errors import DomainError, InsufficientStock, InvalidState
from stockkeeper.domain.transfer import TRANSFER, TransferEvent, TransferStatus
from workflows import transfer_texts as texts
from workflows.notices import Notices
from workflows.process import Carried, Process, command
from workflows.reordering import ask_for_reorder
from workflows.steps import write


class _Carried(Carried):
    transfer: StoredTransfer
    state: TransferState
    told_overdue_for: AwareDatetime | None


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class TransferWorkflow(Process[TransferState]):
    """Moves stock from one warehouse to another: hold, dispatch, receipts.

    Answers: update ``held`` (use it with update-with-start). Commands: ``dispatch``, ``receive``, ``write_off``,
    ``cancel``; and ``give_way``, by which it is told that what it holds isn't there. Ends RECEIVED, CANCELLED, or
    REJECTED when the stock wasn't there; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(TransferState(), payload)
        self._transfer: StoredTransfer | None = None
        self._shortage: InsufficientStock | None = None
        self._told_overdue_for: AwareDatetime | None = None
        self._lines = 0
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._transfer = carried.transfer
            self._lines = len(carried.transfer.line_items)
            self._told_overdue_for = carried.told_overdue_for
        self._notices = Notices(self.state, self.in_background, self.publish)

    @workflow.run
    async def run(self, *payload: Any) -> TransferState:
        """Hold the stock at the source, let it leave, wait until all of it is accounted for, and end."""
        del payload  # It was taken at init, so that commands that come first see it too.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if self._transfer is not None and not TRANSFER.is_final(self.state.status):
            self.continue_in_another_run(
                _Carried(
                    transfer=self._transfer,
                    state=self.state,
                    told_overdue_for=self._told_overdue_for,
                    signals=self.signals,
                )
            )
        return await self.ended()

    @workflow.update(name="held", description="Waits until the stock is held at the source; answers with the state.")
    async def held(self, *payload: Any) -> TransferState:
        """The answer to the start.

        Raises:
            InsufficientStock: Nothing is held.
            InvalidState: The transfer has been cancelled.
        """
        del payload  # Takes none; a client that sends null or {} means the same.
        await self.answer_to_start()
        if self._shortage is not None:
            raise self._shortage
        if self.state.status is TransferStatus.CANCELLED:
            raise InvalidState.of(f"transfer {self.state.transfer_number}", self.state.status, "hold")
        return self.state

    @command(Dispatch)
    async def dispatch(self, message: Dispatch, key: str) -> None:
        """Everything leaves the source. `{performed_by}`."""
        if self.state.dispatched_at is not None and self.state.status is not TransferStatus.CANCELLED:
            return  # Sent twice: that is what was wanted.
        self._require(TransferEvent.DISPATCH)
        step = DispatchTransferStep(
            operation_id=self.operation("dispatch", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            transfer_number=self.state.transfer_number,
        )
        summary = f"dispatched by {message.performed_by}"
        self._take_over(await write(TransferActivities.dispatch_transfer, step, summary, lines=self._lines))

    @command(ReceiveTransferred)
    async def receive(self, message: ReceiveTransferred, key: str) -> None:
        """Goods have arrived. `{receipt_id, performed_by, lines: [{product_id, quantity, damaged_quantity}]}`."""
        del key  # The receipt has a name of its own, however often it is sent. Only the database knows whether it was.
        if self._transfer is None:
            self._require(TransferEvent.RECEIVE)  # It was rejected: the database has never heard of it.
        step = ReceiveTransferStep(
            operation_id=self.operation("receive", message.receipt_id),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            transfer_number=self.state.transfer_number,
            receipt_id=message.receipt_id,
            lines=message.lines,
        )
        fit = sum(line.quantity for line in message.lines)
        damaged = sum(line.damaged_quantity for line in message.lines)
        summary = f"receipt {message.receipt_id}: {fit} units, {damaged} damaged"
        self._take_over(await write(TransferActivities.receive_transfer, step, summary, lines=self._lines))

    @command(WriteOff)
    async def write_off(self, message: WriteOff, key: str) -> None:
        """What is still missing won't come any more. `{performed_by, reason}`."""
        if any(line.written_off for line in self.state.line_items):
            return  # Sent twice: nothing is missing any more.
        self._require(TransferEvent.WRITE_OFF)
        step = WriteOffTransferStep(
            operation_id=self.operation("write_off", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            transfer_number=self.state.transfer_number,
            reason=message.reason,
        )
        summary = f"write off what is missing: {message.reason}"
        self._take_over(await write(TransferActivities.write_off_transfer, step, summary, lines=self._lines))

    @command(CancelTransfer)
    async def cancel(self, message: CancelTransfer, key: str) -> None:
        """Releases the hold; in transit, what hasn't arrived goes back to the source. `{performed_by, reason}`."""
        if self.state.status is TransferStatus.CANCELLED:
            return
        self._require(TransferEvent.CANCEL)
        step = CancelTransferStep(
            operation_id=self.operation("cancel", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            transfer_number=self.state.transfer_number,
            reason=message.reason,
        )
        self._take_over(
            await write(TransferActivities.cancel_transfer, step, f"cancel: {message.reason}", lines=self._lines)
        )

    @command(GiveWay)
    async def give_way(self, message: GiveWay, key: str) -> None:
        """What was held isn't there: a line has ended, and the transfer with it. `{performed_by, reason}`."""
        if self.state.status is TransferStatus.CANCELLED:
            return
        self._require(TransferEvent.GIVE_WAY)
        step = CancelTransferStep(
            operation_id=self.operation("give_way", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            transfer_number=self.state.transfer_number,
            reason=message.reason,
            gave_way=True,
        )
        summary = f"its hold gave way: {message.reason}"
        self._take_over(await write(TransferActivities.cancel_transfer, step, summary, lines=self._lines))
        self.note(f"the hold gave way: {message.reason}")

    async def _give_up(self) -> None:
        """A cancelled workflow moves nothing any more, as by the command."""
        order = {"performed_by": "operator", "reason": "the workflow was cancelled"}
        await self.carry_out("cancel", [order], "workflow-cancelled")

    async def _run_process(self) -> None:
        if self._transfer is None:
            try:
                await self._hold()
            except InsufficientStock as shortage:
                self._reject(shortage)
            except DomainError as failure:
                await self.failed(failure)
        else:
            self._take_over(self._transfer)
        self.start_answered()
        await self._until_all_is_accounted_for()
        await workflow.wait_condition(self.drained)

    async def _hold(self) -> None:
        """Check the start, and hold its lines.

        Raises:
            InsufficientStock: Nothing is held.
            DomainError: The start is wrong. Nothing is stored.
        """
        request = parse(TransferRequest, self.payload)
        self.state.transfer_number = request.transfer_number
        self.state.from_warehouse_id = request.from_warehouse_id
        self.state.to_warehouse_id = request.to_warehouse_id
        self.state.requested_by = request.requested_by
        self.state.line_items = [
            TransferLineState(product_id=line.product_id, quantity=line.quantity) for line in request.line_items
        ]
        self.require_workflow_id(workflow_id(request.transfer_number), of="transfer")
        self._lines = len(request.line_items)
        step = HoldTransferStep(
            operation_id=self.operation("hold"),
            performed_by=request.requested_by,
            as_of=workflow.now(),
            transfer_number=request.transfer_number,
            from_warehouse_id=request.from_warehouse_id,
            to_warehouse_id=request.to_warehouse_id,
            line_items=request.line_items,
            expected_transit_hours=request.expected_transit_hours,
            requested_by=request.requested_by,
        )
        summary = f"hold {counted(self._lines, 'line')} at the source"
        self._take_over(await write(TransferActivities.hold_transfer, step, summary, lines=self._lines))

    async def _until_all_is_accounted_for(self) -> None:
        """Serve commands until nothing is held and nothing in transit, and say once if it is overdue."""
        while not TRANSFER.is_final(self.state.status) and not self.history_is_long:
            due = self.state.due_at
            overdue = await self.wait_until(
                None if due == self._told_overdue_for else due,
                unless=lambda: (
                    TRANSFER.is_final(self.state.status) or self.state.due_at != due  # noqa: B023 - waited for right here
                ),
                summary=f"overdue from {utc(due)}" if due else "",
            )
            # Its last units may have arrived in the very task in which the time came.
            if overdue and self._transfer is not None and not TRANSFER.is_final(self.state.status):
                self._told_overdue_for = due
                self._send(texts.overdue(self._transfer))

    def _reject(self, shortage: InsufficientStock) -> None:
        self.state.status = TRANSFER.next(self.state.status, TransferEvent.REJECT)
        self._shortage = shortage
        self.state.shortages = shortages_of(shortage)
        self.note(f"rejected: {shortage.message}")
        self.publish()

    def _require(self, event: TransferEvent) -> None:
        TRANSFER.next(self.state.status, event, of=self.state.transfer_number)

    def _take_over(self, transfer: StoredTransfer) -> None:
        """What the database says is how it is; whoever should hear of the difference does."""
        if transfer.fell_below:
            self.in_background(ask_for_reorder())
        before, self._transfer = self._transfer, transfer.model_copy(update={"fell_below": False})
        state = self.state
        state.transfer_id = transfer.transfer_id
        state.status = transfer.status
        state.line_items = [TransferLineState.model_validate(line.model_dump()) for line in transfer.line_items]
        state.dispatched_at = transfer.dispatched_at
        state.due_at = transfer.due_at
        state.receipts = transfer.receipts
        state.closed_reason = transfer.closed_reason
        if before is not None:
            for notice in texts.news(before, transfer):
                self._send(notice)
        self.publish()

    def _send(self, notice: Notice) -> None:
        self._notices.send(notice)
        self.publish()

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        transfer = self._transfer
        status_and_name = [
            search_attributes.STATUS.value_set(self.state.status),
            search_attributes.REFERENCE.value_set(search_attributes.keyword(self.state.transfer_number)),
        ]
        if transfer is None:
            self.show(texts.rejection_of(self.state), status_and_name)
            return
        due = transfer.due_at if transfer.status is TransferStatus.IN_TRANSIT else None
        self.show(
            texts.details_of(self.state, transfer),
            [
                *status_and_name,
                search_attributes.SKUS.value_set(search_attributes.keywords(line.sku for line in transfer.line_items)),
                search_attributes.WAREHOUSES.value_set(
                    search_attributes.keywords([transfer.from_warehouse, transfer.to_warehouse])
                ),
                search_attributes.DEADLINE.value_set(due) if due else search_attributes.DEADLINE.value_unset(),
            ],
            memo(transfer),
        )
