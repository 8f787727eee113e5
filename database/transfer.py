"""The transfer in the database: its tables, and what locks, reads and changes them.

How units in transit change is in `database.transit`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Double, Index, Integer, Table, Text, text

from database.columns import INSTANT, METADATA, composite_key, counter, identity, movement, needed, reference
from database.document import Document, document_table, line_table, read_document, read_rows
from database.document_list import DocumentList, name_of_warehouse, over_lines
from database.locks import lock_with_lines
from database.operations import Operation
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.transfer import Transfer, TransferredLine, TransferStatus

transfer_orders = document_table(
    "transfer_orders",
    reference("warehouses.warehouse_id", name="from_warehouse_id"),
    reference("warehouses.warehouse_id", name="to_warehouse_id"),
    Column("expected_transit_hours", Double),
    Column("dispatched_at", INSTANT),
    Column("due_at", INSTANT),
    key="transfer_id",
    number="transfer_number",
    initial="PENDING",
)

transfer_order_lines = line_table(
    "transfer_order_lines",
    transfer_orders,
    needed("quantity", BigInteger),
    *(counter(name) for name in ("received", "damaged", "written_off", "dispatched", "returned", "in_transit")),
    Index("transfer_order_lines_in_transit", "product_id", postgresql_where=text("in_transit > 0")),
)

transit_movements = Table(
    "transit_movements",
    METADATA,
    identity("transit_movement_id"),
    needed("transfer_id", BigInteger),
    needed("line_number", Integer),
    needed("kind", Text),
    Column("receipt_id", Text),
    Column("command_id", Text),
    *movement(),
    composite_key("transit_movements_line", "transfer_order_lines", "transfer_id", "line_number"),
    Index(
        "transit_movements_once",
        "transfer_id",
        "line_number",
        "kind",
        text("coalesce(receipt_id, operation_id)"),
        unique=True,
    ),
    Index("transit_movements_by_time", "created_at", postgresql_using="brin"),
)

_SHOWN = text("""
    SELECT transfer_id, transfer_number, from_warehouse_id, source.name AS from_warehouse,
        to_warehouse_id, destination.name AS to_warehouse, status, expected_transit_hours, requested_by,
        created_at AS requested_at, dispatched_at, due_at, closed_reason
    FROM transfer_orders
    JOIN warehouses AS source ON source.warehouse_id = from_warehouse_id
    JOIN warehouses AS destination ON destination.warehouse_id = to_warehouse_id
    WHERE transfer_number = :number
""")

_LINES_SHOWN = text("""
    SELECT product_id, sku, line.quantity, coalesce(held, 0) AS held, dispatched, received, damaged, written_off,
        returned, in_transit
    FROM transfer_order_lines AS line JOIN products USING (product_id)
    LEFT JOIN transfer_holds USING (transfer_id, line_number)
    WHERE transfer_id = :key
    ORDER BY line_number
""")

TRANSFER = Document(
    "transfer",
    transfer_orders,
    transfer_orders.c.transfer_number,
    transfer_order_lines,
    _SHOWN,
    _LINES_SHOWN,
    lines_name="line_items",
)

LIST = DocumentList(
    TRANSFER,
    warehouses=("from_warehouse_id", "to_warehouse_id"),
    facts={
        "from_warehouse": name_of_warehouse("from_warehouse_id"),
        "to_warehouse": name_of_warehouse("to_warehouse_id"),
        "units": over_lines(TRANSFER, "sum(quantity)"),
        "in_transit": over_lines(TRANSFER, "sum(in_transit)"),
        "requested_by": "requested_by",
    },
    deadline=lambda row: row["due_at"] if row["status"] == TransferStatus.IN_TRANSIT else None,
)

_LINES = text("""
    SELECT line_number, product_id, quantity, in_transit, coalesce(held, 0) AS held
    FROM transfer_order_lines LEFT JOIN transfer_holds USING (transfer_id, line_number)
    WHERE transfer_id = :transfer_id
    ORDER BY line_number
""")

_BOOKED = text("""
    SELECT product_id,
        coalesce(-sum(moved.quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS accepted,
        coalesce(-sum(moved.quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS damaged
    FROM transit_movements AS moved JOIN transfer_order_lines USING (transfer_id, line_number)
    WHERE transfer_id = :transfer_id AND receipt_id = :receipt_id
    GROUP BY product_id
""")

_READ_RECEIPTS = text("""
    SELECT receipt_id, min(created_at) AS at, min(performed_by) AS performed_by,
        coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS accepted,
        coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS unfit
    FROM transit_movements
    WHERE transfer_id = :transfer_id AND receipt_id IS NOT NULL
    GROUP BY receipt_id
    ORDER BY max(transit_movement_id) DESC
    LIMIT :most
""")


# The latest commands of one kind, each with the units of all of its entries.
_READ_DEPARTURES, _READ_WRITE_OFFS = (
    text(f"""
        SELECT min(command_id) AS {command_id}, min(created_at) AS at, min(performed_by) AS performed_by,
            min(reason) AS reason, abs(sum(quantity)) AS quantity
        FROM transit_movements
        WHERE transfer_id = :transfer_id AND kind = '{kind}'
        GROUP BY operation_id
        ORDER BY max(transit_movement_id) DESC
        LIMIT :most
    """)  # noqa: S608 - names of this module only
    for command_id, kind in (("dispatch_id", "DISPATCHED"), ("write_off_id", "WRITTEN_OFF"))
)

_MOVED_BY = text("""
    SELECT product_id, abs(sum(moved.quantity)) AS units
    FROM transit_movements AS moved JOIN transfer_order_lines USING (transfer_id, line_number)
    WHERE transfer_id = :transfer_id AND operation_id = :operation_id
    GROUP BY product_id
""")

# On each line the units that left first are taken to be accounted for first.
_LEFT_SINCE = text("""
    WITH departed AS (
        SELECT line_number, operation_id, created_at, sum(quantity) OVER (
            PARTITION BY line_number ORDER BY transit_movement_id) AS units
        FROM transit_movements WHERE transfer_id = :transfer_id AND kind = 'DISPATCHED'
    ),
    oldest AS (
        SELECT departed.operation_id, departed.created_at
        FROM departed JOIN transfer_order_lines AS line USING (line_number)
        WHERE line.transfer_id = :transfer_id AND units > line.dispatched - line.in_transit
        ORDER BY created_at LIMIT 1
    )
    SELECT created_at FROM oldest
    WHERE operation_id <> (SELECT operation_id FROM departed ORDER BY created_at LIMIT 1)
""")


_LOST = text("""
    SELECT product_id, sum(damaged + written_off)::bigint AS units
    FROM transfer_order_lines WHERE transfer_id = :transfer_id AND damaged + written_off > 0
    GROUP BY product_id
""")


def lost_units(connection: Connection, transfer: Transfer) -> dict[int, int]:
    """Units of each product that the transfer has lost or damaged so far. The caller has locked it."""
    rows = connection.execute(_LOST, {"transfer_id": transfer.transfer_id})
    return {row.product_id: row.units for row in rows}


def lock_transfer(connection: Connection, transfer_number: str) -> Transfer:
    """Lock a transfer's row, and read the transfer as it is then; raises as `lock_document`."""
    return lock_with_lines(
        connection, TRANSFER, transfer_number, Transfer, status=TransferStatus, line=TransferredLine, lines=_LINES
    )


def read_transfer(connection: Connection, transfer_number: str, *, receipts: int) -> dict[str, Any]:
    """The transfer as answers show it. Locks nothing.

    Its latest departures, receipts and write-offs are with it, at most ``receipts`` of each, oldest first.
    """
    transfer = read_document(connection, TRANSFER, transfer_number)
    of = {"transfer_id": transfer["transfer_id"], "most": receipts}
    parts = (("departures", _READ_DEPARTURES), ("receipts", _READ_RECEIPTS), ("write_offs", _READ_WRITE_OFFS))
    return transfer | {name: read_rows(connection, rows, of)[::-1] for name, rows in parts}


def booked_receipt(connection: Connection, transfer: Transfer, receipt_id: str) -> dict[int, Taken]:
    """Units that a receipt brought, by product; empty if there is no such receipt."""
    rows = connection.execute(_BOOKED, {"transfer_id": transfer.transfer_id, "receipt_id": receipt_id})
    return {row.product_id: Taken(int(row.accepted), int(row.damaged)) for row in rows}


def moved_by(connection: Connection, operation: Operation, transfer: Transfer) -> dict[int, int]:
    """Units that an operation has booked in the ledger in transit, by product; empty if it has booked none."""
    of = {"transfer_id": transfer.transfer_id, "operation_id": operation.operation_id}
    return {row.product_id: int(row.units) for row in connection.execute(_MOVED_BY, of)}


def oldest_departure(connection: Connection, transfer: Transfer) -> datetime | None:
    """When the units that are longest in transit have left; None: with the first departure, or nothing is in transit.

    The caller has locked the transfer.
    """
    left_at: datetime | None = connection.execute(
        _LEFT_SINCE, {"transfer_id": transfer.transfer_id}
    ).scalar_one_or_none()
    return left_at
