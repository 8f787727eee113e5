"""The rows of transfers, and of their holds."""

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import Connection, text

from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.transfer import Transfer

_TRANSFERS = text("""
    SELECT transfer_number, status,
        (SELECT array_agg(ARRAY[product_id, quantity, dispatched, received, damaged, written_off, returned, in_transit]
            ORDER BY line_number) FROM transfer_order_lines AS line
            WHERE line.transfer_id = transfer_orders.transfer_id),
        (SELECT coalesce(sum(quantity - quantity_fulfilled - quantity_released), 0)::bigint FROM reservations
            WHERE (reference_type, reference_id, reservations.status) = ('TRANSFER', transfer_number, 'ACTIVE'))
    FROM transfer_orders WHERE from_warehouse_id = ANY(:warehouses) OR to_warehouse_id = ANY(:warehouses)
""")


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Every transfer of every model, line by line."""
    for model in models:
        transfers = cast("dict[str, Transfer]", model.documents.get(Transfer.kind, {}))
        warehouses = {"warehouses": sorted(model.books.homes)}
        found = {row[0]: tuple(row[1:]) for row in connection.execute(_TRANSFERS, warehouses)}
        for number in sorted(transfers.keys() | found.keys()):
            due = _row_of(transfers[number], warehouses["warehouses"]) if number in transfers else None
            if found.get(number) != due:
                yield f"transfer {number} is {found.get(number)}, not {due}"


def _row_of(transfer: Transfer, here: Sequence[int]) -> tuple[object, ...]:
    """Of one between two databases, both have its lines, and that of the source has the hold."""
    lines = [
        [
            line.product,
            line.quantity,
            line.dispatched,
            line.received,
            line.damaged,
            line.written_off,
            line.returned,
            line.in_transit,
        ]
        for line in transfer.lines
    ]
    is_source = transfer.start["from_warehouse_id"] in here
    return transfer.status, lines, sum(line.held for line in transfer.lines) if is_source else 0
