"""The purchase order: a draft that is approved, submitted to the supplier, and received."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, ApproveDifference
from stockkeeper.contracts.messages import Message, Start, counted, parse, utc
from stockkeeper.contracts.notice import Notice
from stockkeeper.contracts.purchase_order import (
    PROCESS,
    AmendPurchaseOrderStep,
    ApproveOrderDifferenceStep,
    ApprovePurchaseOrderStep,
    ConfirmPurchaseOrderStep,
    CorrectReceiptStep,
    DraftPurchaseOrderStep,
    EndEvent,
    EndPurchaseOrderStep,
    PurchaseOrderActivities,
    ReceivePurchaseOrderStep,
    ResumePurchaseOrderStep,
    ReturnGoodsStep,
    StoredPurchaseOrder,
    memo,
)
from stockkeeper.contracts.purchase_order_state import (
    AMEND,
    APPROVE,
    CANCEL,
    CLOSE_SHORT,
    CONFIRM,
    CORRECT,
    RECEIVE,
    REJECT,
    RETURN,
    WORKFLOW_TYPE,
    Amend,
    Approve,
    CancelOrder,
    CloseShort,
    Confirm,
    CorrectReceipt,
    PurchaseOrderRequest,
    PurchaseOrderState,
    Receive,
    Reject,
    ResumePurchaseOrder,
    ReturnGoods,
)
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.purchase_order import PurchaseOrderEvent, PurchaseOrderStatus
from workflows import purchase_order_texts as texts
from workflows.approval import DEADLINE, NOT_IN_TIME, ApprovalWait
from workflows.commands import command, signal_of
from workflows.details import ended_by
from workflows.document import GIVE_UP, OPERATOR, WORKFLOW_CANCELLED, Document, Shown, answer_to_start
from workflows.notices import Notices
from workflows.process import Carried, Stamp

_OUT = (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CONFIRMED)


class _Carried(Carried):
    order: StoredPurchaseOrder
    state: PurchaseOrderState
    deadlines_met: list[str]
    told_late_for: AwareDatetime | None
    waited_for: int = 1  # The version whose approvals the deadlines are of.


class _Stamp(Stamp):
    po_number: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class PurchaseOrderWorkflow(Document[PurchaseOrderState, StoredPurchaseOrder, _Stamp]):
    """Buys from a supplier: draft, approval, submission, receipts.

    Answers: update ``drafted`` (use it with update-with-start). Commands: ``approve``, ``reject``, ``amend``,
    ``confirm``, ``receive``, ``close_short``, ``cancel``. Ends RECEIVED or CANCELLED; a request that is wrong fails the
    run.
    """

    process = PROCESS

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(PurchaseOrderState(), payload)
        self._notices = Notices(self)
        self._deadlines_met: list[str] = []
        self._late_noticed_for: datetime | None = None
        self._waited_for = 1
        self._ended_by: EndEvent | None = None
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.continue_from(carried.state, carried.order, lines=len(carried.order.line_items))
            self._deadlines_met = carried.deadlines_met
            self._late_noticed_for = carried.told_late_for
            self._waited_for = carried.waited_for

    @workflow.run
    async def run(self, *_payload: Any) -> PurchaseOrderState:
        """Draft it, wait for its approval, wait for the goods, and end."""
        return await self.live(self._draft, self._until_it_has_come)

    @answer_to_start("drafted", "Waits until the draft is stored, and answers with the state.")
    async def drafted(self, *_payload: Any) -> PurchaseOrderState:
        """The answer to the start."""
        return await self.answer()

    @command(APPROVE)
    async def approve(self, message: Approve, key: str) -> None:
        """One approval. `{approver, note, version}`."""
        step = self.step_of(ApprovePurchaseOrderStep, message, "approve", key, performed_by=message.approver)
        await self.apply(PurchaseOrderActivities.approve_purchase_order, step, f"approved by {message.approver}")

    @command(REJECT)
    async def reject(self, message: Reject, key: str) -> None:
        """One rejection cancels the draft. `{approver, reason}`."""
        await self._end(PurchaseOrderEvent.REJECT, message.approver, message.reason, key)

    @command(AMEND)
    async def amend(self, message: Amend, key: str) -> None:
        """New lines, while nothing has come; a larger total is approved anew. `{performed_by, reason, line_items}`."""
        if message.amendment_id is None:
            self.require(PurchaseOrderEvent.AMEND)
        # Only the database knows whether an amendment with a number has been made; its repeat is right in any status.
        key = message.amendment_id or key
        step = self.step_of(AmendPurchaseOrderStep, message, "amend", key, performed_by=message.performed_by)
        self.lines = max(self.lines, len(message.line_items))
        await self.apply(PurchaseOrderActivities.amend_purchase_order, step, f"amend: {message.reason}")

    @command(CONFIRM)
    async def confirm(self, message: Confirm, key: str) -> None:
        """The supplier accepts, perhaps for another day. `{performed_by, expected_delivery_date}`."""
        day = message.expected_delivery_date
        step = ConfirmPurchaseOrderStep(
            **self.step_stamp("confirm", key, performed_by=message.performed_by), expected_delivery_date=day
        )
        summary = f"confirmed for {day}" if day else "confirmed"
        await self.apply(PurchaseOrderActivities.confirm_purchase_order, step, summary)

    @command(RECEIVE)
    async def receive(self, message: Receive, key: str) -> None:
        """Goods have come. `{receipt_id, performed_by, lines: [{product_id, quantity, rejected_quantity}]}`."""
        del key  # The receipt has a name of its own, however often it is sent.
        number, by = message.receipt_id, message.performed_by
        step = self.step_of(ReceivePurchaseOrderStep, message, "receive", number, performed_by=by)
        accepted = sum(line.quantity for line in message.lines)
        rejected = sum(line.rejected_quantity for line in message.lines)
        summary = f"receipt {message.receipt_id}: {counted(accepted, 'unit')}, {rejected} rejected"
        if message.unfit_reason is not None:
            summary += f": {message.unfit_reason}"
        await self.apply(PurchaseOrderActivities.receive_purchase_order, step, summary)

    @command(APPROVE_DIFFERENCE)
    async def approve_difference(self, message: ApproveDifference, key: str) -> None:
        """More may be received than was ordered. `{approver, value, unvalued_units, note}`."""
        activity = PurchaseOrderActivities.approve_order_difference
        await self.approve_up_to(activity, ApproveOrderDifferenceStep, message, key)

    @command(CORRECT)
    async def correct_receipt(self, message: CorrectReceipt, key: str) -> None:
        """A receipt was booked too high. `{correction_id, receipt_id, performed_by, reason, lines}`."""
        del key  # The correction has a name of its own.
        number, by = message.correction_id, message.performed_by
        step = self.step_of(CorrectReceiptStep, message, "correct_receipt", number, performed_by=by)
        summary = f"receipt {message.receipt_id} corrected: {message.reason}"
        await self.apply(PurchaseOrderActivities.correct_purchase_receipt, step, summary)

    @command(RETURN)
    async def return_goods(self, message: ReturnGoods, key: str) -> None:
        """Received goods go back to the supplier. `{return_id, performed_by, reason, reference, lines}`."""
        del key  # The return has a name of its own.
        number, by = message.return_id, message.performed_by
        step = self.step_of(ReturnGoodsStep, message, "return_goods", number, performed_by=by)
        units = counted(sum(line.quantity for line in message.lines), "unit")
        summary = f"return {message.return_id}: {units} to the supplier"
        await self.apply(PurchaseOrderActivities.return_purchased_goods, step, summary)

    @command(CLOSE_SHORT)
    async def close_short(self, message: CloseShort, key: str) -> None:
        """Units still owed aren't expected any more. `{performed_by, reason}`."""
        await self._end(PurchaseOrderEvent.CLOSE_SHORT, message.performed_by, message.reason, key)

    @command(CANCEL)
    async def cancel(self, message: CancelOrder, key: str) -> None:
        """The order isn't wanted any more, and nothing of it has come. `{performed_by, reason}`."""
        await self._end(PurchaseOrderEvent.CANCEL, message.performed_by, message.reason, key)

    async def give_up(self) -> None:
        """Expect nothing more, as by the command that fits."""
        async with self.command_lock:
            # A command that was under way has finished by now, and may have been the first receipt.
            received = any(line.quantity_received for line in self.state.line_items)
            event: EndEvent = PurchaseOrderEvent.CLOSE_SHORT if received else PurchaseOrderEvent.CANCEL
            await self._end(event, OPERATOR, WORKFLOW_CANCELLED, GIVE_UP)

    async def _draft(self) -> None:
        """Check the start, and store it; or find the order that is to be resumed."""
        if self._is_resumed:
            resumed = self.read_start(ResumePurchaseOrder)
            run = workflow.info().run_id
            again = ResumePurchaseOrderStep(**self.step_stamp("resume", run, performed_by=resumed.performed_by))
            await self.apply(PurchaseOrderActivities.resume_purchase_order, again, f"find {resumed.po_number}")
            self.lines = len(self.state.line_items)
            return
        request = self.read_start(PurchaseOrderRequest)
        self.lines = len(request.line_items)
        step = self.step_of(DraftPurchaseOrderStep, request, "draft", performed_by=request.requested_by)
        await self.apply(
            PurchaseOrderActivities.draft_purchase_order,
            step,
            f"draft {request.po_number}: {counted(self.lines, 'line')}",
        )
        if self.stored is not None and self._is_draft() and not self.stored.drafted_by_another_run:
            self._notices.send(texts.approval_wanted(self.stored))

    def read_summary(self) -> str:
        """The summary of the start: of a new order, or of one that is taken up again."""
        model: type[Start] = ResumePurchaseOrder if self._is_resumed else PurchaseOrderRequest
        return parse(model, self.payload[:1]).summary

    @property
    def _is_resumed(self) -> bool:
        """Whether the start takes up an order that is stored."""
        start = self.payload[0] if self.payload else None
        return isinstance(start, dict) and "resume" in start

    async def _until_it_has_come(self) -> None:
        """Wait for approvals and then for the goods; an amendment leads back to the approvals."""
        while not self.is_over and not self.history_is_long:
            await self._wait_for_approval()
            await self._wait_for_goods()

    async def _wait_for_approval(self) -> None:
        """Wait for the approvals of this version, until the last deadline cancels the draft."""
        if self.stored is None or not self._is_draft():
            return
        version = self.stored.version
        if version != self._waited_for:
            self._waited_for = version
            self._deadlines_met.clear()
        wait = ApprovalWait(
            self,
            self.stored.deadlines,
            is_pending=lambda: self._is_draft() and self.state.version == version,
            remind=lambda: self._send(texts.reminder),
            escalate=lambda: self._send(texts.escalation),
            end=lambda: self._end(PurchaseOrderEvent.LAPSE, DEADLINE, NOT_IN_TIME),
            met=self._deadlines_met,
        )
        await wait.with_all_timers_at_once()

    async def _wait_for_goods(self) -> None:
        """Wait for receipts to complete it; send one notice for each expected day that has passed."""
        while self.state.status in _OUT and not self.history_is_long:
            due = self.stored.due_at if self.stored else None
            noticed = due is None or due == self._late_noticed_for
            late = await self.wait_until(
                None if noticed else due,
                unless=lambda: (
                    self.state.status not in _OUT or (self.stored is not None and self.stored.due_at != due)  # noqa: B023 - waited for right here
                ),
                summary=f"late from {utc(due)}" if due else "",
            )
            # It may have ended, or got another day, in the very task in which the time came.
            if late and self.stored is not None and self.state.status in _OUT and self.stored.due_at == due:
                self._late_noticed_for = due
                self._send(texts.late)

    async def _end(self, event: EndEvent, performed_by: str, reason: str, *key: str) -> None:
        if self._ended_by is event:
            return  # Sent twice.
        step = EndPurchaseOrderStep(
            **self.step_stamp(event, *key, performed_by=performed_by), event=event, reason=reason
        )
        summary = ended_by(event, performed_by, reason)
        await self.apply(PurchaseOrderActivities.end_purchase_order, step, summary)
        self._ended_by = event

    def worth_of(self, message: Message) -> Decimal | None:
        """The total, of an approval of the order."""
        if isinstance(message, Approve):
            return None if self.stored is None else self.stored.total
        return super().worth_of(message)

    def _is_draft(self) -> bool:
        return self.state.status is PurchaseOrderStatus.DRAFT

    def _send(self, text: Callable[[StoredPurchaseOrder], Notice]) -> None:
        if self.stored is not None:
            self._notices.send(text(self.stored))

    def carried(self, stored: StoredPurchaseOrder) -> _Carried:
        """The input of the next run."""
        return _Carried(
            order=stored,
            state=self.state,
            deadlines_met=self._deadlines_met,
            told_late_for=self._late_noticed_for,
            waited_for=self._waited_for,
            signals=self.signals,
        )

    def changed(self, before: StoredPurchaseOrder | None, stored: StoredPurchaseOrder) -> None:
        """Send the notices about a change of status."""
        self.state.approve_by = stored.deadlines.end_at
        if before is None and stored.drafted_by_another_run:
            return  # That run has sent them.
        was = before.status if before else PurchaseOrderStatus.DRAFT
        is_amended = before is not None and before.version != stored.version
        if stored.status is not was or is_amended:
            self._notices.send(*texts.news(was, stored, is_amended=is_amended))

    def shown(self, stored: StoredPurchaseOrder) -> Shown:
        """The run as people see and find it."""
        is_late = stored.due_at is not None and stored.due_at == self._late_noticed_for
        return Shown(
            texts.details_of(self.state, stored, is_late=is_late),
            stored.line_items,
            [stored.warehouse],
            amount=stored.total,
            deadline=self.state.approve_by if self._is_draft() else stored.due_at,
            memo=memo(stored),
        )

    # The signals of the commands.
    approve_signal = signal_of(approve)
    reject_signal = signal_of(reject)
    amend_signal = signal_of(amend)
    confirm_signal = signal_of(confirm)
    receive_signal = signal_of(receive)
    approve_difference_signal = signal_of(approve_difference)
    correct_receipt_signal = signal_of(correct_receipt)
    return_goods_signal = signal_of(return_goods)
    close_short_signal = signal_of(close_short)
    cancel_signal = signal_of(cancel)
