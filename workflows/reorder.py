"""The reorder run: items below their points and not covered are drafted, and approval of the drafts begins."""

import contextlib
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from stockkeeper.contracts import policies
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order import PROCESS as PURCHASE_ORDER
from stockkeeper.contracts.purchase_order_state import PurchaseOrderRequest
from stockkeeper.contracts.reorder import (
    LINES_SHOWN,
    LOOK,
    ORDERS_SHOWN,
    REQUESTED_BY,
    WORKFLOW_TYPE,
    DraftReorderStep,
    FindBelow,
    FindUnstarted,
    Group,
    ReorderActivities,
    ReorderedState,
    ReorderLine,
    ReorderRequest,
    ReorderState,
)
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.reorder import ReorderStatus
from workflows import reorder_texts as texts
from workflows.counters import count_reorder_draft
from workflows.notices import Notices
from workflows.process import Carried
from workflows.scheduled import ScheduledRun
from workflows.steps import in_bulk

TOGETHER_SECONDS = 2.0
"""Requests that come within this time of each other are served by one look."""


class _Carried(Carried):
    state: ReorderState
    looks: int


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ReorderWorkflow(ScheduledRun[ReorderState, ReorderRequest]):
    """Orders the items below their reorder points: one draft for each supplier and warehouse.

    Started by the schedule, by hand, or by whatever lets an item fall below its point. Signal: ``look`` (again). No
    commands. Ends DONE; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(ReorderState(), payload, ReorderRequest, REQUESTED_BY)
        self._looks_wanted = 0
        self._looks = 0
        self._names: dict[tuple[str, int], str] = {}
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._looks = carried.looks
            self._looks_wanted = 1
            self.continued = True
        self._notices = Notices(self, policies.SHORT_NOTICE)

    @workflow.run
    async def run(self, *_payload: Any) -> ReorderState:
        """Find items below their points, order them, do so again if it was requested meanwhile, and end."""
        await self.go_through()
        return await self.close(ReorderStatus.DONE)

    @workflow.signal(name=LOOK, description="An item has fallen below its point: look (again).")
    def look(self, *_payload: Any) -> None:
        """Request a look. One that is requested while a look is under way is made after it."""
        self._looks_wanted += 1

    @property
    def is_done(self) -> bool:
        """Whether no further look was requested. Drafted orders go on in workflows of their own."""
        return not self._looks_wanted

    def carried(self) -> _Carried:
        """The input of the next run."""
        return _Carried(state=self.state, looks=self._looks, signals=self.signals)

    async def begin(self) -> None:
        """Take the request into the state."""
        self.state.warehouse_id = self.request.warehouse_id
        self.state.dry_run = self.request.dry_run

    async def work(self) -> None:
        """Look at least once, and again as long as a look is requested meanwhile."""
        while True:
            if self._looks_wanted:
                await workflow.sleep(TOGETHER_SECONDS, summary="for others who ask at the same time")
            self._looks_wanted = 0
            await self._look()
            # A request that comes while a notice is still under way doesn't wait for it.
            await workflow.wait_condition(lambda: bool(self._looks_wanted) or self.stopped or self.drained())
            if self.is_done or self.ends_here:
                break

    async def _look(self) -> None:
        """Once over everything that is below its point.

        Raises:
            UnknownWarehouse: The request names one that isn't there.
        """
        self._looks += 1
        if not self.state.dry_run:
            await self._start_what_was_left()
        below = await in_bulk(
            ReorderActivities.find_below,
            FindBelow(warehouse_id=self.state.warehouse_id, as_of=workflow.now()),
            "what is below its point?",
            policies.REORDER,
        )
        self._names |= texts.names_of(below.groups)
        self.state.items_below = below.items_below
        self.state.items_covered = below.items_covered
        self.state.covered = below.covered
        self.state.skipped = below.skipped
        self.state.items_skipped = below.items_skipped
        self.state.waiting = below.waiting
        self.state.items_waiting = below.items_waiting
        self.publish()
        drafted: list[tuple[Group, PurchaseOrderRequest]] = []
        for group in below.groups:
            if self._ends_here():
                break
            drafted += [(group, order) for order in await self._order(group)]
        if below.more_groups:
            self._go_on_later()
        if drafted and not self.state.dry_run:
            self._notices.send(texts.ordered(drafted, below))
        self.publish()

    async def _start_what_was_left(self) -> None:
        """A run may have been stopped between a draft and the start of its workflow."""
        after = 0
        while not self.stopped and not self.history_is_long:
            try:
                question = FindUnstarted(after_po_id=after)
                left = await in_bulk(
                    ReorderActivities.find_unstarted, question, "a draft without a workflow?", policies.REORDER
                )
            except (FailureError, DomainError):
                # The items below their points matter more.
                self.note("drafts without a workflow couldn't be looked up; the next run tries again")
                return
            if left.order is None:
                return
            after = left.po_id
            self.note(f"purchase order {left.order.po_number} was drafted without a workflow and is started now")
            await self._start(left.order)

    async def _order(self, group: Group) -> list[PurchaseOrderRequest]:
        """Everything of one supplier for one warehouse: one order, unless it is very much."""
        orders: list[PurchaseOrderRequest] = []
        after = 0
        while not self.stopped:
            step = DraftReorderStep(
                **self.step_stamp(
                    "draft",
                    str(self._looks),
                    str(group.warehouse_id),
                    str(group.supplier_id),
                    str(len(orders)),
                ),
                supplier_id=group.supplier_id,
                warehouse_id=group.warehouse_id,
                dry_run=self.state.dry_run,
                after_product_id=after,
            )
            try:
                summary = f"{group.supplier} → {group.warehouse}: {counted(group.items, 'item')}"
                drafted = await in_bulk(ReorderActivities.draft_reorder, step, summary, policies.REORDER)
            except (FailureError, DomainError) as error:
                # One supplier's trouble is none of the others', and the next run tries again.
                why = (
                    error.message
                    if isinstance(error, DomainError)
                    else "the step failed for too long; its last error is in the history"
                )
                self.note(f"{group.supplier} → {group.warehouse}: not drafted: {why}")
                return orders
            if drafted.order is not None:
                orders.append(drafted.order)
                self._show_order(drafted.order)
                if self.state.dry_run:
                    after = drafted.order.line_items[-1].product_id
                else:
                    count_reorder_draft()
                    await self._start(drafted.order)
            if not drafted.more or drafted.order is None or self._ends_here():
                break
        return orders

    def _ends_here(self) -> bool:
        """Very many orders make a long history: the other items are left to the run that continues this one."""
        if self.history_is_long:
            self._go_on_later()
        return self.history_is_long or self.stopped

    def _go_on_later(self) -> None:
        """Look again for the rest. A dry run would find the same again: it shows as much as it has found."""
        if self.state.dry_run:
            self.note("there is more to order than is shown here")
        else:
            self._looks_wanted += 1

    def _show_order(self, order: PurchaseOrderRequest) -> None:
        room = LINES_SHOWN - sum(len(each.line_items) for each in self.state.purchase_orders)
        shown = ReorderedState(
            po_number=None if self.state.dry_run else order.po_number,
            supplier_id=order.supplier_id,
            warehouse_id=order.warehouse_id,
            line_items=[
                ReorderLine(product_id=line.product_id, qty=line.qty, unit_cost=line.unit_cost, note=line.note or "")
                for line in order.line_items[:room]
            ],
            items=len(order.line_items),
            total=texts.total(order),
        )
        self.state.orders_drafted += 1
        self.state.purchase_orders = [*self.state.purchase_orders[-(ORDERS_SHOWN - 1) :], shown]
        self.publish()

    async def _start(self, order: PurchaseOrderRequest) -> None:
        """Start its workflow, which outlives this run. If another run has started it, nothing is left to do."""
        lines = counted(len(order.line_items), "line")
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                PURCHASE_ORDER.workflow_type,
                order,
                id=PURCHASE_ORDER.id_of(order.po_number),
                parent_close_policy=ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                static_summary=plain(f"purchase order {order.po_number}: {lines}, {order.reason}"),
            )

    def details(self) -> str:
        """The run in a few lines of Markdown."""
        return texts.details_of(self.state, self._names, stopped_early=self.stopped_early)
