"""The rows of lots: on hand, reserved and set aside of each, the sum of its movements, and whether it may leave."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.model import Model

_LOTS = text("""
    SELECT warehouse_id, product_id, lot_number, quantity_on_hand, quantity_reserved, quantity_unavailable, (
        SELECT coalesce(sum(quantity), 0) FROM stock_movements AS moved
        WHERE (moved.product_id, moved.lot_number, moved.warehouse_id)
            = (item.product_id, item.lot_number, item.warehouse_id)), expires_on, status
    FROM lot_items AS item JOIN lots USING (product_id, lot_number) WHERE warehouse_id = ANY(:warehouses)
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every lot of every model, and no other one in their warehouses."""
    for model in models:
        warehouses = {"warehouses": sorted(model.books.homes)}
        found = {(Key(*row[:2]), row[2]): tuple(row[3:]) for row in connection.execute(_LOTS, warehouses)}
        due = {
            (key, lot.number): (
                *(lot.on_hand, lot.held, lot.aside, lot.on_hand),
                lot.expires_on,
                "BLOCKED" if lot.is_blocked else "AVAILABLE",
            )
            for key, lots in model.shelf.items()
            for lot in lots
        }
        for key in sorted(due.keys() | found.keys()):
            if found.get(key) != due.get(key):
                what = "on hand, reserved, aside, moved, a last day and a status"
                yield f"{key} has {what} {found.get(key)}, not {due.get(key)}"
