"""Shops whose orders have lines in several databases: held in all or in none, and commanded as one."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.simulation.lanes.hot import HotLane, Market
from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.orders import line
from tests.faults.simulation.lanes.reservation import FAR_AHEAD, LONG_AGO, ReservationLane
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.order_in_parts import KIND, OrdersInParts
from tests.faults.simulation.model.outcome import Answer, Ended, Such, Taken
from tests.faults.simulation.model.reservation import Order
from tests.faults.simulation.script import Command, How, Result, Script, Send

Json = Any


class OrderInPartsLane(ReservationLane):
    """Orders on two products in a warehouse of each database, with stock that nobody else sells."""

    kind = "parts"
    share = 2.0
    bears_skipped_time = False
    spans_databases = True
    workflow_type = KIND
    orders: OrdersInParts

    def homes(self, count: int) -> Sequence[str]:
        """See `Lane`."""
        return self.run.databases[:count]

    def set_up(self, catalogue: Catalogue) -> None:
        """Both products in both databases."""
        super().set_up(catalogue)
        self.orders = OrdersInParts(self.model)

    def new_order(self, chance: random.Random) -> Script:
        """See `ReservationLane`."""
        kinds = [self._reserve, self._short, self._withdrawn, self._wrong_start, self._too_late]
        yield from chance.choices(kinds, [20, 4, 1, 1, 1])[0](chance)

    def start(self, reference: str, lines: Sequence[Json], **other: Json) -> Json:
        """See `OrdersLane`; with its parts."""
        start = super().start(reference, lines, **other)
        del start["lines"]
        return start | {"parts": self.orders.parts(lines)}

    def _lines(self, chance: random.Random) -> list[Json]:
        """One or two lines in each database, in the order of the parts; two may be of the same item."""
        homes = chance.sample(self.run.databases, len(self.run.databases))
        return [
            line(key, chance.randint(5, 20))
            for home in homes
            for key in chance.choices(self._keys_at(home), k=chance.choice([1, 1, 2]))
        ]

    def _keys_at(self, home: str) -> list[Key]:
        return [key for key in self._keys if self.model.books.homes[key.warehouse_id] == home]

    def _reserve(self, chance: random.Random) -> Script:
        reference, lines = self.reference(), self._lines(chance)
        other: Json = chance.choice([{}, {"not_after": FAR_AHEAD}, {"reference_type": "ORDER"}, {"hold_again": False}])
        yield from self.ask(self.start(reference, lines, **other), self.orders.reserve(reference, lines))

    def _short(self, chance: random.Random) -> Script:
        """One database has less than a line asks for: nothing stays held, whether it is asked for once or twice."""
        yield from self.seen()
        reference = self.reference()
        first, other = chance.sample(self.run.databases, 2)
        short = chance.choice(self._keys_at(other))
        lines = [line(key, 1) for key in self._keys_at(first)]
        lines.append(line(short, self.model.books.items[short].available + chance.randint(1, 3)))
        for _ in range(chance.choice([1, 2])):
            yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _withdrawn(self, chance: random.Random) -> Script:
        """Cancelled by a signal right after the start; while a database is away, it may have been rejected before."""
        reference, lines = self.reference(), self._lines(chance)
        self.orders.reserve(reference, lines)
        order = self.orders.all[reference]
        self.orders.end(order, "CANCELLED")
        order.may_never_have_been_held = True
        yield from self.begin(self.start(reference, lines))
        payload = {"performed_by": self.name, "reason": "nobody wants it"}
        yield Send(Command(How.SIGNAL, order.workflow_id, "cancel", (payload,), key=self.key(order)), Taken())
        ended = Such(lambda status: status in ("CANCELLED", "REJECTED"), "CANCELLED or REJECTED")
        yield Result(order.workflow_id, Answer({"reference_id": reference, "status": ended}))

    def _wrong_start(self, chance: random.Random) -> Script:
        """A start that is wrong in itself, and then one under the same number that is right."""
        reference, lines = self.reference(), self._lines(chance)
        right = self.start(reference, lines)
        [first, *rest] = right["parts"]
        [wrong_line, *_] = first["lines"]
        wrong, error = chance.choice(
            [
                ({"parts": []}, "InvalidRequest"),
                ({"parts": [first, first]}, "InvalidRequest"),
                ({"parts": [*rest, first | {"lines": []}]}, "InvalidRequest"),
                ({"parts": [*rest, first | {"lines": [wrong_line | {"quantity": 0}]}]}, "InvalidRequest"),
                ({"parts": [*rest, first | {"lines": [wrong_line | {"warehouse_id": None}]}]}, "InvalidRequest"),
                ({"wait_minutes": 1}, "InvalidRequest"),
                ({"parts": [*rest, first | {"lines": [wrong_line | {"product_id": 2**40}]}]}, "UnknownProduct"),
                ({"parts": [*rest, first | {"lines": [wrong_line | {"warehouse_id": 2**40}]}]}, "UnknownWarehouse"),
            ]
        )
        yield from self.ask(right | wrong, self.orders.refused_start(reference, error))
        yield from self.ask(right, self.orders.reserve(reference, lines))

    def _too_late(self, chance: random.Random) -> Script:
        reference, lines = self.reference(), self._lines(chance)
        start = self.start(reference, lines, not_after=LONG_AGO)
        yield from self.ask(start, self.orders.reserve(reference, lines, late=True))


class SpreadMarket(Market):
    """Items that are spread over the databases."""

    orders: OrdersInParts

    def __init__(self) -> None:
        super().__init__()
        self.orders = OrdersInParts(self.model)


class HotPartsLane(HotLane):
    """One of several shops that sell the same few items, in whichever databases those are."""

    kind = "hot-parts"
    bears_skipped_time = False
    spans_databases = True
    market = SpreadMarket
    orders: OrdersInParts

    def homes(self, count: int) -> Sequence[str]:
        """See `Lane`."""
        return self.run.databases[:count]

    def asking(self, reference: str, lines: Sequence[Json]) -> Command:
        """See `HotLane`; by the workflow that fits the lines' databases."""
        parts = self.orders.parts(lines)
        start = self.start(reference, lines)
        workflow_id = f"reservation-{reference}"
        if len(parts) == 1:
            [queue] = [part["task_queue"] for part in parts]
            return Command(How.ASK, workflow_id, "reserved", (), "ReservationWorkflow", start, task_queue=queue)
        del start["lines"]
        return Command(How.ASK, workflow_id, "reserved", (), KIND, start | {"parts": parts})

    def rejected(self, order: Order, short: Sequence[Mapping[str, Json]]) -> Script:
        """What was held for a moment is released when the run has ended."""
        if len(self.orders.parts(order.asked)) > 1:
            yield Result(order.workflow_id, Ended())
            self.orders.reject(order, short)
