"""A transfer between two databases: each has its document, and takes over what the other has booked.

Departures and returns are booked where the source is kept; receipts, damaged units and write-offs where the destination
is. Each entry of the ledger in transit is copied to the other database, with the operation behind it, and the movement
in stock isn't: it is in the ledger of the warehouse. So both ledgers in transit are the same, as soon as each has heard
of the other.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Connection, Integer, Text, bindparam, text

from database.document import insert_document, is_stored
from database.locked_transfer import LockedTransfer
from database.operations import Operation
from database.transfer import TRANSFER
from database.transfer_reading import lock_transfer, read_transfer, write_transfer
from database.transit import book
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.transfer import OfLine, TransferStatus, TransitKind

_AT_THE_SOURCE = (TransitKind.DISPATCHED, TransitKind.RETURNED)
_AT_THE_DESTINATION = (TransitKind.RECEIVED, TransitKind.DAMAGED, TransitKind.WRITTEN_OFF)

_COMMANDS_AT_ONCE = 500
_ENTRIES_AT_ONCE = 20_000
"""So many entries of so many commands have room in a message to Temporal."""

_HEADER = text("""
    SELECT transfer_id, transfer_number, from_warehouse_id, to_warehouse_id, expected_transit_hours, requested_by,
        created_at AS requested_at, operation_id, workflow_id, run_id, status, dispatched_at, due_at, closed_at,
        closed_by, closed_reason, source_at IS NULL AS is_source
    FROM transfer_orders WHERE transfer_number = :number
""")

# Commands on a transfer are booked one after the other, under its lock: so their entries have their order, too.
_BOOKED = text("""
    SELECT * FROM (
        SELECT kind, receipt_id, command_id, reason, created_at AS at, performed_by, operation_id, workflow_id, run_id,
            unfit_reason,
            json_agg(json_build_array(line_number, lot_number, abs(quantity)) ORDER BY transit_movement_id) AS entries,
            max(transit_movement_id) AS latest,
            sum(count(*)) OVER (ORDER BY max(transit_movement_id)) - count(*) AS entries_before
        FROM transit_movements
        WHERE transfer_id = :transfer_id AND kind = ANY (:kinds) AND transit_movement_id > :after
        GROUP BY kind, receipt_id, command_id, reason, created_at, performed_by, operation_id, workflow_id, run_id,
            unfit_reason
    ) AS command
    WHERE entries_before < :entries
    ORDER BY latest LIMIT :commands
""").bindparams(bindparam("kinds", type_=ARRAY(Text)))

_FOLLOW = text("""
    SELECT EXISTS (
        SELECT FROM transit_movements
        WHERE transfer_id = :transfer_id AND kind = ANY (:kinds) AND transit_movement_id > :latest)
""").bindparams(bindparam("kinds", type_=ARRAY(Text)))

_KNOWN = text("""
    SELECT line_number, kind, coalesce(receipt_id, operation_id), lot_number FROM transit_movements
    WHERE transfer_id = :transfer_id
""")

# What this database knows of the lots that are on their way.
_LOTS = text("""
    SELECT product_id, lot_number, expires_on, best_before, made_on, supplier_id, receipt, status, status_reason,
        status_since, status_by, created_at, created_by, operation_id
    FROM lots JOIN (
        SELECT DISTINCT product_id, lot_number FROM transit_movements
        JOIN transfer_order_lines USING (transfer_id, line_number)
        WHERE transfer_id = :transfer_id AND lot_number IS NOT NULL) AS sent USING (product_id, lot_number)
    ORDER BY product_id, lot_number
""")

# A lot that is known has its own status, which whoever blocks it sets in every database. Of two days that differ the
# earlier one counts, so that nothing is promised for longer than either package says.
_TAKE_OVER_LOTS = text("""
    INSERT INTO lots AS known (
        product_id, lot_number, expires_on, best_before, made_on, supplier_id, receipt, status, status_reason,
        status_since, status_by, created_at, created_by, operation_id)
    SELECT product_id, lot_number, expires_on, best_before, made_on, supplier_id, receipt, status, status_reason,
        status_since, status_by, created_at, created_by, operation_id
    FROM json_to_recordset(cast(:lots AS json)) AS told (
        product_id bigint, lot_number text, expires_on date, best_before date, made_on date, supplier_id bigint,
        receipt text, status text, status_reason text, status_since timestamptz, status_by text,
        created_at timestamptz, created_by text, operation_id text)
    ORDER BY product_id, lot_number
    ON CONFLICT (product_id, lot_number) DO UPDATE
    SET expires_on = least(known.expires_on, excluded.expires_on),
        best_before = least(known.best_before, excluded.best_before),
        made_on = coalesce(known.made_on, excluded.made_on)
    WHERE (known.expires_on, known.best_before, known.made_on) IS DISTINCT FROM (
        least(known.expires_on, excluded.expires_on), least(known.best_before, excluded.best_before),
        coalesce(known.made_on, excluded.made_on))
""")

_BEFORE = text("""
    SELECT source_at IS NOT NULL AS source_is_elsewhere, coalesce(mirrored_as_of > :as_of, false) AS knows_newer
    FROM transfer_orders WHERE transfer_id = :transfer_id
""")

_HEARD = text("UPDATE transfer_orders SET mirrored_as_of = :as_of WHERE transfer_id = :transfer_id")

_HELD = text("""
    UPDATE transfer_order_lines AS line SET held_elsewhere = told.held
    FROM unnest(:line_numbers, :held) AS told (line_number, held)
    WHERE line.transfer_id = :transfer_id AND line.line_number = told.line_number
""").bindparams(bindparam("line_numbers", type_=ARRAY(Integer)), bindparam("held", type_=ARRAY(BigInteger)))


def read_end(connection: Connection, transfer_number: str, after: int) -> dict[str, Any]:
    """A transfer as this database has it, with the entries in transit that it has booked itself. Locks nothing.

    Args:
        connection: A transaction that sees a single instant.
        transfer_number: The transfer.
        after: The number of the last entry that is known; 0: none is.

    Raises:
        InvalidRequest: There is no such transfer.
    """
    header = connection.execute(_HEADER, {"number": transfer_number}).mappings().one_or_none()
    if header is None:
        raise InvalidRequest(f"there is no transfer {transfer_number}")
    kinds = _AT_THE_SOURCE if header["is_source"] else _AT_THE_DESTINATION
    of = {"transfer_id": header["transfer_id"], "kinds": list(kinds)}
    most = {"after": after, "entries": _ENTRIES_AT_ONCE, "commands": _COMMANDS_AT_ONCE}
    booked = [_by_line(dict(row)) for row in connection.execute(_BOOKED, of | most).mappings()]
    lots = [dict(row) for row in connection.execute(_LOTS, of).mappings()] if any(e["lots"] for e in booked) else []
    latest = booked[-1]["latest"] if booked else after
    more = connection.execute(_FOLLOW, of | {"latest": latest}).scalar_one()
    lines = read_transfer(connection, transfer_number, receipts=1)["line_items"]
    return {**header, "lines": lines, "booked": booked, "latest": latest, "more": more, "lots": lots}


def _by_line(command: Mapping[str, Any]) -> dict[str, Any]:
    """What a command has booked, with its units by line number, and by lot where they have lots."""
    units: Counter[int] = Counter()
    lots: dict[int, dict[str, int]] = {}
    for line_number, lot, quantity in command["entries"]:
        units[line_number] += quantity
        if lot is not None:
            lots.setdefault(line_number, {})[lot] = quantity
    return {**command, "units": dict(units), "lots": lots}


def take_over(connection: Connection, end: Mapping[str, Any], as_of: datetime) -> LockedTransfer | None:
    """Bring a transfer up to date with what the other database has booked of it; store it if it isn't known yet.

    Locks the transfer.

    Args:
        connection: The transaction.
        end: The other database's end, as `read_end` has it; pages in their order.
        as_of: The workflow's time before that was read: what was read earlier than the latest changes nothing.

    Returns:
        The transfer with the entries that are new here; None: it is new to nobody who has read it before.

    Raises:
        OperationConflict: There is another transfer of that number.
        InvalidRequest: There is one whose number differs by upper and lower case alone.
    """
    number = end["transfer_number"]
    is_new = not is_stored(connection, TRANSFER, number)
    if is_new:
        _store(connection, end)
    _take_over_lots(connection, end.get("lots", ()))
    locked = lock_transfer(connection, number)
    _require_same(locked, end)
    of = {"transfer_id": locked.transfer.transfer_id, "as_of": as_of}
    before = connection.execute(_BEFORE, of).one()
    if before.knows_newer:
        return None
    held_changed = before.source_is_elsewhere and _take_over_held(connection, locked, end)
    _add_entries(connection, locked, end)
    # One that is open there, with nothing new, may have ended here: that database may not have heard of it yet. A hold
    # that has given way is none before its transfer has ended.
    has_ended = end["closed_at"] is not None and not end["more"]
    if is_new or held_changed or locked.entries or has_ended:
        _change_header(locked, end, as_of)
        write_transfer(connection, locked)
        connection.execute(_HEARD, of)
    is_another = is_new or held_changed or locked.entries or locked.shown["status"] != locked.transfer.status
    return locked if is_another else None


def _store(connection: Connection, end: Mapping[str, Any]) -> None:
    lines = [{"product_id": line["product_id"], "quantity": line["quantity"]} for line in end["lines"]]
    operation = _operation(end, end["requested_by"])
    shared = ("transfer_number", "from_warehouse_id", "to_warehouse_id", "expected_transit_hours", "requested_by")
    header = {name: end[name] for name in shared}
    created_at = end["requested_at"]
    insert_document(
        connection, operation, TRANSFER, lines, status=TransferStatus.PENDING, created_at=created_at, **header
    )


def _require_same(locked: LockedTransfer, end: Mapping[str, Any]) -> None:
    shown = locked.shown
    places = ("from_warehouse_id", "to_warehouse_id", "requested_by", "requested_at")
    here = [(line["product_id"], line["quantity"]) for line in shown["line_items"]]
    there = [(line["product_id"], line["quantity"]) for line in end["lines"]]
    if here != there or any(shown[name] != end[name] for name in places):
        raise already_exists("transfer", end["transfer_number"])


def _take_over_held(connection: Connection, locked: LockedTransfer, end: Mapping[str, Any]) -> bool:
    """Take over how much the source still holds, and return whether that has changed."""
    told = [line["held"] for line in end["lines"]]
    if told == [line["held"] for line in locked.lines.values()]:
        return False
    held = {"transfer_id": locked.transfer.transfer_id, "line_numbers": list(locked.lines), "held": told}
    connection.execute(_HELD, held)
    for line, units in zip(locked.lines.values(), told, strict=True):
        line["held"] = units
    return True


def _add_entries(connection: Connection, locked: LockedTransfer, end: Mapping[str, Any]) -> None:
    known = {tuple(row) for row in connection.execute(_KNOWN, {"transfer_id": locked.transfer.transfer_id})}
    for command in end["booked"]:
        kind, receipt_id = TransitKind(command["kind"]), command["receipt_id"]
        operation = _operation(command, command["performed_by"])
        name, reason, at, why = command["command_id"], command["reason"], command["at"], command.get("unfit_reason")
        for line_number, units in sorted(command["units"].items()):
            by_lot: Mapping[str | None, int] = command.get("lots", {}).get(line_number) or {None: units}
            for lot, quantity in by_lot.items():
                if (line_number, kind, receipt_id or operation.operation_id, lot) not in known:
                    of = OfLine(line_number, lot)
                    book(locked, of, kind, quantity, receipt_id, name, reason, operation, at, why)


def _take_over_lots(connection: Connection, lots: Sequence[Mapping[str, Any]]) -> None:
    """Know the lots that are on their way, before any entry names them."""
    if lots:
        told = [{name: _plain(value) for name, value in lot.items()} for lot in lots]
        connection.execute(_TAKE_OVER_LOTS, {"lots": json.dumps(told)})


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int) else str(value)


def _change_header(locked: LockedTransfer, end: Mapping[str, Any], as_of: datetime) -> None:
    times = {"dispatched_at": end["dispatched_at"], "due_at": end["due_at"]}
    if end["more"]:
        # Something is in transit until the last page has come.
        locked.change(status=TransferStatus.IN_TRANSIT, **times)
        return
    locked.change(status=end["status"], closed_reason=end["closed_reason"], **times)
    locked.closed_at, locked.closed_by = end["closed_at"], end["closed_by"]
    is_open = any(line["in_transit"] or line["held"] for line in locked.lines.values())
    if end["status"] is TransferStatus.IN_TRANSIT and not is_open:
        # A hold that gives way at the source ends before its transfer hears of it, and before the destination does.
        locked.change(status=TransferStatus.RECEIVED)
        locked.closed_at, locked.closed_by = as_of, end["operation_id"]


def _operation(origin: Mapping[str, Any], performed_by: str) -> Operation:
    """The operation in the other database, for rows that keep it."""
    return Operation(
        operation_id=origin["operation_id"],
        kind="mirror_transfer",
        payload={},
        performed_by=performed_by,
        workflow_id=origin["workflow_id"],
        run_id=origin["run_id"],
    )
