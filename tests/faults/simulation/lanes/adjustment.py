"""A warehouse that puts its stock right while it sells: approvals, and orders that lose their units."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.orders import OrdersLane, line
from tests.faults.simulation.model.adjustment import KIND, Adjustment, Adjustments
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.outcome import Answer, Ended, Expected, NoRun, Refusal, Taken
from tests.faults.simulation.model.reservation import Order, Orders
from tests.faults.simulation.script import Command, How, Look, Result, Script, Send

Json = Any
_UNITS = 60
_HELD_AT_MOST, _PENDING_AT_MOST = 4, 2


class AdjustmentLane(OrdersLane):
    """Orders and adjustments on two items: one of known cost, one of unknown."""

    kind = "adjustment"

    def set_up(self, catalogue: Catalogue) -> None:
        """Two products in one warehouse."""
        self._warehouse = self.new_warehouse(catalogue)
        costs: dict[int, Decimal | None] = {}
        self._keys: list[Key] = []
        for cost in (Decimal("12.50"), None):
            product = self.new_product(catalogue, unit_cost=cost)
            costs[product] = cost
            self._keys.append(self.new_item(catalogue, _UNITS, product=product, warehouse=self._warehouse))
        self.orders = Orders(self.model)
        self.adjustments = Adjustments(self.model, self.orders, costs)

    def turn(self, chance: random.Random) -> Script:
        """One command on an order or an adjustment, or a new one."""
        held, pending = self.orders.active(), self.adjustments.pending()
        lost = [order for order in self.orders.all.values() if order.gave_way][-2:]
        choices: list[tuple[float, Script]] = []
        if len(held) < _HELD_AT_MOST:
            choices.append((5, self._reserve(chance)))
        if held:
            order = chance.choice(held)
            choices += [
                (3, self._ship(chance, order)),
                (1, self.ship_all(chance, order)),
                (1, self.cancel(chance, order)),
            ]
        if lost:
            choices.append((2, self._hold_again(chance.choice(lost))))
        if len(pending) < _PENDING_AT_MOST:
            choices += [(3, self._small(chance)), (2, self._dear(chance)), (2, self._breaks_promises(chance))]
            choices += [(1, self._too_much(chance)), (0.5, self._wrong_start(chance))]
        if pending:
            adjustment = chance.choice(pending)
            choices += [(6, self._approve(chance, adjustment)), (1, self._own_approval(chance, adjustment))]
            choices += [(1, self._reject(chance, adjustment)), (1, self._withdraw(chance, adjustment))]
            choices += [(1, self._again(adjustment)), (1, self._malformed(chance, adjustment))]
        if ended := [each for each in list(self.adjustments.all.values())[-4:] if each.status != "PENDING"]:
            choices += [
                (1, self._again(chance.choice(ended))),
                (0.5, self._other_contents(chance, chance.choice(ended))),
            ]
            choices += [(0.5, self._approve(chance, chance.choice(ended)))]
        yield from chance.choices([script for _, script in choices], [weight for weight, _ in choices])[0]

    def _reserve(self, chance: random.Random) -> Script:
        yield from self.seen()
        reference = self.reference()
        lines = [line(key, chance.randint(1, 12)) for key in chance.sample(self._keys, chance.choice([1, 1, 2]))]
        yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _ship(self, chance: random.Random, order: Order) -> Script:
        held = chance.choice([each for each in order.lines if each.open])
        lines, key = [line(held.key, chance.randint(1, held.open))], self.key(order)
        payload = {"performed_by": self.name, "lines": lines, "fulfillment_id": key}
        yield from self.command(chance, order, "fulfill", payload, self.orders.fulfill(order, lines, key, ""), key=key)

    def _hold_again(self, order: Order) -> Script:
        yield from self.seen()
        yield from self.ask(self.start(order.reference, order.asked, hold_again=True), self.orders.hold_again(order))

    def _submit(self, number: str, lines: Sequence[Json]) -> Script:
        """A start, with its answer; orders that lost their units by it have learned of it at the end."""
        yield from self.seen()
        expected = self.adjustments.submit(number, self._warehouse, lines, self.name)
        yield self._ask(number, lines, expected)
        if self.adjustments.all[number].status != "PENDING":
            yield Result(f"adjustment-{number}", Ended())

    def _ask(self, number: str, lines: Sequence[Json], expected: Expected) -> Send:
        start = {
            "adjustment_number": number,
            "warehouse_id": self._warehouse,
            "lines": list(lines),
            "reason": "counted by hand",
            "performed_by": self.name,
        }
        return Send(Command(How.ASK, f"adjustment-{number}", "submitted", (), KIND, start), expected)

    def _line(self, key: Key, units: int) -> Json:
        return {"product_id": key.product_id, "quantity": units}

    def _small(self, chance: random.Random) -> Script:
        """Within the limits: units are found, or missing and not promised to anybody."""
        lines = []
        for key in chance.sample(self._keys, chance.choice([1, 1, 2])):
            level = self.model.books.items[key]
            found = chance.random() < (0.8 if level.on_hand < _UNITS else 0.3)
            lines.append(
                self._line(key, chance.randint(1, 15) if found else -min(chance.randint(1, 5), level.available))
            )
        if lines := [each for each in lines if each["quantity"]]:
            yield from self._submit(self.reference("A"), lines)

    def _dear(self, chance: random.Random) -> Script:
        """Above one of the limits: another person has to approve it."""
        cheap, unknown = self._keys
        line = self._line(cheap, chance.randint(41, 50)) if chance.random() < 0.7 else self._line(unknown, 101)
        yield from self._submit(self.reference("A"), [line])

    def _breaks_promises(self, chance: random.Random) -> Script:
        """More units are missing than nobody was promised."""
        key = chance.choice(self._keys)
        level = self.model.books.items[key]
        units = level.available + chance.randint(1, max(level.reserved, 1))
        if units <= level.on_hand:
            yield from self._submit(self.reference("A"), [self._line(key, -units)])

    def _too_much(self, chance: random.Random) -> Script:
        """More than is on hand."""
        fine, short = chance.sample(self._keys, 2)
        lines = [self._line(fine, 1), self._line(short, -self.model.books.items[short].on_hand - 1)]
        yield from self._submit(self.reference("A"), lines)

    def _wrong_start(self, chance: random.Random) -> Script:
        number = self.reference("A")
        line, error = chance.choice(
            [
                (self._line(self._keys[0], 0), "InvalidRequest"),
                (self._line(self._keys[0], 1) | {"colour": "red"}, "InvalidRequest"),
                (self._line(self._keys[0], 1) | {"product_id": 2**40}, "UnknownProduct"),
            ]
        )
        self.model.ends(f"adjustment-{number}", "FAILED")
        yield self._ask(number, [line], Refusal(error))

    def _again(self, adjustment: Adjustment) -> Script:
        yield from self._submit(adjustment.number, adjustment.lines)

    def _other_contents(self, chance: random.Random, adjustment: Adjustment) -> Script:
        """The number of an adjustment that has ended, for other lines."""
        if adjustment.is_stored:
            lines = [each | {"quantity": each["quantity"] + chance.choice([1000, 2000])} for each in adjustment.lines]
            yield from self._submit(adjustment.number, lines)

    def _approve(self, chance: random.Random, adjustment: Adjustment) -> Script:
        yield from self.seen()
        held = self.orders.active()
        key = self._key(adjustment)
        expected = self.adjustments.approve(adjustment, "Ann")
        payload = {"approver": "Ann", "note": "I saw it"}
        yield from self._command(chance, adjustment, "approve", payload, expected, key)
        for order in held:
            if not order.is_open:
                yield Result(order.workflow_id, Answer(order.state()))

    def _own_approval(self, chance: random.Random, adjustment: Adjustment) -> Script:
        key, approver = self._key(adjustment), chance.choice([self.name, self.name.upper()])
        expected = self.adjustments.approve(adjustment, approver)
        yield from self._command(chance, adjustment, "approve", {"approver": approver}, expected, key)

    def _reject(self, chance: random.Random, adjustment: Adjustment) -> Script:
        expected = self.adjustments.end(adjustment, "REJECTED")
        payload = {"approver": chance.choice(["Ann", self.name]), "reason": "count again"}
        yield from self._command(chance, adjustment, "reject", payload, expected, self._key(adjustment))

    def _withdraw(self, chance: random.Random, adjustment: Adjustment) -> Script:
        expected = self.adjustments.end(adjustment, "CANCELLED")
        payload = {"performed_by": self.name, "reason": "found them"}
        yield from self._command(chance, adjustment, "cancel", payload, expected, self._key(adjustment))

    def _malformed(self, chance: random.Random, adjustment: Adjustment) -> Script:
        name, payload = chance.choice(
            [("approve", {"approver": ""}), ("approve", {"performed_by": "Ann"}), ("reject", None), ("cancel", ["Ann"])]
        )
        yield from self._command(chance, adjustment, name, payload, Refusal("InvalidRequest"), self._key(adjustment))

    def _command(
        self, chance: random.Random, adjustment: Adjustment, name: str, payload: Json, expected: Expected, key: str
    ) -> Script:
        """As an update, perhaps twice, or as a signal; then the state is looked at."""
        was_open = not isinstance(expected, NoRun)
        if chance.random() < 0.3:
            if isinstance(expected, Refusal):
                adjustment.notes.append(f"signal {name} refused: {expected.type}")
            signal = Command(How.SIGNAL, adjustment.workflow_id, name, (payload,), key=key)
            yield Send(signal, Taken() if was_open else NoRun())
            if adjustment.status == "PENDING":
                yield Look(adjustment.workflow_id, Answer(adjustment.state()), patience=True)
            elif was_open:
                yield Result(adjustment.workflow_id, Answer(adjustment.state()))
            return
        for _ in range(chance.choices([1, 2], [8, 2])[0]):
            yield Send(Command(How.UPDATE, adjustment.workflow_id, name, (payload,), key=key), expected)
        if was_open and adjustment.status != "PENDING":
            yield Result(adjustment.workflow_id, Answer(adjustment.state()))

    def _key(self, adjustment: Adjustment) -> str:
        return f"{adjustment.number}-{len(self.digest.after)}"
