"""Shops that sell the same few items: whoever comes first has them, and nobody is told no while there is enough."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from tests.faults.simulation.lanes.lane import Catalogue, Run
from tests.faults.simulation.lanes.orders import OrdersLane, line
from tests.faults.simulation.model.adjustment import KIND as ADJUSTMENT
from tests.faults.simulation.model.adjustment import Adjustments
from tests.faults.simulation.model.books import Books, Key
from tests.faults.simulation.model.hot import Bounds, HeldOrShort
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import Answered, Expected, Refused
from tests.faults.simulation.model.reservation import Order, Orders
from tests.faults.simulation.script import Command, How, Script, Send

Json = Any
_UNITS = 40
_ITEMS = 4
_HELD_AT_MOST = 4


class Market:
    """What all hot lanes share: the items, and what is available of them."""

    def __init__(self) -> None:
        self.model = Model(books=Books(in_order=False))
        self.orders = Orders(self.model)
        self.bounds = Bounds()
        self.keys: list[Key] = []
        self.adjustments = Adjustments(self.model, self.orders, {})


class HotLane(OrdersLane):
    """One of the shops."""

    kind = "hot"
    share = 2.0
    is_own: ClassVar[bool] = False
    market: ClassVar[type[Market]] = Market

    def __init__(self, run: Run, number: int, market: Market) -> None:
        super().__init__(run, number, market.model)
        self._market = market
        self._is_first = number == 0
        self._mine: list[Order] = []
        self.orders = market.orders

    @classmethod
    def team(cls, run: Run, count: int) -> Sequence[Self]:
        """Lanes that share one market."""
        market = cls.market()
        return [cls(run, number, market) for number in range(count)]

    def set_up(self, catalogue: Catalogue) -> None:
        """The first one makes the items for all."""
        if not self._is_first:
            return
        warehouses = [self.new_warehouse(catalogue, home) for home in self.homes(2)]
        for number in range(_ITEMS):
            product = self.new_product(catalogue)
            key = self.new_item(catalogue, _UNITS, product=product, warehouse=warehouses[number % 2])
            self._market.keys.append(key)
            self._market.bounds.begin_with(key, _UNITS)
            self._market.adjustments.costs[product] = None

    def turn(self, chance: random.Random) -> Script:
        """One command."""
        self._mine = [order for order in self._mine if order.is_open]
        choices: list[tuple[float, Script]] = [(1, self._units_come(chance))]
        if len(self._mine) < _HELD_AT_MOST:
            choices.append((6, self._reserve(chance)))
        if self._mine:
            order = chance.choice(self._mine)
            choices += [(2, self.ship_all(chance, order)), (3, self._ship(chance, order))]
            choices += [(3, self._give_back(chance, order)), (2, self._release(chance, order))]
        yield from chance.choices([script for _, script in choices], [weight for weight, _ in choices])[0]

    def _reserve(self, chance: random.Random) -> Script:
        """Some units of one to three items, in any order of lines."""
        reference = self.reference()
        keys = chance.sample(self._market.keys, chance.choice([1, 1, 2, 3]))
        keys.sort(key=lambda key: self.model.books.homes[key.warehouse_id])  # As a state has them.
        lines = [line(key, chance.randint(1, 9)) for key in keys]
        wanted = Counter({key: each["quantity"] for key, each in zip(keys, lines, strict=True)})
        order = self.orders.unanswered(reference, lines)
        window = self._market.bounds.takes(wanted)
        ask = self.asking(reference, lines)
        outcome = yield Send(ask, HeldOrShort(window, {"reference_id": reference, "status": "ACTIVE"}))
        accepted = isinstance(outcome, Answered)
        if isinstance(outcome, Refused):
            yield from self.rejected(order, outcome.details)
        self._market.bounds.took(window, accepted=accepted)
        self.orders.settle(order, held=accepted)
        if isinstance(outcome, Answered):
            self._learn(order, outcome.state)
            self._mine.append(order)

    def asking(self, reference: str, lines: Sequence[Json]) -> Command:
        """Asks for an order."""
        start = self.start(reference, lines)
        return Command(How.ASK, f"reservation-{reference}", "reserved", (), self.workflow_type, start)

    def rejected(self, order: Order, short: Sequence[Mapping[str, Json]]) -> Script:
        """What else there is to know of an order that isn't held, because these items are short."""
        del order, short
        yield from ()

    def _giving(self, order: Order, units: Mapping[Key, int], script: Script) -> Script:
        """A command that makes units available again; they certainly are once its answer, or its effect, is seen."""
        self._market.bounds.gives(units)
        yield from script
        if order.reference in self._unseen:
            yield from self.look(order)
        self._market.bounds.gave(units)

    def _give_back(self, chance: random.Random, order: Order) -> Script:
        units = Counter[Key]()
        for each in order.lines:
            units[each.key] += each.open
        yield from self._giving(order, units, self.cancel(chance, order))

    def _release(self, chance: random.Random, order: Order) -> Script:
        held = chance.choice([each for each in order.lines if each.open])
        units, key = chance.randint(1, held.open), self.key(order)
        lines = [line(held.key, units)]
        payload = {"performed_by": self.name, "reason": "less is needed", "lines": lines, "release_id": key}
        expected = self.orders.release(order, lines, key)
        script = self.command(chance, order, "release", payload, expected, key=key)
        yield from self._giving(order, {held.key: units}, script)

    def _ship(self, chance: random.Random, order: Order) -> Script:
        held = chance.choice([each for each in order.lines if each.open])
        lines, key = [line(held.key, chance.randint(1, held.open))], self.key(order)
        payload = {"performed_by": self.name, "lines": lines, "fulfillment_id": key}
        yield from self.command(chance, order, "fulfill", payload, self.orders.fulfill(order, lines, key, ""), key=key)

    def _units_come(self, chance: random.Random) -> Script:
        """Units are found where few are left."""
        key = min(self._market.keys, key=lambda key: self.model.books.items[key].on_hand)
        if self.model.books.items[key].on_hand >= _UNITS:
            return
        number, units = self.reference("A"), chance.randint(10, 30)
        lines = [{"product_id": key.product_id, "quantity": units}]
        start = {
            "adjustment_number": number,
            "warehouse_id": key.warehouse_id,
            "lines": lines,
            "reason": "found behind the shelf",
            "performed_by": self.name,
        }
        self._market.bounds.gives({key: units})
        expected: Expected = self._market.adjustments.submit(number, key.warehouse_id, lines, self.name)
        queue = self.model.books.homes[key.warehouse_id]
        ask = Command(How.ASK, f"adjustment-{number}", "submitted", (), ADJUSTMENT, start, task_queue=queue)
        yield Send(ask, expected)
        self._market.bounds.gave({key: units})
