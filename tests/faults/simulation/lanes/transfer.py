"""Logistics: moves goods in parts, receives, damages, loses, takes back; all of it also wrongly."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.faults.simulation.lanes.documents import UNKNOWN, DocumentLane, pick, split
from tests.faults.simulation.lanes.lane import S
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Refusal, Such
from tests.faults.simulation.model.transfer import Line, Transfer
from tests.faults.simulation.script import Look, Script, Send, Wait

Json = Any
_RECEIVERS = ("dora", "ann")


class TransferLane(DocumentLane):
    """Transfers there and back between two warehouses."""

    kind = "transfer"
    answer = "held"
    opening_stock = 20_000

    def another(self, start: Json) -> Json:
        """See `DocumentLane`."""
        return {**start, "requested_by": "somebody else"}

    # Starts.

    def new(self, chance: random.Random) -> Script:
        """A transfer that has its stock, one that hasn't, or a start that is wrong."""
        transfer = Transfer(self.place, self._start(chance))
        roll = chance.random()
        if roll < 0.1:
            yield from self._new_wrong(chance, transfer)
        elif roll < 0.2:
            yield from self._new_short(chance, transfer)
        else:
            yield from self.begin(transfer)

    def _start(self, chance: random.Random) -> Json:
        there, back = self.warehouses if chance.random() < 0.6 else self.warehouses[::-1]
        has = [product for product in self.products if self._available(there, product) >= 20]
        if not has:
            there, back, has = self.warehouses[0], self.warehouses[1], self.products
        lines = [
            {"product_id": chance.choice(has), "quantity": chance.choice([1, 3, 5, 20])}
            for _ in range(chance.choice([1, 1, 2, 3]))
        ]
        # So much of one product on four lines may be more than there is; then it is one line.
        return {
            "transfer_number": self.reference("t"),
            "from_warehouse_id": there,
            "to_warehouse_id": back,
            "line_items": lines if self._available(there, lines[0]["product_id"]) >= 80 else lines[:1],
            "expected_transit_hours": None,
            "requested_by": "tom",
        }

    def _available(self, warehouse: int, product: int) -> int:
        level = self.model.books.items.get(Key(warehouse, product))
        return 0 if level is None else level.available

    def _new_short(self, chance: random.Random, transfer: Transfer) -> Script:
        """One line asks for more than there is: nothing is held, and the number may be tried again."""
        line = chance.choice(transfer.start["line_items"])
        too_many = self._available(transfer.start["from_warehouse_id"], line["product_id"]) + chance.randint(1, 3)
        lines = [*transfer.start["line_items"], {**line, "quantity": too_many}]
        short = Transfer(self.place, {**transfer.start, "line_items": lines})
        yield self._ask(short, short.start, short.begin())
        if chance.random() < 0.5:
            yield from self.begin(transfer)

    def _new_wrong(self, chance: random.Random, transfer: Transfer) -> Script:
        """A start that names what isn't there, or that isn't one; then the same number with the right one."""
        [line, *_] = transfer.start["line_items"]
        wrong, why = chance.choice(
            [
                ({"from_warehouse_id": UNKNOWN}, "UnknownWarehouse"),
                ({"to_warehouse_id": UNKNOWN}, "UnknownWarehouse"),
                ({"line_items": [line, {**line, "product_id": UNKNOWN}]}, "UnknownProduct"),
                ({"to_warehouse_id": transfer.start["from_warehouse_id"]}, "InvalidRequest"),
                ({"line_items": [{**line, "quantity": -1}]}, "InvalidRequest"),
                ({"expected_transit_hours": 0}, "InvalidRequest"),
                ({"requested_by": ""}, "InvalidRequest"),
            ]
        )
        yield from self.begin_wrong(transfer, transfer.start | wrong, Refusal(why, ANYTHING))
        yield from self.begin(transfer)

    # Commands.

    def command(self, chance: random.Random, transfer: Transfer) -> Script:
        """A command that mostly fits the transfer's status."""
        if transfer.status == "PENDING":
            choices = [(10, self._dispatch), (1, self._receive), (1, self._write_off), (2, self._call_off)]
            choices += [(1, self._approve_difference)]
        else:
            choices = [(12, self._receive), (4, self._dispatch), (3, self._receive_again), (3, self._write_off)]
            choices += [(2, self._call_off), (2, self._approve_difference), (1, self._malformed), (1, self._late)]
        yield from pick(chance, choices)(chance, transfer)

    def _dispatch(self, chance: random.Random, transfer: Transfer) -> Script:
        """All that is held, or a part, which has a number of its own."""
        payload: Json = {"performed_by": "sid"}
        if chance.random() < 0.6:
            held = [line for line in transfer.lines if line.held] or transfer.lines
            beyond = chance.choice([0] * 9 + [50])
            payload["lines"] = [_line(line, max(split(chance, line.held), 1) + beyond) for line in held]
            payload["dispatch_id"] = self.key(transfer)
            if transfer.departures and chance.random() < 0.2:
                name = chance.choice([*transfer.departures])
                payload |= {"dispatch_id": name, "lines": transfer.departures[name]}
        yield from self.tell(chance, transfer, "dispatch", payload)

    def _receive(self, chance: random.Random, transfer: Transfer) -> Script:
        """A part or all of what is in transit, some of it damaged, and sometimes more."""
        there = [line for line in transfer.lines if line.in_transit] or transfer.lines[:1]
        lines = [self._came(chance, line) for line in there if chance.random() < 0.8]
        lines = lines or [self._came(chance, there[0])]
        if chance.random() < 0.04:
            lines.append({"product_id": UNKNOWN, "quantity": 1, "damaged_quantity": 0})
        payload = {"receipt_id": self.key(transfer), "performed_by": chance.choice(_RECEIVERS), "lines": lines}
        yield from self.tell(chance, transfer, "receive", payload)

    def _came(self, chance: random.Random, line: Line) -> Json:
        units = max(split(chance, line.in_transit), 1) + chance.choice([0] * 12 + [100])
        damaged = chance.choice([0, 0, 0, chance.randint(0, units)])
        return {"product_id": line.product, "quantity": units - damaged, "damaged_quantity": damaged}

    def _receive_again(self, chance: random.Random, transfer: Transfer) -> Script:
        """A receipt that is booked: the same, or with other lines."""
        if not transfer.receipts:
            yield from self._receive(chance, transfer)
            return
        name = chance.choice([*transfer.receipts])
        lines = transfer.receipts[name]
        if chance.random() < 0.3:
            lines = [{**lines[0], "damaged_quantity": lines[0]["damaged_quantity"] + 1}, *lines[1:]]
        payload = {"receipt_id": name, "performed_by": "dora", "lines": lines}
        yield from self.tell(chance, transfer, "receive", payload)

    def _write_off(self, chance: random.Random, transfer: Transfer) -> Script:
        """All that is in transit, or a part, which has a number of its own."""
        payload: Json = {"performed_by": chance.choice(_RECEIVERS), "reason": "fell off"}
        if chance.random() < 0.7:
            lost = [line for line in transfer.lines if line.in_transit][:1] or transfer.lines[:1]
            payload["lines"] = [_line(line, max(split(chance, line.in_transit), 1)) for line in lost]
            payload["write_off_id"] = self.key(transfer)
            if transfer.write_offs and chance.random() < 0.2:
                name = chance.choice([*transfer.write_offs])
                payload |= {"write_off_id": name, "lines": transfer.write_offs[name]}
        yield from self.tell(chance, transfer, "write_off", payload)

    def _approve_difference(self, chance: random.Random, transfer: Transfer) -> Script:
        payload: Json = {"approver": chance.choice(["ann", "cid"]), "value": chance.choice(["600", "5000.00"])}
        if chance.random() < 0.5:
            payload["unvalued_units"] = 1_000
        yield from self.tell(chance, transfer, "approve_difference", payload)

    def _call_off(self, chance: random.Random, transfer: Transfer) -> Script:
        yield from self.tell(chance, transfer, "cancel", {"performed_by": "tom", "reason": "the road is closed"})

    def _malformed(self, chance: random.Random, transfer: Transfer) -> Script:
        yield from self.malformed(chance, transfer, chance.choice(["receive", "write_off", "cancel"]))

    def _late(self, chance: random.Random, transfer: Transfer) -> Script:
        """Another one, which is overdue soon: the warehouse is told once."""
        del transfer
        seconds = chance.choice(self.run.pace.short)
        start = self._start(chance) | {"expected_transit_hours": seconds / 3_600}
        late = Transfer(self.place, start)
        yield from self.begin(late)
        yield from self.tell(chance, late, "dispatch", {"performed_by": "sid"})
        yield Wait(seconds)
        told = Answer({**late.state(), "notices": Such(_is_overdue, "one notice that it is overdue")})
        yield Look(late.workflow_id, told, patience=True)


class CrossingLane(TransferLane):
    """Transfers there and back between two databases."""

    kind = "crossing"
    bears_skipped_time = False
    spans_databases = True

    def homes(self, count: int) -> Sequence[str]:
        """See `Lane`."""
        return self.run.databases[:count]

    def at_home(self, step: S) -> S:
        """See `Lane`; a start goes to the database of the transfer's source."""
        if isinstance(step, Send) and step.command.start is not None:
            source = self.model.books.homes.get(step.command.start["from_warehouse_id"], self.home)
            return replace(step, command=replace(step.command, task_queue=source))
        return super().at_home(step)


def _line(line: Line, quantity: int) -> Json:
    return {"product_id": line.product, "quantity": quantity}


def _is_overdue(notices: Json) -> bool:
    return sum("verdue" in each["title"] for each in notices) == 1
