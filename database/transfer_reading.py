"""Transfers as they are: under their locks, to decide on them, and as answers show them.

They are read by fixed statements over arrays of numbers, in one round trip (`database.pipeline`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from database.locked_transfer import Known, LockedTransfer, changes_of
from database.pipeline import Statement, send, texts
from stockkeeper.domain.errors import InvalidRequest
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
        coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS unfit
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

_LINES = f"""
    SELECT transfer_id, line_number, product_id, (SELECT sku FROM products WHERE products.product_id = line.product_id),
        quantity, dispatched, received, damaged, written_off, returned, in_transit, held_elsewhere
    FROM transfer_order_lines AS line
    WHERE transfer_id = ANY ({_IDS})
    ORDER BY transfer_id, line_number
"""  # noqa: S608 - constants only

# The lines of a hold are those of the transfer, in their order.
_HOLDS = """
    SELECT reference_id,
        CASE WHEN status = 'ACTIVE' THEN quantity - quantity_fulfilled - quantity_released ELSE 0 END
    FROM reservations WHERE reference_type = 'TRANSFER' AND reference_id = ANY (%s::text[])
    ORDER BY reservation_id
"""

# Entries of the same operation, and those of the same number, whatever its case.
_KNOWN = f"""
    SELECT transfer_number, kind, receipt_id, command_id, entry.operation_id, product_id, abs(sum(entry.quantity))
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS command (transfer_number, name, operation_id)
    JOIN transfer_orders USING (transfer_number)
    JOIN transit_movements AS entry USING (transfer_id)
    JOIN transfer_order_lines AS line USING (transfer_id, line_number)
    WHERE transfer_id = ANY ({_IDS}) AND (entry.operation_id = command.operation_id
        OR lower(coalesce(receipt_id, command_id)) = lower(command.name))
    GROUP BY transfer_number, kind, receipt_id, command_id, entry.operation_id, product_id
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
    held: dict[str, list[int]] = {}
    for number, units in holds:
        held.setdefault(number, []).append(units)
    of: dict[int, list[Sequence[Any]]] = {}
    for line in lines:
        of.setdefault(line[0], []).append(line)
    found = {}
    for header in headers:
        its_holds = held.get(header[1], [])
        its = [
            (*line[:-1], its_holds[at] if at < len(its_holds) else line[-1])
            for at, line in enumerate(of.get(header[0], []))
        ]
        found[header[1]] = _transfer(header, its)
    for number, kind, receipt_id, command_id, operation_id, product_id, units in known[0] if known else ():
        before = Known(TransitKind(kind), receipt_id, command_id, operation_id, product_id, int(units))
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
        [TransferredLine(line[1], line[2], line[4], line[10], line[11]) for line in lines],
    )
    departures, receipts, write_offs, approvals = (each or [] for each in header[14:])
    shown = dict(zip(_SHOWN, header, strict=False))
    shown["line_items"] = [dict(zip(_SHOWN_LINE, line[2:], strict=True)) for line in lines]
    shown |= {"departures": departures, "receipts": receipts, "write_offs": write_offs}
    return LockedTransfer(transfer, shown | {"difference_approvals": approvals})


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
