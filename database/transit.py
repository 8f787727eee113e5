"""Stock in transit: units that have left one warehouse and aren't accounted for yet.

It is a ledger of its own: a line's units in transit change by an entry in `transit_movements` and in no other way. Both
are changed together in memory, under the transfer's lock (`database.locked_transfer`), and written together; triggers
compare them.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from database.goods import arriving_items, put_into_stock
from database.locked_stock import LockedStock
from database.locked_transfer import Entry, LockedTransfer
from database.operations import Operation
from stockkeeper.domain.conflicts import twin_of
from stockkeeper.domain.stock import ItemKey, MovementType
from stockkeeper.domain.transfer import TransitKind

COUNTERS = {
    TransitKind.DISPATCHED: "dispatched",
    TransitKind.RECEIVED: "received",
    TransitKind.DAMAGED: "damaged",
    TransitKind.WRITTEN_OFF: "written_off",
    TransitKind.RETURNED: "returned",
}
"""The counter of a line that a kind of entry adds to."""

_WORDS = {TransitKind.DISPATCHED: "departure", TransitKind.WRITTEN_OFF: "write-off"}

# On each line the units that left first are taken to be accounted for first.
_LEFT_SINCE = text("""
    WITH departed AS (
        SELECT line_number, operation_id, created_at, sum(quantity) OVER (
            PARTITION BY line_number ORDER BY transit_movement_id) AS units
        FROM transit_movements WHERE transfer_id = :transfer_id AND kind = 'DISPATCHED'
    ),
    oldest AS (
        SELECT departed.operation_id, departed.created_at
        FROM departed JOIN unnest(cast(:line_numbers AS integer[]), cast(:accounted AS bigint[]))
            AS line (line_number, accounted) USING (line_number)
        WHERE units > accounted
        ORDER BY created_at LIMIT 1
    )
    SELECT created_at FROM oldest
    WHERE operation_id <> (SELECT operation_id FROM departed ORDER BY created_at LIMIT 1)
""")


def arrival(locked: LockedTransfer, units: Mapping[int, int], *, is_back: bool = False) -> list[ItemKey]:
    """The items where units of these lines arrive: at the destination, or back at the source."""
    transfer = locked.transfer
    place = transfer.from_warehouse_id if is_back else transfer.to_warehouse_id
    return arriving_items(place, transfer.lines, units)


def require_no_twin(
    locked: LockedTransfer, kind: TransitKind, receipt_id: str | None = None, command_id: str | None = None
) -> None:
    """Refuse a number that differs from a booked one of its kind by upper and lower case alone.

    Raises:
        InvalidRequest: With the booked one.
    """
    if (twin := locked.twin_of(kind, receipt_id, command_id)) is not None:
        raise twin_of(_WORDS.get(kind, "delivery"), receipt_id or command_id or "", twin)


def move(
    locked: LockedTransfer,
    stock: LockedStock,
    operation: Operation,
    kind: TransitKind,
    units: Mapping[int, int],
    *,
    reason: str,
    receipt_id: str | None = None,
    command_id: str | None = None,
) -> None:
    """Change the units in transit of these lines, and add an entry for each.

    RECEIVED and RETURNED units arrive in stock as well, by a TRANSFER_IN movement for each line: at the destination and
    at the source, whose items (`arrival`) are locked. DISPATCHED ones leave the source by `database.holds.take`, which
    the caller has called.

    Args:
        locked: The transfer.
        stock: The stock, with the items where units arrive.
        operation: The person and the run behind it.
        kind: Why: DISPATCHED adds the units, all others take them.
        units: Units by line number; all positive.
        reason: One sentence for readers of the entries.
        receipt_id: The receipt, for RECEIVED and DAMAGED.
        command_id: The caller's number for the command, for DISPATCHED and WRITTEN_OFF.
    """
    if not units:
        return
    transfer = locked.transfer
    if kind in (TransitKind.RECEIVED, TransitKind.RETURNED):
        put_into_stock(
            stock,
            operation,
            MovementType.TRANSFER_IN,
            transfer.from_warehouse_id if kind is TransitKind.RETURNED else transfer.to_warehouse_id,
            transfer.lines,
            units,
            reference_id=transfer.transfer_number,
            reason=reason,
        )
    lines, counter, at = locked.lines, COUNTERS[kind], _booked_at(locked, stock)
    for line_number, moved in units.items():
        line = lines[line_number]
        quantity = moved if kind is TransitKind.DISPATCHED else -moved
        line[counter] += moved
        line["in_transit"] += quantity
        balance = line["in_transit"]
        locked.entries.append(
            Entry(line_number, kind, quantity, balance, receipt_id, command_id, reason, operation, at)
        )


def _booked_at(locked: LockedTransfer, stock: LockedStock) -> datetime:
    """The instant of the entries of one command: the ledger's clock, and not before a movement in stock beside them."""
    if locked.entries:
        return locked.entries[0].at
    return max([stock.now, *(item.last_moved_at for item in stock.items.values() if item.moved and item.last_moved_at)])


def oldest_departure(connection: Connection, locked: LockedTransfer) -> datetime | None:
    """When the units that are longest in transit have left.

    None: With the first departure, or nothing is in transit.
    """
    of = {
        "transfer_id": locked.transfer.transfer_id,
        "line_numbers": list(locked.lines),
        "accounted": [line["dispatched"] - line["in_transit"] for line in locked.lines.values()],
    }
    left_at: datetime | None = connection.execute(_LEFT_SINCE, of).scalar_one_or_none()
    return left_at
