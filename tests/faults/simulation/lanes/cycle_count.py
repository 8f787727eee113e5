"""Counts of shelves that are off a little or much, while orders hold some of it; blind, again, approved, given up."""

import random
from typing import Any

from tests.faults.simulation.lanes.documents import UNKNOWN, DocumentLane, pick
from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.cycle_count import CycleCount, Line
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Refusal
from tests.faults.simulation.model.reservation import KIND, Orders
from tests.faults.simulation.script import Command, How, Result, Script, Send

Json = Any
_CAUSES = (None, "DAMAGE", "THEFT", "MISPLACED")
_COUNTERS = ("ann", "bob", "cid", "Ann")
_HELD_AT_MOST = 4


class CycleCountLane(DocumentLane):
    """Counts in one warehouse; orders that hold units there, and lose their hold when those are missing."""

    kind = "cycle-count"
    answer = "opened"

    def set_up(self, catalogue: Catalogue) -> None:
        """See `DocumentLane`."""
        super().set_up(catalogue)
        self.orders = Orders(self.model)
        self.corrections: dict[Key, int] = {}

    def another(self, start: Json) -> Json:
        """See `DocumentLane`."""
        return {**start, "requested_by": "somebody else"}

    # Starts.

    def new(self, chance: random.Random) -> Script:
        """A count, or a start that is wrong."""
        count = CycleCount(self.place, self._start(chance), self.orders, self.corrections)
        if chance.random() < 0.1:
            yield from self._new_wrong(chance, count)
        else:
            yield from self.begin(count)

    def _start(self, chance: random.Random) -> Json:
        """The same product twice is one line; the second warehouse has never held any of it."""
        return {
            "count_number": self.reference("c"),
            "warehouse_id": self.warehouses[0] if chance.random() < 0.85 else self.warehouses[1],
            "product_ids": [chance.choice(self.products) for _ in range(chance.choice([1, 2, 3, 4]))],
            "requested_by": "warehouse",
        }

    def _new_wrong(self, chance: random.Random, count: CycleCount) -> Script:
        """A start that names what isn't there, or that isn't one; then the same number with the right one."""
        wrong, why = chance.choice(
            [
                ({"warehouse_id": UNKNOWN}, "UnknownWarehouse"),
                ({"product_ids": [self.products[0], UNKNOWN]}, "UnknownProduct"),
                ({"product_ids": []}, "InvalidRequest"),
                ({"product_ids": ["1"]}, "InvalidRequest"),
                ({"requested_by": None}, "InvalidRequest"),
            ]
        )
        yield from self.begin_wrong(count, count.start | wrong, Refusal(why, ANYTHING))
        yield from self.begin(count)

    # Commands.

    def command(self, chance: random.Random, count: CycleCount) -> Script:
        """A count, an approval, or an order that holds or frees some of what is counted."""
        choices = [(12, self._record), (5, self._approve), (3, self._hold), (2, self._free), (1, self._call_off)]
        choices += [(1, self._malformed)]
        yield from pick(chance, choices)(chance, count)

    def _record(self, chance: random.Random, count: CycleCount) -> Script:
        """Mostly near to what the books have, sometimes far, sometimes fewer than are promised."""
        line = chance.choice([*(each for each in count.lines if each.status != "POSTED"), *count.lines[:1]])
        level = self.model.books.items.get(Key(count.start["warehouse_id"], line.product))
        on_hand, reserved = (0, 0) if level is None else (level.on_hand, level.reserved)
        counted = chance.choice(
            [on_hand, on_hand + 1, on_hand - 1, on_hand + 6, on_hand - 9, on_hand - 30, reserved - 1]
        )
        payload: Json = {
            "performed_by": chance.choice(_COUNTERS),
            "product_id": UNKNOWN if chance.random() < 0.03 else line.product,
            "counted_quantity": max(counted, 0),
            "root_cause": chance.choice(_CAUSES),
        }
        if line.looks and chance.random() < 0.15:
            payload |= {"performed_by": line.looks[-1].by, "counted_quantity": line.looks[-1].counted}
        yield from self.tell(chance, count, "record", payload)

    def _approve(self, chance: random.Random, count: CycleCount) -> Script:
        in_review = [each for each in count.lines if each.status == "REVIEW"]
        line: Line = chance.choice(in_review or count.lines)
        cause = chance.choice(["DAMAGE", "THEFT"])
        payload = {"approver": chance.choice([*_COUNTERS, "max"]), "product_id": line.product, "root_cause": cause}
        yield from self.tell(chance, count, "approve_variance", payload)

    def _call_off(self, chance: random.Random, count: CycleCount) -> Script:
        yield from self.tell(chance, count, "cancel", {"performed_by": "warehouse", "reason": "the aisle is closed"})

    def _malformed(self, chance: random.Random, count: CycleCount) -> Script:
        yield from self.malformed(chance, count, chance.choice(["record", "approve_variance", "cancel"]))

    def came_of_it(self, count: CycleCount) -> Script:
        """Orders that have lost their hold release what else they hold, and end."""
        for order in count.gave_way:
            order.notes.append("the hold gave way")
            yield Result(order.workflow_id, Answer(order.state()))
        count.gave_way.clear()

    # Orders.

    def _hold(self, chance: random.Random, count: CycleCount) -> Script:
        """An order that holds units of one product or two."""
        held = self.orders.active()
        if len(held) >= _HELD_AT_MOST:
            yield from self._free(chance, count)
            return
        lines = [
            {"product_id": product, "warehouse_id": self.warehouses[0], "quantity": chance.randint(5, 20)}
            for product in chance.sample(self.products, chance.choice([1, 2]))
        ]
        reference = self.reference("order")
        start = {"reference_id": reference, "lines": lines, "ttl_minutes": 500_000.0, "performed_by": self.name}
        expected = self.orders.reserve(reference, lines)
        yield Send(Command(How.ASK, f"reservation-{reference}", "reserved", (), KIND, start), expected)

    def _free(self, chance: random.Random, count: CycleCount) -> Script:
        """An order is shipped or cancelled."""
        held = self.orders.active()
        if not held:
            yield from self._record(chance, count)
            return
        order, key = chance.choice(held), self.key(count)
        if chance.random() < 0.5:
            payload = {"performed_by": self.name, "reason": "not wanted"}
            yield Send(Command(How.UPDATE, order.workflow_id, "cancel", (payload,), key=key), self.orders.cancel(order))
            return
        shipped = self.orders.fulfill(order, None, None, key)
        yield Send(Command(How.UPDATE, order.workflow_id, "fulfill", ({"performed_by": "dock"},), key=key), shipped)
