"""The purchase order: a draft that is approved, goes out to the supplier, and comes in."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.messages import parse, utc
from stockkeeper.contracts.notice import Notice
from stockkeeper.contracts.purchase_order import (
    APPROVE,
    CANCEL,
    CLOSE_SHORT,
    CONFIRM,
    RECEIVE,
    REJECT,
    WORKFLOW_TYPE,
    Approve,
    ApprovePurchaseOrderStep,
    CancelOrder,
    CloseShort,
    Confirm,
    ConfirmPurchaseOrderStep,
    DraftPurchaseOrderStep,
    EndEvent,
    EndPurchaseOrderStep,
    PurchaseOrderActivities,
    PurchaseOrderLineState,
    PurchaseOrderRequest,
    PurchaseOrderState,
    Receive,
    ReceivePurchaseOrderStep,
    Reject,
    StoredPurchaseOrder,
    memo,
    workflow_id,
)
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.purchase_order import PURCHASE_ORDER, PurchaseOrderEvent, PurchaseOrderStatus
from workflows import purchase_order_texts as texts
from workflows.commands import command, signal_of
from workflows.notices import Notices
from workflows.process import Carried, Process
from workflows.steps import write

_OUT = (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CONFIRMED)
_ON_TIME = "stockkeeper"
"""Who does what nobody does: a deadline."""


class _Carried(Carried):
    order: StoredPurchaseOrder
    state: PurchaseOrderState
    deadlines_met: list[str]
    told_late_for: AwareDatetime | None


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class PurchaseOrderWorkflow(Process[PurchaseOrderState]):
    """Buys from a supplier: draft, approval, submission, receipts.

    Answers: update ``drafted`` (use it with update-with-start). Commands: ``approve``, ``reject``, ``confirm``,
    ``receive``, ``close_short``, ``cancel``. Ends RECEIVED or CANCELLED; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(PurchaseOrderState(), payload)
        self._order: StoredPurchaseOrder | None = None
        self._deadlines_met: list[str] = []
        self._told_late_for: datetime | None = None
        self._ended_by: EndEvent | None = None
        self._lines = 0
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._order = carried.order
            self._lines = len(carried.order.line_items)
            self._deadlines_met = carried.deadlines_met
            self._told_late_for = carried.told_late_for
        self._notices = Notices(self)

    @workflow.run
    async def run(self, *payload: Any) -> PurchaseOrderState:
        """Draft, wait for approval, wait for the goods, and end."""
        del payload  # It was taken at init, so that commands that come first see it too.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if self._order is not None and not PURCHASE_ORDER.is_final(self.state.status):
            self.continue_in_another_run(
                _Carried(
                    order=self._order,
                    state=self.state,
                    deadlines_met=self._deadlines_met,
                    told_late_for=self._told_late_for,
                    signals=self.signals,
                )
            )
        return await self.ended()

    @workflow.update(name="drafted", description="Waits until the draft is stored, and answers with the state.")
    async def drafted(self, *payload: Any) -> PurchaseOrderState:
        """The answer to the start."""
        del payload  # Takes none; a client that sends null or {} means the same.
        await self.answer_to_start()
        return self.state

    @command(APPROVE)
    async def approve(self, message: Approve, key: str) -> None:
        """One approval. `{approver, note}`."""
        step = ApprovePurchaseOrderStep(
            operation_id=self.operation("approve", key),
            performed_by=message.approver,
            as_of=workflow.now(),
            po_number=self.state.po_number,
            note=message.note,
        )
        summary = f"approved by {message.approver}"
        self._take_over(await write(PurchaseOrderActivities.approve_purchase_order, step, summary, lines=self._lines))

    @command(REJECT)
    async def reject(self, message: Reject, key: str) -> None:
        """One rejection cancels the draft. `{approver, reason}`."""
        await self._end(PurchaseOrderEvent.REJECT, message.approver, message.reason, key)

    @command(CONFIRM)
    async def confirm(self, message: Confirm, key: str) -> None:
        """The supplier accepts, perhaps for another day. `{performed_by, expected_delivery_date}`."""
        step = ConfirmPurchaseOrderStep(
            operation_id=self.operation("confirm", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            po_number=self.state.po_number,
            expected_delivery_date=message.expected_delivery_date,
        )
        day = f" for {message.expected_delivery_date}" if message.expected_delivery_date else ""
        self._take_over(
            await write(PurchaseOrderActivities.confirm_purchase_order, step, f"confirmed{day}", lines=self._lines)
        )

    @command(RECEIVE)
    async def receive(self, message: Receive, key: str) -> None:
        """Goods have come. `{receipt_id, performed_by, lines: [{product_id, quantity, rejected_quantity}]}`."""
        del key  # The receipt has a name of its own, however often it is sent.
        step = ReceivePurchaseOrderStep(
            operation_id=self.operation("receive", message.receipt_id),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            po_number=self.state.po_number,
            receipt_id=message.receipt_id,
            lines=message.lines,
        )
        accepted = sum(line.quantity for line in message.lines)
        rejected = sum(line.rejected_quantity for line in message.lines)
        summary = f"receipt {message.receipt_id}: {accepted} units, {rejected} rejected"
        self._take_over(await write(PurchaseOrderActivities.receive_purchase_order, step, summary, lines=self._lines))

    @command(CLOSE_SHORT)
    async def close_short(self, message: CloseShort, key: str) -> None:
        """What is still owed isn't expected any more. `{performed_by, reason}`."""
        await self._end(PurchaseOrderEvent.CLOSE_SHORT, message.performed_by, message.reason, key)

    @command(CANCEL)
    async def cancel(self, message: CancelOrder, key: str) -> None:
        """It isn't wanted any more, and nothing of it has come. `{performed_by, reason}`."""
        await self._end(PurchaseOrderEvent.CANCEL, message.performed_by, message.reason, key)

    approve_signal = signal_of(approve)
    reject_signal = signal_of(reject)
    confirm_signal = signal_of(confirm)
    receive_signal = signal_of(receive)
    close_short_signal = signal_of(close_short)
    cancel_signal = signal_of(cancel)

    async def _give_up(self) -> None:
        """A cancelled workflow expects nothing more, as by the command that fits."""
        async with self.command_lock:
            # What was under way has finished by now, and may have been the first goods.
            received = any(line.quantity_received for line in self.state.line_items)
            event: EndEvent = PurchaseOrderEvent.CLOSE_SHORT if received else PurchaseOrderEvent.CANCEL
            await self._end(event, "operator", "the workflow was cancelled", "workflow-cancelled")

    async def _run_process(self) -> None:
        if self._order is None:
            try:
                await self._draft()
            except DomainError as failure:
                await self.failed(failure)
        else:
            self._take_over(self._order)
        self.start_answered()
        await self._wait_for_approval()
        await self._wait_for_goods()
        await workflow.wait_condition(self.drained)

    async def _draft(self) -> None:
        """Check the start and store it.

        Raises:
            DomainError: The start is wrong. Nothing is stored.
        """
        request = parse(PurchaseOrderRequest, self.payload)
        self.state.po_number = request.po_number
        self.require_workflow_id(workflow_id(request.po_number), of="purchase order")
        self._lines = len(request.line_items)
        step = DraftPurchaseOrderStep(
            operation_id=self.operation("draft"),
            performed_by=request.requested_by,
            as_of=workflow.now(),
            po_number=request.po_number,
            supplier_id=request.supplier_id,
            warehouse_id=request.warehouse_id,
            line_items=request.line_items,
            expected_delivery_date=request.expected_delivery_date,
            requested_by=request.requested_by,
            reason=request.reason,
            approval=request.approval,
        )
        summary = f"draft {request.po_number}: {len(request.line_items)} lines"
        order = await write(PurchaseOrderActivities.draft_purchase_order, step, summary, lines=self._lines)
        if order.drafted_by_another_run:
            # It has sent what was to be sent.
            self._order = order
        self._take_over(order)
        if self.state.status is PurchaseOrderStatus.DRAFT and not order.drafted_by_another_run:
            self._send(texts.approval_wanted(order))

    async def _wait_for_approval(self) -> None:
        """Wait for approvals, with three deadlines that an operator sees as timers of their own."""
        order = self._order
        if order is None or self.state.status is not PurchaseOrderStatus.DRAFT:
            return
        policy, asked = order.policy, order.drafted_at
        deadlines: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "reminder": (policy.remind_after_hours, self._remind),
            "escalation": (policy.escalate_after_hours, self._escalate),
            "cancelled unless approved": (policy.cancel_after_hours, self._lapse),
        }
        timers = {
            name: asyncio.create_task(_until(asked + timedelta(hours=hours), name))
            for name, (hours, _) in deadlines.items()
            if name not in self._deadlines_met
        }
        while self.state.status is PurchaseOrderStatus.DRAFT and not self.history_is_long:
            await workflow.wait_condition(
                lambda: (
                    self.state.status is not PurchaseOrderStatus.DRAFT
                    or self.history_is_long
                    or any(timer.done() for timer in timers.values())
                )
            )
            for name in [name for name, timer in timers.items() if timer.done()]:
                del timers[name]
                self._deadlines_met.append(name)
                _, meet = deadlines[name]
                await meet()
        for timer in timers.values():
            timer.cancel()

    async def _remind(self) -> None:
        self._send_if_waiting(texts.reminder)

    async def _escalate(self) -> None:
        self._send_if_waiting(texts.escalation)

    def _send_if_waiting(self, text: Callable[[StoredPurchaseOrder], Notice]) -> None:
        if self._order is not None and self.state.status is PurchaseOrderStatus.DRAFT:
            self._send(text(self._order))

    async def _lapse(self) -> None:
        await self.meet_last_deadline(
            lambda: self.state.status is PurchaseOrderStatus.DRAFT,
            lambda: self._end(PurchaseOrderEvent.LAPSE, _ON_TIME, "not approved in time"),
        )

    async def _wait_for_goods(self) -> None:
        """Wait for receipts to complete it, and say once for each expected day that it has passed."""
        while self.state.status in _OUT and not self.history_is_long:
            due = self._order.due_at if self._order else None
            told = due is None or due == self._told_late_for
            late = await self.wait_until(
                None if told else due,
                unless=lambda: (
                    self.state.status not in _OUT or (self._order is not None and self._order.due_at != due)  # noqa: B023 - waited for right here
                ),
                summary=f"late from {utc(due)}" if due else "",
            )
            # It may have ended, or got another day, in the very task in which the time came.
            if late and self._order is not None and self.state.status in _OUT and self._order.due_at == due:
                self._told_late_for = due
                self._send(texts.late(self._order))

    async def _end(self, event: EndEvent, performed_by: str, reason: str, *key: str) -> None:
        if self._ended_by is event:
            return  # Sent twice: that is what was wanted.
        step = EndPurchaseOrderStep(
            operation_id=self.operation(event, *key),
            performed_by=performed_by,
            as_of=workflow.now(),
            po_number=self.state.po_number,
            event=event,
            reason=reason,
        )
        order = await write(PurchaseOrderActivities.end_purchase_order, step, f"{event}: {reason}", lines=self._lines)
        self._ended_by = event
        self._take_over(order)

    def _take_over(self, order: StoredPurchaseOrder) -> None:
        """What the database says is how it is; whoever should hear of the difference does."""
        before, self._order = self._order, order
        state = self.state
        state.po_id = order.po_id
        state.po_number = order.po_number
        state.supplier_id = order.supplier_id
        state.warehouse_id = order.warehouse_id
        state.status = order.status
        state.total = order.total
        state.required_approvals = order.required_approvals
        state.approvals = order.approvals
        state.line_items = [PurchaseOrderLineState.model_validate(line.model_dump()) for line in order.line_items]
        state.expected_delivery_date = order.expected_delivery_date
        state.requested_by = order.requested_by
        state.reason = order.reason
        state.approve_by = order.drafted_at + timedelta(hours=order.policy.cancel_after_hours)
        state.submitted_at = order.submitted_at
        state.receipts = order.receipts
        state.closed_reason = order.closed_reason
        was = before.status if before else PurchaseOrderStatus.DRAFT
        if order.status is not was:
            for notice in texts.news(was, order):
                self._send(notice)
        self.publish()

    def _send(self, notice: Notice) -> None:
        self._notices.send(notice)
        self.publish()

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        order = self._order
        if order is None:
            return
        # Once it is approved, what is next is the day of delivery, if there is one.
        deadline = self.state.approve_by if order.status is PurchaseOrderStatus.DRAFT else order.due_at
        self.show(
            texts.details_of(self.state, order),
            [
                search_attributes.STATUS.value_set(order.status),
                search_attributes.REFERENCE.value_set(search_attributes.keyword(order.po_number)),
                search_attributes.AMOUNT.value_set(float(order.total)),
                search_attributes.SKUS.value_set(search_attributes.keywords(line.sku for line in order.line_items)),
                search_attributes.WAREHOUSES.value_set(search_attributes.keywords([order.warehouse])),
                search_attributes.DEADLINE.value_set(deadline)
                if deadline
                else search_attributes.DEADLINE.value_unset(),
            ],
            memo(order),
        )


async def _until(moment: datetime, what: str) -> None:
    await workflow.sleep(max(moment - workflow.now(), timedelta()), summary=f"{what}: {utc(moment)}")
