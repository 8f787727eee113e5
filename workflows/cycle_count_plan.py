"""The planning run for counts: each warehouse's list of the day becomes a count of its own."""

from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from stockkeeper.contracts import policies
from stockkeeper.contracts.cycle_count import PROCESS as COUNT
from stockkeeper.contracts.cycle_count import CycleCountRequest
from stockkeeper.contracts.cycle_count_plan import (
    COUNTS_SHOWN,
    PLANNED_BY,
    WORKFLOW_TYPE,
    CountDay,
    CountDays,
    CycleCountPlanActivities,
    CycleCountPlanRequest,
    CycleCountPlanState,
    FindCountDaysStep,
    NotPlannedState,
    PlanCountStep,
    PlannedCountState,
    count_number,
)
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.replenishment_plan import ReplenishmentPlanActivities, RollUpDemandStep
from stockkeeper.domain.cycle_count_plan import CountPlanStatus
from stockkeeper.domain.errors import DomainError
from workflows.details import details, table
from workflows.process import Carried
from workflows.scheduled import ScheduledRun
from workflows.steps import in_bulk, through_the_queue


class _Carried(Carried):
    state: CycleCountPlanState
    after_warehouse_id: int
    demand_is_known: bool


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class CycleCountPlanWorkflow(ScheduledRun[CycleCountPlanState, CycleCountPlanRequest]):
    """Starts a count in each warehouse that has none of its day yet, of the items that are due there.

    Started by the schedule or by hand; no commands. Ends DONE; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(CycleCountPlanState(), payload, CycleCountPlanRequest, PLANNED_BY)
        self._after_warehouse_id = 0
        self._demand_is_known = False
        self._warehouses: dict[int, str] = {}
        self._done = False
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._after_warehouse_id = carried.after_warehouse_id
            self._demand_is_known = carried.demand_is_known
            self.continued = True

    @workflow.run
    async def run(self, *_payload: Any) -> CycleCountPlanState:
        """Find the warehouses where it is time to count, start a count of the due items in each, and end."""
        await self.go_through()
        return await self.close(CountPlanStatus.DONE)

    @property
    def is_done(self) -> bool:
        """Whether every warehouse has been planned."""
        return self._done

    def carried(self) -> _Carried:
        """The input of the next run."""
        return _Carried(
            state=self.state,
            after_warehouse_id=self._after_warehouse_id,
            demand_is_known=self._demand_is_known,
            signals=self.signals,
        )

    async def begin(self) -> None:
        """Show the run."""
        self.state.warehouse_id = self.request.warehouse_id
        self.publish()

    async def next_page(self) -> None:
        """Plan the next warehouses; very many make a long history, and the next run takes the rest."""
        page = await self._find_days()
        for day in page.days:
            if self.ends_here:
                break
            await self._plan(day)
            self._after_warehouse_id = day.warehouse_id
        else:
            self._done = not page.more

    async def _find_days(self) -> CountDays:
        """Warehouses where it is time to count.

        Raises:
            UnknownWarehouse: The request names one that isn't there.
        """
        step = FindCountDaysStep(
            **self.step_stamp("days"),
            warehouse_id=self.request.warehouse_id,
            from_hour=self.request.from_hour,
            after_warehouse_id=self._after_warehouse_id,
        )
        days = await through_the_queue(
            CycleCountPlanActivities.find_count_days, step, "where is it time to count?", policies.REORDER
        )
        if not self._demand_is_known and not all(day.is_counted for day in days.days):
            await self._bring_demand_up_to_date()
        return days

    async def _bring_demand_up_to_date(self) -> None:
        step = RollUpDemandStep(**self.step_stamp("demand"))
        summary = "bring the demand of each day up to date"
        try:
            await in_bulk(ReplenishmentPlanActivities.roll_up_demand, step, summary, policies.COUNT_LIST)
        except FailureError:
            # Counting on yesterday's classes is better than not counting.
            self.note("the demand couldn't be brought up to date: items are classified by what is known")
        self._demand_is_known = True

    async def _plan(self, day: CountDay) -> None:
        """One warehouse's list, as a count that goes on by itself."""
        self._warehouses[day.warehouse_id] = day.warehouse
        number = count_number(day.warehouse_id, day.day)
        if day.is_counted:
            self._skip(day, f"count {number} was made before")
            return
        step = PlanCountStep(**self.step_stamp("plan", number), warehouse_id=day.warehouse_id, day=day.day)
        summary = f"{day.warehouse}: what is due on {day.day}?"
        try:
            plan = await in_bulk(CycleCountPlanActivities.plan_count, step, summary, policies.COUNT_LIST)
        except FailureError:
            # One warehouse's trouble is none of the others', and the next run tries again.
            self._skip(day, "its list failed for too long; the last error is in the history")
            return
        if plan.late:
            self.note(f"{day.warehouse}: {counted(plan.late, 'item')} due and beyond the cap of a day")
        if plan.is_counted:
            self._skip(day, f"count {number} was made before")
            return
        if not plan.product_ids:
            self._skip(day, "nothing is due")
            return
        request = CycleCountRequest(
            count_number=number,
            warehouse_id=day.warehouse_id,
            product_ids=plan.product_ids,
            requested_by=PLANNED_BY,
        )
        try:
            await workflow.start_child_workflow(
                COUNT.workflow_type,
                request,
                id=COUNT.id_of(number),
                parent_close_policy=ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                static_summary=plain(f"count {number}, {day.warehouse}: {counted(len(plan.product_ids), 'item')}"),
            )
        except WorkflowAlreadyStartedError:
            self._skip(day, f"count {number} was made before")
            return
        shown = PlannedCountState(
            count_number=number,
            warehouse_id=day.warehouse_id,
            items=len(plan.product_ids),
            wanted=plan.wanted,
            late=plan.late,
        )
        self.state.counts_started += 1
        self.state.items += shown.items
        self.state.counts = [*self.state.counts[-(COUNTS_SHOWN - 1) :], shown]
        self.publish()

    def _skip(self, day: CountDay, reason: str) -> None:
        skipped = NotPlannedState(warehouse_id=day.warehouse_id, reason=reason)
        self.state.skipped = [*self.state.skipped[-(COUNTS_SHOWN - 1) :], skipped]
        self.publish()

    def details(self) -> str:
        """The run in a few lines of Markdown."""
        state = self.state
        text = self.stopped_early + (
            f"{counted(state.counts_started, 'count')} started, {counted(state.items, 'item')} in all; "
            f"{counted(len(state.skipped), 'warehouse')} without a new one."
        )
        if state.status is CountPlanStatus.DONE and not (state.counts or state.skipped or self.stopped):
            text = "It isn't time to count in any warehouse: no count was started."
        started = table(
            ["count", "warehouse", "#items", "#late"],
            [(each.count_number, self._named(each.warehouse_id), each.items, each.late) for each in state.counts],
        )
        skipped = table(
            ["warehouse", "no new count, because"],
            [(self._named(each.warehouse_id), each.reason) for each in state.skipped],
        )
        return details(state.status, text, [*started, "", *skipped], state.notes)

    def _named(self, warehouse_id: int) -> str:
        return self._warehouses.get(warehouse_id, f"warehouse {warehouse_id}")
