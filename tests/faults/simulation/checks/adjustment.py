"""The rows of adjustments."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Connection, text

from tests.faults.simulation.model.adjustment import KIND, Adjustment
from tests.faults.simulation.model.model import Model

_ROWS = text("""
    SELECT adjustment_number, status, approved_by,
        (SELECT sum(quantity) FROM adjustment_lines AS line WHERE line.adjustment_id = document.adjustment_id)
    FROM adjustments AS document WHERE warehouse_id = ANY(:warehouses)
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every adjustment of every model that was stored, and no other."""
    for model in models:
        known = cast("dict[str, Adjustment]", model.documents.get(KIND, {}))
        warehouses = {"warehouses": sorted(model.books.homes)}
        found = {row[0]: tuple(row[1:]) for row in connection.execute(_ROWS, warehouses)}
        due = {
            number: (each.status, each.approved_by, sum(line["quantity"] for line in each.lines))
            for number, each in known.items()
            if each.is_stored and each.warehouse_id in model.books.homes
        }
        for number in sorted(due.keys() | found.keys()):
            if found.get(number) != due.get(number):
                yield f"adjustment {number} is {found.get(number)}, not {due.get(number)}"
