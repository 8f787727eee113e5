"""On hand, reserved, and every movement exactly once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from tests.faults.simulation.model.books import Key, Level
from tests.faults.simulation.model.model import Model

_LEVELS = text("""
    SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved, quantity_available
    FROM inventory_items WHERE warehouse_id = ANY(:warehouses)
""")
_MOVEMENTS = text("""
    SELECT warehouse_id, product_id, movement_type, quantity, reference_id, operation_id, balance_after
    FROM stock_movements WHERE warehouse_id = ANY(:warehouses) AND reference_id <> 'opening'
    ORDER BY movement_id
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every item of every model, and nothing else in their warehouses."""
    for model in models:
        items = model.books.items
        warehouses = {"warehouses": sorted({key.warehouse_id for key in items})}
        levels = {Key(*row[:2]): tuple(row[2:]) for row in connection.execute(_LEVELS, warehouses)}
        for key in sorted(items.keys() | levels.keys()):
            due = items.get(key, Level(0))
            wanted, found = (due.on_hand, due.reserved, due.available), levels.get(key)
            if found != wanted:
                yield f"{key} has on hand, reserved, available {found}, not {wanted}"
        moved = defaultdict(list)
        for row in connection.execute(_MOVEMENTS, warehouses):
            moved[Key(*row[:2])].append(row[2:])
        for key in sorted(items.keys() | moved.keys()):
            yield from _compare_movements(key, items.get(key, Level(0)), moved[key])


def _compare_movements(key: Key, due: Level, found: Sequence[Sequence[object]]) -> Iterator[str]:
    # Own lanes send one command after another, so their movements have one order.
    for number, (movement, row) in enumerate(zip(due.movements, found, strict=False)):
        kind, quantity, reference, operation, _ = row
        same = (kind, quantity, reference) == movement[:3] and str(operation).startswith(movement.operation)
        if not same:
            yield f"movement {number} of {key} is {tuple(row)}, not {tuple(movement)}"
            return
    if len(found) != len(due.movements):
        missing, more = due.movements[len(found) :], found[len(due.movements) :]
        yield f"{key} has {len(found)} movements, not {len(due.movements)}: missing {missing}, too many {more}"
