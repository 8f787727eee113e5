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
_WAITS = text("""
    SELECT DISTINCT waits.reference_id FROM waits JOIN waiting_lines USING (wait_id)
    WHERE status = 'WAITING' AND product_id = ANY(:products)
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every order of every model, line by line, and those that wait."""
    for model in models:
        orders = cast("dict[str, Order]", model.documents.get(KIND, {}))
        held = defaultdict(list)
        warehouses = {"warehouses": sorted(model.books.homes)}
        for row in connection.execute(_HOLDS, warehouses):
            held[row.reference_id].append(tuple(row[1:]))
        for reference in sorted(orders.keys() | held.keys()):
            order = orders.get(reference)
            due = [] if order is None else [row for row in rows_of(order) if row[0] in model.books.homes]
            never = order is not None and order.may_never_have_been_held and not held[reference]
            if sorted(held[reference]) != sorted(due) and not never:
                yield f"order {reference} has the lines {held[reference]}, not {due}"
        products = {"products": sorted({key.product_id for key in model.books.items})}
        waiting = set(connection.execute(_WAITS, products).scalars())
        waits = {reference for reference, order in orders.items() if order.status == "WAITING"}
        if waiting != waits:
            yield f"the orders {sorted(waiting)} wait, not {sorted(waits)}"


def rows_of(order: Order) -> list[tuple[object, ...]]:
    """What the table has to have of an order: nothing, if it was never held."""
    ended = "CANCELLED" if order.undone else order.status
    return [
        (
            *(*line.key, line.quantity, line.fulfilled, line.released),
            line.ended or ("FULFILLED" if not line.open else ended),
        )
        for line in order.undone or order.lines
    ]
