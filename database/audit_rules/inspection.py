"""Audit rules of an inspection, beside the comparison of its movements: its decisions, and what it answers for."""

from database.stock_audit import document_rule
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    document_rule(
        FindingKind.LINE_IS_NOT_ITS_ENTRIES,
        """
            SELECT inspection_id AS id, inspection_number AS number, warehouse_id, product_id,
                'line ' || line_number || ' ' || part AS detail, expected, actual
            FROM inspections JOIN inspection_lines AS line USING (inspection_id)
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(decided.quantity) FILTER (WHERE outcome = 'RELEASED'), 0) AS let_go,
                    coalesce(sum(decided.quantity) FILTER (WHERE outcome = 'SCRAPPED'), 0) AS gone
                FROM inspection_decision_lines AS decided JOIN inspection_decisions USING (inspection_id, decision_id)
                WHERE (decided.inspection_id, decided.line_number) = (line.inspection_id, line.line_number)) AS decided
            CROSS JOIN LATERAL (VALUES ('released', let_go, released), ('scrapped', gone, scrapped))
                AS compared (part, expected, actual)
        """,
    ),
    document_rule(
        FindingKind.APPROVAL_IS_MISSING,
        """
            SELECT inspection_id AS id, inspection_number AS number, warehouse_id, NULL::bigint AS product_id,
                'decision ' || decision_id AS detail, 1 AS expected, 0 AS actual
            FROM inspections JOIN inspection_decisions AS made USING (inspection_id)
            WHERE lower(made.decided_by) = lower(inspections.requested_by)
        """,
    ),
)
