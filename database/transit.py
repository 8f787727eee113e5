"""Stock in transit: units that have left one warehouse and aren't accounted for yet.

It is a ledger of its own: a line's units in transit change by an entry in `transit_movements` and in no other way. One
statement changes the line and writes the entry; a trigger compares them at commit.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Integer

from database.operations import Operation
from database.receipts import put_into_stock
from database.transfer import transit_movements
from stockkeeper.domain.conflicts import twin_of
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.transfer import Transfer, TransitKind

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
        transfer_id, line_number, kind, quantity, balance_after, receipt_id, command_id, performed_by, reason,
        operation_id, workflow_id, run_id, created_at)
    SELECT :transfer_id, line_number, :kind, quantity, in_transit, :receipt_id, :command_id, :performed_by, :reason,
        :operation_id, :workflow_id, :run_id, clock_timestamp()
    FROM moved
    ORDER BY line_number
""").bindparams(
    bindparam("line_numbers", type_=ARRAY(Integer)),
    bindparam("units", type_=ARRAY(BigInteger)),
    bindparam("kind", type_=transit_movements.c.kind.type),
    bindparam("receipt_id", type_=transit_movements.c.receipt_id.type),
    bindparam("command_id", type_=transit_movements.c.command_id.type),
)


_TWIN = text("""
    SELECT coalesce(receipt_id, command_id) FROM transit_movements
    WHERE transfer_id = :transfer_id AND (receipt_id IS NULL) = :is_command
        AND (receipt_id IS NOT NULL OR kind = :kind)
        AND lower(coalesce(receipt_id, command_id)) = lower(:name) AND coalesce(receipt_id, command_id) <> :name
    LIMIT 1
""")


def _require_no_twin(
    connection: Connection, transfer: Transfer, kind: TransitKind, receipt_id: str | None, command_id: str | None
) -> None:
    """Refuse a number that differs from a booked one of its kind by upper and lower case alone.

    Raises:
        InvalidRequest: With the booked one.
    """
    name = receipt_id or command_id
    if name is None:
        return
    of = {"transfer_id": transfer.transfer_id, "kind": kind, "name": name, "is_command": receipt_id is None}
    if (twin := connection.execute(_TWIN, of).scalar()) is not None:
        words = {TransitKind.DISPATCHED: "departure", TransitKind.WRITTEN_OFF: "write-off"}
        raise twin_of(words.get(kind, "delivery"), name, twin)


def move(
    connection: Connection,
    operation: Operation,
    transfer: Transfer,
    kind: TransitKind,
    units: Mapping[int, int],
    *,
    reason: str,
    receipt_id: str | None = None,
    command_id: str | None = None,
) -> None:
    """Change the units in transit of these lines, and write an entry for each.

    RECEIVED and RETURNED units arrive in stock as well, by a TRANSFER_IN movement for each line: at the destination and
    at the source. DISPATCHED ones leave the source by `database.holds.take`, which the caller has called.

    Locks: the items where units arrive. The caller has locked the transfer.

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        transfer: The transfer.
        kind: Why: DISPATCHED adds the units, all others take them.
        units: Units by line number; all positive.
        reason: One sentence for readers of the entries.
        receipt_id: The receipt, for RECEIVED and DAMAGED.
        command_id: The caller's number for the command, for DISPATCHED and WRITTEN_OFF.

    Raises:
        RuntimeError: The transfer has no such line, which its lock would have shown.
    """
    if not units:
        return
    if kind in (TransitKind.RECEIVED, TransitKind.RETURNED):
        is_back = kind is TransitKind.RETURNED
        put_into_stock(
            connection,
            operation,
            MovementType.TRANSFER_IN,
            transfer.from_warehouse_id if is_back else transfer.to_warehouse_id,
            transfer.lines,
            units,
            reference_id=transfer.transfer_number,
            reason=reason,
        )
    _require_no_twin(connection, transfer, kind, receipt_id, command_id)
    written = connection.execute(
        _MOVE,
        {
            "transfer_id": transfer.transfer_id,
            "kind": kind,
            "line_numbers": list(units),
            "units": list(units.values()),
            "receipt_id": receipt_id,
            "command_id": command_id,
            "performed_by": operation.performed_by,
            "reason": reason,
            **operation.origin,
        },
    ).rowcount
    if written != len(units):
        raise RuntimeError(f"{len(units)} lines to move, {written} found")
