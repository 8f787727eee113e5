"""Planning's side of the activities, on PostgreSQL, without Temporal around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

from activities.replenishment_plan import ReplenishmentPlanSteps
from database.sessions import Database
from stockkeeper.contracts.replenishment_plan import (
    ItemPlan,
    ItemPlans,
    PlannedPage,
    PlanPageStep,
    RolledUpDemand,
    RollUpDemandStep,
    SetPlanningStep,
    ShowPlans,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.past import AS_OF
from tests.support.shop import new_reference
from tests.support.steps.activity import run_activity


class Planned(NamedTuple):
    """What a run of pages came to."""

    looked_at: int
    planned: int
    changed: int
    fell_below: bool


class Planning:
    """One run after another; each page has an operation of its own, unless a test repeats one on purpose.

    By the seed's formula unless a test says otherwise: its numbers can be checked by hand.
    """

    def __init__(
        self,
        database: Database,
        *,
        order_cost: str = "50",
        holding_cost_rate: float = 0.25,
        forecast: bool = False,
    ) -> None:
        self._steps = ReplenishmentPlanSteps(
            database, order_cost=Decimal(order_cost), holding_cost_rate=holding_cost_rate, forecast=forecast
        )

    def roll_up(self, as_of: datetime = AS_OF) -> RolledUpDemand:
        """Bring the demand of each day up to date."""
        step = RollUpDemandStep(operation_id=f"{new_reference('plan')}/demand", performed_by="planner", as_of=as_of)
        return run_activity("roll_up_demand", self._steps.roll_up_demand, step)

    def page(
        self,
        warehouse_id: int | None,
        after: tuple[int, int] | None = None,
        *,
        as_of: datetime = AS_OF,
        history_days: int = 90,
        service_level: float = 0.95,
        order_cost: str | None = None,
        holding_cost_rate: float | None = None,
        method: str | None = "seed",
        fill_rate: float | None = None,
        bulk_factor: float | None = None,
        forecast: bool | None = None,
        operation: str | None = None,
    ) -> PlannedPage:
        """Plan a page of items from the demand as it is known."""
        step = PlanPageStep.model_validate(
            {
                "operation_id": operation or f"{new_reference('plan')}/plan/1",
                "performed_by": "planner",
                "as_of": as_of,
                "warehouse_id": warehouse_id,
                "after": after,
                "history_days": history_days,
                "service_level": service_level,
                "order_cost": None if order_cost is None else Decimal(order_cost),
                "holding_cost_rate": holding_cost_rate,
                "method": method,
                "fill_rate": fill_rate,
                "bulk_factor": bulk_factor,
                "forecast": forecast,
            }
        )
        return run_activity("plan_page", self._steps.plan_page, step)

    def pages(self, warehouse_id: int | None, **other: Any) -> Iterator[PlannedPage]:
        """Page after page, as the workflow asks for them."""
        after = None
        while True:
            page = self.page(warehouse_id, after, **other)
            yield page
            after = page.after
            if after is None:
                return

    def run(self, warehouse_id: int | None, *, as_of: datetime = AS_OF, **other: Any) -> Planned:
        """A whole run: demand first, then all pages."""
        self.roll_up(as_of)
        pages = list(self.pages(warehouse_id, as_of=as_of, **other))
        return Planned(
            sum(page.looked_at for page in pages),
            sum(page.planned for page in pages),
            sum(page.changed for page in pages),
            any(page.fell_below for page in pages),
        )

    def set(
        self,
        product: str,
        warehouse: str,
        planning: str,
        point: int | None = None,
        quantity: int | None = None,
        *,
        operation: str | None = None,
    ) -> ItemPlan:
        """Set an item by hand, or let planning have it."""
        step = SetPlanningStep.model_validate(
            {
                "operation_id": operation or new_reference("planning"),
                "performed_by": "olga",
                "as_of": AS_OF,
                "product": product,
                "warehouse": warehouse,
                "planning": planning,
                "reorder_point": point,
                "reorder_quantity": quantity,
            }
        )
        return run_activity("set_planning", self._steps.set_planning, step)

    def show(self, **question: Any) -> ItemPlans:
        """What is planned."""
        return ActivityEnvironment().run(self._steps.show_plans, ShowPlans(**question))

    def plan_of(self, engine: Engine, item: ItemKey) -> ItemPlan:
        """What is planned for one item."""
        sku, warehouse = names(engine, item)
        [plan] = self.show(product=sku, warehouse=warehouse).plans
        return plan


def names(engine: Engine, item: ItemKey) -> tuple[str, str]:
    """What people call an item: SKU and warehouse."""
    query = text("""
        SELECT sku, warehouses.name FROM products, warehouses
        WHERE product_id = :product_id AND warehouse_id = :warehouse_id
    """)
    with engine.connect() as connection:
        sku, warehouse = connection.execute(query, item._asdict()).one()
        return str(sku), str(warehouse)


def point_and_quantity(engine: Engine, item: ItemKey) -> tuple[int | None, int | None]:
    """What the item itself has of its plan."""
    query = text("""
        SELECT reorder_point, reorder_quantity FROM inventory_items
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    with engine.connect() as connection:
        point, quantity = connection.execute(query, item._asdict()).one()
        return point, quantity


@contextmanager
def plans_stay(engine: Engine, *items: ItemKey) -> Iterator[None]:
    """Whatever happens inside leaves what is planned for these items, and from what, as it was."""
    query = text("""
        SELECT item.*, plan.* FROM inventory_items AS item LEFT JOIN item_plans AS plan USING (warehouse_id, product_id)
        WHERE (item.warehouse_id, item.product_id) = (:warehouse_id, :product_id)
    """)

    def planned() -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            return [tuple(connection.execute(query, item._asdict()).one()) for item in items]

    before = planned()
    yield
    assert planned() == before
