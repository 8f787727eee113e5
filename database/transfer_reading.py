"""Transfers as they are: under their locks, to decide on them, and as answers show them.

They are read by fixed statements over arrays of numbers, in one round trip (`database.pipeline`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection

from database.locked_transfer import COUNTERS, Known, LockedTransfer, changes_of
from database.lot import LINE_LOTS, held_lots
from database.pipeline import Statement, send, texts
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import HeldLot
from stockkeeper.domain.transfer import Transfer, TransferredLine, TransferStatus, TransitKind

_LOCK = """
    SELECT transfer_id FROM transfer_orders WHERE transfer_number = ANY (%s::text[])
    ORDER BY transfer_id FOR NO KEY UPDATE
"""

# The latest commands of one kind, each with the units of all of its entries.
_COMMANDS = """
    (SELECT json_agg(command ORDER BY latest) FROM (
        SELECT {columns}, min(created_at) AS at, min(performed_by) AS performed_by,
            max(transit_movement_id) AS latest
        FROM transit_movements AS entry
        WHERE entry.transfer_id = header.transfer_id AND {kind}
        GROUP BY {by}
        ORDER BY latest DESC
        LIMIT %s::bigint) AS command)
"""
_DEPARTURES = _COMMANDS.format(
    columns="min(command_id) AS dispatch_id, sum(quantity) AS quantity", kind="kind = 'DISPATCHED'", by="operation_id"
)
_RECEIPTS = _COMMANDS.format(
    columns="""
        receipt_id, coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS accepted,
        coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS unfit, min(unfit_reason) AS unfit_reason
    """,
    kind="receipt_id IS NOT NULL",
    by="receipt_id",
)
_WRITE_OFFS = _COMMANDS.format(
    columns="min(command_id) AS write_off_id, min(reason) AS reason, -sum(quantity) AS quantity",
    kind="kind = 'WRITTEN_OFF'",
    by="operation_id",
)

_HEADERS = f"""
    SELECT transfer_id, transfer_number, from_warehouse_id, source.name, to_warehouse_id, destination.name, status,
        expected_transit_hours, requested_by, created_at, dispatched_at, due_at, closed_reason,
        destination_at, {_DEPARTURES}, {_RECEIPTS}, {_WRITE_OFFS},
        (SELECT json_agg(given ORDER BY approval_id) FROM (
            SELECT approver, approved_at AS at, up_to_value::text AS value, up_to_units AS unvalued_units, note,
                approval_id
            FROM difference_approvals WHERE (document_type, document_number) = ('transfer', transfer_number)
            ORDER BY approval_id DESC LIMIT 100) AS given)
    FROM transfer_orders AS header
    JOIN warehouses AS source ON source.warehouse_id = from_warehouse_id
    JOIN warehouses AS destination ON destination.warehouse_id = to_warehouse_id
    WHERE transfer_number = ANY (%s::text[])
"""  # noqa: S608 - constants only

_IDS = "ARRAY (SELECT transfer_id FROM transfer_orders WHERE transfer_number = ANY (%s::text[]))"

# Units of each lot by kind; null: the product isn't tracked.
_MOVED_LOTS = """
    CASE WHEN tracking <> 'NONE' THEN coalesce((
        SELECT json_agg(json_build_array(lot_number, expires_on, units)) FROM (
            SELECT lot_number, json_object_agg(kind, units) AS units FROM (
                SELECT lot_number, kind, abs(sum(quantity)) AS units
                FROM transit_movements AS entry
                WHERE (entry.transfer_id, entry.line_number) = (line.transfer_id, line.line_number)
                    AND lot_number IS NOT NULL
                GROUP BY lot_number, kind) AS of_kind
            GROUP BY lot_number) AS moved
        JOIN lots USING (lot_number) WHERE lots.product_id = line.product_id), '[]')
    END
"""

_LINES = f"""
    SELECT transfer_id, line_number, product_id, sku, quantity, dispatched, received, damaged, written_off, returned,
        in_transit, held_elsewhere, {_MOVED_LOTS}
    FROM transfer_order_lines AS line
    CROSS JOIN LATERAL (
        SELECT sku, tracking FROM products WHERE products.product_id = line.product_id OFFSET 0) AS product
    WHERE transfer_id = ANY ({_IDS})
    ORDER BY transfer_id, line_number
"""  # noqa: S608 - constants only

# The lines of a hold are those of the transfer, in their order.
_HOLDS = f"""
    SELECT reference_id,
        CASE WHEN status = 'ACTIVE' THEN quantity - quantity_fulfilled - quantity_released ELSE 0 END, {LINE_LOTS}
    FROM reservations WHERE reference_type = 'TRANSFER' AND reference_id = ANY (%s::text[])
    ORDER BY reservation_id
"""  # noqa: S608 - constants only

# Entries of the same operation, and those of the same number, whatever its case.
_KNOWN = f"""
    SELECT transfer_number, kind, receipt_id, command_id, entry.operation_id, product_id, lot_number,
        abs(sum(entry.quantity))
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS command (transfer_number, name, operation_id)
    JOIN transfer_orders USING (transfer_number)
    JOIN transit_movements AS entry USING (transfer_id)
    JOIN transfer_order_lines AS line USING (transfer_id, line_number)
    WHERE transfer_id = ANY ({_IDS}) AND (entry.operation_id = command.operation_id
        OR lower(coalesce(receipt_id, command_id)) = lower(command.name))
    GROUP BY transfer_number, kind, receipt_id, command_id, entry.operation_id, product_id, lot_number
"""  # noqa: S608 - constants only


class BookedBefore(NamedTuple):
    """What a command on a transfer may have booked before.

    Attributes:
        number: The transfer's number.
        operation_id: Its operation.
        name: The caller's own number for it; None: it has none.
    """

    number: str
    operation_id: str
    name: str | None


def lock_transfers(numbers: Sequence[str]) -> Statement:
    """Lock transfers' rows, by their keys."""
    return Statement(_LOCK, (texts(numbers),))


def read_transfers(numbers: Sequence[str], most: int, commands: Sequence[BookedBefore] = ()) -> list[Statement]:
    """Read transfers as `transfers_of` takes them, with what commands on them have booked before.

    Of departures, receipts and write-offs, the latest are read, at most so many.
    """
    listed = texts(numbers)
    known = Statement(
        _KNOWN,
        (
            texts(each.number for each in commands),
            texts(each.name or "" for each in commands),
            texts(each.operation_id for each in commands),
            listed,
        ),
    )
    return [
        Statement(_HEADERS, (most, most, most, listed)),
        Statement(_LINES, (listed,)),
        Statement(_HOLDS, (listed,)),
        *([known] if commands else []),
    ]


def transfers_of(rows: Sequence[Iterable[Sequence[Any]]]) -> dict[str, LockedTransfer]:
    """The transfers that `read_transfers` has read, by number."""
    headers, lines, holds, *known = rows
    held: dict[str, list[tuple[int, tuple[HeldLot, ...]]]] = {}
    for number, units, lots in holds:
        held.setdefault(number, []).append((units, held_lots(lots)))
    of: dict[int, list[Sequence[Any]]] = {}
    for line in lines:
        of.setdefault(line[0], []).append(line)
    found = {}
    for header in headers:
        its_holds = held.get(header[1], [])
        its = []
        for at, line in enumerate(of.get(header[0], [])):
            units, lots = its_holds[at] if at < len(its_holds) else (line[-2], ())
            its.append((*line[:-2], units, line[-1], lots))
        found[header[1]] = _transfer(header, its)
    for number, kind, receipt_id, command_id, operation_id, product_id, lot, units in known[0] if known else ():
        before = Known(TransitKind(kind), receipt_id, command_id, operation_id, product_id, lot, int(units))
        found[number].known.append(before)
    return found


def _transfer(header: Sequence[Any], lines: Sequence[Sequence[Any]]) -> LockedTransfer:
    transfer = Transfer(
        header[0],
        header[1],
        header[2],
        header[4],
        TransferStatus(header[6]),
        header[7],
        [TransferredLine(line[1], line[2], line[4], line[10], line[11], _lots_in_transit(line[12])) for line in lines],
    )
    departures, receipts, write_offs, approvals = (each or [] for each in header[14:])
    shown = dict(zip(_SHOWN, header, strict=False))
    shown["line_items"] = [dict(zip(_SHOWN_LINE, line[2:], strict=False)) for line in lines]
    shown |= {"departures": departures, "receipts": receipts, "write_offs": write_offs}
    locked = LockedTransfer(transfer, shown | {"difference_approvals": approvals})
    for line in lines:
        _show_lots(locked, line[1], line[12] or (), line[13])
    return locked


def _lots_in_transit(moved: Sequence[Any] | None) -> dict[str, int] | None:
    """Units in transit by lot, by what has moved of each; None: the line's product isn't tracked."""
    if moved is None:
        return None
    left = {lot: _in_transit(units) for lot, _, units in moved}
    return {lot: units for lot, units in left.items() if units}


def _in_transit(units: Mapping[str, int]) -> int:
    dispatched = units.get(TransitKind.DISPATCHED, 0)
    return 2 * dispatched - sum(units.values())


def _show_lots(locked: LockedTransfer, line_number: int, moved: Iterable[Any], held: Iterable[HeldLot]) -> None:
    """Let answers show the lots of a line: those that are held, and those that have moved."""
    for lot in held:
        if lot.quantity_held:
            locked.change_lot(line_number, lot.lot_number, {"held": lot.quantity_held}, lot.expires_on)
    for number, expires_on, units in moved:
        counted = {COUNTERS[TransitKind(kind)]: moved for kind, moved in units.items()}
        day = None if expires_on is None else date.fromisoformat(expires_on)
        locked.change_lot(line_number, number, counted | {"in_transit": _in_transit(units)}, day)


_SHOWN = (
    "transfer_id",
    "transfer_number",
    "from_warehouse_id",
    "from_warehouse",
    "to_warehouse_id",
    "to_warehouse",
    "status",
    "expected_transit_hours",
    "requested_by",
    "requested_at",
    "dispatched_at",
    "due_at",
    "closed_reason",
    "destination_at",
)
_SHOWN_LINE = (
    "product_id",
    "sku",
    "quantity",
    "dispatched",
    "received",
    "damaged",
    "written_off",
    "returned",
    "in_transit",
    "held",
)


def read_transfer(connection: Connection, transfer_number: str, *, receipts: int) -> Mapping[str, Any]:
    """The transfer as answers show it. Locks nothing.

    Its latest departures, receipts and write-offs are with it, at most ``receipts`` of each, oldest first.
    """
    found = transfers_of(send(connection, read_transfers([transfer_number], receipts)))
    return found[transfer_number].shown


def lock_transfer(connection: Connection, transfer_number: str) -> LockedTransfer:
    """Lock a transfer's row, and read the transfer as it is then.

    Raises:
        InvalidRequest: There is no such transfer.
    """
    numbers = [transfer_number]
    _, *rows = send(connection, [lock_transfers(numbers), *read_transfers(numbers, 1)])
    return require_transfer(transfers_of(rows), transfer_number)


def write_transfer(connection: Connection, locked: LockedTransfer) -> None:
    """Write what has changed of a transfer."""
    send(connection, list(changes_of([locked])))


def require_transfer(found: Mapping[str, LockedTransfer], transfer_number: str) -> LockedTransfer:
    """The transfer of this number.

    Raises:
        InvalidRequest: There is none.
    """
    if (transfer := found.get(transfer_number)) is None:
        raise InvalidRequest(f"there is no transfer {transfer_number}")
    return transfer
