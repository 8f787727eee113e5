"""What documents have in common in the model: their stock, refusals, units by line, and what two people decide."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, cast

from tests.faults.simulation.model.books import Key, Movement
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Expected, NoRun, Refusal, Such

Json = Any
LIMIT = Decimal("500.00")
"""The worth up to which one person makes or loses stock alone, unless the settings say otherwise."""
LIMIT_UNITS = 100
"""The same in units of a product whose cost nobody knows."""
Note = str | tuple[str, ...]
"""What a note has to say; or one of these."""
Approved = tuple[str, Decimal, int]
"""Who has approved a difference: a value, and units of unknown cost."""


class No(Exception):
    """A clear no: the type of the error, and the numbers in its details. Nothing has changed."""

    def __init__(self, kind: str, details: Json = ANYTHING) -> None:
        super().__init__(kind, details)
        self.kind = kind
        self.details = details


@dataclass
class Place:
    """Where documents are.

    Attributes:
        model: Stock and runs.
        over_delivery_percent: How much more of a line than was ordered may come.
        costs: What products cost by the catalogue; a product that isn't there costs what its supplier asks.
        agreed: What the supplier asks: for a product that the catalogue didn't have from it, what was paid first.
        lead_times: How many orders of a product the supplier's lead time was measured by.
    """

    model: Model
    over_delivery_percent: int = 0
    costs: Mapping[int, Decimal] = field(default_factory=dict)
    agreed: dict[int, Decimal] = field(default_factory=dict)
    lead_times: dict[int, int] = field(default_factory=dict)


@dataclass
class Document:
    """A document, which has begun. A command is a method of its name: of the payload, and the key that Temporal sees.

    Attributes:
        start: The start's payload.
        notes: What the notes have to say of refused signals.
        refused: Commands that its run has refused: name, payload, key, and whether it was a signal.
    """

    kind: ClassVar[str]
    prefix: ClassVar[str]
    number_field: ClassVar[str]
    final: ClassVar[Sequence[str]]

    place: Place
    start: Json
    notes: list[Note] = field(default_factory=list, kw_only=True)
    refused: list[tuple[str, Json, str, bool]] = field(default_factory=list, kw_only=True)

    @property
    def status(self) -> str:
        """Its status."""
        raise NotImplementedError

    @property
    def number(self) -> str:
        """Its own name."""
        return str(self.start[self.number_field])

    @property
    def workflow_id(self) -> str:
        """Its workflow's id."""
        return f"{self.prefix}{self.number}"

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and its run with it."""
        return self.status in self.final

    @property
    def is_running(self) -> bool:
        """Whether its run is open."""
        return self.workflow_id in self.place.model.open_runs

    def begin(self) -> Expected:
        """The start, with the update that answers it."""
        try:
            self.begins()
        except No as no:
            # Nothing is stored. To be short of stock is an outcome of the run, and a wrong start its failure.
            self.place.model.ends(self.workflow_id, "COMPLETED" if no.kind == "InsufficientStock" else "FAILED")
            return Refusal(no.kind, no.details)
        of_this_kind = self.place.model.documents.setdefault(self.kind, {})
        cast("dict[str, Document]", of_this_kind)[self.number] = self
        self.runs()
        return self.answer()

    def begins(self) -> None:
        """Check the start, and store the document."""
        raise NotImplementedError

    def runs(self) -> None:
        """A run is open, or closed if there is nothing left to do."""
        if self.is_over:
            self.place.model.ends(self.workflow_id)
        else:
            self.place.model.begins(self.workflow_id)

    def again(self, start: Json) -> Expected:
        """A start under its number, once it is stored: its run answers, or a new run looks."""
        if not self.is_running:
            if start != self.start:
                self.place.model.ends(self.workflow_id, "FAILED")
                return Refusal("OperationConflict")
            self.notes.clear()
            self.refused.clear()
            self.runs()
        return self.answer_to_start()

    def answer_to_start(self) -> Expected:
        """What the update says that answers a start."""
        return self.answer()

    def carry_out(self, command: str, sent: Json, key: str) -> Expected:
        """A command, as an update."""
        return self.decide(command, sent, key) if self.is_running else NoRun()

    def signalled(self, command: str, sent: Json) -> None:
        """A command, as a signal: a refusal becomes a note. Its key is Temporal's choice."""
        expected = self.decide(command, sent, "", is_signal=True)
        if isinstance(expected, Refusal):
            self.notes.append(f"signal {command} refused: {expected.type}")

    def decide(self, command: str, sent: Json, key: str, *, is_signal: bool = False) -> Expected:
        """A command that has reached a run."""
        carry_out: Callable[[Json, str], None] = getattr(self, command)
        try:
            carry_out(sent, key)
        except No as no:
            self.refused.append((command, sent, key, is_signal))
            return Refusal(no.kind, no.details)
        if self.is_over:
            self.place.model.ends(self.workflow_id)
        return self.answer()

    def _decided_anew(self) -> None:
        """What was carried out has no second effect, and what was refused is decided by what is so now."""
        refused, self.refused = self.refused, []
        self.notes = []
        for command, sent, key, is_signal in refused:
            if is_signal:
                self.signalled(command, sent)
            else:
                self.decide(command, sent, key)

    def perhaps_decided_anew(self) -> None:
        """Several signals may have been carried out in one task: if its worker has died with it, that is done again.

        Each signal that was refused is then decided by what those after it have brought about, and refused again.
        """
        first = self.notes
        self._decided_anew()
        self.notes = [
            said if said == again else (*_texts(said), *_texts(again))
            for said, again in zip(first, self.notes, strict=True)
        ]

    def cancelled_by_an_operator(self) -> Expected:
        """The button in the UI: the run's result."""
        self.give_up()
        self.place.model.ends(self.workflow_id)
        return self.answer()

    def give_up(self) -> None:
        """End it, as the command does that fits."""
        raise NotImplementedError

    def answer(self) -> Answer:
        """The state as a client has to see it."""
        return Answer({**self.state(), "notes": _with(self.notes)} if self.notes else self.state())

    def state(self) -> Json:
        """The part of the state that is predicted."""
        raise NotImplementedError

    # Stock.

    def cost(self, product: int) -> Decimal | None:
        """What a unit costs; None: nobody knows."""
        return self.place.costs.get(product) or self.place.agreed.get(product) or None

    def move(self, kind: str, key: Key, units: int, step: str, *, held: int = 0) -> None:
        """A movement; the item is made by the first."""
        books = self.place.model.books
        if key not in books.items:
            books.open(key, 0)
        books.move(key, Movement(kind, units, self.number, f"{self.workflow_id}/{step}"), held=held)

    def require_available(self, wanted: Mapping[Key, int]) -> None:
        """These units are on hand and promised to nobody.

        Raises:
            No: With the numbers of each item that is short.
        """
        items = self.place.model.books.items
        there = {key: items[key].available if key in items else 0 for key in wanted}
        short = [
            {**key._asdict(), "requested": units, "available": there[key]}
            for key, units in sorted(wanted.items())
            if units > there[key]
        ]
        if short:
            raise No("InsufficientStock", short)


def _with(notes: Sequence[Note]) -> Such:
    """Notes that say each of these in turn, among other remarks."""

    def holds(found: Json) -> bool:
        said = iter(found)
        return all(any(text in note for note in said for text in _texts(due)) for due in notes)

    return Such(holds, f"notes that say {list(notes)!r}")


def _texts(note: Note) -> tuple[str, ...]:
    return (note,) if isinstance(note, str) else note


def wrong_state(status: str, command: str) -> No:
    """The refusal of a command in the wrong status."""
    return No("InvalidState", {"status": status, "command": command})


def same_person(one: str, other: str) -> bool:
    """People are known by the names that they type, and Ann and ann are one."""
    return one.casefold() == other.casefold()


def money(amount: Decimal) -> str:
    """An amount on the wire; all amounts here have two decimals."""
    return f"{amount:.2f}"


def by_product(lines: Iterable[Mapping[str, Json]], *fields: str) -> dict[int, tuple[int, ...]]:
    """Units of each product, of each of these fields: a product on two lines counts together."""
    units: dict[int, tuple[int, ...]] = {}
    for line in lines:
        before = units.get(line["product_id"], (0,) * len(fields))
        units[line["product_id"]] = tuple(had + line.get(each, 0) for had, each in zip(before, fields, strict=True))
    return units


def units_of(lines: Iterable[Mapping[str, Json]] | None) -> dict[int, int] | None:
    """Units of each product; None: all that there are."""
    return None if lines is None else {product: units for product, (units,) in by_product(lines, "quantity").items()}


def fill(room: Sequence[int], units: int) -> list[int]:
    """Units for each line, the first line first, and none more than it has room for."""
    given = []
    for each in room:
        given.append(min(each, units))
        units -= given[-1]
    return given


def fill_twice(room: Sequence[int], first: int, then: int) -> tuple[list[int], list[int]]:
    """Units of two kinds for each line: those of the first kind come first."""
    ones = fill(room, first)
    return ones, fill([has - took for has, took in zip(room, ones, strict=True)], then)


def lines_of(products: Sequence[int], product: int) -> list[int]:
    """The places of a product among the lines.

    Raises:
        No: It isn't on the document.
    """
    found = [index for index, each in enumerate(products) if each == product]
    if not found:
        raise No("InvalidRequest", {"product_id": product})
    return found


def takes_two_people(units: Iterable[tuple[int, Decimal | None]]) -> Json:
    """The worth of units with the cost of one, if it is more than one person decides; None: it isn't."""
    counted = list(units)
    value = sum((abs(each) * cost for each, cost in counted if cost is not None), Decimal(0))
    unvalued = sum(abs(each) for each, cost in counted if cost is None)
    if value <= LIMIT and unvalued <= LIMIT_UNITS:
        return None
    return {"value": money(value), "unvalued_units": unvalued, "limit": money(LIMIT), "limit_units": LIMIT_UNITS}


def require_two_people(
    units: Iterable[tuple[int, Decimal | None]], booked_by: str, approvals: Iterable[Approved]
) -> None:
    """Stock without a counterpart that is worth more than the limit takes another person, who approves it beforehand.

    Args:
        units: Units, and the cost of one; None: nobody knows it.
        booked_by: The person who books them.
        approvals: The approvals that the document has.

    Raises:
        No: Nobody else has approved as much.
    """
    worth = takes_two_people(units)
    if worth is None:
        return
    for approver, value, unvalued in approvals:
        is_enough = Decimal(worth["value"]) <= value and worth["unvalued_units"] <= unvalued
        if is_enough and not same_person(approver, booked_by):
            return
    raise No("NotPermitted", worth)
