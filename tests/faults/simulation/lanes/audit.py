"""Audits of one warehouse: of books that agree, and while a hold has no run."""

import random
from collections.abc import Sequence
from typing import Any

from tests.faults.simulation.lanes.documents import DONE, UNKNOWN
from tests.faults.simulation.lanes.orders import OrdersLane
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Expected, InAnyOrder, OneOf, Refusal, Taken
from tests.faults.simulation.model.reservation import Order
from tests.faults.simulation.script import Command, How, Intervention, Look, Operate, Result, Script, Send

Json = Any


class AuditedLane(OrdersLane):
    """A client with one warehouse, which it has audited now and then."""

    warehouse: int

    def audit(self, without_run: Sequence[Order] = ()) -> Script:
        """Start one, and compare what it has found: nothing, or holds whose run an operator has ended.

        The audit's list of runs may be some moments old, and then it takes such a run for an open one.
        """
        workflow_id = yield from self._start_audit()
        yield Result(workflow_id, self._found(without_run))

    def audit_disturbed(self, chance: random.Random) -> Script:
        """One whose run an operator begins anew, ends by force, or cancels; then another one."""
        workflow_id = yield from self._start_audit()
        what = chance.choice([Intervention.TERMINATE, Intervention.CANCEL, Intervention.RESET])
        if what is Intervention.RESET:
            yield Result(workflow_id, self._found(()))
        yield Operate(what, workflow_id, DONE, key=self.reference("reset"))
        if what is Intervention.RESET:
            yield Result(workflow_id, self._found(()))
        elif what is Intervention.CANCEL:
            stopped = [Answer({"status": status, "findings": []}) for status in ("STOPPED", "DONE")]
            yield Result(workflow_id, OneOf(tuple(stopped)))
        yield from self.audit()

    def audit_wrong(self, chance: random.Random) -> Script:
        """A start that names what isn't there, or that isn't one."""
        warehouse, why = chance.choice([(UNKNOWN, "UnknownWarehouse"), ("here", "InvalidRequest")])
        workflow_id = yield from self._start_audit(warehouse)
        yield Result(workflow_id, Refusal(why, ANYTHING))
        yield Look(workflow_id, Answer({"findings": []}))

    def _start_audit(self, warehouse: Json = None) -> Any:
        workflow_id = self.reference("audit")
        start = {"warehouse_id": self.warehouse if warehouse is None else warehouse}
        yield Send(Command(How.START, workflow_id, "", (), "StockAuditWorkflow", start), Taken())
        return workflow_id

    def _found(self, without_run: Sequence[Order]) -> Expected:
        items = self.model.books.items
        checked = {"status": "DONE", "warehouse_id": self.warehouse, "items_checked": len(items)}
        nothing = Answer({**checked, "findings": [], "findings_in_all": 0})
        if not without_run:
            return nothing
        held = [
            {
                "kind": "HOLD_WITHOUT_RUN",
                "warehouse_id": line.key.warehouse_id,
                "product_id": line.key.product_id,
                "expected": 0,
                "actual": line.open,
            }
            for order in without_run
            for line in order.lines
            if line.open
        ]
        return OneOf((Answer({**checked, "findings": InAnyOrder(held), "findings_in_all": len(held)}), nothing))
