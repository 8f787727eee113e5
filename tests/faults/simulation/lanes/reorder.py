"""Items that fall below their points: reordered once, by however many runs; by points that are set or planned."""

import random
from decimal import Decimal
from typing import Any

from tests.faults.simulation.lanes.documents import DONE, UNKNOWN, pick
from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.lanes.purchase_order import PurchaseOrderLane
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.document import Document, Place
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Expected, Refusal, Taken
from tests.faults.simulation.model.purchase_order import PurchaseOrder
from tests.faults.simulation.model.reorder import Item, Reorders, planned
from tests.faults.simulation.model.reservation import KIND, Orders
from tests.faults.simulation.pace import REAL_TIME
from tests.faults.simulation.script import Command, How, Intervention, Look, Operate, Part, Result, Script, Send

Json = Any
_COST = Decimal("4.00")
_PACK = 6
_LEAD_DAYS = 7


class ReorderLane(PurchaseOrderLane):
    """One item with a supplier and one without; orders take units of the first, and purchase orders bring them."""

    kind = "reorder"
    keeps_to_catalogue = False
    bears_skipped_time = False  # Orders are late some days after they were drafted.

    def set_up(self, catalogue: Catalogue) -> None:
        """The item with a supplier is at its point, the other one below."""
        self.warehouse, self.supplier = self.new_warehouse(catalogue), self.new_supplier(catalogue)
        self.orders = Orders(self.model)
        ordered, skipped = self.new_product(catalogue, unit_cost=_COST), self.new_product(catalogue)
        self.item = self._new_item(catalogue, ordered, 60, 50, 60)
        self.item.supplier, self.item.cost, self.item.pack = self.supplier, _COST, _PACK
        catalogue.supply(ordered, self.supplier, unit_cost=_COST, lead_time_days=_LEAD_DAYS, pack=_PACK)
        # The runs of reorders have names that the database has chosen: they aren't among this simulation's.
        theirs = Model(books=self.model.books, documents=self.model.documents)
        place = Place(theirs, self.run.over_delivery_percent, {ordered: _COST})
        self.reorders = Reorders(place, self.warehouse, [self.item, self._new_item(catalogue, skipped, 3, 5, 10)])

    def _new_item(self, catalogue: Catalogue, product: int, units: int, point: int, quantity: int) -> Item:
        key = self.new_item(catalogue, units, product=product, warehouse=self.warehouse)
        catalogue.set_point(key, point, quantity)
        return Item(key, point, quantity, None)

    def key(self, document: Document) -> str:
        """See `DocumentLane`; without the document's number, which the database has chosen."""
        del document
        return self.reference("key")

    def turn(self, chance: random.Random) -> Script:
        """Units are sold, or an order for more is commanded; what needs an order then has one at the end."""
        choices = [(6, self._sell), (2, self._look), (1, self._wrong_run)]
        if self.reorders.open_orders(self.item):
            choices += [(9, self._command)]
        yield from pick(chance, choices)(chance)
        if self.reorders.wanted():
            yield from self._settle(chance)

    def _sell(self, chance: random.Random) -> Script:
        """An order that is held and shipped."""
        available = self.reorders.level(self.item).available
        if not available:
            yield from self._look(chance)
            return
        reference = self.reference("order")
        lines = [{**self.item.key._asdict(), "quantity": chance.randint(1, available)}]
        start = {"reference_id": reference, "lines": lines, "ttl_minutes": 500_000.0, "performed_by": self.name}
        held = self.orders.reserve(reference, lines)
        workflow_id, key = f"reservation-{reference}", self.reference("key")
        yield Send(Command(How.ASK, workflow_id, "reserved", (), KIND, start), held)
        shipped = self.orders.fulfill(self.orders.all[reference], None, None, key)
        yield Send(Command(How.UPDATE, workflow_id, "fulfill", ({"performed_by": "dock"},), key=key), shipped)

    def _command(self, chance: random.Random) -> Script:
        """A command on an order that a run has drafted."""
        order = chance.choice(self.reorders.open_orders(self.item))
        if order.status == "DRAFT":
            choices = [(6, self._approve), (1, self._reject), (1, self._call_off)]
        else:
            choices = [(9, self._receive), (1, self._confirm), (1, self._close_short), (1, self._call_off)]
        yield from pick(chance, choices)(chance, order)

    # Runs.

    def _run(self, expected: Expected, *, dry: bool = False) -> Part:
        """One run, and its result."""
        workflow_id = yield from self._start_run(dry=dry)
        return (yield Result(workflow_id, expected))

    def _start_run(self, *, dry: bool = False, warehouse: Json = None) -> Any:
        workflow_id = self.reference("run")
        start = {"warehouse_id": self.warehouse if warehouse is None else warehouse, "dry_run": dry}
        yield Send(Command(How.START, workflow_id, "", (), "ReorderWorkflow", start), Taken())
        return workflow_id

    def _look(self, chance: random.Random) -> Script:
        """A run that has nothing to order."""
        yield from self._run(Answer(self.reorders.result()), dry=chance.random() < 0.5)

    def _wrong_run(self, chance: random.Random) -> Script:
        """A start that names what isn't there, or that isn't one."""
        warehouse, why = chance.choice([(UNKNOWN, "UnknownWarehouse"), ("here", "InvalidRequest")])
        workflow_id = yield from self._start_run(warehouse=warehouse)
        yield Result(workflow_id, Refusal(why, ANYTHING))

    def _settle(self, chance: random.Random) -> Script:
        """Some runs at once, of which one may be ended by force; whichever orders, there is one order then.

        The run that begins at once, when an item falls below its point, may have been earlier.
        """
        below = Answer({"status": "DONE", "items_below": len(self.reorders.below())})
        runs: list[str] = []
        count = chance.choice([1, 1, 2, 3])
        while len(runs) < count:
            runs.append((yield from self._start_run()))
        if chance.random() < 0.2 and self.run.pace == REAL_TIME:
            yield Operate(Intervention.TERMINATE, runs.pop(), DONE)
            runs.append((yield from self._start_run()))
        for workflow_id in runs:
            yield Result(workflow_id, below)
        [item] = self.reorders.wanted()
        outcome = yield from self._run(below)
        numbers = _orders_of(item.key, outcome)
        known = {order.number for order in self.reorders.orders}
        for number, expected in sorted(numbers.items()):
            if number not in known:
                self.digest.names |= {f'"{text}{number}"': '"drafted"' for text in ("", "purchase-order-")}
                order = self.reorders.draft(item, number, expected)
                yield Look(order.workflow_id, order.answer(), patience=True)
        yield from self._run(Answer(self.reorders.result()))


def _orders_of(key: Key, outcome: Any) -> dict[str, str | None]:
    """The open orders that a run names for an item, with their days."""
    return {
        order["po_number"]: order["expected_delivery_date"]
        for item in outcome.state["covered"]
        if (item["warehouse_id"], item["product_id"]) == key
        for order in item["purchase_orders"]
    }


class PlanLane(ReorderLane):
    """The same with a point that is planned from what is sold in a week; orders hold units, and none are shipped.

    What is shipped today is tomorrow's demand, and orders that come measure the supplier anew: neither happens here.
    """

    kind = "plan"
    _WEEK = (40, 50, 60, 45, 55, 50, 50)

    def set_up(self, catalogue: Catalogue) -> None:
        """See `ReorderLane`; nothing is planned yet."""
        super().set_up(catalogue)
        planned_product = self.new_product(catalogue, unit_cost=_COST)
        key = self.new_item(catalogue, 20_000, product=planned_product, warehouse=self.warehouse)
        catalogue.supply(planned_product, self.supplier, unit_cost=_COST, lead_time_days=_LEAD_DAYS, pack=_PACK)
        catalogue.sold_weekly(key, self._WEEK, 6)
        self.item = Item(key, 0, 0, self.supplier, _COST, _PACK, is_planned=True)
        self.reorders.items = [self.item, self.reorders.items[1]]

    def _sell(self, chance: random.Random) -> Script:
        """The item is planned anew, or an order holds nearly all of it, or gives it back."""
        held = self.orders.active()
        if not self.item.point or chance.random() < 0.4:
            yield from self._plan(chance)
        elif held and chance.random() < 0.7:
            order, payload, key = held[0], {"performed_by": self.name, "reason": "wrong"}, self.reference("key")
            yield Send(Command(How.UPDATE, order.workflow_id, "cancel", (payload,), key=key), self.orders.cancel(order))
        elif (available := self.reorders.level(self.item).available) > self.item.point:
            reference = self.reference("order")
            left = chance.randint(0, self.item.point)
            lines = [{**self.item.key._asdict(), "quantity": available - left}]
            start = {"reference_id": reference, "lines": lines, "ttl_minutes": 500_000.0, "performed_by": self.name}
            expected = self.orders.reserve(reference, lines)
            yield Send(Command(How.ASK, f"reservation-{reference}", "reserved", (), KIND, start), expected)

    def _plan(self, chance: random.Random) -> Script:
        """A plan changes the point, if it comes to another one."""
        weeks = chance.choice([2, 3, 4])
        terms = {
            "service_level": chance.choice([0.9, 0.95, 0.99]),
            "order_cost": chance.choice(["50", "12.50"]),
            "holding_cost_rate": chance.choice([0.25, 0.5]),
        }
        point, quantity = planned(self._WEEK, weeks, _LEAD_DAYS, self.item, terms)
        changed = (point, quantity) != (self.item.point, self.item.quantity)
        self.item.point, self.item.quantity = point, quantity
        workflow_id = self.reference("plan")
        start = {"warehouse_id": self.warehouse, "history_days": 7 * weeks, "method": "seed", **terms}
        yield Send(Command(How.START, workflow_id, "", (), "ReplenishmentPlanWorkflow", start), Taken())
        result = {"status": "DONE", "items_planned": 1, "items_changed": int(changed), "items_skipped": 0}
        yield Result(workflow_id, Answer(result))

    def _command(self, chance: random.Random) -> Script:
        """An order is approved, confirmed, or called off."""
        order: PurchaseOrder = chance.choice(self.reorders.open_orders(self.item))
        if order.status == "DRAFT":
            choices = [(4, self._approve), (1, self._reject), (1, self._call_off)]
        else:
            choices = [(3, self._confirm), (1, self._close_short), (1, self._call_off)]
        yield from pick(chance, choices)(chance, order)
