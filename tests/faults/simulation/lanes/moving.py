"""A shop whose warehouse moves from one database to another, and sells meanwhile."""

import random
from typing import Any

from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.reservation import ReservationLane
from tests.faults.simulation.model.outcome import Answer, OneOf, Refusal, Taken
from tests.faults.simulation.model.reservation import Orders
from tests.faults.simulation.script import Command, How, Result, Script, Send

Json = Any
_MOVES = 0.01
_COMMANDS = 6
"""While it moves."""


class MovingLane(ReservationLane):
    """Orders on two items in one warehouse, which moves to another database from time to time.

    Attributes:
        moves: How often it has moved.
    """

    kind = "moving"
    share = 1.0
    bears_skipped_time = False
    spans_databases = True

    def set_up(self, catalogue: Catalogue) -> None:
        """Two products in one warehouse."""
        self._warehouse = self.new_warehouse(catalogue)
        self._keys = [
            self.new_item(catalogue, 50_000, product=self.new_product(catalogue), warehouse=self._warehouse)
            for _ in range(2)
        ]
        self.orders = Orders(self.model)
        self._ended = []
        self.moves = 0
        self.digest.names |= {f"move-warehouse-{self._warehouse}": "move-warehouse"}

    def turn(self, chance: random.Random) -> Script:
        """See `ReservationLane`; or the warehouse moves, soon for the first time."""
        if self.orders.active() and (not self.moves or chance.random() < _MOVES):
            yield from self._move(chance)
        else:
            yield from super().turn(chance)

    def _move(self, chance: random.Random) -> Script:
        """Orders are held, shipped and given up while it moves; nothing of it is left behind."""
        to = chance.choice([each for each in self.run.databases if each != self.home])
        workflow_id = f"move-warehouse-{self._warehouse}"
        start = {"warehouse_id": self._warehouse, "to": to, "performed_by": self.name}
        queue = f"{self.run.databases[0]}-moves"
        yield Send(Command(How.START, workflow_id, "", (), "MoveWarehouseWorkflow", start, task_queue=queue), Taken())
        for _ in range(_COMMANDS):
            yield from self._goes_on(chance)
        # The second try of a start may come after the end of the first.
        moved, is_there = Answer({"status": "MOVED", "to": to, "findings": []}), Refusal("InvalidRequest")
        yield Result(workflow_id, OneOf((moved, is_there)))
        self.moves += 1
        self.home = to
        self.model.books.homes[self._warehouse] = to

    def _goes_on(self, chance: random.Random) -> Script:
        """A command of which the answer, or the effect, is waited for."""
        held = self.orders.active()
        if len(held) < 2 or chance.random() < 0.3:
            yield from self._reserve(chance)
            return
        order = chance.choice(held)
        yield from chance.choice([self._ship, self._release, self._extend, self.cancel])(chance, order)
