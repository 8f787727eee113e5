"""The rows of customer returns."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Connection, text

from tests.faults.simulation.model.customer_return import CustomerReturn
from tests.faults.simulation.model.model import Model

_RETURNS = text("""
    SELECT return_number, status,
        (SELECT array_agg(ARRAY[product_id, quantity, restocked, scrapped] ORDER BY line_number)
            FROM return_lines AS line WHERE line.return_id = returns.return_id),
        (SELECT count(*) FROM return_inspections AS inspection WHERE inspection.return_id = returns.return_id)
    FROM returns WHERE warehouse_id = ANY(:warehouses)
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every return of every model, line by line."""
    for model in models:
        returns = cast("dict[str, CustomerReturn]", model.documents.get(CustomerReturn.kind, {}))
        warehouses = {each.start["warehouse_id"] for each in returns.values()}
        warehouses |= {key.warehouse_id for key in model.books.items}
        found = {row[0]: tuple(row[1:]) for row in connection.execute(_RETURNS, {"warehouses": sorted(warehouses)})}
        for number in sorted(returns.keys() | found.keys()):
            due = _row_of(returns[number]) if number in returns else None
            if found.get(number) != due:
                yield f"return {number} is {found.get(number)}, not {due}"


def _row_of(returned: CustomerReturn) -> tuple[object, ...]:
    lines = [[line.product, line.quantity, line.restocked, line.scrapped] for line in returned.lines]
    return returned.status, lines, len(returned.inspections)
