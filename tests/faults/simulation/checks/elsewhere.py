"""Nothing of a warehouse is in a database that doesn't keep it."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from tests.faults.simulation.model.model import Model

_ROWS = text("""
    SELECT warehouse_id, 'items' FROM inventory_items WHERE warehouse_id = ANY(:warehouses)
    UNION SELECT warehouse_id, 'movements' FROM stock_movements WHERE warehouse_id = ANY(:warehouses)
    UNION SELECT warehouse_id, 'holds' FROM reservations WHERE warehouse_id = ANY(:warehouses)
    UNION SELECT warehouse_id, 'purchase orders' FROM purchase_orders WHERE warehouse_id = ANY(:warehouses)
    ORDER BY 1, 2
""")


def compare(connection: Connection, models: Sequence[Model], database: str) -> Iterator[str]:
    """Every warehouse of every model that another database keeps."""
    others = sorted({each for model in models for each, home in model.books.homes.items() if home != database})
    for warehouse_id, kind in connection.execute(_ROWS, {"warehouses": others}):
        yield f"{kind} of warehouse {warehouse_id} are here, which another database keeps"
