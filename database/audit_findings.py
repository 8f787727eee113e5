"""Findings of audits in the database: one row for one difference, however many audits see it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from database.events import NewEvent, insert_events
from database.locks import lock_row
from database.operations import Operation
from database.pipeline import send
from database.stock_audit import Difference
from database.tables import audit_findings
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.stock_audit import Finding, FindingKind, FindingStatus

# An accepted finding stays accepted as long as it is off by as much: both numbers of an item that moves change.
# The statement as a whole sees the findings as they were before it.
_KEEP = text("""
    WITH kept AS (
    INSERT INTO audit_findings AS known (
        kind, warehouse_id, product_id, document, expected, actual, first_seen_at, last_seen_at, workflow_id, run_id)
    SELECT kind, warehouse_id, product_id, document, expected, actual, :as_of, :as_of, :workflow_id, :run_id
    FROM unnest(:kinds, :warehouse_ids, :product_ids, :documents, :expected, :actual) WITH ORDINALITY
        AS seen (kind, warehouse_id, product_id, document, expected, actual, position)
    ORDER BY position
    ON CONFLICT (kind, coalesce(warehouse_id, 0), coalesce(product_id, 0), document)
        WHERE status IN ('OPEN', 'ACCEPTED')
    DO UPDATE SET last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
        workflow_id = excluded.workflow_id, run_id = excluded.run_id,
        expected = excluded.expected, actual = excluded.actual,
        status = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.status ELSE 'OPEN' END,
        closed_at = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.closed_at END,
        closed_by = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.closed_by END,
        closed_reason = CASE WHEN known.actual - known.expected = excluded.actual - excluded.expected
            THEN known.closed_reason END
    RETURNING *)
    SELECT kept.*, kept.first_seen_at >= :begun_at AS is_new,
        (before.status, before.expected, before.actual) IS DISTINCT FROM (kept.status, kept.expected, kept.actual)
            AS is_another
    FROM kept LEFT JOIN audit_findings AS before USING (finding_id)
    ORDER BY finding_id
""").bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "documents")),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids", "expected", "actual")),
    *(bindparam(name, type_=Text) for name in ("workflow_id", "run_id")),
    *(bindparam(name, type_=audit_findings.c.first_seen_at.type) for name in ("as_of", "begun_at")),
)

# A finding that an audit running at the same time has seen isn't gone.
_GONE = text("""
    UPDATE audit_findings SET status = 'GONE', closed_at = :as_of, closed_by = :performed_by,
        closed_reason = 'not so any more'
    WHERE status IN ('OPEN', 'ACCEPTED') AND last_seen_at < :begun_at
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
    RETURNING *
""").bindparams(
    bindparam("warehouse_id", type_=BigInteger),
    bindparam("as_of", type_=audit_findings.c.closed_at.type),
    bindparam("begun_at", type_=audit_findings.c.last_seen_at.type),
)

KEPT_AT_ONCE = 1_000
"""Findings that one statement keeps."""


def keep(
    connection: Connection,
    operation: Operation,
    seen: Sequence[Difference],
    *,
    as_of: datetime,
    begun_at: datetime,
    run_id: str,
) -> list[tuple[int, bool, Difference]]:
    """Keep these differences as findings, and tell those that are new or others; the same one again is the same.

    Args:
        connection: A transaction.
        operation: The audit's step.
        seen: The differences, each once.
        as_of: The audit's time, as last seen.
        begun_at: When the audit began; a finding first seen since then is new.
        run_id: The audit's run.

    Returns:
        Number, whether it is new, and the difference, of each that is open, in their order. An accepted one isn't.
    """
    found = []
    for start in range(0, len(seen), KEPT_AT_ONCE):
        page = seen[start : start + KEPT_AT_ONCE]
        of: dict[str, Any] = {
            "kinds": [each.kind for each in page],
            "warehouse_ids": [each.warehouse_id for each in page],
            "product_ids": [each.product_id for each in page],
            "documents": [each.document for each in page],
            "expected": [each.expected for each in page],
            "actual": [each.actual for each in page],
        }
        by = {"as_of": as_of, "begun_at": begun_at, "workflow_id": operation.workflow_id, "run_id": run_id}
        rows = connection.execute(_KEEP, of | by).all()
        tell(connection, operation, [row for row in rows if row.is_another])
        kept = {(row.kind, row.warehouse_id, row.product_id, row.document): row for row in rows}
        found += [
            (int(row.finding_id), bool(row.is_new), each) for each in page if (row := kept[each.key]).status == "OPEN"
        ]
    return found


def close_unseen(
    connection: Connection, operation: Operation, *, begun_at: datetime, warehouse_id: int | None, as_of: datetime
) -> int:
    """Close the findings, of one warehouse or of all, that no audit has seen since ``begun_at``, and tell it.

    Returns:
        The number of findings closed.
    """
    by = {"as_of": as_of, "performed_by": operation.performed_by}
    gone = connection.execute(_GONE, by | {"begun_at": begun_at, "warehouse_id": warehouse_id}).all()
    tell(connection, operation, gone)
    return len(gone)


def tell(connection: Connection, operation: Operation, findings: Iterable[Any], *, reason: str | None = None) -> None:
    """Tell findings as they are now: rows of `audit_findings`, or others with their fields."""
    fields = ("finding_id", "status", "product_id", "warehouse_id", "document", "expected", "actual")
    told = [
        NewEvent(
            EventKind.FINDING_CHANGED,
            f"finding/{each.finding_id}",
            {"finding": each.kind, **{name: getattr(each, name) for name in fields}},
            operation,
            warehouse_id=each.warehouse_id,
            product_id=each.product_id,
            reason=reason,
        )
        for each in findings
    ]
    if told:
        send(connection, [insert_events(told)])


def lock_finding(connection: Connection, finding_id: int) -> Finding | None:
    """Lock a finding's row, and read the finding as it is then; None if there is none."""
    row = lock_row(connection, audit_findings, audit_findings.c.finding_id == finding_id)
    if row is None:
        return None
    return Finding(
        finding_id=row.finding_id,
        kind=FindingKind(row.kind),
        warehouse_id=row.warehouse_id,
        product_id=row.product_id,
        document=row.document,
        expected=row.expected,
        actual=row.actual,
        status=FindingStatus(row.status),
    )
