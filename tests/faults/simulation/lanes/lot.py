"""A shop with lots: each order gets those that expire first, and pickers take others where some are free."""

import random
from datetime import date, timedelta
from typing import Any, ClassVar

from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.lot_goods import COST, FAR, LotGoodsLane
from tests.faults.simulation.lanes.orders import line
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.lot import Lot, LotOrders
from tests.faults.simulation.model.outcome import Answer
from tests.faults.simulation.model.reservation import Order
from tests.faults.simulation.script import Command, How, Result, Script, Send

Json = Any
_HELD_AT_MOST = 5
_LONG_AGO = date(2020, 1, 31)


class LotLane(LotGoodsLane):
    """Orders of two products with a few lots each, one of which has expired, in two warehouses."""

    kind = "lot"
    share: ClassVar[float] = 2.0

    def set_up(self, catalogue: Catalogue) -> None:
        """Two tracked products in two warehouses, of which the second has little."""
        warehouses = [self.new_warehouse(catalogue) for _ in range(2)]
        shelf: dict[Key, list[Lot]] = {}
        for _ in range(2):
            product = self.new_product(catalogue, unit_cost=COST)
            for warehouse, units in zip(warehouses, (400, 20), strict=True):
                lots = [
                    Lot("GONE", _LONG_AGO, 9, has_expired=True),
                    *(Lot(f"L{place}", FAR + timedelta(days=place), units) for place in range(3)),
                    Lot("NEVER", None, units),
                ]
                catalogue.lots(product, warehouse, [(each.number, each.expires_on, each.on_hand) for each in lots])
                key = Key(warehouse, product)
                self.model.books.open(key, sum(each.on_hand for each in lots))
                shelf[key] = lots
        self.keys = self._keys = list(shelf)
        self.orders = self._orders = self.lots = LotOrders(self.model, shelf)
        for key in self.keys:
            self.lots.account(key)
        self.begin_goods(self.new_supplier(catalogue))

    def turn(self, chance: random.Random) -> Script:
        """One command on an order, or a new one."""
        held = self.orders.active()
        choices: list[tuple[float, Script]] = []
        if len(held) < _HELD_AT_MOST:
            choices.append((5, self._reserve(chance)))
        if held:
            order = chance.choice(held)
            choices += [
                (3, self._ship(chance, order)),
                (3, self._ship_others(chance, order)),
                (1, self._give_up(chance, order)),
                (1, self.ship_all(chance, order)),
                (1, self.cancel(chance, order)),
            ]
        choices += self.goods(chance)
        yield from chance.choices([script for _, script in choices], [weight for weight, _ in choices])[0]

    def _reserve(self, chance: random.Random) -> Script:
        yield from self.seen()
        reference = self.reference()
        most = chance.choice([12, 12, 150, 2_000])
        lines = [line(key, chance.randint(1, most)) for key in chance.sample(self._keys, chance.choice([1, 1, 2]))]
        yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _ship(self, chance: random.Random, order: Order) -> Script:
        held = chance.choice([each for each in order.lines if each.open])
        was_open, key = order.is_open, self.key(order)
        payload = {
            "performed_by": self.name,
            "lines": [line(held.key, chance.randint(1, held.open))],
            "fulfillment_id": key,
        }
        expected = self.orders.fulfill(order, payload["lines"], key, "")
        yield from self.command(chance, order, "fulfill", payload, expected, was_open=was_open, key=key)

    def _ship_others(self, chance: random.Random, order: Order) -> Script:
        """Free units of another lot leave in place of those that are held: what is free has to be certain."""
        yield from self.seen()
        held = chance.choice([each for each in order.lines if each.open] or [None])
        free = [] if held is None else self._orders.free_of(held.key)
        if held is None or not free:
            return
        lot = chance.choice(free)
        units = chance.randint(1, min(lot.free, held.open))
        some = line(held.key, units) | {"lots": [{"lot_number": lot.number, "quantity": units}]}
        key = self.key(order)
        payload = {"performed_by": self.name, "lines": [some], "fulfillment_id": key}
        expected = self.orders.fulfill(order, [some], key, "")
        yield Send(Command(How.UPDATE, order.workflow_id, "fulfill", (payload,), key=key), expected)
        if not order.is_open:
            yield Result(order.workflow_id, Answer(order.state()))

    def _give_up(self, chance: random.Random, order: Order) -> Script:
        held = chance.choice([each for each in order.lines if each.open])
        was_open, key = order.is_open, self.key(order)
        payload = {
            "performed_by": self.name,
            "reason": "not needed",
            "lines": [line(held.key, chance.randint(1, held.open))],
            "release_id": key,
        }
        expected = self.orders.release(order, payload["lines"], key)
        yield from self.command(chance, order, "release", payload, expected, was_open=was_open, key=key)
