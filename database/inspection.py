"""The inspection in the database: its tables, and what locks, reads and changes them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    RowMapping,
    Table,
    Text,
    UniqueConstraint,
    insert,
    text,
    update,
)

from database.columns import INSTANT, METADATA, MONEY, composite_key, counter, needed, reference
from database.document import Document, document_table, line_table, read_document, read_rows
from database.document_list import DocumentList, name_of_warehouse, over_lines
from database.locks import lock_with_lines
from database.operations import Operation
from database.stock_rows import Moving
from stockkeeper.domain.cycle_count import RootCause
from stockkeeper.domain.inspection import AsideLine, Inspection, InspectionStatus, Outcome
from stockkeeper.domain.lot import StockState

inspections = document_table(
    "inspections",
    reference("warehouses.warehouse_id"),
    needed("state", Text),
    needed("reason", Text),
    needed("remind_after_hours", Double),
    needed("due_after_hours", Double),
    Index("inspections_open", "warehouse_id", postgresql_where=text("status = 'OPEN'")),
    UniqueConstraint("inspection_id", "requested_by", name="inspections_set_aside_by"),
    key="inspection_id",
    number="inspection_number",
    initial="OPEN",
)

inspection_lines = line_table(
    "inspection_lines",
    inspections,
    Column("lot_number", Text),
    needed("quantity", BigInteger),
    Column("unit_cost", MONEY),
    counter("released"),
    counter("scrapped"),
    counter("brought"),
    Index("inspection_lines_open", "product_id", postgresql_where=text("released + scrapped < quantity")),
)

inspection_decisions = Table(
    "inspection_decisions",
    METADATA,
    Column("inspection_id", BigInteger, primary_key=True),
    Column("decision_id", Text, primary_key=True),
    needed("outcome", Text),
    needed("requested_by", Text),
    needed("decided_by", Text),
    needed("decided_at", INSTANT),
    Column("root_cause", Text),
    Column("reason", Text),
    needed("operation_id", Text),
    ForeignKeyConstraint(
        ("inspection_id", "requested_by"),
        ("inspections.inspection_id", "inspections.requested_by"),
        name="inspection_decisions_of",
    ),
)

inspection_decision_lines = Table(
    "inspection_decision_lines",
    METADATA,
    Column("inspection_id", BigInteger, primary_key=True),
    Column("decision_id", Text, primary_key=True),
    Column("line_number", Integer, primary_key=True),
    needed("quantity", BigInteger),
    composite_key("inspection_decision_lines_of", "inspection_decisions", "inspection_id", "decision_id"),
    composite_key("inspection_decision_lines_line", "inspection_lines", "inspection_id", "line_number"),
)

_SHOWN = text("""
    SELECT inspection_id, inspection_number, warehouse_id, warehouses.name AS warehouse, status, state, reason,
        requested_by, created_at AS requested_at, remind_after_hours, due_after_hours, run_id
    FROM inspections JOIN warehouses USING (warehouse_id)
    WHERE inspection_number = :number
""")

_LINES_SHOWN = text("""
    SELECT product_id, sku, lot_number, quantity, line.unit_cost, released, scrapped, brought
    FROM inspection_lines AS line JOIN products USING (product_id)
    WHERE inspection_id = :key
    ORDER BY line_number
""")

_DECISIONS_SHOWN = text("""
    SELECT decision_id, outcome, decided_at AS at, decided_by AS performed_by, root_cause, reason, (
        SELECT sum(quantity)::bigint FROM inspection_decision_lines AS line
        WHERE (line.inspection_id, line.decision_id) = (made.inspection_id, made.decision_id)) AS quantity
    FROM inspection_decisions AS made
    WHERE inspection_id = :key
    ORDER BY decided_at DESC, decision_id DESC
    LIMIT :most
""")

INSPECTION = Document(
    "inspection", inspections, inspections.c.inspection_number, inspection_lines, _SHOWN, _LINES_SHOWN
)


def _due_at(row: RowMapping) -> datetime | None:
    if row["status"] != InspectionStatus.OPEN:
        return None
    asked: datetime = row["created_at"]
    return asked + timedelta(hours=row["due_after_hours"])


LIST = DocumentList(
    INSPECTION,
    warehouses=("warehouse_id",),
    facts={
        "warehouse": name_of_warehouse("inspections.warehouse_id"),
        "state": "state",
        "units": over_lines(INSPECTION, "sum(quantity)"),
        "open": over_lines(INSPECTION, "sum(quantity - released - scrapped)"),
        "reason": "reason",
        "requested_by": "requested_by",
        "requested_at": "created_at",
    },
    deadline=_due_at,
)

_UNANSWERED = text("""
    SELECT product_id, lot_number, quantity - (
        SELECT coalesce(sum(line.quantity - released - scrapped), 0)::bigint
        FROM inspection_lines AS line JOIN inspections USING (inspection_id)
        WHERE line.product_id = aside.product_id AND released + scrapped < line.quantity
            AND (inspections.warehouse_id, inspections.state) = (aside.warehouse_id, aside.state)
            AND coalesce(line.lot_number, '') = aside.lot_number) AS units
    FROM unavailable_stock AS aside
    WHERE warehouse_id = :warehouse_id AND state = :state
        AND (product_id, lot_number) IN (SELECT * FROM unnest(cast(:products AS bigint[]), cast(:lots AS text[])))
""")

_LINES = text("""
    SELECT line_number, product_id, lot_number, quantity, unit_cost, released, scrapped
    FROM inspection_lines WHERE inspection_id = :inspection_id
    ORDER BY line_number
""")

_DECIDED = text("""
    SELECT outcome, root_cause, reason, line_number, quantity
    FROM inspection_decisions JOIN inspection_decision_lines USING (inspection_id, decision_id)
    WHERE (inspection_id, decision_id) = (:inspection_id, :decision_id)
""")

_ADD_UP = {
    Outcome.RELEASED: text("""
        UPDATE inspection_lines SET released = released + :quantity
        WHERE (inspection_id, line_number) = (:inspection_id, :line_number)
    """),
    Outcome.SCRAPPED: text("""
        UPDATE inspection_lines SET scrapped = scrapped + :quantity
        WHERE (inspection_id, line_number) = (:inspection_id, :line_number)
    """),
}


def columns_of_lines(
    units: Iterable[Moving], costs: Mapping[int, Decimal | None], *, brought: bool = False
) -> list[dict[str, Any]]:
    """The lines of an inspection of these units, by the cost of each product; ``brought``: they come with it."""
    return [
        {
            "product_id": each.item.product_id,
            "lot_number": each.lot_number,
            "quantity": each.quantity,
            "unit_cost": costs[each.item.product_id],
            "brought": each.quantity if brought else 0,
        }
        for each in units
    ]


def read_unanswered(
    connection: Connection, warehouse_id: int, state: StockState, lots: Iterable[tuple[int, str | None]]
) -> dict[tuple[int, str | None], int]:
    """Units in a state that no open inspection answers for, by product and lot. The caller has locked the items."""
    listed = list(lots)
    of = {
        "warehouse_id": warehouse_id,
        "state": state,
        "products": [product_id for product_id, _ in listed],
        "lots": [lot or "" for _, lot in listed],
    }
    return {(row.product_id, row.lot_number or None): row.units for row in connection.execute(_UNANSWERED, of)}


def adopt_inspection(connection: Connection, operation: Operation, inspection_number: str) -> None:
    """Give an inspection that another document's step has stored to this run, unless a run has it already."""
    connection.execute(
        update(inspections)
        .where(inspections.c.inspection_number == inspection_number, inspections.c.run_id == "")
        .values(run_id=operation.run_id)
    )


def lock_inspection(connection: Connection, inspection_number: str) -> Inspection:
    """Lock an inspection's row, and read the inspection as it is then; raises as `lock_document`."""
    return lock_with_lines(
        connection, INSPECTION, inspection_number, Inspection, status=InspectionStatus, line=AsideLine, lines=_LINES
    )


def read_decision(
    connection: Connection, inspection_id: int, decision_id: str
) -> tuple[Outcome, dict[int, int]] | None:
    """The outcome of a decision and its units by line number; None: there is none by this id. Locks nothing."""
    of = {"inspection_id": inspection_id, "decision_id": decision_id}
    if not (rows := connection.execute(_DECIDED, of).all()):
        return None
    return Outcome(rows[0].outcome), {row.line_number: row.quantity for row in rows}


def insert_decision(
    connection: Connection,
    operation: Operation,
    inspection: Inspection,
    decision_id: str,
    outcome: Outcome,
    planned: Mapping[int, int],
    as_of: datetime,
    *,
    root_cause: RootCause | None = None,
    reason: str | None = None,
) -> None:
    """Insert a decision with its lines, and add its units to the inspection's. The caller has locked the inspection.

    Args:
        connection: The transaction.
        operation: The step, and the person behind it.
        inspection: The inspection.
        decision_id: The decision's own id.
        outcome: What becomes of the units.
        planned: Units by line number.
        as_of: The workflow's time.
        root_cause: Why units are scrapped.
        reason: One sentence about it.
    """
    of = {"inspection_id": inspection.inspection_id, "decision_id": decision_id}
    connection.execute(
        insert(inspection_decisions).values(
            **of,
            outcome=outcome,
            requested_by=inspection.requested_by,
            decided_by=operation.performed_by,
            decided_at=as_of,
            root_cause=root_cause,
            reason=reason,
            operation_id=operation.operation_id,
        )
    )
    lines = [{**of, "line_number": number, "quantity": units} for number, units in planned.items()]
    connection.execute(insert(inspection_decision_lines), lines)
    connection.execute(_ADD_UP[outcome], lines)


def read_inspection(connection: Connection, inspection_number: str, *, decisions: int) -> dict[str, Any]:
    """The inspection as answers show it, with its latest decisions, oldest first. Locks nothing."""
    read = read_document(connection, INSPECTION, inspection_number)
    made = read_rows(connection, _DECISIONS_SHOWN, {"key": read["inspection_id"], "most": decisions})
    return read | {"decisions": made[::-1]}
