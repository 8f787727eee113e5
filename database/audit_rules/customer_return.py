"""What the audit checks of a customer return, beside its movements: each line against its inspections."""

from database.audit import document_rule
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    document_rule(
        FindingKind.LINE_IS_NOT_ITS_ENTRIES,
        """
            SELECT return_id AS id, return_number AS number, warehouse_id, product_id,
                'line ' || line_number || ' ' || part AS detail, expected, actual
            FROM returns JOIN return_lines AS line USING (return_id)
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(found.restocked), 0) AS fit, coalesce(sum(found.scrapped), 0) AS unfit
                FROM return_inspection_lines AS found
                WHERE (found.return_id, found.line_number) = (line.return_id, line.line_number)) AS inspections
            CROSS JOIN LATERAL (VALUES
                ('restocked', fit, restocked), ('scrapped', unfit, scrapped)
            ) AS compared (part, expected, actual)
        """,
    ),
)
