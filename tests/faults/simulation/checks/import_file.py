"""The rows of imported demand."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Connection, text

from tests.faults.simulation.model.import_file import KIND, Day, File
from tests.faults.simulation.model.model import Model

_DEMAND = text("""
    SELECT product_id, warehouse_id, day::text, quantity FROM imported_demand WHERE warehouse_id = ANY(:warehouses)
""")
_PAGES = text("SELECT count(*) FROM import_pages WHERE import_id = ANY(:ids)")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every day of every model; and no page is left of a file that has ended."""
    for model in models:
        files = cast("dict[str, File]", model.documents.get(KIND, {}))
        due: dict[Day, int] = {}
        for file in files.values():
            due |= file.rows if file.status == "IMPORTED" else {}
        warehouses = {"warehouses": sorted({day.warehouse_id for file in files.values() for day in file.rows})}
        found = {Day(*row[:3]): int(row[3]) for row in connection.execute(_DEMAND, warehouses)}
        if found != due:
            yield f"imported demand is {sorted(found.items())}, not {sorted(due.items())}"
        left = connection.execute(_PAGES, {"ids": [file.workflow_id for file in files.values()]}).scalar_one()
        if left:
            yield f"{left} pages are left of files that have ended"
