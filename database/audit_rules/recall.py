"""Audit rules of a recall. It books no movements of its own."""

from database.stock_audit import document_rule
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    # At its latest look, in all databases.
    document_rule(
        FindingKind.RECALL_DOES_NOT_ADD_UP,
        """
            SELECT recall_id AS id, recall_number AS number, NULL::bigint AS warehouse_id, product_id,
                'lot ' || lot_number AS detail, expected, accounted AS actual
            FROM recalls JOIN recall_lines USING (recall_id)
        """,
    ),
)
