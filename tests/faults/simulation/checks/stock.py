"""On hand, reserved, and every movement exactly once."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

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
        warehouses = {"warehouses": sorted(model.books.homes)}
        levels = {Key(*row[:2]): tuple(row[2:]) for row in connection.execute(_LEVELS, warehouses)}
        for key in sorted(items.keys() | levels.keys()):
            due = items.get(key, Level(0))
            # What is in lots that may not leave isn't in the column.
            free = due.on_hand - due.reserved - due.aside
            wanted, found = (due.on_hand, due.reserved, free), levels.get(key)
            if found != wanted:
                yield f"{key} has on hand, reserved, available {found}, not {wanted}"
        moved = defaultdict(list)
        for row in connection.execute(_MOVEMENTS, warehouses):
            moved[Key(*row[:2])].append(row[2:])
        for key in sorted(items.keys() | moved.keys()):
            yield from _compare_movements(key, items.get(key, Level(0)), moved[key], by_lot=key in model.shelf)


def _compare_movements(key: Key, due: Level, found: Sequence[Sequence[Any]], *, by_lot: bool) -> Iterator[str]:
    if by_lot:
        # A line that leaves is a movement for each of its lots, whose units the lots themselves show.
        units = Counter[tuple[str, str]]()
        for kind, quantity, reference, *_ in found:
            units[kind, reference] += quantity
        units.subtract(_units_of(due))
        for (kind, reference), off in sorted(units.items()):
            if off:
                yield f"{key} has {off:+} units by {kind} {reference} that nobody asked for"
    else:
        # Signals to several runs are carried out in any order, so the movements of an item have none. Each is there
        # once.
        left = Counter((row[0], row[1], row[2]) for row in found)
        left.subtract(Counter(movement[:3] for movement in due.movements))
        for movement, times in sorted(left.items()):
            if times:
                yield f"{key} has the movement {movement} {abs(times)} times too {'often' if times > 0 else 'seldom'}"
    operations = Counter((row[3], row[2]) for row in found)
    begun = [movement.operation for movement in due.movements]
    for operation, reference in operations:
        if not any(str(operation).startswith(each) for each in begun):
            yield f"{key} has a movement of {reference} by the operation {operation}, which nobody asked for"


def _units_of(due: Level) -> Counter[tuple[str, str]]:
    units = Counter[tuple[str, str]]()
    for movement in due.movements:
        units[movement.kind, movement.reference] += movement.quantity
    return units
