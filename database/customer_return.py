"""The customer return in the database: its tables, and what locks, reads and changes them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Connection, Index, Text, func, insert, text

from database.columns import counter, lot_columns, needed, reference
from database.document import Document, document_table, line_table
from database.document_list import DocumentList, name_of_warehouse, over_lines
from database.locks import lock_with_lines
from database.receipts import read_with_receipts, receipt_lots, receipt_tables
from stockkeeper.domain.customer_return import CustomerReturn, ReturnedLine, ReturnedUnits, ReturnShare, ReturnStatus
from stockkeeper.domain.difference import Balance
from stockkeeper.domain.receipt import Taken

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
    "return_lines",
    returns,
    needed("quantity", BigInteger),
    counter("restocked"),
    counter("scrapped"),
    *lot_columns(),
)

_SHOWN = text("""
    SELECT return_id, return_number, warehouse_id, warehouses.name AS warehouse, reference_id, status, requested_by,
        created_at AS requested_at, closed_reason
    FROM returns JOIN warehouses USING (warehouse_id)
    WHERE return_number = :number
""")

_LINES_SHOWN = text("""
    SELECT product_id, sku, quantity, restocked, scrapped, lot_number, expires_on, best_before, made_on, coalesce((
        SELECT jsonb_agg(came ORDER BY came.lot_number) FROM (
            SELECT found.lot_number, lots.expires_on, sum(found.restocked + found.scrapped) AS quantity,
                sum(found.restocked) AS restocked, sum(found.scrapped) AS scrapped
            FROM return_inspection_lots AS found LEFT JOIN lots
                ON lots.product_id = line.product_id AND lots.lot_number = found.lot_number
            WHERE found.return_id = line.return_id AND found.line_number = line.line_number
            GROUP BY found.lot_number, lots.expires_on) AS came), '[]') AS lots
    FROM return_lines AS line JOIN products USING (product_id)
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
_LOTS = receipt_lots(INSPECTIONS, "return_inspection")
Index("return_inspection_lots_by_lot", _LOTS.c.lot_number)
Index("return_inspections_by_time", func.coalesce(INSPECTIONS.header.c.booked_at, INSPECTIONS.header.c.inspected_at))

_LINES = text("""
    SELECT line_number, product_id, quantity, restocked, scrapped, lot_number
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

_BALANCE_OF_LOTS = text("""
    WITH back AS (
        SELECT product_id, found.lot_number, sum(found.restocked)::bigint AS restocked,
            sum(found.restocked + found.scrapped)::bigint AS came_back
        FROM returns JOIN return_lines USING (return_id)
        JOIN return_inspection_lots AS found USING (return_id, line_number)
        WHERE reference_id = :reference_id GROUP BY product_id, found.lot_number
    ),
    left_us AS (
        SELECT allotted.product_id, allotted.lot_number, sum(allotted.quantity_fulfilled)::bigint AS shipped
        FROM reservations JOIN reservation_lots AS allotted USING (reservation_id)
        WHERE (reference_type, reference_id) = ('ORDER', :reference_id)
        GROUP BY allotted.product_id, allotted.lot_number
    )
    SELECT product_id, lot_number, coalesce(restocked, 0) AS restocked, coalesce(came_back, 0) AS came_back,
        coalesce(shipped, 0) AS shipped
    FROM back FULL JOIN left_us USING (product_id, lot_number)
    ORDER BY product_id, lot_number
""")

_LOTS_BOOKED = text("""
    SELECT product_id, found.lot_number, sum(found.restocked)::bigint, sum(found.scrapped)::bigint
    FROM return_inspection_lots AS found JOIN return_lines USING (return_id, line_number)
    WHERE return_id = :return_id AND inspection_id = :inspection_id
    GROUP BY product_id, found.lot_number
""")


def lock_returns_of_order(connection: Connection, return_number: str) -> None:
    """Lock all returns of the order that a return belongs to, this one among them, in the order of their ids."""
    connection.execute(_LOCK_OF_ORDER, {"number": return_number})


def order_balance(connection: Connection, reference_id: str) -> dict[int, Balance]:
    """What an order has shipped and got back, by product. The caller has locked its returns."""
    rows = connection.execute(_BALANCE, {"reference_id": reference_id})
    return {row.product_id: Balance(row.restocked, row.came_back, row.shipped) for row in rows}


def order_balance_of_lots(connection: Connection, reference_id: str) -> dict[ReturnedUnits, Balance]:
    """What an order has shipped and got back, by product and lot. The caller has locked its returns."""
    rows = connection.execute(_BALANCE_OF_LOTS, {"reference_id": reference_id})
    return {
        ReturnedUnits(row.product_id, row.lot_number): Balance(row.restocked, row.came_back, row.shipped)
        for row in rows
    }


def lots_booked(connection: Connection, return_id: int, inspection_id: str) -> dict[ReturnedUnits, Taken]:
    """Units of each lot that an inspection has found."""
    rows = connection.execute(_LOTS_BOOKED, {"return_id": return_id, "inspection_id": inspection_id})
    return {ReturnedUnits(product_id, lot_number): Taken(*units) for product_id, lot_number, *units in rows}


def insert_lots_found(
    connection: Connection, return_id: int, inspection_id: str, taken: Mapping[ReturnShare, Taken]
) -> None:
    """Insert the lots of an inspection; its lines are there already."""
    rows = [
        {"line_number": line_number, "lot_number": lot_number, "restocked": units.accepted, "scrapped": units.unfit}
        for (line_number, lot_number), units in taken.items()
        if lot_number is not None
    ]
    if rows:
        of = {"return_id": return_id, "inspection_id": inspection_id}
        connection.execute(insert(_LOTS), [of | row for row in rows])


def read_return(connection: Connection, return_number: str, *, inspections: int) -> dict[str, Any]:
    """The return as answers show it, with its latest inspections, oldest first. Locks nothing."""
    return read_with_receipts(connection, RETURN, return_number, INSPECTIONS, inspections, name="inspections")
