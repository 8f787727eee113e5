"""The adjustment: posted at once, or once another person has approved it."""

from decimal import Decimal
from typing import Any

from temporalio import workflow

from stockkeeper.contracts.adjustment import (
    APPROVE,
    CANCEL,
    PROCESS,
    REJECT,
    WORKFLOW_TYPE,
    AdjustmentActivities,
    AdjustmentRequest,
    AdjustmentState,
    ApproveAdjustment,
    CancelAdjustment,
    EndAdjustmentStep,
    EndEvent,
    PostAdjustmentStep,
    RejectAdjustment,
    ReviewAdjustmentStep,
    StoredAdjustment,
    SubmitAdjustmentStep,
    is_same_person,
    memo,
)
from stockkeeper.contracts.messages import Message, counted
from stockkeeper.domain.adjustment import AdjustmentEvent, AdjustmentStatus
from stockkeeper.domain.errors import DomainError, NotPermitted
from workflows import adjustment_texts as texts
from workflows.approval import DEADLINE, NOT_IN_TIME, REMINDER, ApprovalWait
from workflows.commands import command, signal_of
from workflows.details import ended_by
from workflows.document import Shown, StockDocument, answer_to_start
from workflows.giving_way import inform_holders, show_gave_way, show_held_before
from workflows.notices import Notices
from workflows.process import Carried, Stamp


class _Carried(Carried):
    adjustment: StoredAdjustment
    state: AdjustmentState
    reminded: bool


class _Stamp(Stamp):
    adjustment_number: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class AdjustmentWorkflow(StockDocument[AdjustmentState, StoredAdjustment, _Stamp]):
    """Corrects the books by hand: at once, or above a limit once another person has approved it.

    Answers: update ``submitted`` (use it with update-with-start). Commands: ``approve``, ``reject``, ``cancel``. Ends
    POSTED, CANCELLED, or REJECTED by a person or because less was on hand than was to be taken off; a request that is
    wrong fails the run.
    """

    process = PROCESS

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(AdjustmentState(), payload, texts.rejection_of)
        self._notices = Notices(self)
        self._deadlines_met: list[str] = []
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.continue_from(carried.state, carried.adjustment, lines=len(carried.adjustment.lines))
            self._deadlines_met = [REMINDER] if carried.reminded else []

    @workflow.run
    async def run(self, *_payload: Any) -> AdjustmentState:
        """Submit it, wait for its approval if it needs one, and end."""
        return await self.live(self._submit, self._wait_for_approval)

    @answer_to_start("submitted", "Waits until it is posted or waits for approval; answers with the state.")
    async def submitted(self, *_payload: Any) -> AdjustmentState:
        """The answer to the start.

        Raises:
            InsufficientStock: Less is on hand than is to be taken off. Nothing is stored.
        """
        return await self.answer()

    @command(APPROVE)
    async def approve(self, message: ApproveAdjustment, key: str) -> None:
        """Another person agrees, also to the holds that it would end, and it is posted. `{approver, note}`."""
        if self.state.approved_by is not None and is_same_person(message.approver, self.state.approved_by):
            return  # Sent twice.
        self.require(AdjustmentEvent.APPROVE)
        step = PostAdjustmentStep(**self.step_stamp("approve", key, performed_by=message.approver), note=message.note)
        try:
            await self.apply(AdjustmentActivities.post_adjustment, step, f"approved by {message.approver}")
        except NotPermitted as refusal:
            if refusal.details.get("ends"):
                # By now it would end other holds than those that were shown: they are, from here on.
                review = ReviewAdjustmentStep(**self.step_stamp("review", key, performed_by=message.approver))
                await self.apply(AdjustmentActivities.review_adjustment, review, "see which holds it would end")
            raise

    @command(REJECT)
    async def reject(self, message: RejectAdjustment, key: str) -> None:
        """The adjustment is wrong: stock isn't changed. `{approver, reason}`."""
        if self.stored is not None and self.state.status is AdjustmentStatus.REJECTED:
            return
        await self._end(AdjustmentEvent.REJECT, message.approver, message.reason, key)

    @command(CANCEL)
    async def cancel(self, message: CancelAdjustment, key: str) -> None:
        """The adjustment isn't wanted any more, and wasn't approved yet. `{performed_by, reason}`."""
        if self.state.status is AdjustmentStatus.CANCELLED:
            return
        await self._end(AdjustmentEvent.CANCEL, message.performed_by, message.reason, key)

    async def _submit(self) -> None:
        """Check the start, and post it or store it for approval."""
        request = self.read_start(AdjustmentRequest)
        self.state.requested_by = request.performed_by
        self.lines = len(request.lines)
        by = request.performed_by
        step = self.step_of(SubmitAdjustmentStep, request, "submit", performed_by=by, requested_by=by)
        summary = f"submit {counted(self.lines, 'line')}: {request.reason}"
        await self.apply(AdjustmentActivities.submit_adjustment, step, summary)
        if self.stored is not None and self._is_pending() and not self.stored.submitted_by_another_run:
            self._notices.send(texts.approval_wanted(self.stored))

    async def _wait_for_approval(self) -> None:
        """Wait for the approval: until the reminder, then until the last deadline."""
        adjustment = self.stored
        if adjustment is None or adjustment.deadlines is None:
            return
        wait = ApprovalWait(
            self,
            adjustment.deadlines,
            is_pending=self._is_pending,
            remind=lambda: self._notices.send(texts.reminder(adjustment)),
            end=lambda: self._end(AdjustmentEvent.LAPSE, DEADLINE, NOT_IN_TIME),
            met=self._deadlines_met,
        )
        await wait.with_one_timer_after_the_other()

    async def _end(self, event: EndEvent, performed_by: str, reason: str, *key: str) -> None:
        self.require(event)
        step = EndAdjustmentStep(**self.step_stamp(event, *key, performed_by=performed_by), event=event, reason=reason)
        await self.apply(AdjustmentActivities.end_adjustment, step, ended_by(event, performed_by, reason))

    def worth_of(self, message: Message) -> Decimal | None:
        """The value; None if there are units of unknown cost."""
        del message
        return None if self.stored is None or self.stored.unvalued_units else self.stored.value

    def _is_pending(self) -> bool:
        return self.state.status is AdjustmentStatus.PENDING

    def carried(self, stored: StoredAdjustment) -> _Carried:
        """The input of the next run."""
        reminded = REMINDER in self._deadlines_met
        return _Carried(adjustment=stored, state=self.state, reminded=reminded, signals=self.signals)

    def changed(self, before: StoredAdjustment | None, stored: StoredAdjustment) -> None:
        """Inform the holders whose holds gave way, and the people who were asked to approve."""
        self.state.approve_by = stored.approve_by
        if stored.held_before:
            show_held_before(self.state, stored)
            self._notices.send(texts.held_before(stored))
        if stored.gave_way:
            # If the run that posted it was terminated before it informed the holders, this one does. Informing them
            # twice does no harm.
            informed = before is None and stored.submitted_by_another_run
            show_gave_way(self.state, stored)
            reason = f"adjustment {self.number}: {stored.reason}"
            inform_holders(self, stored, stored.requested_by, reason, quietly=informed)
            if not informed:
                self._notices.send(texts.gave_way(stored))
        if before is not None and before.status is not stored.status:
            self._notices.send(*texts.news(stored))

    def shown(self, stored: StoredAdjustment) -> Shown:
        """The run as people see and find it."""
        due = stored.approve_by if self._is_pending() else None
        text, value = texts.details_of(self.state, stored), stored.value
        return Shown(text, stored.lines, [stored.warehouse], amount=value, deadline=due, memo=memo(stored))

    # The signals of the commands.
    approve_signal = signal_of(approve)
    reject_signal = signal_of(reject)
    cancel_signal = signal_of(cancel)
