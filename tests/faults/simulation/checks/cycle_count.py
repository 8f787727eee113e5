"""The rows of cycle counts."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Connection, text

from tests.faults.simulation.model.cycle_count import CycleCount
from tests.faults.simulation.model.model import Model

_COUNTS = text("""
    SELECT count_number, cycle_counts.status,
        array_agg(ARRAY[line.product_id::text, line.status, root_cause, approved_by, looks::text]
            ORDER BY line_number) AS lines
    FROM cycle_counts JOIN cycle_count_lines AS line USING (count_id)
    CROSS JOIN LATERAL (SELECT count(*) AS looks FROM cycle_count_entries AS entry
        WHERE (entry.count_id, entry.product_id, entry.lot_number)
            = (line.count_id, line.product_id, line.lot_number)) AS counted
    WHERE warehouse_id = ANY(:warehouses) GROUP BY count_id
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every count of every model, line by line."""
    for model in models:
        counts = cast("dict[str, CycleCount]", model.documents.get(CycleCount.kind, {}))
        warehouses = {each.start["warehouse_id"] for each in counts.values()}
        warehouses |= {key.warehouse_id for key in model.books.items}
        rows = connection.execute(_COUNTS, {"warehouses": sorted(warehouses)})
        # The lots of a product have lines in any order.
        found = {number: (status, sorted(lines, key=str)) for number, status, lines in rows}
        for number in sorted(counts.keys() | found.keys()):
            due = _row_of(counts[number]) if number in counts else None
            if found.get(number) != due:
                yield f"count {number} is {found.get(number)}, not {due}"


def _row_of(count: CycleCount) -> tuple[object, ...]:
    lines = []
    for line in count.lines:
        cause = line.cause if line.status == "POSTED" else next((look.cause for look in line.looks[-1:]), None)
        lines.append([str(line.product), line.status, cause, line.approved_by, str(len(line.looks))])
    return count.status, sorted(lines, key=str)
