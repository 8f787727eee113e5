"""Stock in transit: units that have left one warehouse and aren't accounted for yet.

It is a ledger of its own: a line's units in transit change by an entry in `transit_movements` and in no other way. Both
are changed together in memory, under the transfer's lock (`database.locked_transfer`), and written together; triggers
compare them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from database import ledger
from database.locked_stock import LockedStock
from database.locked_transfer import COUNTERS, Entry, LockedTransfer
from database.operations import Operation
from database.stock_reading import Wants
from database.stock_rows import Moving
from stockkeeper.domain.conflicts import twin_of
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.stock import ItemKey, MovementType
from stockkeeper.domain.transfer import OfLine, TransitKind

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


def arrival(locked: LockedTransfer, units: Mapping[OfLine, int], *, is_back: bool = False) -> Wants:
    """What the arrival of units needs of the stock: at the destination, or back at the source."""
    items = _items(locked, is_back=is_back)
    arriving = [(items[of.line_number], of.lot_number) for of, each in units.items() if each]
    return Wants(
        arriving=list(dict.fromkeys(item for item, _ in arriving)),
        lots=[(item.product_id, lot) for item, lot in arriving if lot is not None],
        moves=bool(arriving),
    )


def at_destination(locked: LockedTransfer, units: Mapping[OfLine, int]) -> list[Moving]:
    """Units by line and lot, as units of the destination's items."""
    items = _items(locked, is_back=False)
    return [Moving(items[of.line_number], moved, of.lot_number) for of, moved in units.items()]


def _items(locked: LockedTransfer, *, is_back: bool) -> dict[int, ItemKey]:
    """The item of each line, by its number: at the destination, or at the source."""
    transfer = locked.transfer
    place = transfer.from_warehouse_id if is_back else transfer.to_warehouse_id
    return {line.line_number: ItemKey(place, line.product_id) for line in transfer.lines}


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
    units: Mapping[OfLine, int],
    *,
    reason: str,
    receipt_id: str | None = None,
    command_id: str | None = None,
    unfit_reason: str | None = None,
    facts: Iterable[tuple[int, LotFacts]] = (),
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
        units: Units by line number and lot; all positive.
        reason: One sentence for readers of the entries.
        receipt_id: The receipt, for RECEIVED and DAMAGED.
        command_id: The caller's number for the command, for DISPATCHED and WRITTEN_OFF.
        unfit_reason: Why they are damaged, as whoever received them has said it, for DAMAGED.
        facts: What the packages say of lots that arrive, by product, where that was said.

    Raises:
        InvalidRequest: A package says something else of its lot than is known. Nothing has changed.
    """
    if not units:
        return
    if kind in (TransitKind.RECEIVED, TransitKind.RETURNED):
        items = _items(locked, is_back=kind is TransitKind.RETURNED)
        arriving = [Moving(items[of.line_number], moved, of.lot_number) for of, moved in units.items()]
        take_in_lots(stock, operation, arriving, facts)
        number = locked.transfer.transfer_number
        ledger.move_units(stock, operation, MovementType.TRANSFER_IN, arriving, reference_id=number, reason=reason)
    at = _booked_at(locked, stock)
    for of, moved in units.items():
        book(locked, of, kind, moved, receipt_id, command_id, reason, operation, at, unfit_reason)


def book(
    locked: LockedTransfer,
    of: OfLine,
    kind: TransitKind,
    units: int,
    receipt_id: str | None,
    command_id: str | None,
    reason: str,
    operation: Operation,
    at: datetime,
    unfit_reason: str | None = None,
) -> None:
    """Add an entry of units in transit, which are positive, and change its line by it."""
    line, counter = locked.lines[of.line_number], COUNTERS[kind]
    quantity = units if kind is TransitKind.DISPATCHED else -units
    line[counter] += units
    line["in_transit"] += quantity
    if of.lot_number is not None:
        locked.change_lot(of.line_number, of.lot_number, {counter: units, "in_transit": quantity})
    balance = line["in_transit"]
    named = receipt_id, command_id, reason, operation, at, of.lot_number, unfit_reason
    locked.entries.append(Entry(of.line_number, kind, quantity, balance, *named))


def take_in_lots(
    stock: LockedStock, operation: Operation, arriving: Iterable[Moving], facts: Iterable[tuple[int, LotFacts]]
) -> None:
    """Let the lots of units that arrive come, with what the packages say of them, by product; raises as `move`."""
    said = {(product_id, each.lot_number): each for product_id, each in facts}
    lots = [
        (each.item, said.get((each.item.product_id, each.lot_number)) or LotFacts(each.lot_number))
        for each in arriving
        if each.lot_number is not None
    ]
    if lots:
        stock.take_in_lots(operation, lots)


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
