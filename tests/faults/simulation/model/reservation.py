"""Orders: held, shipped, released, cancelled, expired, as the contract says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.simulation.model.books import Key, Movement
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import Answer, Expected, InAnyOrder, NoRun, Refusal, Such

Json = Any
KIND = "ReservationWorkflow"


@dataclass
class Line:
    """Units of a product that one warehouse holds."""

    key: Key
    quantity: int
    fulfilled: int = 0
    released: int = 0

    @property
    def open(self) -> int:
        """Units still held, if the order is ACTIVE."""
        return self.quantity - self.fulfilled - self.released


@dataclass
class Order:
    """One order.

    Attributes:
        shipments: What left under the caller's own numbers, as the command said it.
        releases: What was given up under the caller's own numbers.
        notes: Refused signals: what each note has to say.
    """

    reference: str
    asked: list[Json]
    status: str
    lines: list[Line] = field(default_factory=list)
    shipments: dict[str, Json] = field(default_factory=dict)
    releases: dict[str, Json] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def workflow_id(self) -> str:
        """Its workflow's id."""
        return f"reservation-{self.reference}"

    @property
    def open_units(self) -> int:
        """Units still held."""
        return sum(line.open for line in self.lines) if self.status == "ACTIVE" else 0

    def state(self) -> Json:
        """The state as a client has to see it."""
        return {
            "reference_type": "ORDER",
            "reference_id": self.reference,
            "status": self.status,
            "lines": [
                {
                    "product_id": line.key.product_id,
                    "warehouse_id": line.key.warehouse_id,
                    "quantity": line.quantity,
                    "quantity_fulfilled": line.fulfilled,
                    "quantity_released": line.released,
                }
                for line in self.lines
            ],
            "notes": _saying(self.notes),
        }


class Orders:
    """What commands on orders lead to. Each method changes the model, and says what has to be answered."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._books = model.books
        self.all: dict[str, Order] = {}
        model.documents[KIND] = self.all  # type: ignore[assignment]

    def reserve(self, reference: str, lines: Sequence[Json]) -> Expected:
        """The start, or the same start again, with the update that answers it."""
        known = self.all.get(reference)
        if known is not None and known.status == "ACTIVE":
            return Answer(known.state())  # Its run is open, and doesn't look at the start again.
        if known is not None and known.status != "REJECTED":
            return self._look_again(known, lines)
        wanted = Counter[Key]()
        for line in lines:
            wanted[Key(line["warehouse_id"], line["product_id"])] += line["quantity"]
        short = [
            {**key._asdict(), "requested": units, "available": self._books.items[key].available}
            for key, units in wanted.items()
            if units > self._books.items[key].available
        ]
        order = self.all[reference] = Order(reference, list(lines), "REJECTED" if short else "ACTIVE")
        if short:
            self._model.ends(order.workflow_id)
            return Refusal("InsufficientStock", InAnyOrder(short))
        order.lines = [Line(Key(each["warehouse_id"], each["product_id"]), each["quantity"]) for each in lines]
        for line in order.lines:
            self._books.hold(line.key, line.quantity)
        self._model.begins(order.workflow_id)
        return Answer(order.state())

    def _look_again(self, known: Order, lines: Sequence[Json]) -> Expected:
        """The start of an order that has ended: a new run looks, and ends as well."""
        if list(lines) != known.asked:
            self._model.ends(known.workflow_id, "FAILED")
            return Refusal("OperationConflict")
        self._model.ends(known.workflow_id)
        if known.status == "FULFILLED":
            return Answer(known.state() | {"notes": []})
        return Refusal("InvalidState", {"status": known.status, "command": "reserve"})

    def fulfill(self, order: Order, lines: Sequence[Json] | None, number: str | None, key: str) -> Expected:
        """Goods leave."""
        if order.status != "ACTIVE":
            return NoRun()
        if number is not None and number in order.shipments:
            same = order.shipments[number] == lines
            return Answer(order.state()) if same else Refusal("OperationConflict")
        taken = _taken(order, lines)
        if taken is None:
            return Refusal("InvalidRequest")
        if number is not None:
            order.shipments[number] = lines
        for line, units in taken:
            line.fulfilled += units
            operation = f"{order.workflow_id}/fulfill/{number or key}"
            self._books.move(line.key, Movement("SALE", -units, order.reference, operation), held=units)
        self._end_if_nothing_is_held(order)
        return Answer(order.state())

    def release(self, order: Order, lines: Sequence[Json], number: str | None) -> Expected:
        """A part of the hold is given up."""
        if order.status != "ACTIVE":
            return NoRun()
        if number is not None and number in order.releases:
            same = order.releases[number] == lines
            return Answer(order.state()) if same else Refusal("OperationConflict")
        given_up = _taken(order, lines)
        if given_up is None:
            return Refusal("InvalidRequest")
        if number is not None:
            order.releases[number] = lines
        for line, units in given_up:
            line.released += units
            self._books.hold(line.key, -units)
        self._end_if_nothing_is_held(order)
        return Answer(order.state())

    def extend(self, order: Order) -> Expected:
        """A deadline that is still far away."""
        return Answer(order.state()) if order.status == "ACTIVE" else NoRun()

    def cancel(self, order: Order) -> Expected:
        """Everything still held is given back."""
        if order.status != "ACTIVE":
            return NoRun()
        self.end(order, "CANCELLED")
        return Answer(order.state())

    def expire(self, order: Order) -> Expected:
        """The deadline comes: the run's result."""
        self.end(order, "EXPIRED")
        return Answer(order.state())

    def end(self, order: Order, status: str) -> None:
        """Give back what is still held."""
        for line in order.lines:
            self._books.hold(line.key, -line.open)
        order.status = status
        self._model.ends(order.workflow_id)

    def _end_if_nothing_is_held(self, order: Order) -> None:
        if order.open_units == 0:
            all_given_up = all(line.released == line.quantity for line in order.lines)
            order.status = "CANCELLED" if all_given_up else "FULFILLED"
            self._model.ends(order.workflow_id)


def _taken(order: Order, lines: Sequence[Json] | None) -> list[tuple[Line, int]] | None:
    """How many units each line gives; None: not as many are held, or it isn't said from which warehouse."""
    left = {number: line.open for number, line in enumerate(order.lines)}
    if lines is None:
        return [(order.lines[number], units) for number, units in left.items() if units]
    taken = Counter[int]()
    for want in lines:
        fits = [
            number
            for number, line in enumerate(order.lines)
            if want.get("product_id") in (None, line.key.product_id)
            and want.get("warehouse_id") in (None, line.key.warehouse_id)
            and left[number]
        ]
        places = {order.lines[number].key.warehouse_id for number in fits}
        missing = want["quantity"]
        if len(places) > 1 and missing < sum(left[number] for number in fits):
            return None
        for number in fits:
            units = min(missing, left[number])
            left[number] -= units
            taken[number] += units
            missing -= units
        if missing:
            return None
    return [(order.lines[number], units) for number, units in sorted(taken.items()) if units]


def _saying(notes: Sequence[str]) -> Such:
    """Notes that say each of these in turn, and nothing else."""

    def holds(found: Json) -> bool:
        return len(found) == len(notes) and all(text in note for text, note in zip(notes, found, strict=True))

    return Such(holds, f"notes that say {list(notes)!r}")
