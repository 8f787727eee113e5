"""Replenishment for programs and the command line: plan now, reorder now, set an item by hand."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from temporalio.client import Client

from contracts import reorder, replenishment_plan
from contracts.messages import parse
from contracts.reorder import ReorderRequest, ReorderState
from contracts.replenishment_plan import (
    ItemPlan,
    ItemPlans,
    PlanState,
    ReplenishmentPlanActivities,
    ReplenishmentPlanRequest,
    SetPlanning,
    ShowPlans,
)
from starter.calls import answer, checked
from starter.stock import ask

DONE_WITHIN = timedelta(hours=1)
"""How long a run is waited for; it goes on also if nobody waits."""


async def run_reorder(
    client: Client, *, warehouse_id: int | None = None, dry_run: bool = False, task_queue: str
) -> ReorderState:
    """Order what is below its point now, and wait until that is done.

    Raises:
        InvalidRequest: The request is wrong.
        Unreachable: Nobody answers.
    """
    request = checked(ReorderRequest, warehouse_id=warehouse_id, dry_run=dry_run)
    async with answer("reorder", DONE_WITHIN):
        state = await client.execute_workflow(
            reorder.WORKFLOW_TYPE,
            request,
            id=f"reorder-{uuid.uuid4()}",
            task_queue=task_queue,
            result_type=ReorderState,
            static_summary="what would be reordered" if dry_run else "reorder what is below its point, by hand",
        )
    return ReorderState.model_validate(state)


async def run_plan(
    client: Client,
    *,
    warehouse_id: int | None = None,
    history_days: int = 90,
    service_level: float = 0.95,
    order_cost: Decimal | None = None,
    holding_cost_rate: float | None = None,
    task_queue: str,
) -> PlanState:
    """Plan every item anew now, and wait until that is done.

    Raises:
        InvalidRequest: The request is wrong.
        Unreachable: Nobody answers.
    """
    request = checked(
        ReplenishmentPlanRequest,
        warehouse_id=warehouse_id,
        history_days=history_days,
        service_level=service_level,
        # As the wire has it: all digits and no exponent.
        order_cost=None if order_cost is None else f"{order_cost:f}",
        holding_cost_rate=holding_cost_rate,
    )
    async with answer("plan", DONE_WITHIN):
        state = await client.execute_workflow(
            replenishment_plan.WORKFLOW_TYPE,
            request,
            id=f"replenishment-plan-{uuid.uuid4()}",
            task_queue=task_queue,
            result_type=PlanState,
            static_summary="plan every item anew, asked for by hand",
        )
    return PlanState.model_validate(state)


async def set_by_hand(
    client: Client,
    product: str,
    warehouse: str,
    *,
    reorder_point: int,
    reorder_quantity: int | None,
    performed_by: str,
    task_queue: str,
) -> ItemPlan:
    """Set an item's point and quantity; planning leaves it alone from then on.

    Raises:
        InvalidRequest: The numbers are wrong; nothing was sent.
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    return await _set(
        client,
        task_queue,
        performed_by=performed_by,
        product=product,
        warehouse=warehouse,
        planning="manual",
        reorder_point=reorder_point,
        reorder_quantity=reorder_quantity,
    )


async def set_automatic(
    client: Client, product: str, warehouse: str, *, performed_by: str, task_queue: str
) -> ItemPlan:
    """Let planning have the item again, from its next run on.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    return await _set(
        client, task_queue, performed_by=performed_by, product=product, warehouse=warehouse, planning="auto"
    )


async def _set(client: Client, task_queue: str, **fields: Any) -> ItemPlan:
    step = parse(SetPlanning, [fields | {"operation_id": f"planning/{uuid.uuid4()}", "as_of": datetime.now(UTC)}])
    return await ask(client, ReplenishmentPlanActivities.set_planning, step, task_queue, prefix="planning")


async def plans(
    client: Client, *, product: str | None = None, warehouse: str | None = None, task_queue: str
) -> AsyncIterator[ItemPlan]:
    """What is planned, in the order of SKU and warehouse, read page by page.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    question = checked(ShowPlans, product=product, warehouse=warehouse)
    while True:
        page: ItemPlans = await ask(client, ReplenishmentPlanActivities.show_plans, question, task_queue)
        for plan in page.plans:
            yield plan
        if not page.more:
            return
        last = page.plans[-1]
        question = question.model_copy(update={"after": (last.sku, last.warehouse)})
