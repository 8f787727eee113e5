"""Orders with lines in several databases: held in all of them or in none, and otherwise orders as any."""

from collections.abc import Sequence
from typing import Any

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.outcome import Expected, InAnyOrder, Refusal
from tests.faults.simulation.model.reservation import Line, Order, Orders

Json = Any
KIND = "OrderInPartsWorkflow"


class OrdersInParts(Orders):
    """What commands on such orders lead to."""

    def parts(self, lines: Sequence[Json]) -> list[Json]:
        """The parts of a start, by the databases of these lines' warehouses."""
        homes = self._books.homes
        queues = list(dict.fromkeys(homes[each["warehouse_id"]] for each in lines))
        return [
            {"task_queue": queue, "lines": [each for each in lines if homes[each["warehouse_id"]] == queue]}
            for queue in queues
        ]

    def reject(self, order: Order, short: Sequence[Json]) -> None:
        """It isn't held: where nothing is short, its lines were held for a moment, unless that database was away."""
        homes = self._books.homes
        queues = {homes[each["warehouse_id"]] for each in short}
        order.may_never_have_been_held = True
        order.undone = [
            Line(Key(each["warehouse_id"], each["product_id"]), each["quantity"])
            for each in order.asked
            if homes[each["warehouse_id"]] not in queues
        ]
        self._model.ends(order.workflow_id)

    def _wait_or_reject(self, order: Order, short: list[Json], *, waits: bool) -> Expected:
        del waits
        self.reject(order, short)
        return Refusal("InsufficientStock", InAnyOrder(short))
