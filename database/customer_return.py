"""The customer return in the database: its tables, and what locks, reads and changes them."""

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Index, Text, func, text

from database.columns import counter, needed, reference
from database.document import Document, document_table, line_table
from database.document_list import DocumentList, name_of_warehouse, over_lines
from database.locks import lock_with_lines
from database.receipts import read_with_receipts, receipt_tables
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

_SHOWN = text("""
    SELECT return_id, return_number, warehouse_id, warehouses.name AS warehouse, reference_id, status, requested_by,
        created_at AS requested_at, closed_reason
    FROM returns JOIN warehouses USING (warehouse_id)
    WHERE return_number = :number
""")

_LINES_SHOWN = text("""
    SELECT product_id, sku, quantity, restocked, scrapped
    FROM return_lines JOIN products USING (product_id)
    WHERE return_id = :key
    ORDER BY line_number
""")

RETURN = Document("return", returns, returns.c.return_number, return_lines, _SHOWN, _LINES_SHOWN)

LIST = DocumentList(
    RETURN,
    warehouses=("warehouse_id",),
    facts={
        "warehouse": name_of_warehouse("returns.warehouse_id"),
        "reference_id": "reference_id",
        "units": over_lines(RETURN, "sum(quantity)"),
        "expected": over_lines(
            RETURN, f"sum(quantity - restocked - scrapped) FILTER (WHERE status = '{ReturnStatus.EXPECTED}')"
        ),
        "requested_by": "requested_by",
    },
)

INSPECTIONS = receipt_tables(
    RETURN, "return_inspection", came=("inspected_at", "inspected_by"), units=("restocked", "scrapped")
)
Index("return_inspections_by_time", func.coalesce(INSPECTIONS.header.c.booked_at, INSPECTIONS.header.c.inspected_at))

_LINES = text("""
    SELECT line_number, product_id, quantity, restocked, scrapped
    FROM return_lines WHERE return_id = :return_id
    ORDER BY line_number
""")


def lock_return(connection: Connection, return_number: str) -> CustomerReturn:
    """Lock a return's row, and read the return as it is then; raises as `lock_document`."""
    return lock_with_lines(
        connection, RETURN, return_number, CustomerReturn, status=ReturnStatus, line=ReturnedLine, lines=_LINES
    )


# Returns of one order are compared with one another, so a step locks all of them, in order, before it reads any.
_LOCK_OF_ORDER = text("""
    SELECT return_id FROM returns
    WHERE reference_id = (SELECT reference_id FROM returns WHERE return_number = :number)
    ORDER BY return_id
    FOR NO KEY UPDATE
""")

_BALANCE = text("""
    WITH back AS (
        SELECT product_id, sum(restocked)::bigint AS restocked, sum(restocked + scrapped)::bigint AS came_back
        FROM returns JOIN return_lines USING (return_id)
        WHERE reference_id = :reference_id GROUP BY product_id
    ),
    left_us AS (
        SELECT product_id, sum(quantity_fulfilled)::bigint AS shipped
        FROM reservations WHERE (reference_type, reference_id) = ('ORDER', :reference_id) GROUP BY product_id
    )
    SELECT product_id, coalesce(restocked, 0) AS restocked, coalesce(came_back, 0) AS came_back,
        coalesce(shipped, 0) AS shipped
    FROM back FULL JOIN left_us USING (product_id)
""")


class OrderBalance(NamedTuple):
    """Units of a product that an order has shipped, and that its returns have brought back."""

    restocked: int = 0
    came_back: int = 0
    shipped: int = 0


def lock_returns_of_order(connection: Connection, return_number: str) -> None:
    """Lock all returns of the order that a return belongs to, this one among them, in the order of their ids."""
    connection.execute(_LOCK_OF_ORDER, {"number": return_number})


def order_balance(connection: Connection, reference_id: str) -> dict[int, OrderBalance]:
    """What an order has shipped and got back, by product. The caller has locked its returns."""
    rows = connection.execute(_BALANCE, {"reference_id": reference_id})
    return {row.product_id: OrderBalance(row.restocked, row.came_back, row.shipped) for row in rows}


def read_return(connection: Connection, return_number: str, *, inspections: int) -> dict[str, Any]:
    """The return as answers show it, with its latest inspections, oldest first. Locks nothing."""
    return read_with_receipts(connection, RETURN, return_number, INSPECTIONS, inspections, name="inspections")
