"""Replenishment for programs and the command line: plan now, reorder now, set an item by hand."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from temporalio.client import Client

from stockkeeper.client.calls import checked, run_now
from stockkeeper.client.questions import ask, page_by_page
from stockkeeper.contracts import reorder, replenishment_plan
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.reorder import ReorderRequest, ReorderState
from stockkeeper.contracts.replenishment_plan import (
    ItemPlan,
    PlanState,
    ReplenishmentPlanActivities,
    ReplenishmentPlanRequest,
    SetPlanningStep,
    ShowPlans,
)


async def run_reorder(
    client: Client, *, warehouse_id: int | None = None, dry_run: bool = False, task_queue: str
) -> ReorderState:
    """Order what is below its point now, and wait until that is done.

    Raises:
        InvalidRequest: The request is wrong.
        Unreachable: Nobody answers.
    """
    request = checked(ReorderRequest, warehouse_id=warehouse_id, dry_run=dry_run)
    return await run_now(
        client,
        reorder.WORKFLOW_TYPE,
        request,
        what="reorder",
        task_queue=task_queue,
        summary="what would be reordered" if dry_run else "reorder what is below its point, by hand",
        state=ReorderState,
    )


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
    return await run_now(
        client,
        replenishment_plan.WORKFLOW_TYPE,
        request,
        what="replenishment-plan",
        task_queue=task_queue,
        summary="plan every item anew, asked for by hand",
        state=PlanState,
    )


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
    step = parse(SetPlanningStep, [fields | {"operation_id": f"planning/{uuid.uuid4()}", "as_of": datetime.now(UTC)}])
    return await ask(client, ReplenishmentPlanActivities.set_planning, step, task_queue, prefix="planning")


def plans(
    client: Client, *, product: str | None = None, warehouse: str | None = None, task_queue: str
) -> AsyncIterator[ItemPlan]:
    """What is planned, in the order of SKU and warehouse, read page by page.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    return page_by_page(
        client,
        ReplenishmentPlanActivities.show_plans,
        checked(ShowPlans, product=product, warehouse=warehouse),
        task_queue,
        rows=lambda page: page.plans,
        place=lambda plan: (plan.sku, plan.warehouse),
    )
