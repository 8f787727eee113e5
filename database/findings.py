"""The audit's findings in the database: what locks and reads them."""

from sqlalchemy import Connection

from database.locks import lock_row
from database.tables import audit_findings
from stockkeeper.domain.stock_audit import Finding, FindingKind, FindingStatus


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
