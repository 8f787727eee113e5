"""The rows of orders' holds."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Connection, text

from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.reservation import KIND, Order

_HOLDS = text("""
    SELECT reference_id, warehouse_id, product_id, quantity, quantity_fulfilled, quantity_released, status
    FROM reservations WHERE reference_type = 'ORDER' AND warehouse_id = ANY(:warehouses)
    ORDER BY reservation_id
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every order of every model, line by line."""
    for model in models:
        orders = cast("dict[str, Order]", model.documents.get(KIND, {}))
        held = defaultdict(list)
        warehouses = {"warehouses": sorted({key.warehouse_id for key in model.books.items})}
        for row in connection.execute(_HOLDS, warehouses):
            held[row.reference_id].append(tuple(row[1:]))
        for reference in sorted(orders.keys() | held.keys()):
            due = rows_of(orders[reference]) if reference in orders else []
            if sorted(held[reference]) != sorted(due):
                yield f"order {reference} has the lines {held[reference]}, not {due}"


def rows_of(order: Order) -> list[tuple[object, ...]]:
    """What the table has to have of an order: nothing, if it was never held."""
    return [
        (*line.key, line.quantity, line.fulfilled, line.released, "FULFILLED" if not line.open else order.status)
        for line in order.lines
    ]
