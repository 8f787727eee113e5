"""Audit rules of a transfer, beside the comparison of its movements.

Each line is compared with the ledger in transit and with its hold at the source.
"""

from database.stock_audit import document_rule
from stockkeeper.domain.stock_audit import FindingKind

RULES = (
    document_rule(
        FindingKind.LINE_IS_NOT_ITS_ENTRIES,
        """
            SELECT transfer_id AS id, transfer_number AS number, from_warehouse_id AS warehouse_id, product_id,
                'line ' || line_number || ' ' || part AS detail, expected, actual
            FROM transfer_orders JOIN transfer_order_lines AS line USING (transfer_id)
            LEFT JOIN transfer_holds AS hold USING (transfer_id, line_number)
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(quantity), 0) AS all_entries,
                    coalesce(sum(quantity) FILTER (WHERE kind = 'DISPATCHED'), 0) AS dispatches,
                    coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS arrivals,
                    coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS damages,
                    coalesce(-sum(quantity) FILTER (WHERE kind = 'WRITTEN_OFF'), 0) AS write_offs,
                    coalesce(-sum(quantity) FILTER (WHERE kind = 'RETURNED'), 0) AS returns
                FROM transit_movements AS entry
                WHERE (entry.transfer_id, entry.line_number) = (line.transfer_id, line.line_number)) AS entries
            CROSS JOIN LATERAL (VALUES
                ('dispatched', dispatches, dispatched), ('received', arrivals, received), ('damaged', damages, damaged),
                ('written off', write_offs, written_off), ('returned', returns, returned),
                ('in transit', all_entries, in_transit), ('asked for', coalesce(hold.asked, 0), line.quantity),
                ('departed', coalesce(hold.departed, 0), dispatched)
            ) AS compared (part, expected, actual)
        """,
    ),
)
