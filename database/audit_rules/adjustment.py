"""Audit rules of an adjustment, beside the comparison of its movements."""

from database.stock_audit import document_rule
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    # One operation posts an adjustment: units that another one has booked under its number are too many.
    document_rule(
        FindingKind.ADJUSTED_IS_NOT_BOOKED,
        """
            SELECT adjustment_id AS id, adjustment_number AS number, moved.warehouse_id, product_id,
                'operation ' || moved.operation_id AS detail, 0 AS expected, quantity AS actual
            FROM adjustments JOIN stock_movements AS moved
                ON (moved.reference_id, moved.workflow_id) = (adjustment_number, adjustments.workflow_id)
            WHERE status = 'POSTED' AND moved.operation_id <> closed_by
        """,
    ),
    # Money has six decimals and a finding has whole numbers, so a value is compared in millionths.
    document_rule(
        FindingKind.VALUE_IS_NOT_THE_LINES,
        """
            SELECT adjustment_id AS id, adjustment_number AS number, warehouse_id, NULL::bigint AS product_id,
                part AS detail, expected, actual
            FROM adjustments
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(abs(quantity) * unit_cost), 0) AS worth,
                    coalesce(sum(abs(quantity)) FILTER (WHERE unit_cost IS NULL), 0) AS without_cost
                FROM adjustment_lines AS line WHERE line.adjustment_id = adjustments.adjustment_id) AS lines
            CROSS JOIN LATERAL (VALUES
                ('value in millionths', worth * 1000000, value * 1000000),
                ('units without a cost', without_cost, unvalued_units)
            ) AS compared (part, expected, actual)
        """,
    ),
    document_rule(
        FindingKind.APPROVAL_IS_MISSING,
        """
            SELECT adjustment_id AS id, adjustment_number AS number, warehouse_id, NULL::bigint AS product_id,
                '' AS detail, 1 AS expected, 0 AS actual
            FROM adjustments
            WHERE status = 'POSTED' AND needs_approval
                AND (approved_by IS NULL OR lower(approved_by) = lower(requested_by))
        """,
    ),
)
