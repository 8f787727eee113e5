"""Stock in transit: what has left one warehouse and has not been accounted for at another.

It is kept as the ledger is: a line's units in transit change by an entry in `transit_movements`, and by nothing else.
The statement that changes a line is the one that writes its entry; the database checks it again at commit.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Integer

from database.operations import Operation
from database.tables import transit_movements
from stockkeeper.domain.transfer import TransitKind

_MOVE = text("""
    WITH change AS (
        SELECT line_number, units,
            CASE WHEN :kind = 'DISPATCHED' THEN units ELSE -units END AS quantity
        FROM unnest(:line_numbers, :units) AS change (line_number, units)
    ),
    moved AS (
        UPDATE transfer_order_lines AS line
        SET dispatched = line.dispatched + CASE WHEN :kind = 'DISPATCHED' THEN units ELSE 0 END,
            received = line.received + CASE WHEN :kind = 'RECEIVED' THEN units ELSE 0 END,
            damaged = line.damaged + CASE WHEN :kind = 'DAMAGED' THEN units ELSE 0 END,
            written_off = line.written_off + CASE WHEN :kind = 'WRITTEN_OFF' THEN units ELSE 0 END,
            returned = line.returned + CASE WHEN :kind = 'RETURNED' THEN units ELSE 0 END,
            in_transit = line.in_transit + change.quantity
        FROM change
        WHERE line.transfer_id = :transfer_id AND line.line_number = change.line_number
        RETURNING line.line_number, change.quantity, line.in_transit
    )
    INSERT INTO transit_movements (
        transfer_id, line_number, kind, quantity, balance_after, receipt_id, performed_by, reason,
        operation_id, workflow_id, run_id, created_at)
    SELECT :transfer_id, line_number, :kind, quantity, in_transit, :receipt_id, :performed_by, :reason,
        :operation_id, :workflow_id, :run_id, clock_timestamp()
    FROM moved
    ORDER BY line_number
""").bindparams(
    bindparam("line_numbers", type_=ARRAY(Integer)),
    bindparam("units", type_=ARRAY(BigInteger)),
    bindparam("kind", type_=transit_movements.c.kind.type),
    bindparam("receipt_id", type_=transit_movements.c.receipt_id.type),
)


def move(
    connection: Connection,
    operation: Operation,
    transfer_id: int,
    kind: TransitKind,
    units: Mapping[int, int],
    *,
    reason: str,
    receipt_id: str | None = None,
) -> None:
    """Change what these lines of a transfer have in transit, and write an entry for each. The transfer is locked.

    Args:
        connection: The transaction.
        operation: Who did it, and for which run.
        transfer_id: The transfer.
        kind: Why: DISPATCHED adds the units, everything else takes them.
        units: Units by line number; all positive.
        reason: One sentence for whoever reads it later.
        receipt_id: The receipt, for RECEIVED and DAMAGED.

    Raises:
        RuntimeError: There is no such line. Locking first would have shown it.
    """
    if not units:
        return
    written = connection.execute(
        _MOVE,
        {
            "transfer_id": transfer_id,
            "kind": kind,
            "line_numbers": list(units),
            "units": list(units.values()),
            "receipt_id": receipt_id,
            "performed_by": operation.performed_by,
            "reason": reason,
            "operation_id": operation.operation_id,
            "workflow_id": operation.workflow_id,
            "run_id": operation.run_id,
        },
    ).rowcount
    if written != len(units):
        raise RuntimeError(f"{len(units)} lines to move, {written} found")
