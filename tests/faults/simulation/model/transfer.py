"""Transfers: held, dispatched in parts, received, lost, cancelled, as the contract says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.document import (
    Approved,
    Document,
    Json,
    No,
    by_product,
    fill,
    fill_twice,
    lines_of,
    require_two_people,
    units_of,
    wrong_state,
)
from tests.faults.simulation.model.outcome import Expected, Refusal

_OPEN = ("PENDING", "IN_TRANSIT")


@dataclass
class Line:
    """Units of a product that are to be moved."""

    product: int
    quantity: int
    held: int
    dispatched: int = 0
    received: int = 0
    damaged: int = 0
    written_off: int = 0
    returned: int = 0

    @property
    def in_transit(self) -> int:
        """Units that have left and aren't accounted for."""
        return self.dispatched - self.received - self.damaged - self.written_off - self.returned


@dataclass
class Transfer(Document):
    """A transfer."""

    kind: ClassVar[str] = "TransferWorkflow"
    prefix: ClassVar[str] = "transfer-"
    number_field: ClassVar[str] = "transfer_number"
    final: ClassVar[Sequence[str]] = ("RECEIVED", "CANCELLED")

    status: str = "PENDING"
    lines: list[Line] = field(default_factory=list)
    departures: dict[str, Json] = field(default_factory=dict)
    receipts: dict[str, Json] = field(default_factory=dict)
    write_offs: dict[str, Json] = field(default_factory=dict)
    differences: list[Approved] = field(default_factory=list)

    def begins(self) -> None:
        """Hold all of it at the source, or none."""
        wanted = units_of(self.start["line_items"]) or {}
        self.require_available({self._source(product): units for product, units in wanted.items()})
        for product, units in wanted.items():
            self.place.model.books.hold(self._source(product), units)
        self.lines = [Line(each["product_id"], each["quantity"], each["quantity"]) for each in self.start["line_items"]]

    def answer_to_start(self) -> Expected:
        """See `Document`: what was cancelled isn't held."""
        if self.status == "CANCELLED":
            return Refusal("InvalidState", {"status": "CANCELLED", "command": "hold"})
        return self.answer()

    # Commands.

    def dispatch(self, sent: Json, key: str) -> None:
        """Held units leave the source."""
        name, lines = sent.get("dispatch_id"), sent.get("lines")
        wanted = units_of(lines)
        if name is None and wanted is None and self.status in ("IN_TRANSIT", "RECEIVED") and not self._is_held():
            return
        if name is not None and name in self.departures:
            if self.departures[name] != lines:
                raise No("OperationConflict")
            return
        if self.status not in _OPEN or not self._is_held():
            raise wrong_state(self.status, "dispatch")
        leaving = [line.held for line in self.lines] if wanted is None else self._share(wanted, "held")
        for line, units in zip(self.lines, leaving, strict=True):
            line.held -= units
            line.dispatched += units
            if units:
                self.move("TRANSFER_OUT", self._source(line.product), -units, f"dispatch/{name or key}", held=units)
        self.status = "IN_TRANSIT"
        if name is not None:
            self.departures[name] = lines

    def receive(self, sent: Json, _key: str) -> None:
        """Units arrive: fit ones enter the destination's stock, damaged ones no stock."""
        name = sent["receipt_id"]
        if name in self.receipts:
            if self.receipts[name] != sent["lines"]:
                raise No("OperationConflict")
            return
        self._require_on_its_way("receive")
        fit, damaged = self._arrived(by_product(sent["lines"], "quantity", "damaged_quantity"))
        self._require_allowed(damaged, sent["performed_by"])
        for line, accepted, unfit in zip(self.lines, fit, damaged, strict=True):
            line.received += accepted
            line.damaged += unfit
            if accepted:
                self.move("TRANSFER_IN", self._destination(line.product), accepted, f"receive/{name}")
        self.receipts[name] = sent["lines"]
        self._end_if_all_is_accounted_for()

    def _arrived(self, came: Mapping[int, Sequence[int]]) -> tuple[list[int], list[int]]:
        """Fit and damaged units of each line."""
        fit, damaged = [0] * len(self.lines), [0] * len(self.lines)
        for product, (units, broken) in came.items():
            its = self._lines_of(product)
            room = [self.lines[index].in_transit for index in its]
            if units + broken > sum(room):
                raise _too_many(product, units + broken, "in_transit", sum(room))
            for index, accepted, unfit in zip(its, *fill_twice(room, units, broken), strict=True):
                fit[index], damaged[index] = accepted, unfit
        return fit, damaged

    def write_off(self, sent: Json, _key: str) -> None:
        """Units in transit are given up."""
        name, lines = sent.get("write_off_id"), sent.get("lines")
        lost = units_of(lines)
        if name is None and lost is None and self.status == "RECEIVED" and any(line.written_off for line in self.lines):
            return
        if name is not None and name in self.write_offs:
            if self.write_offs[name] != lines:
                raise No("OperationConflict")
            return
        self._require_on_its_way("write_off")
        if not any(line.in_transit for line in self.lines):
            raise No("InvalidRequest")
        units = [line.in_transit for line in self.lines] if lost is None else self._share(lost, "in_transit")
        self._require_allowed(units, sent["performed_by"])
        for line, each in zip(self.lines, units, strict=True):
            line.written_off += each
        if name is not None:
            self.write_offs[name] = lines
        self._end_if_all_is_accounted_for()

    def approve_difference(self, sent: Json, _key: str) -> None:
        """Another person allows losses up to a worth in all."""
        self._require_on_its_way("approve_difference")
        self.differences.append((sent["approver"], Decimal(sent["value"]), sent.get("unvalued_units", 0)))

    def cancel(self, _sent: Json, key: str) -> None:
        """The hold is released, and units in transit go back to the source."""
        if self.status not in _OPEN:
            raise wrong_state(self.status, "cancel")
        for line in self.lines:
            source, back = self._source(line.product), line.in_transit
            self.place.model.books.hold(source, -line.held)
            line.held = 0
            line.returned += back
            if back:
                self.move("TRANSFER_IN", source, back, f"cancel/{key}")
        self.status = "CANCELLED"

    def give_up(self) -> None:
        """See `Document`."""
        self.cancel({}, "workflow-cancelled")

    def _source(self, product: int) -> Key:
        return Key(self.start["from_warehouse_id"], product)

    def _destination(self, product: int) -> Key:
        return Key(self.start["to_warehouse_id"], product)

    def _is_held(self) -> bool:
        return any(line.held for line in self.lines)

    def _lines_of(self, product: int) -> list[int]:
        return lines_of([line.product for line in self.lines], product)

    def _share(self, wanted: Mapping[int, int], of: str) -> list[int]:
        shares = [0] * len(self.lines)
        for product, units in wanted.items():
            its = self._lines_of(product)
            room = [getattr(self.lines[index], of) for index in its]
            if units > sum(room):
                raise _too_many(product, units, of, sum(room))
            for index, share in zip(its, fill(room, units), strict=True):
                shares[index] = share
        return shares

    def _require_on_its_way(self, command: str) -> None:
        if self.status != "IN_TRANSIT":
            raise wrong_state(self.status, command)

    def _require_allowed(self, lost: Sequence[int], by: str) -> None:
        """What a transfer loses in all, with these units, is worth no more than may be decided so."""
        if any(lost):
            in_all = [line.damaged + line.written_off + units for line, units in zip(self.lines, lost, strict=True)]
            costs = [self.cost(line.product) for line in self.lines]
            require_two_people([each for each in zip(in_all, costs, strict=True) if each[0]], by, self.differences)

    def _end_if_all_is_accounted_for(self) -> None:
        if not any(line.held or line.in_transit for line in self.lines):
            self.status = "RECEIVED"

    def state(self) -> Json:
        """See `Document`."""
        return {
            "transfer_number": self.number,
            "from_warehouse_id": self.start["from_warehouse_id"],
            "to_warehouse_id": self.start["to_warehouse_id"],
            "status": self.status,
            "line_items": [
                {
                    "product_id": line.product,
                    "quantity": line.quantity,
                    "held": line.held,
                    "dispatched": line.dispatched,
                    "received": line.received,
                    "damaged": line.damaged,
                    "written_off": line.written_off,
                    "returned": line.returned,
                    "in_transit": line.in_transit,
                }
                for line in self.lines
            ],
        }


def _too_many(product: int, units: int, of: str, there: int) -> No:
    return No("InvalidRequest", {"product_id": product, "quantity": units, of: there})
