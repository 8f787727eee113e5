"""Audit rules of a cycle count, beside the comparison of its movements."""

from database.stock_audit import document_rule
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    # One operation posts a line: units that another one has booked under the count's number are too many.
    document_rule(
        FindingKind.COUNTED_IS_NOT_BOOKED,
        """
            SELECT count_id AS id, count_number AS number, moved.warehouse_id, product_id,
                'operation ' || moved.operation_id AS detail, 0 AS expected, moved.quantity AS actual
            FROM cycle_counts JOIN cycle_count_lines AS line USING (count_id)
            JOIN stock_movements AS moved USING (product_id)
            WHERE (moved.reference_id, moved.workflow_id) = (count_number, cycle_counts.workflow_id)
                AND moved.lot_number IS NOT DISTINCT FROM nullif(line.lot_number, '')
                AND line.status = 'POSTED' AND moved.operation_id <> posted_by
        """,
    ),
    # A variance beyond tolerance is approved by a person who hasn't counted the product. Of one that ends holds the
    # first of two counters may approve the other's count.
    document_rule(
        FindingKind.APPROVAL_IS_MISSING,
        """
            SELECT count_id AS id, count_number AS number, warehouse_id, product_id, '' AS detail,
                1 AS expected, 0 AS actual
            FROM cycle_counts JOIN cycle_count_lines AS line USING (count_id)
            WHERE EXISTS (
                SELECT FROM cycle_count_entries AS entry
                WHERE (entry.count_id, entry.product_id, entry.lot_number)
                        = (line.count_id, line.product_id, line.lot_number)
                    AND lower(entry.counted_by) = lower(line.approved_by)
                    AND (would_end = '[]' OR lower(line.counted_by) = lower(line.approved_by)))
        """,
    ),
)
