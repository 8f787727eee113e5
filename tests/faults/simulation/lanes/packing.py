"""A packing station: it ships the units of an order one by one, by signals, and says many of them twice."""

import random
from typing import Any, ClassVar

from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.orders import OrdersLane, line
from tests.faults.simulation.model.outcome import Answer, Taken
from tests.faults.simulation.model.reservation import Orders
from tests.faults.simulation.script import Command, How, Rest, Result, Script, Send, Together

Json = Any
_AT_ONCE = 20


class PackingLane(OrdersLane):
    """Large orders of one or two items."""

    kind = "packing"
    share: ClassVar[float] = 7.0

    def set_up(self, catalogue: Catalogue) -> None:
        """Two products in one warehouse."""
        warehouse = self.new_warehouse(catalogue)
        products = [self.new_product(catalogue) for _ in range(2)]
        self._keys = [self.new_item(catalogue, 1_000_000, product=product, warehouse=warehouse) for product in products]
        self.orders = Orders(self.model)

    def turn(self, chance: random.Random) -> Script:
        """A new order, and every parcel of it."""
        reference = self.reference()
        lines = [line(key, chance.randint(40, 80)) for key in chance.sample(self._keys, chance.choice([1, 2]))]
        yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))
        order = self.orders.all[reference]
        parcels = [self._parcel(number, each) for number, each in enumerate(self._units(chance, lines))]
        for begin in range(0, len(parcels), _AT_ONCE):
            *some, last = parcels[begin : begin + _AT_ONCE]
            for payload in some:
                self.orders.fulfill(order, payload["lines"], payload["fulfillment_id"], "")
            said = [*some, *chance.sample(some, min(len(some), chance.choice([2, 6, 13])))]
            chance.shuffle(said)
            yield self._together(order.workflow_id, said)
            # Commands are carried out in the order in which Temporal has them: this one is answered after the others,
            # so that no more than these wait for a worker.
            expected = self.orders.fulfill(order, last["lines"], last["fulfillment_id"], "")
            key = f"{order.workflow_id}-{len(self.digest.after)}"
            update = Send(Command(How.UPDATE, order.workflow_id, "fulfill", (last,), key=key), expected)
            for _ in range(chance.choice([1, 1, 2, 3]) if order.is_open else 1):
                yield update
            # A comparison needn't wait for the whole order.
            yield Rest()
        yield Result(order.workflow_id, Answer(order.state()))

    def _units(self, chance: random.Random, lines: list[Json]) -> list[Json]:
        """Lines of one or two units, which add up to these."""
        units = []
        for each in lines:
            left = each["quantity"]
            while left:
                units.append(each | {"quantity": min(left, chance.choice([1, 1, 1, 2]))})
                left -= units[-1]["quantity"]
        chance.shuffle(units)
        return units

    def _parcel(self, number: int, some: Json) -> Json:
        return {"performed_by": self.name, "lines": [some], "fulfillment_id": f"parcel-{number}"}

    def _together(self, workflow_id: str, parcels: list[Json]) -> Together:
        turn = f"{workflow_id}-{len(self.digest.after)}"
        return Together(
            tuple(
                Send(Command(How.SIGNAL, workflow_id, "fulfill", (parcel,), key=f"{turn}-{number}"), Taken())
                for number, parcel in enumerate(parcels)
            )
        )
