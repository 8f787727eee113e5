"""The planning run: demand is brought up to date, and every item's reorder point follows from it."""

from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts import policies, search_attributes
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.replenishment_plan import (
    PLANNED_BY,
    WORKFLOW_TYPE,
    PlanPageStep,
    PlanState,
    ReplenishmentPlanActivities,
    ReplenishmentPlanRequest,
    RollUpDemandStep,
)
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.replenishment import PlanStatus
from workflows.details import details
from workflows.process import Carried, Process
from workflows.reordering import ask_for_reorder
from workflows.steps import through_the_queue


class _Carried(Carried):
    state: PlanState
    page: int
    after: tuple[int, int] | None
    looked_at: int
    items: int
    fell_below: bool
    as_of: AwareDatetime


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ReplenishmentPlanWorkflow(Process[PlanState]):
    """Plans every item anew from its demand: reorder point, safety stock, order quantity.

    Started by the schedule or by hand; no commands. Ends DONE; a request that is wrong fails the run.
    """

    _request: ReplenishmentPlanRequest

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(PlanState(), payload)
        self._at = _Carried(
            state=self.state,
            page=0,
            after=None,
            looked_at=0,
            items=0,
            fell_below=False,
            signals=0,
            as_of=workflow.now(),
        )
        self._stopped = False
        self._done = False
        self._continued = False
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self._at = carried
            self.state = carried.state
            self._continued = True

    @workflow.run
    async def run(self, *payload: Any) -> PlanState:
        """Bring demand up to date, plan page after page, and end."""
        del payload  # It was taken at init.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if not self._done and not self._stopped:
            self._at.state = self.state
            self._at.signals = self.signals
            self.continue_in_another_run(self._at)
        self.state.status = PlanStatus.DONE
        self.publish()
        return await self.ended()

    async def _give_up(self) -> None:
        """What has been planned stays."""
        self._stopped = True
        self.note("stopped: the workflow was cancelled")

    async def _run_process(self) -> None:
        try:
            self._request = parse(ReplenishmentPlanRequest, self.payload[:1] if self._continued else self.payload)
        except DomainError as failure:
            await self.failed(failure)
        self.state.warehouse_id = self._request.warehouse_id
        self.start_answered()
        if not self._continued:
            await self._bring_demand_up_to_date()
        while not self._done and not self._stopped and not self.history_is_long:
            try:
                await self._plan_a_page()
            except DomainError as failure:
                await self.failed(failure)
        if self._done and self._at.fell_below:
            await ask_for_reorder()
        await workflow.wait_condition(self.drained)

    async def _bring_demand_up_to_date(self) -> None:
        step = RollUpDemandStep(
            operation_id=self.operation(workflow.info().first_execution_run_id, "demand"),
            performed_by=PLANNED_BY,
            as_of=self._at.as_of,
            warehouse_id=self._request.warehouse_id,
        )
        summary = "bring the demand of each day up to date"
        demand = await through_the_queue(ReplenishmentPlanActivities.roll_up_demand, step, summary, policies.PLANNING)
        self._at.items = demand.items
        self.publish()

    async def _plan_a_page(self) -> None:
        """The next items.

        Raises:
            UnknownWarehouse: The request names one that isn't there.
        """
        self._at.page += 1
        request = self._request
        step = PlanPageStep(
            operation_id=self.operation(workflow.info().first_execution_run_id, "plan", str(self._at.page)),
            performed_by=PLANNED_BY,
            # The same day for all: demand is known up to the day before it.
            as_of=self._at.as_of,
            warehouse_id=request.warehouse_id,
            after=self._at.after,
            history_days=request.history_days,
            service_level=request.service_level,
            order_cost=request.order_cost,
            holding_cost_rate=request.holding_cost_rate,
        )
        summary = f"plan items from {self._at.looked_at + 1} on"
        page = await through_the_queue(ReplenishmentPlanActivities.plan_page, step, summary, policies.PLANNING)
        self._at.looked_at += page.looked_at
        self._at.after = page.after
        self._at.fell_below = self._at.fell_below or page.fell_below
        self.state.items_planned += page.planned
        self.state.items_changed += page.changed
        self._done = page.after is None
        self.publish()

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        state, at = self.state, self._at
        told = (
            f"{at.looked_at} of {at.items} items looked at, {state.items_planned} planned, {state.items_changed} "
            "changed. Items that were set by hand, that have no supplier, or no whole day of history, keep what they "
            "have."
        )
        self.show(details(state.status, told, [], state.notes), [search_attributes.STATUS.value_set(state.status)])
