"""What lanes that hold stock for orders have in common: the messages, and the ways to send them."""

import random
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.faults.simulation.lanes.lane import Lane, Run
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import Answer, Answered, Ended, Expected, NoRun, Refusal, Taken
from tests.faults.simulation.model.reservation import KIND, Order, Orders
from tests.faults.simulation.script import Command, How, Look, Result, Script, Send

Json = Any


class OrdersLane(Lane):
    """A client that has orders."""

    orders: Orders
    workflow_type: ClassVar[str] = KIND

    def __init__(self, run: Run, number: int, model: Model | None = None) -> None:
        super().__init__(run, number, model)
        self._unseen: dict[str, Order] = {}

    @property
    def far_minutes(self) -> float:
        """Minutes to a deadline that doesn't come during a run."""
        return self.run.pace.far / 60

    def start(self, reference: str, lines: Sequence[Json], **other: Json) -> Json:
        """A start's payload."""
        return {
            "reference_id": reference,
            "lines": list(lines),
            "ttl_minutes": self.far_minutes,
            "performed_by": self.name,
        } | other

    def ask(self, start: Json, expected: Expected, update: str = "reserved") -> Script:
        """Start and wait for the answer."""
        reference = start["reference_id"]
        if reference in self._unseen:
            # The answer is the state as it is: it doesn't wait for signals that were taken before.
            yield from self.look(self._unseen[reference])
        command = Command(How.ASK, f"reservation-{reference}", update, (), self.workflow_type, start)
        outcome = yield Send(command, expected)
        if command.workflow_id not in self.model.open_runs:
            yield Result(command.workflow_id, Ended())
        elif isinstance(outcome, Answered) and (order := self.orders.all[reference]).status == "ACTIVE":
            self._learn(order, outcome.state)

    def begin(self, start: Json) -> Script:
        """Start, and wait for nothing."""
        workflow_id = f"reservation-{start['reference_id']}"
        yield Send(Command(How.START, workflow_id, "", (), self.workflow_type, start), Taken())

    def look(self, order: Order) -> Script:
        """Wait until the state is as the model says."""
        outcome = yield Look(order.workflow_id, Answer(order.state()), patience=True)
        if isinstance(outcome, Answered) and order.status == "ACTIVE":
            self._learn(order, outcome.state)
        self._unseen.pop(order.reference, None)

    def seen(self) -> Script:
        """Wait until all signals have been carried out: numbers of the stock are certain then."""
        for order in list(self._unseen.values()):
            if order.is_open:
                yield from self.look(order)
        self._unseen.clear()

    def _learn(self, order: Order, state: Json) -> None:
        order.learn(state)
        for number, held in enumerate(order.lines):
            self.digest.ids["reservation", held.reservation_id or 0] = f"line {number} of {order.reference}"

    def command(
        self,
        chance: random.Random,
        order: Order,
        name: str,
        payload: Json,
        expected: Expected,
        *,
        was_open: bool = True,
        key: str | None = None,
    ) -> Script:
        """Send a command that the model has carried out: as an update, perhaps twice, or as a signal.

        Args:
            chance: Decides how.
            order: The order.
            name: The command.
            payload: Its payload.
            expected: What the model says to it.
            was_open: Whether a run was open for it.
            key: Its update id or request id; None: a new one.
        """
        key = key or self.key(order)
        if chance.random() < _SIGNALS:
            if was_open and isinstance(expected, Refusal):
                order.notes.append(f"signal {name} refused: {expected.type}")
            yield Send(
                Command(How.SIGNAL, order.workflow_id, name, (payload,), key=key), Taken() if was_open else NoRun()
            )
            if was_open and not order.is_open:
                yield Result(order.workflow_id, Answer(order.state()))
                self._unseen.pop(order.reference, None)
            elif was_open:
                self._unseen[order.reference] = order
            return
        update = Send(Command(How.UPDATE, order.workflow_id, name, (payload,), key=key), expected)
        yield update
        for _ in range(chance.choices([0, 1, 2, 3], [4, 3, 2, 1])[0]):
            yield update
        if was_open and not order.is_open:
            yield Result(order.workflow_id, Answer(order.state()))
            self._unseen.pop(order.reference, None)

    def key(self, order: Order) -> str:
        """A new number for a command on an order."""
        return f"{order.reference}-{len(self.digest.after)}"

    def cancel(self, chance: random.Random, order: Order) -> Script:
        """Give everything back."""
        was_open = order.is_open
        payload = {"performed_by": self.name, "reason": "changed their mind"}
        yield from self.command(chance, order, "cancel", payload, self.orders.cancel(order), was_open=was_open)

    def ship_all(self, chance: random.Random, order: Order) -> Script:
        """All that is left leaves, under a number of its own or the update's."""
        was_open, key = order.is_open, self.key(order)
        number = key if chance.random() < 0.5 else None
        payload: Json = {"performed_by": self.name} | ({"fulfillment_id": number} if number else {"lines": None})
        yield from self.command(
            chance,
            order,
            "fulfill",
            payload,
            self.orders.fulfill(order, None, number, ""),
            was_open=was_open,
            key=key,
        )


_SIGNALS = 0.35


def line(key: Key, quantity: int) -> Json:
    """A line of a start or a command."""
    return {"product_id": key.product_id, "warehouse_id": key.warehouse_id, "quantity": quantity}
