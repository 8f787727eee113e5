"""Replenishment: plan now, reorder now, set an item's reorder point by hand."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

from stockkeeper.client.by_hand import run_now
from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_ids, with_names
from stockkeeper.client.questions import ask, pages
from stockkeeper.contracts import reorder, replenishment_plan
from stockkeeper.contracts.plan_questions import DAYS_AHEAD, ExplainPlan, PlanAccuracy, PlanExplained, ShowPlanAccuracy
from stockkeeper.contracts.question import EXPLAIN_PLAN, SET_PLANNING, SHOW_PLAN_ACCURACY, SHOW_PLANS
from stockkeeper.contracts.reorder import ReorderRequest, ReorderState
from stockkeeper.contracts.replenishment_plan import (
    ItemPlan,
    PlanState,
    ReplenishmentPlanRequest,
    SetPlanningStep,
    ShowPlans,
)


class Replenishment(Part):
    """Reorder points, and orders that follow from them."""

    async def run_reorder(self, *, warehouse_id: Named | None = None, dry_run: bool = False) -> ReorderState:
        """Order items below their reorder point now, and wait until that is done.

        Args:
            warehouse_id: Only this warehouse.
            dry_run: Draft nothing, and answer with the orders that would be drafted.

        Raises:
            UnknownWarehouse, InvalidRequest: The request is wrong.
            Unreachable: Temporal doesn't answer.
        """
        request, _ = await with_ids(self.connection, ReorderRequest, warehouse_id=warehouse_id, dry_run=dry_run)
        return await run_now(self.connection, reorder.PROCESS, request, state=ReorderState)

    async def run_plan(
        self,
        *,
        warehouse_id: Named | None = None,
        history_days: int = 90,
        service_level: float = 0.95,
        fill_rate: float | None = None,
        method: Literal["seed"] | None = None,
        order_cost: Decimal | None = None,
        holding_cost_rate: float | None = None,
        bulk_factor: float | None = None,
        forecast: bool | None = None,
    ) -> PlanState:
        """Plan every item now, and wait until that is done.

        Args:
            warehouse_id: Only this warehouse.
            history_days: Days of demand to plan from.
            service_level: The probability that a replenishment cycle has no stockout.
            fill_rate: The part of the units wanted that is sold; where it is given, it counts instead of the level.
            method: None: for each item the distribution that fits its demand; seed: the seed's formula for all.
            order_cost: The cost of placing an order; None: by the workers' settings.
            holding_cost_rate: The yearly holding cost as a part of the unit cost; None: by the workers' settings.
            bulk_factor: Days with more than this many times the median of the days with demand are left out, as one-off
                bulk orders; None: by the workers' settings.
            forecast: Follow trend and season, of items whose past carries it; None: by the workers' settings.

        Raises:
            UnknownWarehouse, InvalidRequest: The request is wrong.
            Unreachable: Temporal doesn't answer.
        """
        request, _ = await with_ids(
            self.connection,
            ReplenishmentPlanRequest,
            warehouse_id=warehouse_id,
            history_days=history_days,
            service_level=service_level,
            fill_rate=fill_rate,
            method=method,
            order_cost=order_cost,
            holding_cost_rate=holding_cost_rate,
            bulk_factor=bulk_factor,
            forecast=forecast,
        )
        return await run_now(self.connection, replenishment_plan.PROCESS, request, state=PlanState)

    async def plans(self, *, product: Named | None = None, warehouse: Named | None = None) -> AsyncIterator[ItemPlan]:
        """Reorder points and the numbers behind them, in the order of SKU and warehouse, read page by page.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowPlans, product=product, warehouse=warehouse)
        async for plan in pages(self.connection, SHOW_PLANS, asked):
            yield plan

    async def explain_plan(self, product: Named, warehouse: Named, *, days: int = DAYS_AHEAD) -> PlanExplained:
        """How an item's reorder point came about, number by number, and what its next weeks bring.

        Args:
            product: The product.
            warehouse: The warehouse.
            days: Days to look ahead.

        Raises:
            InvalidRequest: The item has no reorder point yet.
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ExplainPlan, product=product, warehouse=warehouse, days=days)
        return await ask(self.connection, EXPLAIN_PLAN, asked)

    async def plan_accuracies(self, *, warehouse: Named | None = None, since: date | None = None) -> list[PlanAccuracy]:
        """What plans promised and what was reached, by month and class of demand, the latest month first.

        Args:
            warehouse: Only this warehouse.
            since: Only the months from this day's on; None: the last twelve.

        Raises:
            UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowPlanAccuracy, warehouse=warehouse, since=since)
        return (await ask(self.connection, SHOW_PLAN_ACCURACY, asked)).accuracies

    async def set_by_hand(
        self,
        product: Named,
        warehouse: Named,
        *,
        reorder_point: int,
        reorder_quantity: int | None = None,
        performed_by: str,
    ) -> ItemPlan:
        """Set an item's reorder point and quantity; planning keeps off it from then on.

        Args:
            product: The product.
            warehouse: The warehouse.
            reorder_point: Units available below which the item is ordered.
            reorder_quantity: Units of one order; None: as planned before.
            performed_by: The person or service that decides.

        Raises:
            InvalidRequest: A number is wrong; nothing was sent.
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        return await self._set(
            product,
            warehouse,
            performed_by=performed_by,
            planning="manual",
            reorder_point=reorder_point,
            reorder_quantity=reorder_quantity,
        )

    async def set_automatic(self, product: Named, warehouse: Named, *, performed_by: str) -> ItemPlan:
        """Give an item back to planning, from its next run on.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        return await self._set(product, warehouse, performed_by=performed_by, planning="auto")

    async def _set(self, product: Named, warehouse: Named, **fields: object) -> ItemPlan:
        step = await with_names(
            self.connection,
            SetPlanningStep,
            product=product,
            warehouse=warehouse,
            operation_id=f"planning/{uuid.uuid4()}",
            as_of=datetime.now(UTC),
            **fields,
        )
        return await ask(self.connection, SET_PLANNING, step, prefix="planning")
