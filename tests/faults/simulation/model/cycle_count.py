"""Cycle counts: blind, counted again or approved beyond tolerance, given up, as the contract says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.document import (
    Document,
    Json,
    No,
    same_person,
    takes_two_people,
    wrong_state,
)
from tests.faults.simulation.model.outcome import naming
from tests.faults.simulation.model.reservation import Order, Orders

_TOLERANCE_UNITS = 1
_TOLERANCE_PERCENT = 1


@dataclass
class Look:
    """One count of a product by a person.

    Attributes:
        system: What the books had when it was recorded.
        corrections: How often the item had been corrected by then.
    """

    by: str
    counted: int
    system: int
    cause: str | None
    corrections: int

    @property
    def delta(self) -> int:
        """Units by which the books are off."""
        return self.counted - self.system


@dataclass
class Line:
    """A product on the list.

    Attributes:
        ends: The orders whose hold its posting would end, as the approver is shown them.
    """

    product: int
    status: str = "COUNTING"
    looks: list[Look] = field(default_factory=list)
    cause: str | None = None
    approved_by: str | None = None
    ends: list[Order] = field(default_factory=list)


@dataclass
class CycleCount(Document):
    """A cycle count.

    Attributes:
        orders: The orders that hold units of what is counted, in the order in which they were placed.
        gave_way: Orders that have lost their hold to the latest posting.
    """

    kind: ClassVar[str] = "CycleCountWorkflow"
    prefix: ClassVar[str] = "cycle-count-"
    number_field: ClassVar[str] = "count_number"
    final: ClassVar[Sequence[str]] = ("POSTED", "CANCELLED")

    orders: Orders
    corrections: dict[Key, int]
    lines: list[Line] = field(default_factory=list)
    gave_way: list[Order] = field(default_factory=list)

    @property
    def status(self) -> str:
        """It follows from the lines."""
        there = {line.status for line in self.lines}
        return next((each for each in ("COUNTING", "REVIEW", "CANCELLED") if each in there), "POSTED")

    def begins(self) -> None:
        """The list is stored; the same product twice is one line."""
        self.lines = [Line(product) for product in dict.fromkeys(self.start["product_ids"])]

    # Commands.

    def record(self, sent: Json, key: str) -> None:
        """A person has counted a product."""
        line, by, counted = self._line(sent["product_id"]), sent["performed_by"], sent["counted_quantity"]
        if line.status == "POSTED" and same_person(line.looks[-1].by, by) and line.looks[-1].counted == counted:
            return
        if line.status not in ("COUNTING", "REVIEW"):
            raise wrong_state(line.status, "record")
        if any(same_person(by, look.by) for look in line.looks):
            raise No("NotPermitted")
        on_hand = self._on_hand(line)
        cause = sent.get("root_cause") or next((look.cause for look in line.looks if look.cause), None)
        look = Look(by, counted, on_hand, cause, self.corrections.get(self._key(line), 0))
        off = abs(look.delta)
        is_close = off <= _TOLERANCE_UNITS or off * 100 <= _TOLERANCE_PERCENT * on_hand
        is_small = takes_two_people([(off, self.cost(line.product))]) is None
        line.looks.append(look)
        line.ends = self._would_end(line, look.delta)
        if line.ends or (line.status == "COUNTING" and not (is_close and is_small)):
            line.status = "REVIEW"
        else:
            self._post(line, look, sent.get("root_cause"), None, f"record/{key}")

    def approve_variance(self, sent: Json, key: str) -> None:
        """A person whose count it isn't lets the recorded difference be posted."""
        line, approver, cause = self._line(sent["product_id"]), sent["approver"], sent["root_cause"]
        is_theirs = line.approved_by is not None and same_person(line.approved_by, approver)
        if line.status == "POSTED" and is_theirs and line.cause in (None, cause):
            return
        if line.status != "REVIEW":
            raise wrong_state(line.status, "approve_variance")
        look = line.looks[-1]
        if any(same_person(approver, each.by) for each in (line.looks[-1:] if line.ends else line.looks)):
            raise No("NotPermitted")
        if self.corrections.get(self._key(line), 0) != look.corrections:
            raise wrong_state(line.status, "approve_variance")
        if -look.delta > self._on_hand(line):
            raise No("InsufficientStock", [])
        ending = self._would_end(line, look.delta)
        unseen = [order for order in ending if order not in line.ends]
        if unseen:
            line.ends = ending
            references = [[order.reference for order in orders] for orders in (unseen, ending)]
            raise No("NotPermitted", {"ends": naming(*references)})
        self._post(line, look, cause, approver, f"approve_variance/{key}")

    def cancel(self, _sent: Json, _key: str) -> None:
        """Lines that aren't in the books are given up."""
        if self.status == "POSTED":
            raise wrong_state(self.status, "cancel")
        for line in self.lines:
            if line.status != "POSTED":
                line.status = "CANCELLED"

    def give_up(self) -> None:
        """See `Document`."""
        self.cancel({}, "")

    def _post(self, line: Line, look: Look, cause: str | None, approver: str | None, step: str) -> None:
        """The books follow the shelf; what was promised and isn't there gives way, the latest first and whole."""
        line.status, line.approved_by = "POSTED", approver
        line.cause = (cause or look.cause or "UNEXPLAINED") if look.delta else None
        key = self._key(line)
        self.corrections[key] = self.corrections.get(key, 0) + 1
        for order in self._would_end(line, look.delta):
            self.orders.end(order, "CANCELLED")
            self.gave_way.append(order)
        if look.delta:
            self.move("ADJUSTMENT", key, look.delta, step)

    def _would_end(self, line: Line, delta: int) -> list[Order]:
        key = self._key(line)
        level = self.place.model.books.items.get(key)
        too_much = 0 if level is None or not delta else level.reserved - (level.on_hand + delta)
        ending = []
        for order in reversed(self.orders.all.values()):
            if too_much <= 0:
                break
            held = self._held(order, line)
            if held:
                ending.append(order)
                too_much -= held
        return ending

    def _held(self, order: Order, line: Line) -> int:
        return sum(each.open for each in order.lines if each.key == self._key(line)) if order.status == "ACTIVE" else 0

    def _on_hand(self, line: Line) -> int:
        level = self.place.model.books.items.get(self._key(line))
        return 0 if level is None else level.on_hand

    def _key(self, line: Line) -> Key:
        return Key(self.start["warehouse_id"], line.product)

    def _line(self, product: int) -> Line:
        for line in self.lines:
            if line.product == product:
                return line
        raise No("InvalidRequest", {"product_id": product})

    def state(self) -> Json:
        """See `Document`: it is blind, and shows what the books had only where that is posted."""
        return {
            "count_number": self.number,
            "warehouse_id": self.start["warehouse_id"],
            "status": self.status,
            "lines": [
                {
                    "product_id": line.product,
                    "status": line.status,
                    "counted_quantity": line.looks[-1].counted if line.looks else None,
                    "counted_by": line.looks[-1].by if line.looks else None,
                    "approved_by": line.approved_by,
                    "system_quantity": line.looks[-1].system if line.status == "POSTED" else None,
                    "delta": line.looks[-1].delta if line.status == "POSTED" else None,
                    "needs_approval": line.status == "REVIEW" and bool(line.ends),
                }
                for line in self.lines
            ],
        }
