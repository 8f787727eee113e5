"""The customer return in the database: its tables, and what locks, reads and changes them."""

from typing import Any

from sqlalchemy import BigInteger, Connection, Index, Text, text

from database.columns import counter, needed, reference
from database.document import Document, document_table, line_table, read_rows
from database.locks import lock_document
from database.receipts import read_receipts, receipt_tables
from stockkeeper.domain.customer_return import CustomerReturn, ReturnedLine, ReturnStatus

returns = document_table(
    "returns",
    reference("warehouses.warehouse_id"),
    needed("reference_id", Text),
    Index("returns_by_reference", "reference_id"),
    key="return_id",
    number="return_number",
    initial="EXPECTED",
)

return_lines = line_table(
    "return_lines", returns, needed("quantity", BigInteger), counter("restocked"), counter("scrapped")
)

RETURN = Document("return", returns, returns.c.return_number, return_lines)

INSPECTIONS = receipt_tables(
    RETURN,
    "return_inspection",
    receipt_id="inspection_id",
    at="inspected_at",
    by="inspected_by",
    accepted="restocked",
    unfit="scrapped",
    sum_accepted="restocked",
    sum_unfit="scrapped",
)

_LINES = text("""
    SELECT line_number, product_id, quantity, restocked, scrapped
    FROM return_lines WHERE return_id = :return_id
    ORDER BY line_number
""")

_READ = text("""
    SELECT return_id, return_number, warehouse_id, warehouses.name AS warehouse, reference_id, status, requested_by,
        created_at AS requested_at, closed_reason
    FROM returns JOIN warehouses USING (warehouse_id)
    WHERE return_number = :return_number
""")

_READ_LINES = text("""
    SELECT product_id, sku, quantity, restocked, scrapped
    FROM return_lines JOIN products USING (product_id)
    WHERE return_id = :return_id
    ORDER BY line_number
""")


def lock_return(connection: Connection, return_number: str) -> CustomerReturn:
    """Lock a return's row, and read the return as it is then.

    Raises:
        InvalidRequest: There is no such return.
    """
    row = lock_document(connection, RETURN, return_number)
    lines = connection.execute(_LINES, {"return_id": row.return_id})
    return CustomerReturn(
        return_id=row.return_id,
        return_number=row.return_number,
        warehouse_id=row.warehouse_id,
        reference_id=row.reference_id,
        status=ReturnStatus(row.status),
        lines=[ReturnedLine(*line) for line in lines],
    )


def read_return(connection: Connection, return_number: str, *, inspections: int) -> dict[str, Any]:
    """The return as answers show it, with its latest inspections, oldest first. Locks nothing."""
    returned = read_rows(connection, _READ, {"return_number": return_number})[0]
    return_id = returned["return_id"]
    return returned | {
        "lines": read_rows(connection, _READ_LINES, {"return_id": return_id}),
        "inspections": read_receipts(connection, INSPECTIONS, return_id, inspections),
    }
