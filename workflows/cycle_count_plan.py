"""The planning run for counts: each warehouse's list of the day becomes a count of its own."""

from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from stockkeeper.contracts import policies, search_attributes
from stockkeeper.contracts.cycle_count import WORKFLOW_TYPE as COUNT_WORKFLOW
from stockkeeper.contracts.cycle_count import CycleCountRequest
from stockkeeper.contracts.cycle_count import workflow_id as count_workflow_id
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
from stockkeeper.contracts.messages import counted, parse
from stockkeeper.contracts.replenishment_plan import ReplenishmentPlanActivities, RollUpDemandStep
from stockkeeper.domain.cycle_count_plan import CountPlanStatus
from stockkeeper.domain.errors import DomainError
from workflows.details import details, table
from workflows.process import Carried, Process
from workflows.steps import through_the_queue


class _Carried(Carried):
    state: CycleCountPlanState
    after_warehouse_id: int
    demand_is_known: bool


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class CycleCountPlanWorkflow(Process[CycleCountPlanState]):
    """Starts a count in each warehouse that has none of its day yet, of what is due there.

    Started by the schedule or by hand; no commands. Ends DONE; a request that is wrong fails the run.
    """

    _request: CycleCountPlanRequest

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(CycleCountPlanState(), payload)
        self._after_warehouse_id = 0
        self._demand_is_known = False
        self._warehouses: dict[int, str] = {}
        self._continued = False
        self._stopped = False
        self._done = False
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._after_warehouse_id = carried.after_warehouse_id
            self._demand_is_known = carried.demand_is_known
            self._continued = True

    @workflow.run
    async def run(self, *payload: Any) -> CycleCountPlanState:
        """Look where it is time to count, start what is due there, and end."""
        del payload  # It was taken at init.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if not self._done and not self._stopped:
            self.continue_in_another_run(
                _Carried(
                    state=self.state,
                    after_warehouse_id=self._after_warehouse_id,
                    demand_is_known=self._demand_is_known,
                    signals=self.signals,
                )
            )
        self.state.status = CountPlanStatus.DONE
        self.publish()
        return await self.ended()

    async def _give_up(self) -> None:
        """Counts that have been started go on."""
        self._stopped = True
        self.note("stopped: the workflow was cancelled")

    async def _run_process(self) -> None:
        try:
            self._request = parse(CycleCountPlanRequest, self.payload[:1] if self._continued else self.payload)
        except DomainError as failure:
            await self.failed(failure)
        self.state.warehouse_id = self._request.warehouse_id
        self.publish()
        self.start_answered()
        while not self._done and not self._ends_here():
            try:
                page = await self._next_page()
            except DomainError as failure:
                await self.failed(failure)
            for day in page.days:
                if self._ends_here():
                    break
                await self._plan(day)
                self._after_warehouse_id = day.warehouse_id
            else:
                self._done = not page.more
        await workflow.wait_condition(self.drained)

    def _ends_here(self) -> bool:
        """Very many warehouses make a long history: the rest is for the run that continues this one."""
        return self._stopped or self.history_is_long

    async def _next_page(self) -> CountDays:
        """Warehouses where it is time to count.

        Raises:
            UnknownWarehouse: The request names one that isn't there.
        """
        step = FindCountDaysStep(
            operation_id=self.operation(workflow.info().first_execution_run_id, "days"),
            performed_by=PLANNED_BY,
            as_of=workflow.now(),
            warehouse_id=self._request.warehouse_id,
            from_hour=self._request.from_hour,
            after_warehouse_id=self._after_warehouse_id,
        )
        days = await through_the_queue(
            CycleCountPlanActivities.find_count_days, step, "where is it time to count?", policies.REORDER
        )
        if not self._demand_is_known and not all(day.is_counted for day in days.days):
            await self._bring_demand_up_to_date()
        return days

    async def _bring_demand_up_to_date(self) -> None:
        step = RollUpDemandStep(
            operation_id=self.operation(workflow.info().first_execution_run_id, "demand"),
            performed_by=PLANNED_BY,
            as_of=workflow.now(),
        )
        summary = "bring the demand of each day up to date"
        try:
            await through_the_queue(ReplenishmentPlanActivities.roll_up_demand, step, summary, policies.COUNT_LIST)
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
        step = PlanCountStep(
            operation_id=self.operation(workflow.info().first_execution_run_id, "plan", number),
            performed_by=PLANNED_BY,
            as_of=workflow.now(),
            warehouse_id=day.warehouse_id,
            day=day.day,
        )
        summary = f"{day.warehouse}: what is due on {day.day}?"
        try:
            plan = await through_the_queue(CycleCountPlanActivities.plan_count, step, summary, policies.COUNT_LIST)
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
                COUNT_WORKFLOW,
                request,
                id=count_workflow_id(number),
                parent_close_policy=ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                static_summary=f"count {number}, {day.warehouse}: {counted(len(plan.product_ids), 'item')}",
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

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        state = self.state
        told = (
            f"{counted(state.counts_started, 'count')} started, {counted(state.items, 'item')} in all; "
            f"{counted(len(state.skipped), 'warehouse')} without a new one."
        )
        started = table(
            ["count", "warehouse", "#items", "#late"],
            [(each.count_number, self._named(each.warehouse_id), each.items, each.late) for each in state.counts],
        )
        skipped = table(
            ["warehouse", "no new count, because"],
            [(self._named(each.warehouse_id), each.reason) for each in state.skipped],
        )
        self.show(
            details(state.status, told, [*started, "", *skipped], state.notes),
            [search_attributes.STATUS.value_set(state.status)],
        )

    def _named(self, warehouse_id: int) -> str:
        return self._warehouses.get(warehouse_id, f"warehouse {warehouse_id}")
