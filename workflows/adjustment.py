"""The adjustment: the books are put right, at once or once somebody else has agreed."""

from datetime import datetime
from typing import Any

from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.adjustment import (
    APPROVE,
    CANCEL,
    REJECT,
    WORKFLOW_TYPE,
    AdjustmentActivities,
    AdjustmentLineState,
    AdjustmentRequest,
    AdjustmentState,
    ApproveAdjustment,
    CancelAdjustment,
    EndAdjustmentStep,
    EndEvent,
    PostAdjustmentStep,
    RejectAdjustment,
    StoredAdjustment,
    SubmitAdjustmentStep,
    is_same_person,
    memo,
    workflow_id,
)
from stockkeeper.contracts.messages import counted, parse, utc
from stockkeeper.contracts.notice import Notice
from stockkeeper.contracts.stock import shortages_of
from stockkeeper.domain.adjustment import ADJUSTMENT, AdjustmentEvent, AdjustmentStatus
from stockkeeper.domain.errors import DomainError, InsufficientStock
from workflows import adjustment_texts as texts
from workflows.commands import command, handler_of, signal_of
from workflows.giving_way import tell_holders
from workflows.notices import Notices
from workflows.process import Carried, Process
from workflows.reordering import ask_for_reorder
from workflows.steps import write

_GAVE_WAY_KEPT = 100
_ON_TIME = "stockkeeper"
"""Who does what nobody does: a deadline."""


class _Carried(Carried):
    adjustment: StoredAdjustment
    state: AdjustmentState
    reminded: bool


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class AdjustmentWorkflow(Process[AdjustmentState]):
    """Puts the books right by hand: posted at once, or above a limit once somebody else has approved it.

    Answers: update ``submitted`` (use it with update-with-start). Commands: ``approve``, ``reject``, ``cancel``. Ends
    POSTED, CANCELLED, or REJECTED by a person or because more was to be taken off than was there; a request that is
    wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(AdjustmentState(), payload)
        self._adjustment: StoredAdjustment | None = None
        self._shortage: InsufficientStock | None = None
        self._reminded = False
        self._lines = 0
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._adjustment = carried.adjustment
            self._lines = len(carried.adjustment.lines)
            self._reminded = carried.reminded
        self._notices = Notices(self)

    @workflow.run
    async def run(self, *payload: Any) -> AdjustmentState:
        """Submit it, wait for an approval if it needs one, and end."""
        del payload  # It was taken at init, so that commands that come first see it too.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if self._adjustment is not None and self._is_pending:
            self.continue_in_another_run(
                _Carried(adjustment=self._adjustment, state=self.state, reminded=self._reminded, signals=self.signals)
            )
        return await self.ended()

    @workflow.update(
        name="submitted", description="Waits until it is posted or waits for approval; answers with the state."
    )
    async def submitted(self, *payload: Any) -> AdjustmentState:
        """The answer to the start.

        Raises:
            InsufficientStock: Less is on hand than is to be taken off. Nothing is stored.
        """
        del payload  # Takes none; a client that sends null or {} means the same.
        await self.answer_to_start()
        if self._shortage is not None:
            raise self._shortage
        return self.state

    @command(APPROVE)
    async def approve(self, message: ApproveAdjustment, key: str) -> None:
        """Somebody else agrees, and it is posted. `{approver, note}`."""
        if self.state.approved_by is not None and is_same_person(message.approver, self.state.approved_by):
            return  # Sent twice: that is what was wanted.
        self._require(AdjustmentEvent.APPROVE)
        step = PostAdjustmentStep(
            operation_id=self.operation("approve", key),
            performed_by=message.approver,
            as_of=workflow.now(),
            adjustment_number=self.state.adjustment_number,
            note=message.note,
        )
        summary = f"approved by {message.approver}"
        self._take_over(await write(AdjustmentActivities.post_adjustment, step, summary, lines=self._lines))

    @command(REJECT)
    async def reject(self, message: RejectAdjustment, key: str) -> None:
        """It isn't right: nothing is changed. `{approver, reason}`."""
        if self._adjustment is not None and self.state.status is AdjustmentStatus.REJECTED:
            return
        await self._end(AdjustmentEvent.REJECT, message.approver, message.reason, key)

    @command(CANCEL)
    async def cancel(self, message: CancelAdjustment, key: str) -> None:
        """It isn't wanted any more, and wasn't approved yet. `{performed_by, reason}`."""
        if self.state.status is AdjustmentStatus.CANCELLED:
            return
        await self._end(AdjustmentEvent.CANCEL, message.performed_by, message.reason, key)

    approve_signal = signal_of(approve)
    reject_signal = signal_of(reject)
    cancel_signal = signal_of(cancel)

    async def _give_up(self) -> None:
        """A cancelled workflow changes nothing any more, as by the command."""
        message = CancelAdjustment(performed_by="operator", reason="the workflow was cancelled")
        await self.carry_out(handler_of(AdjustmentWorkflow.cancel), message, "workflow-cancelled")

    async def _run_process(self) -> None:
        if self._adjustment is None:
            try:
                await self._submit()
            except InsufficientStock as shortage:
                self._reject(shortage)
            except DomainError as failure:
                await self.failed(failure)
        else:
            self._take_over(self._adjustment)
        self.start_answered()
        await self._wait_for_approval()
        await workflow.wait_condition(self.drained)

    async def _submit(self) -> None:
        """Check the start, and let it be posted or stored.

        Raises:
            InsufficientStock: Less is on hand than is to be taken off. Nothing is stored.
            DomainError: The start is wrong. Nothing is stored.
        """
        request = parse(AdjustmentRequest, self.payload)
        self.state.adjustment_number = request.adjustment_number
        self.state.warehouse_id = request.warehouse_id
        self.state.reason = request.reason
        self.state.requested_by = request.performed_by
        self.state.lines = [
            AdjustmentLineState(product_id=line.product_id, quantity=line.quantity) for line in request.lines
        ]
        self.require_workflow_id(workflow_id(request.adjustment_number), of="adjustment")
        self._lines = len(request.lines)
        step = SubmitAdjustmentStep(
            operation_id=self.operation("submit"),
            performed_by=request.performed_by,
            as_of=workflow.now(),
            adjustment_number=request.adjustment_number,
            warehouse_id=request.warehouse_id,
            lines=request.lines,
            reason=request.reason,
            requested_by=request.performed_by,
        )
        summary = f"submit {counted(self._lines, 'line')}: {request.reason}"
        adjustment = await write(AdjustmentActivities.submit_adjustment, step, summary, lines=self._lines)
        self._take_over(adjustment, told_already=adjustment.submitted_by_another_run)
        if self._is_pending and not adjustment.submitted_by_another_run:
            self._send(texts.approval_wanted(adjustment))

    async def _wait_for_approval(self) -> None:
        """Wait for somebody to decide: until the reminder, then until the last deadline."""
        adjustment = self._adjustment
        if adjustment is None or adjustment.approve_by is None:
            return
        remind_at, approve_by = adjustment.remind_at, adjustment.approve_by
        if not self._reminded and remind_at < approve_by and await self._undecided_until(remind_at, "reminder"):
            self._reminded = True
            self._send(texts.reminder(adjustment))
        if await self._undecided_until(approve_by, "cancelled unless approved"):
            await self._lapse()
        await self.wait_until(None, unless=lambda: not self._is_pending, summary="")

    async def _undecided_until(self, moment: datetime, what: str) -> bool:
        """Wait for a moment, unless somebody decides before it; whether nobody has."""
        came = self._is_pending and await self.wait_until(
            moment, unless=lambda: not self._is_pending, summary=f"{what}: {utc(moment)}"
        )
        # Somebody may have decided in the very task in which the moment came.
        return came and self._is_pending

    async def _lapse(self) -> None:
        await self.meet_last_deadline(
            lambda: self._is_pending, lambda: self._end(AdjustmentEvent.LAPSE, _ON_TIME, "not approved in time")
        )

    async def _end(self, event: EndEvent, performed_by: str, reason: str, *key: str) -> None:
        self._require(event)
        step = EndAdjustmentStep(
            operation_id=self.operation(event, *key),
            performed_by=performed_by,
            as_of=workflow.now(),
            adjustment_number=self.state.adjustment_number,
            event=event,
            reason=reason,
        )
        self._take_over(await write(AdjustmentActivities.end_adjustment, step, f"{event}: {reason}", lines=self._lines))

    @property
    def _is_pending(self) -> bool:
        return self.state.status is AdjustmentStatus.PENDING

    def _reject(self, shortage: InsufficientStock) -> None:
        self.state.status = ADJUSTMENT.next(self.state.status, AdjustmentEvent.REJECT)
        self._shortage = shortage
        self.state.shortages = shortages_of(shortage)
        self.note(f"rejected: {shortage.message}")
        self.publish()

    def _require(self, event: AdjustmentEvent) -> None:
        ADJUSTMENT.next(self.state.status, event, of=self.state.adjustment_number)

    def _take_over(self, adjustment: StoredAdjustment, *, told_already: bool = False) -> None:
        """What the database says is how it is; whoever should hear of the difference does."""
        before, self._adjustment = (
            self._adjustment,
            adjustment.model_copy(update={"fell_below": False, "gave_way": [], "gave_way_untold": 0}),
        )
        state = self.state
        state.adjustment_id = adjustment.adjustment_id
        state.status = adjustment.status
        state.value = adjustment.value
        state.unvalued_units = adjustment.unvalued_units
        state.needs_approval = adjustment.needs_approval
        state.approve_by = adjustment.approve_by
        state.approved_by = adjustment.approved_by
        state.approval_note = adjustment.approval_note
        state.lines = [AdjustmentLineState.model_validate(line.model_dump()) for line in adjustment.lines]
        state.gave_way = [*state.gave_way, *adjustment.gave_way][-_GAVE_WAY_KEPT:]
        state.closed_reason = adjustment.closed_reason
        if adjustment.fell_below:
            self.in_background(ask_for_reorder())
        if adjustment.gave_way:
            self._tell_of_holds(adjustment, told_already=told_already)
        if before is not None and before.status is not adjustment.status:
            for notice in texts.news(adjustment):
                self._send(notice)
        self.publish()

    def _tell_of_holds(self, adjustment: StoredAdjustment, *, told_already: bool) -> None:
        """The workflows whose holds gave way hear of it, and people do."""
        why = f"adjustment {adjustment.adjustment_number}: {adjustment.reason}"
        # Another run has told them, unless somebody terminated it before it came to that. To hear it twice does no
        # harm, and who has ended since need not hear it at all.
        note = _forget if told_already else self.note
        self.in_background(tell_holders(adjustment, adjustment.requested_by, why, note))
        if not told_already:
            self._send(texts.gave_way(adjustment))

    def _send(self, notice: Notice) -> None:
        self._notices.send(notice)
        self.publish()

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        adjustment = self._adjustment
        status_and_name = [
            search_attributes.STATUS.value_set(self.state.status),
            search_attributes.REFERENCE.value_set(search_attributes.keyword(self.state.adjustment_number)),
        ]
        if adjustment is None:
            self.show(texts.rejection_of(self.state), status_and_name)
            return
        deadline = adjustment.approve_by if self._is_pending else None
        self.show(
            texts.details_of(self.state, adjustment),
            [
                *status_and_name,
                search_attributes.AMOUNT.value_set(float(adjustment.value)),
                search_attributes.SKUS.value_set(search_attributes.keywords(line.sku for line in adjustment.lines)),
                search_attributes.WAREHOUSES.value_set(search_attributes.keywords([adjustment.warehouse])),
                search_attributes.DEADLINE.value_set(deadline)
                if deadline
                else search_attributes.DEADLINE.value_unset(),
            ],
            memo(adjustment),
        )


def _forget(note: str) -> None:
    del note
