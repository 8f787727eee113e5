"""The planning run: demand is brought up to date, and every item's reorder point follows from it."""

from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts import policies
from stockkeeper.contracts.reorder import SKIPPED_SHOWN
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
from workflows.details import details, table
from workflows.process import Carried, Stamp
from workflows.reordering import ask_for_reorder
from workflows.scheduled import ScheduledRun
from workflows.steps import in_bulk


class _Carried(Carried):
    state: PlanState
    page: int = 0
    after: tuple[int, int] | None = None
    looked_at: int = 0
    items: int = 0
    fell_below: bool = False
    as_of: AwareDatetime


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ReplenishmentPlanWorkflow(ScheduledRun[PlanState, ReplenishmentPlanRequest]):
    """Plans every item anew from its demand: reorder point, safety stock, order quantity.

    Started by the schedule or by hand; no commands. Ends DONE; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(PlanState(), payload, ReplenishmentPlanRequest, PLANNED_BY)
        self._at = _Carried(state=self.state, signals=0, as_of=workflow.now())
        self._done = False
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self._at = carried
            self.state = carried.state
            self.continued = True

    @workflow.run
    async def run(self, *_payload: Any) -> PlanState:
        """Bring demand up to date, plan page after page, and end."""
        await self.go_through()
        return await self.close(PlanStatus.DONE)

    @property
    def is_done(self) -> bool:
        """Whether every item has been planned."""
        return self._done

    def carried(self) -> _Carried:
        """The input of the next run."""
        return self._at.model_copy(update={"state": self.state, "signals": self.signals})

    async def begin(self) -> None:
        """Bring the demand up to date, once for all runs of the chain."""
        self.state.warehouse_id = self.request.warehouse_id
        if not self.continued:
            await self._bring_demand_up_to_date()

    async def finish(self) -> None:
        """Request a reorder run if an item is below its new point."""
        if self._done and self._at.fell_below:
            await ask_for_reorder()

    def _stamp(self, *step: str) -> Stamp:
        # The same day for all items: demand is known up to the day before it.
        return {**self.step_stamp(*step), "as_of": self._at.as_of}

    async def _bring_demand_up_to_date(self) -> None:
        step = RollUpDemandStep(**self._stamp("demand"), warehouse_id=self.request.warehouse_id)
        summary = "bring the demand of each day up to date"
        demand = await in_bulk(ReplenishmentPlanActivities.roll_up_demand, step, summary, policies.PLANNING)
        self._at.items = demand.items
        self.publish()

    async def next_page(self) -> None:
        """Plan the next items.

        Raises:
            UnknownWarehouse: The request names one that isn't there.
        """
        self._at.page += 1
        request = self.request
        step = PlanPageStep(
            **self._stamp("plan", str(self._at.page)),
            warehouse_id=request.warehouse_id,
            after=self._at.after,
            history_days=request.history_days,
            service_level=request.service_level,
            order_cost=request.order_cost,
            holding_cost_rate=request.holding_cost_rate,
            bulk_factor=request.bulk_factor,
            fill_rate=request.fill_rate,
            method=request.method,
            forecast=request.forecast,
        )
        summary = f"plan items from {self._at.looked_at + 1} on"
        page = await in_bulk(ReplenishmentPlanActivities.plan_page, step, summary, policies.PLANNING)
        self._at.looked_at += page.looked_at
        self._at.after = page.after
        self._at.fell_below = self._at.fell_below or page.fell_below
        self.state.items_planned += page.planned
        self.state.items_changed += page.changed
        self.state.skipped = [*self.state.skipped, *page.skipped][:SKIPPED_SHOWN]
        self.state.items_skipped += page.items_skipped
        self._done = page.after is None
        self.publish()

    def details(self) -> str:
        """The run in a few lines of Markdown."""
        state, at = self.state, self._at
        text = self.stopped_early + (
            f"{at.looked_at} of {at.items} items looked at, {state.items_planned} planned, {state.items_changed} "
            "changed. Items that were set by hand, that have no supplier, or no whole day of history, keep what they "
            "have."
        )
        skipped = table(
            ["item", "in", "not planned, because"],
            [(f"product {each.product_id}", f"warehouse {each.warehouse_id}", each.reason) for each in state.skipped],
        )
        return details(state.status, text, skipped, state.notes)
