"""Returns of goods that were sold here or elsewhere; inspected in parts, closed short; all of it also wrongly."""

import random
from typing import Any

from tests.faults.simulation.lanes.documents import UNKNOWN, DocumentLane, pick, split
from tests.faults.simulation.lanes.lane import Catalogue
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.customer_return import CustomerReturn, Line, Sold
from tests.faults.simulation.model.outcome import ANYTHING, Refusal
from tests.faults.simulation.model.reservation import KIND, Orders
from tests.faults.simulation.script import Command, How, Script, Send

Json = Any
_INSPECTORS = ("dora", "ann")
_ORDERS_KEPT = 6


class CustomerReturnLane(DocumentLane):
    """Orders are shipped, and some of them come back; so do goods that nobody has sold."""

    kind = "customer-return"
    answer = "registered"
    giving_up = "close_short"

    def set_up(self, catalogue: Catalogue) -> None:
        """See `DocumentLane`."""
        super().set_up(catalogue)
        self.orders = Orders(self.model)
        self.sold: dict[str, Sold] = {}

    def another(self, start: Json) -> Json:
        """See `DocumentLane`."""
        return {**start, "reference_id": "another order"}

    # Starts.

    def new(self, chance: random.Random) -> Script:
        """A return, of an order that is shipped first or of one that nobody knows; or a start that is wrong."""
        if len(self.sold) < 2 or chance.random() < 0.2:
            yield from self._sell(chance)
        returned = self._return(chance)
        if chance.random() < 0.1:
            yield from self._new_wrong(chance, returned)
        else:
            yield from self.begin(returned)

    def _sell(self, chance: random.Random) -> Script:
        """An order that is held and shipped, or one of an earlier system."""
        reference = self.reference("order")
        self.sold[reference] = Sold()
        self.sold = dict([*self.sold.items()][-_ORDERS_KEPT:])
        lines = [
            {"product_id": product, "warehouse_id": self.warehouses[0], "quantity": chance.randint(1, 8)}
            for product in chance.sample(self.products, 2)
            if self.model.books.items[Key(self.warehouses[0], product)].available >= 20
        ]
        if not lines or chance.random() < 0.3:
            return
        start = {"reference_id": reference, "lines": lines, "ttl_minutes": 60.0, "performed_by": self.name}
        held = self.orders.reserve(reference, lines)
        order = self.orders.all[reference]
        yield Send(Command(How.ASK, order.workflow_id, "reserved", (), KIND, start), held)
        payload = {"performed_by": self.name, "fulfillment_id": "parcel"}
        key = f"{reference}-parcel"
        shipped = self.orders.fulfill(order, None, "parcel", key)
        yield Send(Command(How.UPDATE, order.workflow_id, "fulfill", (payload,), key=key), shipped)
        self.sold[reference].shipped = {line["product_id"]: line["quantity"] for line in lines}

    def _return(self, chance: random.Random) -> CustomerReturn:
        reference = chance.choice([*self.sold])
        lines = [
            {"product_id": chance.choice(self.products), "quantity": chance.choice([1, 2, 8, 40, 200])}
            for _ in range(chance.choice([1, 1, 2, 3]))
        ]
        start = {
            "return_number": self.reference("r"),
            "warehouse_id": chance.choice(self.warehouses),
            "reference_id": reference,
            "lines": lines,
            "performed_by": "portal",
        }
        return CustomerReturn(self.place, start, self.sold[reference])

    def _new_wrong(self, chance: random.Random, returned: CustomerReturn) -> Script:
        """A start that names what isn't there, or that isn't one; then the same number with the right one."""
        [line, *_] = returned.start["lines"]
        wrong, why = chance.choice(
            [
                ({"warehouse_id": UNKNOWN}, "UnknownWarehouse"),
                ({"lines": [line, {**line, "product_id": UNKNOWN}]}, "UnknownProduct"),
                ({"lines": []}, "InvalidRequest"),
                ({"lines": [{**line, "quantity": "1"}]}, "InvalidRequest"),
                ({"reference_id": None}, "InvalidRequest"),
            ]
        )
        yield from self.begin_wrong(returned, returned.start | wrong, Refusal(why, ANYTHING))
        yield from self.begin(returned)

    # Commands.

    def command(self, chance: random.Random, returned: CustomerReturn) -> Script:
        """A command, mostly an inspection."""
        choices = [(12, self._inspect), (3, self._inspect_again), (3, self._approve_difference)]
        choices += [(2, self._close_short), (1, self._malformed)]
        yield from pick(chance, choices)(chance, returned)

    def _inspect(self, chance: random.Random, returned: CustomerReturn) -> Script:
        """A part or all of it, fit or not, and sometimes more than is expected."""
        there = [line for line in returned.lines if line.expected]
        lines = [self._found(chance, line) for line in there if chance.random() < 0.8]
        lines = lines or [self._found(chance, there[0])]
        if chance.random() < 0.04:
            lines.append({"product_id": UNKNOWN, "restock_quantity": 1, "scrap_quantity": 0})
        payload = {"inspection_id": self.key(returned), "performed_by": chance.choice(_INSPECTORS), "lines": lines}
        yield from self.tell(chance, returned, "inspect", payload)

    def _found(self, chance: random.Random, line: Line) -> Json:
        units = split(chance, line.expected) + chance.choice([0] * 12 + [500])
        scrapped = chance.choice([0, 0, chance.randint(0, units), units])
        return {"product_id": line.product, "restock_quantity": units - scrapped, "scrap_quantity": scrapped}

    def _inspect_again(self, chance: random.Random, returned: CustomerReturn) -> Script:
        """An inspection that is booked: the same, or with other lines."""
        if not returned.inspections:
            yield from self._inspect(chance, returned)
            return
        name = chance.choice([*returned.inspections])
        lines = returned.inspections[name]
        if chance.random() < 0.3:
            lines = [{**lines[0], "scrap_quantity": lines[0]["scrap_quantity"] + 1}, *lines[1:]]
        payload = {"inspection_id": name, "performed_by": "dora", "lines": lines}
        yield from self.tell(chance, returned, "inspect", payload)

    def _approve_difference(self, chance: random.Random, returned: CustomerReturn) -> Script:
        payload: Json = {"approver": chance.choice(["ann", "cid"]), "value": chance.choice(["600", "5000.00"])}
        if chance.random() < 0.5:
            payload["unvalued_units"] = 1_000
        yield from self.tell(chance, returned, "approve_difference", payload)

    def _close_short(self, chance: random.Random, returned: CustomerReturn) -> Script:
        payload = {"performed_by": "dora", "reason": "the customer keeps it"}
        yield from self.tell(chance, returned, "close_short", payload)

    def _malformed(self, chance: random.Random, returned: CustomerReturn) -> Script:
        yield from self.malformed(chance, returned, "inspect")
