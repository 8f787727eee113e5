"""A shop with stock of its own: it holds, ships, releases, extends and cancels, and lets deadlines come."""

import random
from typing import Any

from tests.faults.simulation.lanes.lane import Catalogue, Lane
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.outcome import Answer, Expected, Taken
from tests.faults.simulation.model.reservation import KIND, Order, Orders
from tests.faults.simulation.script import Command, How, Look, Result, Script, Send, Wait

Json = Any
_OPEN_AT_MOST = 6


class ReservationLane(Lane):
    """Orders on four items in two warehouses."""

    kind = "reservation"

    def set_up(self, catalogue: Catalogue) -> None:
        """Two products in two warehouses."""
        products = [self.new_product(catalogue) for _ in range(2)]
        warehouses = [self.new_warehouse(catalogue) for _ in range(2)]
        self._keys = [
            self.new_item(catalogue, 20_000, product=product, warehouse=warehouse)
            for warehouse in warehouses
            for product in products
        ]
        self.orders = Orders(self.model)

    def turn(self, chance: random.Random) -> Script:
        """One command on an order, or a new one."""
        held = [order for order in self.orders.all.values() if order.status == "ACTIVE"]
        if not held or (len(held) < _OPEN_AT_MOST and chance.random() < 0.4):
            yield from chance.choices([self._reserve, self._refused, self._expires], [8, 1, 1])[0](chance)
            return
        order = chance.choice(held)
        commands = [self._ship_all, self._ship, self._release, self._cancel, self._extend, self._start_again]
        yield from chance.choices(commands, [4, 6, 2, 2, 1, 1])[0](chance, order)

    def _lines(self, chance: random.Random) -> list[Json]:
        keys = chance.sample(self._keys, chance.choice([1, 1, 2, 3]))
        return [_line(key, chance.randint(1, 4)) for key in keys]

    def _ask(self, reference: str, lines: list[Json], expected: Expected) -> Send:
        start = self._start(reference, lines, self.run.pace.far / 60)
        return Send(Command(How.ASK, f"reservation-{reference}", "reserved", (), KIND, start), expected)

    def _start(self, reference: str, lines: list[Json], ttl_minutes: float) -> Json:
        return {"reference_id": reference, "lines": lines, "ttl_minutes": ttl_minutes, "performed_by": self.name}

    def _reserve(self, chance: random.Random) -> Script:
        reference, lines = self.reference(), self._lines(chance)
        yield self._ask(reference, lines, self.orders.reserve(reference, lines))

    def _refused(self, chance: random.Random) -> Script:
        """One line is fine, the other asks for more than there is."""
        reference = self.reference()
        short, fine = chance.sample(self._keys, 2)
        lines = [_line(fine, 1), _line(short, self.model.books.items[short].available + chance.randint(1, 3))]
        yield self._ask(reference, lines, self.orders.reserve(reference, lines))

    def _expires(self, chance: random.Random) -> Script:
        """A short deadline: nobody waits for the hold's answer, which may come later than the deadline."""
        reference, lines = self.reference(), self._lines(chance)
        self.orders.reserve(reference, lines)
        seconds = chance.choice(self.run.pace.short)
        start = self._start(reference, lines, seconds / 60)
        yield Send(Command(How.START, f"reservation-{reference}", "", (), KIND, start), Taken())
        yield Wait(seconds)
        yield Result(f"reservation-{reference}", self.orders.expire(self.orders.all[reference]))

    def _start_again(self, chance: random.Random, order: Order) -> Script:
        del chance
        yield self._ask(order.reference, order.asked, self.orders.reserve(order.reference, order.asked))

    def _command(self, chance: random.Random, order: Order, name: str, payload: Json, expected: Expected) -> Script:
        """As an update, which may be sent again; or as a signal, and then the state is looked at."""
        key = payload.pop("key")
        if chance.random() < 0.25:
            yield Send(Command(How.SIGNAL, order.workflow_id, name, (payload,), key=key), Taken())
            yield Look(order.workflow_id, Answer(order.state()), patience=True)
            return
        update = Command(How.UPDATE, order.workflow_id, name, (payload,), key=key)
        yield Send(update, expected)
        if chance.random() < 0.2:
            yield Send(update, expected)

    def _key(self, order: Order) -> str:
        return f"{order.reference}-{len(self.digest.after)}"

    def _ship(self, chance: random.Random, order: Order) -> Script:
        """A part, under a number of its own."""
        line = chance.choice([each for each in order.lines if each.open])
        lines = [_line(line.key, chance.randint(1, line.open))]
        number = key = self._key(order)
        payload = {"performed_by": self.name, "lines": lines, "fulfillment_id": number, "key": key}
        yield from self._command(chance, order, "fulfill", payload, self.orders.fulfill(order, lines, number, key))

    def _ship_all(self, chance: random.Random, order: Order) -> Script:
        number = key = self._key(order)
        payload = {"performed_by": self.name, "fulfillment_id": number, "key": key}
        yield from self._command(chance, order, "fulfill", payload, self.orders.fulfill(order, None, number, key))

    def _release(self, chance: random.Random, order: Order) -> Script:
        line = chance.choice([each for each in order.lines if each.open])
        lines = [_line(line.key, chance.randint(1, line.open))]
        number = key = self._key(order)
        reason = "less is needed"
        payload = {"performed_by": self.name, "reason": reason, "lines": lines, "release_id": number, "key": key}
        yield from self._command(chance, order, "release", payload, self.orders.release(order, lines, number))

    def _cancel(self, chance: random.Random, order: Order) -> Script:
        payload = {"performed_by": self.name, "reason": "changed their mind", "key": self._key(order)}
        yield from self._command(chance, order, "cancel", payload, self.orders.cancel(order))

    def _extend(self, chance: random.Random, order: Order) -> Script:
        payload = {"performed_by": self.name, "ttl_minutes": self.run.pace.far / 60, "key": self._key(order)}
        yield from self._command(chance, order, "extend", payload, self.orders.extend(order))


def _line(key: Key, quantity: int) -> Json:
    return {"product_id": key.product_id, "warehouse_id": key.warehouse_id, "quantity": quantity}
