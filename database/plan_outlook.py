"""What is on its way to an item: open purchase orders, and transfers to its warehouse."""

from sqlalchemy import Connection, text

from database.clock import day_of
from stockkeeper.domain.outlook import Arrival
from stockkeeper.domain.stock import ItemKey

_ORDERED = text("""
    SELECT po_number, units, expected_delivery_date, status = 'DRAFT' AS waits
    FROM open_orders(:warehouse_id, :product_id, 0)
    WHERE units > 0
""")

_SENT = text("""
    SELECT transfer_number, due_at, timezone, sum(line.in_transit)::bigint AS units
    FROM transfer_order_lines AS line JOIN transfer_orders USING (transfer_id)
    JOIN warehouses ON warehouses.warehouse_id = to_warehouse_id
    WHERE line.product_id = :product_id AND line.in_transit > 0 AND to_warehouse_id = :warehouse_id
    GROUP BY transfer_number, due_at, timezone
""")


def read_arrivals(connection: Connection, item: ItemKey) -> list[Arrival]:
    """Units on their way to an item, the earliest first, those without a day last. Locks nothing."""
    ordered = connection.execute(_ORDERED, item._asdict())
    found = [Arrival(row.po_number, row.units, row.expected_delivery_date, row.waits) for row in ordered]
    for row in connection.execute(_SENT, item._asdict()):
        due = None if row.due_at is None else day_of(row.due_at, row.timezone)
        found.append(Arrival(row.transfer_number, row.units, due))
    return sorted(found, key=lambda each: (each.expected is None, each.expected, each.document))
