"""What the lanes of documents have in common: people, goods, and a turn on one document."""

import random
from abc import abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tests.faults.simulation.lanes.lane import Catalogue, Lane
from tests.faults.simulation.model.document import Document, Place
from tests.faults.simulation.model.outcome import ANYTHING, Expected, NoRun, OneOf, Refusal, Taken
from tests.faults.simulation.pace import REAL_TIME
from tests.faults.simulation.script import Command, How, Intervention, Look, Operate, Result, Script, Send

Json = Any
REQUESTER = "rita"
PEOPLE = ("ann", "bob", "cid", "dora", "Ann", "RITA")
_KEPT = 12
UNKNOWN = 9_000_000_000
_INTERVENTIONS = 0.04
"""How often an operator does something to a run, if the server is a real one."""


class DocumentLane(Lane):
    """A warehouse with a few products of known and unknown cost, and documents of one kind."""

    answer: str
    """The update that answers the start."""
    open_at_most = 5
    opening_stock = 400

    def set_up(self, catalogue: Catalogue) -> None:
        """Three products in the first of two warehouses."""
        costs = (Decimal("4.00"), Decimal("25.00"), None)
        self.products = [self.new_product(catalogue, unit_cost=cost) for cost in costs]
        self.warehouses = [self.new_warehouse(catalogue, home) for home in self.homes(2)]
        self.supplier = self.new_supplier(catalogue)
        for product in self.products:
            self.new_item(catalogue, self.opening_stock, product=product, warehouse=self.warehouses[0])
        known = {product: cost for product, cost in zip(self.products, costs, strict=True) if cost is not None}
        self.place = Place(self.model, self.run.over_delivery_percent, known)
        self.open: list[Document] = []
        self.ended: list[Document] = []

    def turn(self, chance: random.Random) -> Script:
        """A new document, or a command on one, or what an operator does to it."""
        self.ended = [*self.ended, *(each for each in self.open if each.is_over)][-_KEPT:]
        self.open = [each for each in self.open if not each.is_over]
        roll = chance.random()
        if not self.open or (len(self.open) < self.open_at_most and roll < 0.25):
            yield from self.new(chance)
            return
        if self.ended and roll > 0.94:
            yield from self.on_ended(chance, chance.choice(self.ended))
            return
        document = chance.choice(self.open)
        if chance.random() < _INTERVENTIONS and self.run.pace == REAL_TIME:
            yield from chance.choice([self._terminate, self._reset, self._cancel])(chance, document)
        elif chance.random() < 0.06:
            yield from self.start_again(document)
        else:
            yield from self.command(chance, document)

    @abstractmethod
    def new(self, chance: random.Random) -> Script:
        """A new document, or a start that is wrong."""

    @abstractmethod
    def command(self, chance: random.Random, document: Any) -> Script:
        """A command on an open document, right or wrong."""

    def on_ended(self, chance: random.Random, document: Any) -> Script:
        """Whatever comes after the end: a start that looks, a command that finds no run."""
        yield from self.has_closed(document)
        what = chance.choice([self.start_again, self._start_another, self._too_late])
        yield from what(document)

    def has_closed(self, document: Document) -> Script:
        """Wait for the end of its run, which may have a notice under way beyond the document's own end."""
        if self.model.ended_runs[document.workflow_id] == "COMPLETED":
            yield Result(document.workflow_id, document.answer())

    # Starts.

    def begin(self, document: Document) -> Script:
        """Start a document, and wait for the answer."""
        yield self._ask(document, document.start, document.begin())
        if document.number in self.model.documents.get(document.kind, {}):
            self.open.append(document)

    def begin_wrong(self, document: Document, start: Json, expected: Refusal) -> Script:
        """A start that is refused, after which the number is free."""
        self.model.ends(document.workflow_id, "FAILED")
        yield self._ask(document, start, expected)

    def start_again(self, document: Document) -> Script:
        """The same start."""
        yield self._ask(document, document.start, document.again(document.start))

    def _start_another(self, document: Document) -> Script:
        """Another start under a number that is taken."""
        another = self.another(document.start)
        yield self._ask(document, another, document.again(another))

    @abstractmethod
    def another(self, start: Json) -> Json:
        """A start with other contents under the same number."""

    def _ask(self, document: Document, start: Json, expected: Expected) -> Send:
        return Send(Command(How.ASK, document.workflow_id, self.answer, (), document.kind, start), expected)

    def _too_late(self, document: Document) -> Script:
        """A command to a run that has ended."""
        payload = {"performed_by": "ann", "reason": "too late"}
        command = Command(How.UPDATE, document.workflow_id, self.giving_up, (payload,), key=self.key(document))
        yield Send(command, NoRun())

    giving_up = "cancel"
    """The command that ends a document."""

    # Commands.

    def key(self, document: Document) -> str:
        """A new number for a command on a document."""
        return f"{document.number}-{len(self.digest.after)}"

    def tell(self, chance: random.Random, document: Document, name: str, payload: Json, *, key: str = "") -> Script:
        """A command as an update, which may be sent again; or as a signal, and then the state is looked at."""
        key = key or self.key(document)
        if chance.random() < 0.2:
            document.signalled(name, payload)
            yield Send(Command(How.SIGNAL, document.workflow_id, name, (payload,), key=key), Taken())
            yield Look(document.workflow_id, document.answer(), patience=True)
        else:
            expected = document.carry_out(name, payload, key)
            update = Command(How.UPDATE, document.workflow_id, name, (payload,), key=key)
            yield Send(update, expected)
            if chance.random() < 0.1:
                yield Send(update, expected)
        yield from self.came_of_it(document)

    def came_of_it(self, document: Any) -> Script:
        """What a command has brought about beside its own document."""
        del document
        yield from ()

    def malformed(self, chance: random.Random, document: Document, name: str) -> Script:
        """A payload that isn't one."""
        payload: Json = chance.choice([{}, {"performed_by": 7}, {"nobody": "knows"}, [], None, "text", {"lines": []}])
        command = Command(How.UPDATE, document.workflow_id, name, (payload,), key=self.key(document))
        yield Send(command, Refusal("InvalidRequest", ANYTHING))

    # An operator.

    def _terminate(self, chance: random.Random, document: Document) -> Script:
        """Its run is gone, and the document stays as it is, until the same start continues it."""
        self.model.ends(document.workflow_id, "TERMINATED")
        yield Operate(Intervention.TERMINATE, document.workflow_id, DONE)
        if chance.random() < 0.3:
            yield from self._too_late(document)
        yield from self.start_again(document)

    def _reset(self, chance: random.Random, document: Document) -> Script:
        """What is applied again has no second effect."""
        del chance
        yield Operate(Intervention.RESET, document.workflow_id, DONE, key=self.reference("reset"))
        yield Look(document.workflow_id, document.answer(), patience=True)
        yield from self.came_of_it(document)

    def _cancel(self, chance: random.Random, document: Document) -> Script:
        """The button in the UI does what the command does that fits."""
        del chance
        expected = document.cancelled_by_an_operator()
        yield Operate(Intervention.CANCEL, document.workflow_id, DONE)
        yield Result(document.workflow_id, expected)


DONE = OneOf((Taken(), NoRun()))
"""The second try of an intervention may find that the first has ended the run."""


def pick(chance: random.Random, choices: Sequence[tuple[int, Callable[..., Script]]]) -> Callable[..., Script]:
    """One of these by their weights."""
    return chance.choices([each for _, each in choices], [weight for weight, _ in choices])[0]


def split(chance: random.Random, units: int) -> int:
    """Some of these units, often all of them."""
    return units if units < 2 or chance.random() < 0.4 else chance.randint(1, units)
