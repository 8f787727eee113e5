"""A transfer under its lock: as it was read, as answers show it by now, and what is to be written of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from database.operations import Operation
from database.pipeline import Statement, instants, numbers, texts
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.transfer import OfProduct, Transfer, TransferStatus, TransitKind

_UPDATE_HEADERS = """
    UPDATE transfer_orders AS header
    SET status = changed.status, dispatched_at = changed.dispatched_at, due_at = changed.due_at,
        closed_at = changed.closed_at, closed_by = changed.closed_by, closed_reason = changed.closed_reason
    FROM unnest(
        %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[]
    ) AS changed (transfer_id, status, dispatched_at, due_at, closed_at, closed_by, closed_reason)
    WHERE header.transfer_id = changed.transfer_id
"""

_UPDATE_LINES = """
    UPDATE transfer_order_lines AS line
    SET dispatched = changed.dispatched, received = changed.received, damaged = changed.damaged,
        written_off = changed.written_off, returned = changed.returned, in_transit = changed.in_transit
    FROM unnest(
        %s::bigint[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]
    ) AS changed (transfer_id, line_number, dispatched, received, damaged, written_off, returned, in_transit)
    WHERE line.transfer_id = changed.transfer_id AND line.line_number = changed.line_number
"""

_INSERT_ENTRIES = """
    INSERT INTO transit_movements (
        transfer_id, line_number, kind, quantity, balance_after, receipt_id, command_id, reason, created_at,
        performed_by, operation_id, workflow_id, run_id, lot_number, unfit_reason)
    SELECT transfer_id, line_number, kind, quantity, balance_after, receipt_id, command_id, reason, created_at,
        performed_by, operation_id, workflow_id, run_id, lot_number, unfit_reason
    FROM unnest(
        %s::bigint[], %s::integer[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
        %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]
    ) WITH ORDINALITY AS entry (
        transfer_id, line_number, kind, quantity, balance_after, receipt_id, command_id, reason, created_at,
        performed_by, operation_id, workflow_id, run_id, lot_number, unfit_reason, position)
    ORDER BY position
"""


class Known(NamedTuple):
    """Units of a product and lot that a command with the same operation, or a number alike, has booked before."""

    kind: TransitKind
    receipt_id: str | None
    command_id: str | None
    operation_id: str
    product_id: int
    lot_number: str | None
    units: int

    @property
    def of(self) -> OfProduct:
        """What it has booked units of."""
        return OfProduct(self.product_id, self.lot_number)


class Entry(NamedTuple):
    """A change of a line's units in transit: positive if they were dispatched, else negative."""

    line_number: int
    kind: TransitKind
    quantity: int
    balance_after: int
    receipt_id: str | None
    command_id: str | None
    reason: str
    operation: Operation
    at: datetime
    lot_number: str | None = None
    unfit_reason: str | None = None


@dataclass(slots=True)
class LockedTransfer:
    """A transfer under its lock.

    Attributes:
        transfer: As it was read; a step decides on this.
        shown: As answers show it by now.
        known: What the command, or one with a number alike, has booked before.
        entries: Entries to be written, with the lines that they change.
        has_changed: Whether the header is to be written.
        closed_at: When it has ended, by this step.
        closed_by: The operation that has ended it.
        lines: Its lines as answers show them, by line number.
    """

    transfer: Transfer
    shown: dict[str, Any]
    known: list[Known] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    has_changed: bool = False
    closed_at: datetime | None = None
    closed_by: str | None = None
    lines: dict[int, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        numbered = (line.line_number for line in self.transfer.lines)
        self.lines = dict(zip(numbered, self.shown["line_items"], strict=True))

    def moved_by(self, operation: Operation) -> dict[OfProduct, Taken]:
        """Units that an operation has booked in the ledger in transit; empty if it has booked none."""
        return merged(
            (each.of, Taken(each.units, 0)) for each in self.known if each.operation_id == operation.operation_id
        )

    def brought_by(self, receipt_id: str) -> dict[OfProduct, Taken]:
        """Units that a receipt brought; empty if there is no such receipt."""
        return merged(
            (each.of, Taken(each.units, 0) if each.kind is TransitKind.RECEIVED else Taken(0, each.units))
            for each in self.known
            if each.receipt_id == receipt_id
        )

    def change_lot(
        self, line_number: int, lot_number: str, units: Mapping[str, int], expires_on: date | None = None
    ) -> None:
        """Change by how much of a lot answers show; ``units`` are added to its counters."""
        lots = self.lines[line_number].setdefault("lots", [])
        lot = next((each for each in lots if each["lot_number"] == lot_number), None)
        if lot is None:
            lot = dict.fromkeys(LOT_COUNTERS, 0) | {"lot_number": lot_number, "expires_on": expires_on}
            lots.append(lot)
            lots.sort(key=lambda each: (each["expires_on"] or date.max, each["lot_number"]))
        for name, more in units.items():
            lot[name] += more
        lot["quantity"] = lot["held"] + lot["dispatched"]

    def set_held(self, line_number: int, lot_number: str, expires_on: date | None, units: int) -> None:
        """Let answers show how many units of a lot are held."""
        self.change_lot(line_number, lot_number, {}, expires_on)
        lots = self.lines[line_number]["lots"]
        before = next(each["held"] for each in lots if each["lot_number"] == lot_number)
        self.change_lot(line_number, lot_number, {"held": units - before})
        if not units:
            # One that was exchanged for another has nothing to do with the line any more.
            self.lines[line_number]["lots"] = [each for each in lots if each["quantity"]]

    def twin_of(self, kind: TransitKind, receipt_id: str | None, command_id: str | None) -> str | None:
        """A booked number of this kind that differs from this one by upper and lower case alone."""
        for each in self.known:
            if receipt_id is not None and _is_twin(each.receipt_id, receipt_id):
                return each.receipt_id
            if command_id is not None and each.kind is kind and _is_twin(each.command_id, command_id):
                return each.command_id
        return None

    def change(self, **columns: Any) -> None:
        """Change columns of the header."""
        self.shown |= columns
        self.has_changed = True

    def close(
        self, operation: Operation, status: TransferStatus, as_of: datetime, *, reason: str | None = None
    ) -> None:
        """End it: its final status, when, by which operation and why."""
        self.change(status=status, closed_reason=reason)
        self.closed_at, self.closed_by = as_of, operation.operation_id


COUNTERS = {
    TransitKind.DISPATCHED: "dispatched",
    TransitKind.RECEIVED: "received",
    TransitKind.DAMAGED: "damaged",
    TransitKind.WRITTEN_OFF: "written_off",
    TransitKind.RETURNED: "returned",
}
"""The counter of a line that a kind of entry adds to."""

LOT_COUNTERS = ("held", "dispatched", "received", "damaged", "written_off", "returned", "in_transit", "quantity")


def merged(units: Iterable[tuple[OfProduct, Taken]]) -> dict[OfProduct, Taken]:
    """Units by product and lot, each once."""
    found: dict[OfProduct, Taken] = {}
    for of, (accepted, unfit) in units:
        before = found.get(of, Taken(0, 0))
        found[of] = Taken(before.accepted + accepted, before.unfit + unfit)
    return found


def _is_twin(known: str | None, name: str) -> bool:
    return known is not None and known != name and known.lower() == name.lower()


def changes_of(transfers: Iterable[LockedTransfer]) -> Iterator[Statement]:
    """What has changed of transfers, as statements over arrays: lines before their entries, which are compared."""
    listed = list(transfers)
    if moved := [(each, entry) for each in listed for entry in each.entries]:
        yield _update_lines({(each.transfer.transfer_id, entry.line_number): each for each, entry in moved})
        entries = [entry for _, entry in moved]
        yield Statement(
            _INSERT_ENTRIES,
            (
                numbers(each.transfer.transfer_id for each, _ in moved),
                numbers(entry.line_number for entry in entries),
                texts(entry.kind for entry in entries),
                numbers(entry.quantity for entry in entries),
                numbers(entry.balance_after for entry in entries),
                texts(entry.receipt_id for entry in entries),
                texts(entry.command_id for entry in entries),
                texts(entry.reason for entry in entries),
                instants(entry.at for entry in entries),
                texts(entry.operation.performed_by for entry in entries),
                texts(entry.operation.operation_id for entry in entries),
                texts(entry.operation.workflow_id for entry in entries),
                texts(entry.operation.run_id for entry in entries),
                texts(entry.lot_number for entry in entries),
                texts(entry.unfit_reason for entry in entries),
            ),
        )
    if changed := [each for each in listed if each.has_changed]:
        yield Statement(
            _UPDATE_HEADERS,
            (
                numbers(each.transfer.transfer_id for each in changed),
                texts(each.shown["status"] for each in changed),
                instants(each.shown["dispatched_at"] for each in changed),
                instants(each.shown["due_at"] for each in changed),
                instants(each.closed_at for each in changed),
                texts(each.closed_by for each in changed),
                texts(each.shown["closed_reason"] for each in changed),
            ),
        )


def _update_lines(changed: dict[tuple[int, int], LockedTransfer]) -> Statement:
    lines = {key: each.lines[key[1]] for key, each in changed.items()}
    counters = ("dispatched", "received", "damaged", "written_off", "returned", "in_transit")
    return Statement(
        _UPDATE_LINES,
        (
            numbers(transfer_id for transfer_id, _ in lines),
            numbers(line_number for _, line_number in lines),
            *(numbers(line[name] for line in lines.values()) for name in counters),
        ),
    )
