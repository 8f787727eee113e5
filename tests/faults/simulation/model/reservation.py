"""Orders: held, sourced, waiting, shipped, released, cancelled, expired, as the contract says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.simulation.model.books import Key, Movement
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import (
    ANYTHING,
    Answer,
    Expected,
    InAnyOrder,
    NoRun,
    Refusal,
    saying,
)
from tests.faults.simulation.model.sourcing import places_of

Json = Any
KIND = "ReservationWorkflow"
_OPEN = ("ACTIVE", "WAITING")
_NOTHING_LEFT = {"quantity_fulfilled": 0, "quantity_released": 0}


@dataclass
class Line:
    """Units of a product that one warehouse holds; ``source`` numbers the start's line that left it open."""

    key: Key
    quantity: int
    source: int | None = None
    fulfilled: int = 0
    released: int = 0
    ended: str = ""
    """How this line ended before the rest of the order did."""
    reservation_id: int | None = None
    """Learned from an answer."""
    lots: list[Json] = field(default_factory=list)
    """Of a tracked product: its units by lot, in no order."""

    @property
    def open(self) -> int:
        """Units still held, if the order is ACTIVE."""
        return self.quantity - self.fulfilled - self.released


@dataclass
class Order:
    """One order.

    Attributes:
        asked: The lines of its start.
        shipments: What left under the caller's own numbers, as the commands said it.
        releases: What was given up under the caller's own numbers.
        notes: What each note has to say, in turn.
        queue: While it waits, its places as they were when it was put into the queue.
        has_waited: Whether it was cancelled while it waited: no row of a hold tells of it.
        gave_way: Whether its hold ended because its stock was missing; it can be held again.
        place: Its place in the order in which holds were placed.
        may_never_have_been_held: Whether its cancellation may have come before its hold.
        undone: What one of several databases held for a moment, and released because another one was short.
    """

    reference: str
    asked: list[Json]
    status: str
    lines: list[Line] = field(default_factory=list)
    shipments: dict[str, Json] = field(default_factory=dict)
    releases: dict[str, Json] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    queue: list[Json] = field(default_factory=list)
    has_waited: bool = False
    may_never_have_been_held: bool = False
    undone: list[Line] = field(default_factory=list)
    gave_way: bool = False
    place: int = 0

    @property
    def workflow_id(self) -> str:
        """Its workflow's id."""
        return f"reservation-{self.reference}"

    @property
    def is_open(self) -> bool:
        """Whether a run is open for it."""
        return self.status in _OPEN

    @property
    def open_units(self) -> int:
        """Units still held."""
        return sum(line.open for line in self.lines) if self.status == "ACTIVE" else 0

    def open_of(self, key: Key) -> int:
        """Units of an item still held."""
        return sum(line.open for line in self.lines if line.key == key) if self.status == "ACTIVE" else 0

    def state(self) -> Json:
        """The state as a client has to see it."""
        return {
            "reference_type": "ORDER",
            "reference_id": self.reference,
            "status": self.status,
            "queue": self.queue if self.status == "WAITING" else [],
            "lines": [_line_state(each) for each in self.lines]
            or [{"quantity_fulfilled": 0} | each for each in self.asked],
            "notes": saying(self.notes),
        }

    def learn(self, state: Json) -> None:
        """Take the ids of the lines from an answer."""
        for line, told in zip(self.lines, state["lines"], strict=True):
            line.reservation_id = told["reservation_id"]


def _line_state(line: Line) -> Json:
    told: Json = {
        "product_id": line.key.product_id,
        "warehouse_id": line.key.warehouse_id,
        "quantity": line.quantity,
        "quantity_fulfilled": line.fulfilled,
        "quantity_released": line.released,
        "reservation_id": ANYTHING if line.reservation_id is None else line.reservation_id,
    }
    told |= {"lots": InAnyOrder(line.lots)} if line.lots else {}
    return told if line.source is None else told | {"sourced_line": line.source}


class Orders:
    """What commands on orders lead to. Each method changes the model, and says what has to be answered."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._books = model.books
        self.all: dict[str, Order] = {}
        self._placed = 0
        self.waiting: list[Order] = []
        """Orders that wait, the first first."""
        model.documents[KIND] = self.all

    def active(self) -> list[Order]:
        """Orders that hold something."""
        return [order for order in self.all.values() if order.status == "ACTIVE"]

    def reserve(self, reference: str, lines: Sequence[Json], *, waits: bool = False, late: bool = False) -> Expected:
        """The start, or the same start again, with the update that answers it at once.

        Args:
            reference: The order's number.
            lines: What it wants.
            waits: Whether it waits for stock that is short.
            late: Whether its ``not_after`` is over.
        """
        known = self.all.get(reference)
        if known is not None and known.is_open:
            return Answer(known.state())  # Its run is open, and doesn't look at the start again.
        if known is not None and known.status != "REJECTED":
            return self._look_again(known, lines)
        order = self.all[reference] = Order(reference, list(lines), "REJECTED")
        if late:
            self._model.ends(order.workflow_id)
            return Refusal("InvalidState", {"status": "REJECTED", "command": "reserve"})
        if short := self.short(lines):
            return self._wait_or_reject(order, short, waits=waits)
        self._place(order)
        self._model.begins(order.workflow_id)
        return Answer(order.state())

    def unanswered(self, reference: str, lines: Sequence[Json]) -> Order:
        """A start of which nobody knows yet whether it is held."""
        order = self.all[reference] = Order(reference, list(lines), "REJECTED")
        return order

    def settle(self, order: Order, *, held: bool) -> None:
        """Its answer has come."""
        if held:
            self._place(order)
            self._model.begins(order.workflow_id)
        else:
            self._model.ends(order.workflow_id)

    def _look_again(self, known: Order, lines: Sequence[Json]) -> Expected:
        """The start of an order that has ended: a new run looks, and ends as well."""
        if list(lines) != known.asked and not known.has_waited:
            self._model.ends(known.workflow_id, "FAILED")
            return Refusal("OperationConflict")
        self._model.ends(known.workflow_id)
        if known.status == "FULFILLED":
            return Answer(known.state() | {"notes": []})
        return Refusal("InvalidState", {"status": known.status, "command": "reserve"})

    def refused_start(self, reference: str, error: str) -> Expected:
        """A start that is wrong in itself: its run fails, and its number is free."""
        self._model.ends(f"reservation-{reference}", "FAILED")
        return Refusal(error)

    def _wait_or_reject(self, order: Order, short: list[Json], *, waits: bool) -> Expected:
        if not waits:
            self._model.ends(order.workflow_id)
            return Refusal("InsufficientStock", InAnyOrder(short))
        order.status = "WAITING"
        order.queue = [self._place_in_queue(product, place, units) for (product, place), units in _wanted(order.asked)]
        self.waiting.append(order)
        self._model.begins(order.workflow_id)
        answer = Answer(order.state())
        order.queue = [ANYTHING for _ in order.queue]  # As they are when it is looked at the next time.
        return answer

    def _place_in_queue(self, product: int, place: int | None, units: int) -> Json:
        known: Json = {"product_id": product, "warehouse_id": place, "position": ANYTHING, "missing": ANYTHING}
        if place is None:
            return known
        key = Key(place, product)
        before = [other for other in self.waiting if _units_waiting(other, key)]
        missing = units + self._ahead(key) - self._books.items[key].available
        return known | {"position": len(before) + 1, "missing": max(missing, 0)}

    def _ahead(self, key: Key, of: Order | None = None) -> int:
        """Units of an item that are left for orders before this one, or for all that wait."""
        before = self.waiting if of is None else self.waiting[: self.waiting.index(of)]
        return sum(_units_waiting(other, key) for other in before)

    def seen(self, key: Key, of: Order | None = None) -> int:
        """Units that a new order may have, or that one may have which waits."""
        return max(self._books.items[key].available - self._ahead(key, of), 0)

    def short(self, lines: Sequence[Json], of: Order | None = None) -> list[Json]:
        """What is missing for these lines."""
        short = []
        left = {key: self.seen(key, of) for key in self._books.items}
        for (product, place), units in sorted(_wanted(lines), key=lambda each: each[0][1] is None):
            keys = [key for key in left if key.product_id == product and place in (None, key.warehouse_id)]
            available = sum(left[key] for key in keys)
            if available < units:
                entry = {"product_id": product, "warehouse_id": place, "requested": units, "available": available}
                short.append(entry)
            if place is not None:
                left[keys[0]] = max(left[keys[0]] - units, 0)
        return short

    def _place(self, order: Order) -> None:
        """Hold all lines of an order, of which nothing is missing."""
        named = Counter[Key]()
        for line in order.asked:
            if line["warehouse_id"] is not None:
                named[Key(line["warehouse_id"], line["product_id"])] += line["quantity"]
        of = order if order in self.waiting else None
        order.lines = []
        for number, line in enumerate(order.asked, start=1):
            product, quantity = line["product_id"], line["quantity"]
            if line["warehouse_id"] is not None:
                order.lines.append(Line(Key(line["warehouse_id"], product), quantity))
                continue
            keys = [key for key in self._books.items if key.product_id == product]
            left = {key.warehouse_id: self.seen(key, of) - named[key] for key in keys}
            used = {key.warehouse_id for key in named}
            for place, units in places_of(quantity, left, used, self._model.books.ranks):
                order.lines.append(Line(Key(place, product), units, number))
        for held in order.lines:
            self._books.hold(held.key, held.quantity)
        order.status = "ACTIVE"
        self._placed += 1
        order.place = self._placed

    def placed(self, key: Key) -> list[Order]:
        """Orders that hold units of an item, in the order in which they were placed."""
        return sorted((order for order in self.active() if order.open_of(key)), key=lambda order: order.place)

    def loses(self, order: Order) -> None:
        """Promised stock is missing: the order ends, with all of its lines."""
        self.end(order, "CANCELLED")
        order.gave_way = True
        order.notes.append("the hold gave way: ")

    def hold_again(self, order: Order) -> Expected:
        """The start of an order that gave way, to be held again as it was."""
        wanted = Counter[Key]()
        for line in order.lines:
            wanted[line.key] += line.open
        short = [
            {**key._asdict(), "requested": units, "available": self.seen(key)}
            for key, units in wanted.items()
            if units > self.seen(key)
        ]
        if short:
            self._model.ends(order.workflow_id)
            return Refusal("InsufficientStock", InAnyOrder(short))
        for line in order.lines:
            self._books.hold(line.key, line.open)
        order.status, order.gave_way, order.notes = "ACTIVE", False, []
        self._model.begins(order.workflow_id)
        return Answer(order.state())

    def serve(self) -> list[Order]:
        """The waiting orders whose turn it is now, the first first; they are held."""
        served = []
        while (order := next((each for each in self.waiting if not self.short(each.asked, each)), None)) is not None:
            self._place(order)
            self.waiting.remove(order)
            served.append(order)
        return served

    def fulfill(self, order: Order, lines: Sequence[Json] | None, number: str | None, key: str) -> Expected:
        """Goods leave."""
        if not order.is_open:
            return NoRun()
        if order.status == "WAITING":
            return Refusal("InvalidState", {"status": "WAITING", "command": "fulfill"})
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
        if not order.is_open:
            return NoRun()
        if order.status == "WAITING":
            return Refusal("InvalidState", {"status": "WAITING", "command": "release"})
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
        if order.status == "WAITING":
            return Refusal("InvalidState", {"status": "WAITING", "command": "extend"})
        return Answer(order.state()) if order.status == "ACTIVE" else NoRun()

    def give_way(self, order: Order) -> Expected:
        """Somebody says that its stock is missing, and it isn't."""
        refused = Refusal("InvalidState", {"status": order.status, "command": "give_way"})
        return refused if order.is_open else NoRun()

    def cancel(self, order: Order) -> Expected:
        """Everything still held is given back, or its place in the queue."""
        if not order.is_open:
            return NoRun()
        self.end(order, "CANCELLED")
        return Answer(order.state())

    def end(self, order: Order, status: str) -> None:
        """Give back what is still held, or the place in the queue."""
        if order.status == "WAITING":
            self.waiting.remove(order)
            order.has_waited = True
        for line in order.lines:
            if not line.ended:
                self._books.hold(line.key, -line.open)
        order.status = status
        self._model.ends(order.workflow_id)

    def _end_if_nothing_is_held(self, order: Order) -> None:
        if order.open_units == 0:
            all_given_up = all(line.released == line.quantity for line in order.lines)
            order.status = "CANCELLED" if all_given_up else "FULFILLED"
            self._model.ends(order.workflow_id)


def _wanted(lines: Sequence[Json]) -> list[tuple[tuple[int, int | None], int]]:
    """Units by product and warehouse, or None for any."""
    wanted = Counter[tuple[int, int | None]]()
    for line in lines:
        wanted[line["product_id"], line["warehouse_id"]] += line["quantity"]
    return list(wanted.items())


def _units_waiting(order: Order, key: Key) -> int:
    lines = [line for line in order.asked if line["product_id"] == key.product_id]
    return sum(line["quantity"] for line in lines if line["warehouse_id"] in (None, key.warehouse_id))


def _taken(order: Order, lines: Sequence[Json] | None) -> list[tuple[Line, int]] | None:
    """How many units each line gives; None: not as many are held, or it isn't said from which warehouse."""
    left = {number: line.open for number, line in enumerate(order.lines)}
    if lines is None:
        return [(order.lines[number], units) for number, units in left.items() if units]
    taken = Counter[int]()
    for want in lines:
        fits = [number for number, line in enumerate(order.lines) if left[number] and _fits(want, line)]
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


def _fits(want: Json, line: Line) -> bool:
    return (
        want.get("product_id") in (None, line.key.product_id)
        and want.get("warehouse_id") in (None, line.key.warehouse_id)
        and want.get("reservation_id") in (None, line.reservation_id)
    )
