"""The lines of a reorder run's draft: which items go on it, read from the database and decided by the domain."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from database.order_terms import price_breaks_of
from database.perishing import Perishing
from database.reorder import read_open_orders, read_planned_numbers
from stockkeeper.domain.joint_order import JointItem, joint_cycle
from stockkeeper.domain.reorder import Position
from stockkeeper.domain.reorder_lines import JointLevel, WantedLine
from stockkeeper.domain.replenishment import Terms
from stockkeeper.domain.stock import ItemKey

Levels = Mapping[int, JointLevel]
"""The part of each product in the joint orders of a supplier."""


def joint_levels(items: Sequence[Row[Any]], line_cost: float) -> Levels:
    """The part of each planned item in the joint orders of its supplier.

    Runs may have planned with different costs of an order; the largest counts.
    """
    planned = [JointItem(row.daily_mean, row.holding_cost_rate * float(row.unit_cost), line_cost) for row in items]
    cycle = joint_cycle(max((row.order_cost for row in items), default=0.0), planned)
    return {
        row.product_id: JointLevel(cycle.days, multiple * cycle.days, row.daily_mean)
        for row, multiple in zip(items, cycle.multiples, strict=True)
    }


def joining(items: Sequence[Row[Any]], levels: Levels, perishing: Perishing, most: int) -> list[Row[Any]]:
    """Items that join an order: not below their point, not on order, and near it; the nearest ones, by product."""

    def there(row: Row[Any]) -> int:
        return _position(row, 0, perishing, levels.get(row.product_id)).units

    near = [
        row
        for row in items
        if _position(row, 0, perishing, None).to_sell >= row.reorder_point
        and row.on_order == 0
        and there(row) < levels[row.product_id].can_order_point(row.reorder_point)
    ]
    near.sort(key=lambda row: (there(row) - row.reorder_point) / row.daily_mean)
    return sorted(near[:most], key=lambda row: row.product_id)


def days_to_last(levels: Levels) -> float:
    """Days beyond the lead time that a joint order has to last for one of its items at most."""
    return max((level.days for level in levels.values()), default=0.0)


def _position(row: Row[Any], on_order: int, perishing: Perishing, joint: JointLevel | None) -> Position:
    """An item's position. What expires before the order's next one has come isn't counted on."""
    lots = perishing.get(ItemKey(row.warehouse_id, row.product_id))
    to_expire = 0 if lots is None else lots.units(0.0 if joint is None else joint.days)
    return Position(row.quantity_available, on_order, row.in_transit, to_expire)


def wanted_lines(
    connection: Connection,
    warehouse_id: int,
    needing: Sequence[Row[Any]],
    joined: Sequence[Row[Any]],
    levels: Levels,
    perishing: Perishing,
    sell_days: Mapping[int, int],
) -> list[WantedLine]:
    """The items of an order, by product: those that need it, and those that join it."""
    plans = read_planned_numbers(connection, warehouse_id, [row.product_id for row in (*needing, *joined)])
    open_orders = read_open_orders(connection, warehouse_id, needing)

    def line(row: Row[Any], *, on_order: int, joins: bool) -> WantedLine:
        return WantedLine(
            product_id=row.product_id,
            position=_position(row, on_order, perishing, levels.get(row.product_id)),
            point=row.reorder_point,
            reorder_quantity=row.reorder_quantity,
            unit_cost=row.unit_cost,
            terms=Terms(row.minimum_order_quantity, row.pack_size),
            breaks=price_breaks_of(row.price_breaks),
            planned=plans.get(row.product_id),
            open_orders=open_orders.get(row.product_id, []) if not joins else [],
            joint=levels.get(row.product_id),
            joins=joins,
            sell_days=sell_days.get(row.product_id),
        )

    lines = [
        *(line(row, on_order=row.in_time, joins=False) for row in needing),
        *(line(row, on_order=0, joins=True) for row in joined),
    ]
    return sorted(lines, key=lambda each: each.product_id)
