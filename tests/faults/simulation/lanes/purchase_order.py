"""Procurement: drafts, approves, amends, receives in parts, corrects, sends back, gives up; all of it also wrongly."""

import random
from typing import Any

from tests.faults.simulation.lanes.documents import PEOPLE, REQUESTER, UNKNOWN, DocumentLane, pick, split
from tests.faults.simulation.model.outcome import ANYTHING, Refusal, Taken
from tests.faults.simulation.model.purchase_order import Line, PurchaseOrder
from tests.faults.simulation.pace import REAL_TIME
from tests.faults.simulation.script import Command, How, Look, Result, Script, Send, Wait

Json = Any
_FAR = ("2090-05-17", "2091-01-31", "2092-02-29")
_RECEIVERS = ("wes", "ann", "dora")


class PurchaseOrderLane(DocumentLane):
    """Orders of one supplier for one warehouse."""

    kind = "purchase-order"
    keeps_to_catalogue = True  # What no supplier is known for has its lead time measured there alone.
    answer = "drafted"

    def another(self, start: Json) -> Json:
        """See `DocumentLane`."""
        return {**start, "reason": "for something else"}

    # Starts.

    def new(self, chance: random.Random) -> Script:
        """A draft; or approvals that come before it is stored; or a start that is wrong."""
        order = PurchaseOrder(self.place, self._start(chance))
        roll = chance.random()
        if roll < 0.12:
            yield from self._new_wrong(chance, order)
        elif roll < 0.2:
            yield from self._new_approved(order)
        elif roll < 0.25:
            yield from self._new_lapsing(chance)
        else:
            yield from self.begin(order)

    def _start(self, chance: random.Random) -> Json:
        return {
            "po_number": self.reference("po"),
            "supplier_id": self.supplier,
            "warehouse_id": self.warehouses[0],
            "line_items": self._lines(chance),
            "expected_delivery_date": chance.choice([None, *_FAR]),
            "requested_by": REQUESTER,
            "reason": "there is little left",
            "approval": self._policy(chance),
        }

    def _lines(self, chance: random.Random) -> list[Json]:
        """One product may stand on two lines; a cost of nothing is far under the catalogue's."""
        products = [chance.choice(self.products) for _ in range(chance.choice([1, 1, 2, 2, 3, 4]))]
        most = chance.choice([12, 60, 400])
        costs = chance.choice([("4.00", "25.00", "1.50"), ("4.00", "25.00", "0")])
        return [
            {
                "product_id": product,
                "qty": chance.randint(1, most),
                "unit_cost": chance.choice(costs) if chance.random() < 0.2 else costs[self.products.index(product)],
            }
            for product in products
        ]

    def _policy(self, chance: random.Random) -> Json:
        """The policy in the workers' settings, or one of its own; the settings' last deadline is two weeks away."""
        approvals = chance.choice([None, 0, 1, 2])
        if approvals is None and self.run.pace == REAL_TIME:
            return None
        first = {"up_to": "100", "approvals": 0}
        return {"tiers": [first, {"up_to": None, "approvals": approvals or 0}], **_hours(self.run.pace.far)}

    def _new_lapsing(self, chance: random.Random) -> Script:
        """A draft whose last deadline comes soon; nobody waits for its answer, which may come later than that."""
        start = self._start(chance) | {"line_items": [self._lines(chance)[0] | {"qty": 1, "unit_cost": "100000.00"}]}
        seconds = chance.choice(self.run.pace.short)
        policy = {"tiers": [{"up_to": None, "approvals": 1}], **_hours(seconds)}
        order = PurchaseOrder(self.place, start | {"approval": policy})
        order.begin()
        yield Send(Command(How.START, order.workflow_id, "", (), order.kind, order.start), Taken())
        yield Wait(seconds)
        yield Result(order.workflow_id, order.lapses())
        self.ended.append(order)

    def _new_wrong(self, chance: random.Random, order: PurchaseOrder) -> Script:
        """A start that names what isn't there, or that isn't one; then the same number with the right one."""
        [line, *_] = order.start["line_items"]
        wrong, why = chance.choice(
            [
                ({"supplier_id": UNKNOWN}, "UnknownSupplier"),
                ({"warehouse_id": UNKNOWN}, "UnknownWarehouse"),
                ({"line_items": [line, {**line, "product_id": UNKNOWN}]}, "UnknownProduct"),
                ({"line_items": []}, "InvalidRequest"),
                ({"line_items": [{**line, "qty": 0}]}, "InvalidRequest"),
                ({"line_items": [{**line, "unit_cost": 2.5}]}, "InvalidRequest"),
                ({"expected_delivery_date": "2020-02-29"}, "InvalidRequest"),
                ({"colour": "red"}, "InvalidRequest"),
                ({"approval": {"tiers": [], **_hours(3_600)}}, "InvalidRequest"),
            ]
        )
        yield from self.begin_wrong(order, order.start | wrong, Refusal(why, ANYTHING))
        yield from self.begin(order)

    def _new_approved(self, order: PurchaseOrder) -> Script:
        """Nobody waits for the draft, and approvals are there before it is stored, one of them the requester's."""
        order.begin()
        self.open.append(order)
        yield Send(Command(How.START, order.workflow_id, "", (), order.kind, order.start), Taken())
        for approver in (REQUESTER, "ann", "bob", "ann"):
            payload = {"approver": approver, "note": "early"}
            order.signalled("approve", payload)
            signal = Command(How.SIGNAL, order.workflow_id, "approve", (payload,), key=self.key(order))
            yield Send(signal, Taken())
        order.perhaps_decided_anew()
        yield Look(order.workflow_id, order.answer(), patience=True)

    # Commands.

    def command(self, chance: random.Random, order: PurchaseOrder) -> Script:
        """A command that mostly fits the order's status."""
        if order.status == "DRAFT":
            choices = [
                (12, self._approve),
                (2, self._amend),
                (1, self._reject),
                (1, self._call_off),
                (1, self._receive),
            ]
        else:
            choices = [(14, self._receive), (3, self._receive_again), (3, self._confirm), (2, self._amend)]
            choices += [(3, self._correct), (3, self._send_back), (2, self._close_short), (1, self._call_off)]
            choices += [(1, self._approve), (1, self._reject), (2, self._approve_difference), (1, self._malformed)]
        yield from pick(chance, choices)(chance, order)

    def _approve(self, chance: random.Random, order: PurchaseOrder) -> Script:
        payload: Json = {"approver": chance.choice([*PEOPLE, REQUESTER]), "note": "fine"}
        if chance.random() < 0.3:
            payload["version"] = max(order.version - chance.choice([0, 0, 1]), 1)
        yield from self.tell(chance, order, "approve", payload)

    def _reject(self, chance: random.Random, order: PurchaseOrder) -> Script:
        yield from self.tell(chance, order, "reject", {"approver": chance.choice(PEOPLE), "reason": "too much"})

    def _amend(self, chance: random.Random, order: PurchaseOrder) -> Script:
        lines = self._lines(chance) if chance.random() < 0.8 else order.start["line_items"]
        payload = {"performed_by": chance.choice([REQUESTER, "dora"]), "reason": "it sells", "line_items": lines}
        if chance.random() < 0.4:
            payload["expected_delivery_date"] = chance.choice(_FAR)
        if chance.random() < 0.3:
            payload["version"] = max(order.version - chance.choice([0, 0, 1]), 1)
        if chance.random() < 0.6:
            payload["amendment_id"] = chance.choice([*order.amendments, self.key(order)])
        yield from self.tell(chance, order, "amend", payload)

    def _confirm(self, chance: random.Random, order: PurchaseOrder) -> Script:
        payload = {"performed_by": "sam", "expected_delivery_date": chance.choice([None, *_FAR])}
        yield from self.tell(chance, order, "confirm", payload)

    def _receive(self, chance: random.Random, order: PurchaseOrder) -> Script:
        """A part, all of it, some more than was ordered, or far more; some of it isn't fit."""
        lines = [self._came(chance, line) for line in order.lines if chance.random() < 0.8]
        lines = lines or [self._came(chance, order.lines[0])]
        if chance.random() < 0.04:
            lines.append({"product_id": UNKNOWN, "quantity": 1, "rejected_quantity": 0})
        payload = {"receipt_id": self.key(order), "performed_by": chance.choice(_RECEIVERS), "lines": lines}
        yield from self.tell(chance, order, "receive", payload)

    def _came(self, chance: random.Random, line: Line) -> Json:
        beyond = chance.choice([0] * 8 + [line.most - line.qty, line.qty])
        quantity = split(chance, line.owed) + beyond if line.owed + beyond else 0
        rejected = chance.choice([0, 0, 0, chance.randint(1, 5)])
        return {"product_id": line.product, "quantity": quantity, "rejected_quantity": rejected or int(not quantity)}

    def _receive_again(self, chance: random.Random, order: PurchaseOrder) -> Script:
        """A receipt that is booked: the same, or with other lines."""
        if not order.receipts:
            yield from self._receive(chance, order)
            return
        name = chance.choice([*order.receipts])
        lines = order.receipts[name].sent
        if chance.random() < 0.3:
            lines = [{**lines[0], "quantity": lines[0]["quantity"] + 1}, *lines[1:]]
        yield from self.tell(chance, order, "receive", {"receipt_id": name, "performed_by": "wes", "lines": lines})

    def _approve_difference(self, chance: random.Random, order: PurchaseOrder) -> Script:
        payload: Json = {"approver": chance.choice(["ann", "cid"]), "value": chance.choice(["600", "5000.00"])}
        if chance.random() < 0.5:
            payload["unvalued_units"] = 1_000
        yield from self.tell(chance, order, "approve_difference", payload)

    def _correction(self, chance: random.Random, order: PurchaseOrder) -> Json:
        name = chance.choice([*order.receipts])
        receipt = order.receipts[name]
        lines = []
        for line, fit, unfit in zip(order.lines, receipt.accepted, receipt.rejected, strict=True):
            if fit or unfit:
                wrong = {"quantity": split(chance, fit), "rejected_quantity": chance.randint(0, unfit)}
                lines += [{"product_id": line.product, **wrong}] if any(wrong.values()) else []
        if not lines or chance.random() < 0.1:
            lines = [{"product_id": order.lines[0].product, "quantity": 1_000}]
        return {"correction_id": self.key(order), "receipt_id": name, "reason": "counted again", "lines": lines}

    def _correct(self, chance: random.Random, order: PurchaseOrder) -> Script:
        """A receipt of this order was booked too high."""
        if not order.receipts:
            lines = [{"product_id": order.lines[0].product, "quantity": 1}]
            payload = {"correction_id": self.key(order), "receipt_id": "none", "reason": "wrong", "lines": lines}
        else:
            payload = self._correction(chance, order)
        yield from self.tell(chance, order, "correct_receipt", {**payload, "performed_by": chance.choice(_RECEIVERS)})

    def _return(self, chance: random.Random, order: PurchaseOrder) -> Json:
        line = chance.choice(order.lines)
        units = max(split(chance, line.received - line.returned), 1) + chance.choice([0, 0, 0, 1_000])
        lines = [{"product_id": line.product, "quantity": units}]
        return {"return_id": self.key(order), "performed_by": "wes", "reason": "wet", "lines": lines}

    def _send_back(self, chance: random.Random, order: PurchaseOrder) -> Script:
        payload = self._return(chance, order)
        if order.returns and chance.random() < 0.2:
            name = chance.choice([*order.returns])
            payload |= {"return_id": name, "lines": order.returns[name]}
        yield from self.tell(chance, order, "return_goods", payload)

    def _close_short(self, chance: random.Random, order: PurchaseOrder) -> Script:
        yield from self.tell(chance, order, "close_short", {"performed_by": REQUESTER, "reason": "no more is made"})

    def _call_off(self, chance: random.Random, order: PurchaseOrder) -> Script:
        yield from self.tell(chance, order, "cancel", {"performed_by": REQUESTER, "reason": "not needed"})

    def _malformed(self, chance: random.Random, order: PurchaseOrder) -> Script:
        yield from self.malformed(chance, order, chance.choice(["receive", "approve", "confirm", "amend"]))

    # After the end.

    def on_ended(self, chance: random.Random, order: PurchaseOrder) -> Script:
        """Goods are corrected and sent back also then, by a run that finds the order."""
        if order.status != "RECEIVED" or chance.random() < 0.4:
            yield from super().on_ended(chance, order)
            return
        yield from self.has_closed(order)
        name, payload = "return_goods", self._return(chance, order)
        if order.receipts and chance.random() < 0.5:
            name, payload = "correct_receipt", {**self._correction(chance, order), "performed_by": "wes"}
        resume = {"po_number": order.number, "resume": True, "performed_by": "wes"}
        order.notes.clear()
        expected = order.decide(name, payload, "")
        self.model.ends(order.workflow_id)
        yield Send(Command(How.ASK, order.workflow_id, name, (payload,), order.kind, resume), expected)


def _hours(seconds: float) -> Json:
    """An approval's deadlines, the last one so many seconds away."""
    last = seconds / 3_600
    return {"remind_after_hours": last / 4, "escalate_after_hours": last / 2, "cancel_after_hours": last}
