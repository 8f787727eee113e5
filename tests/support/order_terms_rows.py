"""How suppliers take orders, and items that are planned, as rows of the database."""

import json
from typing import Any

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.replenishment_rows import set_point

_BREAKS = text("""
    UPDATE product_suppliers SET price_breaks = CAST(:breaks AS jsonb)
    WHERE (product_id, supplier_id) = (:product_id, :supplier_id)
""")
_PLAN = text("""
    INSERT INTO item_plans (warehouse_id, product_id, supplier_id, days, daily_mean, daily_deviation, lead_time_days,
        service_level, safety_stock, economic_order_quantity, reorder_point, reorder_quantity, planned_at, order_cost,
        holding_cost_rate)
    VALUES (:warehouse_id, :product_id, :supplier_id, 90, :daily_mean, 0, 7, 0.95, 0, :quantity, :point, :quantity,
        '2026-06-01', :order_cost, :holding_cost_rate)
""")


def take_orders(engine: Engine, supplier_id: int, **terms: Any) -> None:
    """How a supplier takes orders: ``review_days``, ``minimum_order_value``, ``joint_orders``, ``line_cost``."""
    named = ", ".join(f"{name} = :{name}" for name in terms)
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE suppliers SET {named} WHERE supplier_id = :supplier_id"), terms | {"supplier_id": supplier_id}
        )


def set_breaks(engine: Engine, item: ItemKey, supplier_id: int, *breaks: tuple[int, str]) -> None:
    """From so many units on, each costs this."""
    listed = [{"quantity": units, "unit_cost": cost} for units, cost in breaks]
    with engine.begin() as connection:
        connection.execute(
            _BREAKS, {"breaks": json.dumps(listed), "product_id": item.product_id, "supplier_id": supplier_id}
        )


def plan(
    engine: Engine,
    item: ItemKey,
    supplier_id: int,
    point: int,
    quantity: int,
    *,
    daily_mean: float = 1.0,
    order_cost: float | None = 50.0,
    holding_cost_rate: float | None = 0.25,
) -> None:
    """An item that is planned with these numbers, and so many units a day."""
    set_point(engine, item, point, quantity, planning="auto")
    values = {
        "supplier_id": supplier_id,
        "point": point,
        "quantity": quantity,
        "daily_mean": daily_mean,
        "order_cost": order_cost,
        "holding_cost_rate": holding_cost_rate,
    }
    with engine.begin() as connection:
        connection.execute(_PLAN, item._asdict() | values)
