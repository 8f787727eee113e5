"""Approvals of documents' differences, and what was booked by them: facts, which are added and never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    UniqueConstraint,
    insert,
    text,
)

from database.columns import INSTANT, METADATA, TOTAL, identity, needed
from database.document import Document, read_rows
from database.operations import Operation
from stockkeeper.domain.difference import DifferenceApproval
from stockkeeper.domain.worth import Worth

difference_approvals = Table(
    "difference_approvals",
    METADATA,
    identity("approval_id"),
    needed("document_type", Text),
    needed("document_number", Text),
    needed("approver", Text),
    needed("up_to_value", TOTAL),
    needed("up_to_units", BigInteger),
    Column("note", Text),
    needed("approved_at", INSTANT),
    needed("operation_id", Text),
    UniqueConstraint("operation_id", name="difference_approvals_once"),
    UniqueConstraint("approval_id", "approver", "up_to_value", "up_to_units", name="difference_approvals_booked_by"),
    Index("difference_approvals_of", "document_type", "document_number"),
)

approved_differences = Table(
    "approved_differences",
    METADATA,
    Column("operation_id", Text, primary_key=True),
    needed("approval_id", BigInteger),
    needed("approver", Text),
    needed("up_to_value", TOTAL),
    needed("up_to_units", BigInteger),
    needed("value", TOTAL),
    needed("unvalued_units", BigInteger),
    needed("performed_by", Text),
    needed("booked_at", INSTANT),
    ForeignKeyConstraint(
        ("approval_id", "approver", "up_to_value", "up_to_units"),
        [f"difference_approvals.{column}" for column in ("approval_id", "approver", "up_to_value", "up_to_units")],
        name="approved_differences_within",
    ),
)

_READ = text("""
    SELECT approval_id, approver, up_to_value, up_to_units FROM difference_approvals
    WHERE (document_type, document_number) = (:document_type, :document_number)
    ORDER BY approval_id
""")

_SHOWN = text("""
    SELECT approver, approved_at AS at, up_to_value AS value, up_to_units AS unvalued_units, note
    FROM difference_approvals
    WHERE (document_type, document_number) = (:document_type, :document_number)
    ORDER BY approval_id DESC
    LIMIT 100
""")


def insert_difference_approval(
    connection: Connection,
    operation: Operation,
    document: Document,
    number: str,
    up_to: Worth,
    note: str | None,
    as_of: datetime,
) -> None:
    """Insert the approval of the operation's person. The caller has locked the document."""
    connection.execute(
        insert(difference_approvals).values(
            document_type=document.name,
            document_number=number,
            approver=operation.performed_by,
            up_to_value=up_to.value,
            up_to_units=up_to.unvalued_units,
            note=note,
            approved_at=as_of,
            operation_id=operation.operation_id,
        )
    )


def difference_approvals_of(connection: Connection, document: Document, number: str) -> list[DifferenceApproval]:
    """The approvals of a document's difference, the earliest first. The caller has locked the document."""
    rows = connection.execute(_READ, {"document_type": document.name, "document_number": number})
    return [DifferenceApproval(row.approval_id, row.approver, Worth(row.up_to_value, row.up_to_units)) for row in rows]


def insert_approved_difference(
    connection: Connection, operation: Operation, approval: DifferenceApproval, worth: Worth, as_of: datetime
) -> None:
    """Insert a difference that is booked by an approval. The database compares the people and the worth once more."""
    connection.execute(
        insert(approved_differences).values(
            operation_id=operation.operation_id,
            approval_id=approval.approval_id,
            approver=approval.approver,
            up_to_value=approval.up_to.value,
            up_to_units=approval.up_to.unvalued_units,
            value=worth.value,
            unvalued_units=worth.unvalued_units,
            performed_by=operation.performed_by,
            booked_at=as_of,
        )
    )


def read_difference_approvals(connection: Connection, document: Document, number: str) -> list[dict[str, Any]]:
    """The latest hundred approvals as answers show them, the earliest first. Locks nothing."""
    return read_rows(connection, _SHOWN, {"document_type": document.name, "document_number": number})[::-1]
