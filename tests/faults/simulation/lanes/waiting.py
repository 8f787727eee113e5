"""A shop with little stock: orders wait for it, first in, first out, and units come and go."""

import random
from typing import Any

from tests.faults.simulation.lanes.documents import DONE
from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.orders import OrdersLane, line
from tests.faults.simulation.model.adjustment import KIND as ADJUSTMENT
from tests.faults.simulation.model.adjustment import Adjustments
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Taken
from tests.faults.simulation.model.reservation import Order, Orders
from tests.faults.simulation.script import Command, How, Intervention, Operate, Result, Script, Send, Wait

Json = Any
_UNITS = 12
_HELD_AT_MOST, _WAITING_AT_MOST = 4, 3


class WaitingLane(OrdersLane):
    """Orders on two products in two warehouses, of which there are too few."""

    kind = "waiting"

    def set_up(self, catalogue: Catalogue) -> None:
        """Two products in two warehouses."""
        products = [self.new_product(catalogue) for _ in range(2)]
        warehouses = [self.new_warehouse(catalogue) for _ in range(2)]
        self._keys = [
            self.new_item(catalogue, _UNITS, product=product, warehouse=warehouse)
            for warehouse in warehouses
            for product in products
        ]
        self.orders = Orders(self.model)
        self._adjustments = Adjustments(self.model, self.orders, dict.fromkeys(products))

    def turn(self, chance: random.Random) -> Script:
        """One command; orders whose turn has come by it are held at the end."""
        held, waiting = self.orders.active(), self.orders.waiting
        choices: list[tuple[float, Script]] = []
        if len(held) < _HELD_AT_MOST:
            choices.append((4, self._reserve(chance)))
        if len(waiting) < _WAITING_AT_MOST and not any(_is_open(order) for order in waiting):
            choices += [
                (4, self._wait_for_stock(chance)),
                (1, self._wait_in_vain(chance)),
                (1, self._all_of_it(chance)),
            ]
        if held:
            order = chance.choice(held)
            choices += [
                (2, self.ship_all(chance, order)),
                (3, self.cancel(chance, order)),
                (2, self._release(chance, order)),
            ]
        if waiting:
            order = chance.choice(waiting)
            choices += [(1, self.cancel(chance, order)), (2, self._too_early(chance, order)), (1, self._again(order))]
            choices += [(1, self._says_that_stock_came(order))]
        choices.append((4, self._units_come(chance)))
        yield from self.seen()
        yield from chance.choices([script for _, script in choices], [weight for weight, _ in choices])[0]
        yield from self.seen()
        while served := self.orders.serve():
            for order in served:
                yield from self.look(order)

    def _lines(self, chance: random.Random, most: int, anywhere: float) -> list[Json]:
        keys = chance.sample(self._keys, chance.choice([1, 1, 2]))
        lines = [line(key, chance.randint(1, most)) for key in keys]
        if chance.random() < anywhere and len({key.product_id for key in keys}) == len(keys):
            lines[0]["warehouse_id"] = None
        return lines

    def _reserve(self, chance: random.Random) -> Script:
        """At once or not at all."""
        reference, lines = self.reference(), self._lines(chance, 5, anywhere=0.3)
        yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _wait_for_stock(self, chance: random.Random) -> Script:
        """In any warehouse only as the only one: in which order two are served then decides where from."""
        anywhere = 0.0 if self.orders.waiting else 0.5
        reference, lines = self.reference(), self._lines(chance, 14, anywhere)
        start = self.start(reference, lines, wait_minutes=self.far_minutes)
        yield from self.ask(start, self.orders.reserve(reference, lines, waits=True), "placed")

    def _wait_in_vain(self, chance: random.Random) -> Script:
        """A wait that ends before the stock comes; nobody waits for the answer, which may be either."""
        reference, key = self.reference(), chance.choice(self._keys)
        seconds = chance.choice(self.run.pace.short)
        lines = [line(key, self.model.books.items[key].on_hand + 1)]
        yield from self.begin(self.start(reference, lines, wait_minutes=seconds / 60))
        self.orders.reserve(reference, lines)
        short = [key._asdict() | {"requested": lines[0]["quantity"]}]
        yield Wait(seconds)
        workflow_id = f"reservation-{reference}"
        yield Result(workflow_id, Answer({"status": "REJECTED", "reference_id": reference, "shortages": short}))
        if chance.random() < 0.5:
            lines = [line(key, self.model.books.items[key].on_hand + 2)]
            yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _all_of_it(self, chance: random.Random) -> Script:
        """Everything is held until a deadline; from that instant on it is another order's, whatever its run does."""
        key = chance.choice(self._keys)
        units = self.model.books.items[key].available
        if not units or any(_wants(other, key) for other in self.orders.waiting):
            return
        first, second = self.reference(), self.reference()
        lines = [line(key, units)]
        self.orders.reserve(first, lines)
        order = self.orders.all[first]
        yield from self.begin(self.start(first, lines, ttl_minutes=self.far_minutes))
        yield from self.look(order)
        seconds = self.run.pace.short[0]
        payload = {"performed_by": self.name, "ttl_minutes": seconds / 60}
        extend = Command(How.UPDATE, order.workflow_id, "extend", (payload,), key=self.key(order))
        yield Send(extend, Answer({"reference_id": first, "status": ANYTHING}))
        if chance.random() < 0.5:
            # The deadline may have come before.
            yield Operate(Intervention.TERMINATE, order.workflow_id, DONE)
            self.orders.end(order, "EXPIRED")
            self.model.ends(order.workflow_id, "TERMINATED")
        else:
            self.orders.end(order, "EXPIRED")
        yield Wait(seconds)
        yield from self.ask(self.start(second, lines), self.orders.reserve(second, lines))
        if self.model.ended_runs[order.workflow_id] != "TERMINATED":
            yield Result(order.workflow_id, Answer(order.state()))

    def _release(self, chance: random.Random, order: Order) -> Script:
        held = chance.choice([each for each in order.lines if each.open])
        lines, key = [line(held.key, chance.randint(1, held.open))], self.key(order)
        payload = {"performed_by": self.name, "reason": "less is needed", "lines": lines, "release_id": key}
        yield from self.command(chance, order, "release", payload, self.orders.release(order, lines, key), key=key)

    def _too_early(self, chance: random.Random, order: Order) -> Script:
        """A command that an order can't take while it waits."""
        if chance.random() < 0.5:
            payload: Json = {"performed_by": self.name, "ttl_minutes": self.far_minutes}
            yield from self.command(chance, order, "extend", payload, self.orders.extend(order))
        else:
            payload = {"performed_by": self.name}
            yield from self.command(chance, order, "fulfill", payload, self.orders.fulfill(order, None, None, ""))

    def _again(self, order: Order) -> Script:
        """The same start again, with or without a wait: the same order in the same place."""
        yield from self.ask(
            self.start(order.reference, order.asked), self.orders.reserve(order.reference, order.asked), "placed"
        )

    def _says_that_stock_came(self, order: Order) -> Script:
        """It looks, and goes on waiting."""
        yield Send(Command(How.SIGNAL, order.workflow_id, "stock_came", (), key=self.key(order)), Taken())

    def _units_come(self, chance: random.Random) -> Script:
        """Some units are found."""
        number, key = self.reference("A"), chance.choice(self._keys)
        if self.model.books.items[key].on_hand > 2 * _UNITS:
            return
        lines = [{"product_id": key.product_id, "quantity": chance.randint(1, 8)}]
        start = {
            "adjustment_number": number,
            "warehouse_id": key.warehouse_id,
            "lines": lines,
            "reason": "found behind the shelf",
            "performed_by": self.name,
        }
        expected = self._adjustments.submit(number, key.warehouse_id, lines, self.name)
        yield Send(Command(How.ASK, f"adjustment-{number}", "submitted", (), ADJUSTMENT, start), expected)


def _is_open(order: Order) -> bool:
    return any(each["warehouse_id"] is None for each in order.asked)


def _wants(order: Order, key: Key) -> bool:
    return any(each["product_id"] == key.product_id for each in order.asked)
