"""The adjustment in the database: its tables, and what locks, reads and changes them."""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, Index, RowMapping, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB

from database.columns import INSTANT, MONEY, TOTAL, lot_columns, needed, reference
from database.document import Document, document_table, line_table
from database.document_list import DocumentList, name_of_warehouse
from database.locks import lock_with_lines
from stockkeeper.domain.adjustment import AdjustedLine, Adjustment, AdjustmentStatus
from stockkeeper.domain.stock import ItemKey

adjustments = document_table(
    "adjustments",
    reference("warehouses.warehouse_id"),
    needed("reason", Text),
    needed("value", TOTAL),
    needed("unvalued_units", BigInteger),
    needed("needs_approval", Boolean),
    needed("remind_after_hours", Double),
    needed("cancel_after_hours", Double),
    Column("approved_by", Text),
    Column("approval_note", Text),
    needed("would_end", JSONB, server_default=text("'[]'")),
    Column("occurred_at", INSTANT),
    Index("adjustments_pending", "created_at", postgresql_where=text("status = 'PENDING'")),
    key="adjustment_id",
    number="adjustment_number",
)

adjustment_lines = line_table(
    "adjustment_lines", adjustments, needed("quantity", BigInteger), Column("unit_cost", MONEY), *lot_columns()
)

_SHOWN = text("""
    SELECT adjustment_id, adjustment_number, warehouse_id, warehouses.name AS warehouse, status, reason, requested_by,
        created_at AS requested_at, value, unvalued_units, needs_approval, remind_after_hours, cancel_after_hours,
        approved_by, approval_note, closed_reason, run_id,
        CASE WHEN status = 'PENDING' THEN would_end ELSE '[]' END AS would_end
    FROM adjustments JOIN warehouses USING (warehouse_id)
    WHERE adjustment_number = :number
""")

_LINES_SHOWN = text("""
    SELECT product_id, sku, quantity, line.unit_cost, lot_number, expires_on, best_before, made_on
    FROM adjustment_lines AS line JOIN products USING (product_id)
    WHERE adjustment_id = :key
    ORDER BY line_number
""")

ADJUSTMENT = Document(
    "adjustment", adjustments, adjustments.c.adjustment_number, adjustment_lines, _SHOWN, _LINES_SHOWN
)


def _approve_by(row: RowMapping) -> datetime | None:
    if row["status"] != AdjustmentStatus.PENDING or not row["needs_approval"]:
        return None
    asked: datetime = row["created_at"]
    return asked + timedelta(hours=row["cancel_after_hours"])


LIST = DocumentList(
    ADJUSTMENT,
    warehouses=("warehouse_id",),
    facts={
        "warehouse": name_of_warehouse("adjustments.warehouse_id"),
        "value": "value",
        "unvalued_units": "unvalued_units",
        "reason": "reason",
        "requested_by": "requested_by",
        "requested_at": "created_at",
        "would_end": "CASE WHEN adjustments.status = 'PENDING' THEN jsonb_array_length(would_end) ELSE 0 END",
    },
    deadline=_approve_by,
)

_LINES = text("""
    SELECT product_id, quantity, unit_cost, lot_number, expires_on, best_before, made_on
    FROM adjustment_lines WHERE adjustment_id = :adjustment_id
    ORDER BY line_number
""")


_WAITING = text("""
    SELECT warehouse_id, product_id, lot_number, min(adjustment_number) AS adjustment_number
    FROM adjustments JOIN adjustment_lines USING (adjustment_id)
    WHERE status = 'PENDING'
    GROUP BY warehouse_id, product_id, lot_number
""")


def waiting_items(connection: Connection) -> dict[tuple[ItemKey, str | None], str]:
    """The items, and lots of tracked ones, of adjustments that wait for approval, each with the number of one.

    Locks nothing.
    """
    return {
        (ItemKey(row.warehouse_id, row.product_id), row.lot_number): row.adjustment_number
        for row in connection.execute(_WAITING)
    }


def lock_adjustment(connection: Connection, adjustment_number: str) -> Adjustment:
    """Lock an adjustment's row, and read the adjustment as it is then; raises as `lock_document`."""
    return lock_with_lines(
        connection, ADJUSTMENT, adjustment_number, Adjustment, status=AdjustmentStatus, line=AdjustedLine, lines=_LINES
    )


def read_effective_time(connection: Connection, adjustment_number: str) -> datetime | None:
    """The effective time that an adjustment was given; None: none. Locks nothing."""
    query = select(adjustments.c.occurred_at).where(adjustments.c.adjustment_number == adjustment_number)
    found: datetime | None = connection.execute(query).scalar_one()
    return found
