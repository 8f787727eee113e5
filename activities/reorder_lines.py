"""The lines of a reorder run's draft: which items go on it, read from the database and decided by the domain."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from database.order_terms import price_breaks_of, read_joint_items
from database.reorder import read_open_orders, read_planned_numbers
from stockkeeper.domain.joint_order import JointItem, joint_cycle
from stockkeeper.domain.reorder import Position
from stockkeeper.domain.reorder_lines import JointLevel, WantedLine
from stockkeeper.domain.replenishment import Terms

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


def joining(items: Sequence[Row[Any]], levels: Levels, most: int) -> list[Row[Any]]:
    """Items that join an order: not below their point, not on order, and near it; the nearest ones, by product."""
    near = [
        row
        for row in items
        if not row.is_below_reorder_point
        and row.on_order == 0
        and row.quantity_available + row.in_transit < levels[row.product_id].can_order_point(row.reorder_point)
    ]
    near.sort(key=lambda row: (row.quantity_available + row.in_transit - row.reorder_point) / row.daily_mean)
    return sorted(near[:most], key=lambda row: row.product_id)


def wanted_lines(
    connection: Connection,
    warehouse_id: int,
    needing: Sequence[Row[Any]],
    joined: Sequence[Row[Any]],
    levels: Levels,
) -> list[WantedLine]:
    """The items of an order, by product: those that need it, and those that join it."""
    plans = read_planned_numbers(connection, warehouse_id, [row.product_id for row in (*needing, *joined)])
    open_orders = read_open_orders(connection, warehouse_id, needing)

    def line(row: Row[Any], *, on_order: int, joins: bool) -> WantedLine:
        return WantedLine(
            product_id=row.product_id,
            position=Position(row.quantity_available, on_order, row.in_transit),
            point=row.reorder_point,
            reorder_quantity=row.reorder_quantity,
            unit_cost=row.unit_cost,
            terms=Terms(row.minimum_order_quantity, row.pack_size),
            breaks=price_breaks_of(row.price_breaks),
            planned=plans.get(row.product_id),
            open_orders=open_orders.get(row.product_id, []) if not joins else [],
            joint=levels.get(row.product_id),
            joins=joins,
        )

    lines = [
        *(line(row, on_order=row.in_time, joins=False) for row in needing),
        *(line(row, on_order=0, joins=True) for row in joined),
    ]
    return sorted(lines, key=lambda each: each.product_id)


def read_joining(
    connection: Connection, warehouse_id: int, supplier_id: int, levels: Levels, product_ids: Collection[int]
) -> list[Row[Any]]:
    """The items, of these, that join an order now. The caller has locked them."""
    items = read_joint_items(connection, warehouse_id, supplier_id, product_ids)
    return joining([row for row in items if row.product_id in levels], levels, len(product_ids))
