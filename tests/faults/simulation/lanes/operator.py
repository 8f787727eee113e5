"""What an operator does to the runs of orders and adjustments, past the contract, and what is done then."""

import random
from decimal import Decimal
from typing import Any

from tests.faults.simulation.lanes.audit import AuditedLane
from tests.faults.simulation.lanes.documents import DONE
from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.model.adjustment import KIND as ADJUSTMENT
from tests.faults.simulation.model.adjustment import Adjustment, Adjustments
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.outcome import Answer, NoRun, OneOf, Refusal
from tests.faults.simulation.model.reservation import Order, Orders
from tests.faults.simulation.script import Command, How, Intervention, Look, Operate, Result, Script, Send, Wait

Json = Any
_UNITS = 60
_HELD_AT_MOST = 4


class OperatorLane(AuditedLane):
    """Orders and adjustments on two items in one warehouse, whose runs are terminated, cancelled and reset."""

    kind = "operator"
    bears_skipped_time = False  # That server can't reset a run, and can't list any.

    def set_up(self, catalogue: Catalogue) -> None:
        """Two products in one warehouse, one of them of unknown cost."""
        self.warehouse = self.new_warehouse(catalogue)
        costs: dict[int, Decimal | None] = {}
        self._keys: list[Key] = []
        for cost in (Decimal("12.50"), None):
            product = self.new_product(catalogue, unit_cost=cost)
            costs[product] = cost
            self._keys.append(self.new_item(catalogue, _UNITS, product=product, warehouse=self.warehouse))
        self.orders = Orders(self.model)
        self.adjustments = Adjustments(self.model, self.orders, costs)

    def turn(self, chance: random.Random) -> Script:
        """An order, an adjustment or an audit, or something that is done to the run of one."""
        held, pending = self.orders.active(), self.adjustments.pending()
        choices: list[tuple[float, Script]] = [(1, self.audit()), (0.5, self.audit_disturbed(chance))]
        choices.append((0.3, self.audit_wrong(chance)))
        if len(held) < _HELD_AT_MOST:
            choices += [(4, self._hold(chance)), (1, self._outlives_its_run(chance))]
        if len(pending) < 2:
            choices.append((2, self._adjust(chance)))
        if held:
            order = chance.choice(held)
            choices += [(2, self._ship(chance, order)), (3, self._terminate(chance, order))]
            choices += [(3, self._reset(order)), (1, self._cancel(order))]
        if pending:
            adjustment = chance.choice(pending)
            choices += [(1, self._approve(adjustment)), (2, self._terminate_adjustment(adjustment))]
            choices += [(2, self._reset_adjustment(adjustment)), (1, self._cancel_adjustment(adjustment))]
        yield from chance.choices([each for _, each in choices], [weight for weight, _ in choices])[0]

    # Orders.

    def _lines(self, chance: random.Random) -> list[Json]:
        return [{**key._asdict(), "quantity": chance.randint(1, 4)} for key in self._there(chance, 4)]

    def _there(self, chance: random.Random, units: int) -> list[Key]:
        """Items of which so many units are available; some of them."""
        there = [key for key in self._keys if self.model.books.items[key].available >= units]
        return chance.sample(there, chance.randint(1, len(there))) if there else []

    def _hold(self, chance: random.Random) -> Script:
        lines = self._lines(chance)
        if lines:
            reference = self.reference("order")
            yield from self.ask(self.start(reference, lines), self.orders.reserve(reference, lines))

    def _ship(self, chance: random.Random, order: Order) -> Script:
        """All of it or a part, by an update: a run that is reset has had nothing else."""
        held = chance.choice([line for line in order.lines if line.open])
        lines = None if chance.random() < 0.3 else [{**held.key._asdict(), "quantity": chance.randint(1, held.open)}]
        key = self.key(order)
        payload = {"performed_by": self.name, "lines": lines, "fulfillment_id": key}
        expected = self.orders.fulfill(order, lines, key, key)
        yield Send(Command(How.UPDATE, order.workflow_id, "fulfill", (payload,), key=key), expected)

    def _terminate(self, chance: random.Random, order: Order) -> Script:
        """It stays held, takes no command, and the audit may see it; the same start continues it."""
        self.model.ends(order.workflow_id, "TERMINATED")
        yield Operate(Intervention.TERMINATE, order.workflow_id, DONE)
        if chance.random() < 0.5:
            payload = {"performed_by": self.name, "reason": "too late"}
            yield Send(Command(How.UPDATE, order.workflow_id, "cancel", (payload,), key=self.key(order)), NoRun())
        if chance.random() < 0.3:
            yield from self.audit([order])
        self.model.begins(order.workflow_id)
        yield from self.ask(self.start(order.reference, order.asked), Answer(order.state()))

    def _reset(self, order: Order) -> Script:
        """It goes on as it was."""
        yield Operate(Intervention.RESET, order.workflow_id, DONE, key=self.reference("reset"))
        yield Look(order.workflow_id, Answer(order.state()), patience=True)

    def _cancel(self, order: Order) -> Script:
        """The button in the UI releases what is held."""
        expected = self.orders.cancel(order)
        yield Operate(Intervention.CANCEL, order.workflow_id, DONE)
        yield Result(order.workflow_id, expected)

    def _outlives_its_run(self, chance: random.Random) -> Script:
        """A hold without a run blocks nobody once its deadline has come; its own start finds it expired then."""
        key = chance.choice(self._keys)
        available = self.model.books.items[key].available
        if not available:
            return
        lines = [{**key._asdict(), "quantity": available}]
        first, other, seconds = self.reference("order"), self.reference("order"), chance.choice(self.run.pace.short)
        expired = Refusal("InvalidState", {"status": "EXPIRED", "command": "reserve"})
        start = self.start(first, lines, ttl_minutes=seconds / 60)
        # Its answer may come later than its deadline.
        yield Send(self._asking(start), OneOf((self.orders.reserve(first, lines), expired)))
        yield Operate(Intervention.TERMINATE, f"reservation-{first}", DONE)
        yield Wait(seconds)
        self.orders.end(self.orders.all[first], "EXPIRED")
        yield from self.ask(self.start(other, lines), self.orders.reserve(other, lines))
        yield Send(self._asking(start), expired)
        yield from self._cancel(self.orders.all[other])

    def _asking(self, start: Json) -> Command:
        return Command(How.ASK, f"reservation-{start['reference_id']}", "reserved", (), "ReservationWorkflow", start)

    # Adjustments.

    def _adjust(self, chance: random.Random) -> Script:
        """Units of so much worth are found that another person has to agree."""
        lines = [{"product_id": self._keys[1].product_id, "quantity": 101 if chance.random() < 0.5 else 150}]
        number = self.reference("a")
        yield self._submit(number, lines)

    def _submit(self, number: str, lines: list[Json]) -> Send:
        start = {"adjustment_number": number, "warehouse_id": self.warehouse, "lines": lines}
        start |= {"reason": "found", "performed_by": "tom"}
        expected = self.adjustments.submit(number, self.warehouse, lines, "tom")
        return Send(Command(How.ASK, f"adjustment-{number}", "submitted", (), ADJUSTMENT, start), expected)

    def _approve(self, adjustment: Adjustment) -> Script:
        key, payload = f"{adjustment.number}-approve", {"approver": "ann", "note": "seen"}
        expected = self.adjustments.approve(adjustment, "ann")
        yield Send(Command(How.UPDATE, adjustment.workflow_id, "approve", (payload,), key=key), expected)

    def _terminate_adjustment(self, adjustment: Adjustment) -> Script:
        yield Operate(Intervention.TERMINATE, adjustment.workflow_id, DONE)
        yield self._submit(adjustment.number, adjustment.lines)

    def _reset_adjustment(self, adjustment: Adjustment) -> Script:
        yield Operate(Intervention.RESET, adjustment.workflow_id, DONE, key=self.reference("reset"))
        yield Look(adjustment.workflow_id, Answer(adjustment.state()), patience=True)

    def _cancel_adjustment(self, adjustment: Adjustment) -> Script:
        expected = self.adjustments.end(adjustment, "CANCELLED")
        yield Operate(Intervention.CANCEL, adjustment.workflow_id, DONE)
        yield Result(adjustment.workflow_id, expected)
