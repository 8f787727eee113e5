"""A shop with plenty of stock: it holds, ships, releases, extends and cancels, errs, and lets deadlines come."""

import random
from typing import Any

from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.orders import OrdersLane, line
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Refusal, Taken
from tests.faults.simulation.model.reservation import Order, Orders
from tests.faults.simulation.script import Command, How, Result, Script, Send, Wait

Json = Any
_OPEN_AT_MOST = 5
_UNKNOWN_LINE: Json = {"product_id": 2**40, "quantity": 1}
LONG_AGO, FAR_AHEAD = "2001-01-01T00:00:00Z", "2190-01-01T00:00:00Z"


class ReservationLane(OrdersLane):
    """Orders on four items in two warehouses."""

    kind = "reservation"
    share = 8.0

    def set_up(self, catalogue: Catalogue) -> None:
        """Two products in two warehouses."""
        products = [self.new_product(catalogue) for _ in range(2)]
        warehouses = [self.new_warehouse(catalogue, home) for home in self.homes(2)]
        self._keys = [
            self.new_item(catalogue, 50_000, product=product, warehouse=warehouse)
            for warehouse in warehouses
            for product in products
        ]
        self.orders = Orders(self.model)
        self._ended: list[Order] = []

    def turn(self, chance: random.Random) -> Script:
        """One command on an order, or a new one."""
        held = self.orders.active()
        if not held or (len(held) < _OPEN_AT_MOST and chance.random() < 0.1):
            yield from self.new_order(chance)
            return
        self._ended = [*(order for order in self._ended[-3:]), *held][-6:]
        if chance.random() < 0.2:
            order = chance.choice([each for each in self._ended if each.status != "ACTIVE"] or held)
            again = [self._start_again, self._start_otherwise, self.ship_all, self.cancel, self._extend]
            if order.status != "ACTIVE":
                yield from chance.choice(again)(chance, order)
                return
        order = chance.choice(held)
        commands = [self._ship, self._release, self.ship_all, self.cancel, self._extend, self._start_again]
        commands += [self._too_much, self._malformed, self._ends_soon, self._gives_no_way, self._unknown_signal]
        yield from chance.choices(commands, [14, 10, 1, 0.5, 4, 1, 2, 3, 0.5, 2, 0.5])[0](chance, order)

    def new_order(self, chance: random.Random) -> Script:
        """An order, or a start of which none comes."""
        kinds = [self._reserve, self._short, self._expires, self._withdrawn, self._wrong_start, self._too_late]
        yield from chance.choices(kinds, [20, 2, 2, 1, 1, 1])[0](chance)

    def _lines(self, chance: random.Random) -> list[Json]:
        """Up to three lines; the first may leave its warehouse open, and two may be of the same item."""
        keys = chance.choices(self._keys, k=chance.choice([1, 1, 2, 3]))
        lines = [line(key, chance.randint(5, 20)) for key in keys]
        open_product = keys[0].product_id
        if chance.random() < 0.3 and all(key.product_id != open_product for key in keys[1:]):
            lines[0]["warehouse_id"] = None
        return lines

    def _reserve(self, chance: random.Random) -> Script:
        reference, lines = self.reference(), self._lines(chance)
        other: Json = chance.choice(
            [{}, {}, {"not_after": FAR_AHEAD}, {"reference_type": "ORDER"}, {"wait_minutes": self.far_minutes}]
        )
        yield from self.ask(self.start(reference, lines, **other), self.orders.reserve(reference, lines))

    def _short(self, chance: random.Random) -> Script:
        """One line is fine, the other asks for more than there is; then for less."""
        yield from self.seen()
        reference = self.reference()
        short, fine = chance.sample(self._keys, 2)
        lines = [line(fine, 1), line(short, self.model.books.items[short].available + chance.randint(1, 3))]
        yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))
        if chance.random() < 0.5:
            lines[1]["quantity"] = 1
            yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _expires(self, chance: random.Random) -> Script:
        """A short deadline: nobody waits for the hold's answer, which may come later than the deadline."""
        reference, lines = self.reference(), self._lines(chance)
        self.orders.reserve(reference, lines)
        order = self.orders.all[reference]
        seconds = chance.choice(self.run.pace.short)
        yield from self.begin(self.start(reference, lines, ttl_minutes=seconds / 60))
        self.orders.end(order, "EXPIRED")
        yield Wait(seconds)
        yield Result(order.workflow_id, Answer(order.state()))
        self._ended.append(order)

    def _withdrawn(self, chance: random.Random) -> Script:
        """Cancelled by a signal right after the start, perhaps before the hold."""
        reference, lines = self.reference(), self._lines(chance)
        self.orders.reserve(reference, lines)
        order = self.orders.all[reference]
        self.orders.end(order, "CANCELLED")
        order.may_never_have_been_held = True
        yield from self.begin(self.start(reference, lines))
        payload = {"performed_by": self.name, "reason": "nobody wants it"}
        yield Send(Command(How.SIGNAL, order.workflow_id, "cancel", (payload,), key=self.key(order)), Taken())
        yield Result(order.workflow_id, Answer({"reference_id": reference, "status": "CANCELLED"}))

    def _wrong_start(self, chance: random.Random) -> Script:
        """A start that is wrong in itself, and then perhaps one under the same number that is right."""
        reference, lines = self.reference(), self._lines(chance)
        wrong, error = chance.choice(
            [
                (self.start(reference, [lines[0] | {"quantity": 0}]), "InvalidRequest"),
                (self.start(reference, [lines[0] | {"quantity": "2"}]), "InvalidRequest"),
                (self.start(reference, [*lines, lines[0] | {"quantity": -1}]), "InvalidRequest"),
                (self.start(reference, []), "InvalidRequest"),
                (self.start(reference, lines, ttl_minutes=0), "InvalidRequest"),
                (self.start(reference, lines, colour="red"), "InvalidRequest"),
                (self.start(reference, [lines[0] | {"product_id": 2**40}]), "UnknownProduct"),
                (self.start(reference, [*lines, line(self._keys[0], 1) | {"warehouse_id": 2**40}]), "UnknownWarehouse"),
            ]
        )
        yield from self.ask(wrong, self.orders.refused_start(reference, error))
        if chance.random() < 0.5:
            yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _too_late(self, chance: random.Random) -> Script:
        reference, lines = self.reference(), self._lines(chance)
        start = self.start(reference, lines, not_after=LONG_AGO)
        yield from self.ask(start, self.orders.reserve(reference, lines, late=True))

    def _start_again(self, chance: random.Random, order: Order) -> Script:
        """Perhaps for another time; the hold that is there stays as it is."""
        yield from self.seen()  # It is answered beside the commands, and not after them.
        other = chance.choice([{}, {"ttl_minutes": self.far_minutes / 2}])
        start = self.start(order.reference, order.asked, **other)
        yield from self.ask(start, self.orders.reserve(order.reference, order.asked))

    def _start_otherwise(self, chance: random.Random, order: Order) -> Script:
        """The number of an order that has ended, for other lines."""
        lines = [*order.asked, line(chance.choice(self._keys), 1)]
        yield from self.ask(self.start(order.reference, lines), self.orders.reserve(order.reference, lines))

    def _part(self, chance: random.Random, order: Order) -> list[Json]:
        """A part of a line, named in one of the ways that are clear."""
        held = chance.choice([each for each in order.lines if each.open])
        units = chance.randint(1, min(held.open, 3))
        full = line(held.key, units)
        if held.reservation_id is not None and chance.random() < 0.2:
            return [{"reservation_id": held.reservation_id, "quantity": units}]
        places = {each.key.warehouse_id for each in order.lines if each.key.product_id == held.key.product_id}
        if len(places) == 1 and chance.random() < 0.3:
            del full["warehouse_id"]
        return [full]

    def _ship(self, chance: random.Random, order: Order) -> Script:
        """A part, and perhaps the same parcel again under its number: with the same lines, or with others."""
        key, lines = self.key(order), self._part(chance, order)
        number = key if chance.random() < 0.8 else None
        payload: Json = {"performed_by": self.name, "lines": lines} | ({"fulfillment_id": number} if number else {})
        expected = self.orders.fulfill(order, lines, number, "")
        yield from self.command(chance, order, "fulfill", payload, expected, key=key)
        if number is None or chance.random() < 0.6:
            return
        if chance.random() < 0.5:
            lines = [lines[0] | {"quantity": lines[0]["quantity"] + 1}]
        was_open = order.is_open
        expected = self.orders.fulfill(order, lines, number, "")
        payload = payload | {"lines": lines}
        yield from self.command(chance, order, "fulfill", payload, expected, was_open=was_open)

    def _release(self, chance: random.Random, order: Order) -> Script:
        key, lines = self.key(order), self._part(chance, order)
        number = key if chance.random() < 0.8 else None
        payload: Json = {"performed_by": self.name, "reason": "less is needed", "lines": lines}
        payload |= {"release_id": number} if number else {}
        expected = self.orders.release(order, lines, number)
        yield from self.command(chance, order, "release", payload, expected, key=key)
        if number is not None and chance.random() < 0.3:
            was_open = order.is_open
            expected = self.orders.release(order, lines, number)
            yield from self.command(chance, order, "release", payload, expected, was_open=was_open)

    def _extend(self, chance: random.Random, order: Order) -> Script:
        payload = {"performed_by": self.name, "ttl_minutes": self.far_minutes * chance.choice([0.5, 0.9, 1])}
        was_open = order.is_open
        yield from self.command(chance, order, "extend", payload, self.orders.extend(order), was_open=was_open)

    def _ends_soon(self, chance: random.Random, order: Order) -> Script:
        """A deadline that comes; nobody waits for the command's answer, which may come later than that.

        What was refused before is decided anew if its task is lost, and would be too late by then.
        """
        if order.reference in self._unseen:
            yield from self.look(order)
        seconds = chance.choice(self.run.pace.short)
        payload = {"performed_by": self.name, "ttl_minutes": seconds / 60}
        yield Send(Command(How.SIGNAL, order.workflow_id, "extend", (payload,), key=self.key(order)), Taken())
        self.orders.end(order, "EXPIRED")
        yield Wait(seconds)
        yield Result(order.workflow_id, Answer(order.state()))

    def _too_much(self, chance: random.Random, order: Order) -> Script:
        """More than is held, or of something that isn't."""
        held = chance.choice(order.lines)
        lines = [line(held.key, sum(each.open for each in order.lines) + 1)]
        payload: Json = {"performed_by": self.name, "lines": lines}
        if chance.random() < 0.5:
            expected = self.orders.fulfill(order, lines, None, "")
            yield from self.command(chance, order, "fulfill", payload, expected)
        else:
            payload["reason"] = "less is needed"
            expected = self.orders.release(order, lines, None)
            yield from self.command(chance, order, "release", payload, expected)

    def _malformed(self, chance: random.Random, order: Order) -> Script:
        """A payload that no command has."""
        name, payload = chance.choice(
            [
                ("fulfill", {"performed_by": self.name, "lines": []}),
                ("fulfill", {"performed_by": self.name, "lines": [{"quantity": 1}]}),
                ("fulfill", {"lines": None}),
                ("fulfill", {"performed_by": self.name, "lines": [_UNKNOWN_LINE | {"quantity": 1.5}]}),
                (
                    "release",
                    {"performed_by": self.name, "reason": "", "lines": [_UNKNOWN_LINE]},
                ),
                ("cancel", {"performed_by": self.name}),
                ("cancel", None),
                ("extend", {"performed_by": self.name, "ttl_minutes": -1}),
                ("extend", [self.name, 10]),
                ("give_way", {"performed_by": ""}),
            ]
        )
        yield from self.command(chance, order, name, payload, Refusal("InvalidRequest", ANYTHING))

    def _gives_no_way(self, chance: random.Random, order: Order) -> Script:
        """Refused, and told before the order is cancelled.

        If its task is lost it is decided anew, and the lines of an order that has been cancelled have ended.
        """
        payload = {"performed_by": self.name, "reason": "a mistake"}
        yield from self.command(chance, order, "give_way", payload, self.orders.give_way(order))
        if order.is_open:
            yield from self.look(order)

    def _unknown_signal(self, chance: random.Random, order: Order) -> Script:
        name = chance.choice(["ship", "Fulfill", "resume"])
        order.notes.append(f"signal '{name}' isn't one of its commands")
        yield Send(Command(How.SIGNAL, order.workflow_id, name, ({},), key=self.key(order)), Taken())
        yield from self.look(order)
