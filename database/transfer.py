"""The transfer in the database: its tables.

It is locked and read by `database.transfer_reading`; what changes of it is in `database.locked_transfer`, and how units
in transit change in `database.transit`.
"""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text, text

from database.columns import INSTANT, METADATA, composite_key, counter, identity, movement, needed, reference
from database.document import Document, document_table, line_table
from database.document_list import DocumentList, name_of_warehouse, over_lines
from stockkeeper.domain.transfer import TransferStatus

transfer_orders = document_table(
    "transfer_orders",
    reference("warehouses.warehouse_id", name="from_warehouse_id"),
    reference("warehouses.warehouse_id", name="to_warehouse_id"),
    Column("expected_transit_hours", Double),
    Column("dispatched_at", INSTANT),
    Column("due_at", INSTANT),
    Column("source_at", Text),
    Column("destination_at", Text),
    Column("mirrored_as_of", INSTANT),
    key="transfer_id",
    number="transfer_number",
    initial="PENDING",
)

transfer_order_lines = line_table(
    "transfer_order_lines",
    transfer_orders,
    needed("quantity", BigInteger),
    *(counter(name) for name in ("received", "damaged", "written_off", "dispatched", "returned", "in_transit")),
    counter("held_elsewhere"),
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
    Column("lot_number", Text),
    Column("unfit_reason", Text),
    composite_key("transit_movements_line", "transfer_order_lines", "transfer_id", "line_number"),
    Index(
        "transit_movements_once",
        "transfer_id",
        "line_number",
        "kind",
        text("coalesce(receipt_id, operation_id)"),
        text("coalesce(lot_number, '')"),
        unique=True,
    ),
    Index("transit_movements_by_lot", "lot_number", "transfer_id", postgresql_where=text("lot_number IS NOT NULL")),
    Index("transit_movements_by_time", "created_at", postgresql_using="brin"),
)

TRANSFER = Document("transfer", transfer_orders, transfer_orders.c.transfer_number, transfer_order_lines)

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
