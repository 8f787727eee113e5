"""How lots come, go, are moved, set aside and stopped: the steps of a shop beside its orders."""

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

from tests.faults.simulation.lanes.orders import OrdersLane
from tests.faults.simulation.model import adjustment
from tests.faults.simulation.model.adjustment import Adjustments
from tests.faults.simulation.model.books import Key, Movement
from tests.faults.simulation.model.cycle_count import CycleCount, Look
from tests.faults.simulation.model.cycle_count import Line as CountLine
from tests.faults.simulation.model.document import Document, Place
from tests.faults.simulation.model.lot import Lot, LotOrders
from tests.faults.simulation.model.outcome import Answer, Ended
from tests.faults.simulation.model.purchase_order import PurchaseOrder
from tests.faults.simulation.model.transfer import Transfer
from tests.faults.simulation.script import Command, How, Result, Script, Send

Json = Any
COST = Decimal("2.00")
FAR = date(2040, 1, 31)
"""No lot that may leave expires while days are skipped."""
_LOTS_AT_MOST = 9
_ASIDE_AT_MOST = 2
_RECALL, _INSPECTION = "RecallWorkflow", "InspectionWorkflow"


class LotGoodsLane(OrdersLane):
    """A client whose orders are of lots that come and go as well."""

    lots: LotOrders
    keys: Sequence[Key]

    def begin_goods(self, supplier: int) -> None:
        """Nothing is blocked or set aside yet."""
        self._supplier = supplier
        costs = {key.product_id: COST for key in self.keys}
        self._place = Place(self.model, costs=costs)
        self._adjustments = Adjustments(self.model, self.orders, dict(costs))
        self._blocked: tuple[str, int, str] | None = None
        self._aside: list[tuple[str, Key, str, int]] = []
        self._new_lots = 0

    def goods(self, chance: random.Random) -> Iterator[tuple[float, Script]]:
        """The steps that may come next, by their weights."""
        yield 2, self._deliver(chance)
        yield 2, self._carry(chance)
        yield 2, self._adjust(chance)
        yield 1, self._count(chance)
        yield 2, self._block(chance) if self._blocked is None else self._let_go(*self._blocked)
        if self._aside:
            yield 2, self._decide(chance)
        if len(self._aside) < _ASIDE_AT_MOST:
            yield 2, self._set_aside(chance)

    def _deliver(self, chance: random.Random) -> Script:
        """A supplier brings a lot that is there already, or a new one."""
        yield from self.seen()
        key, units = chance.choice(self.keys), chance.randint(1, 60)
        lot = self._some_lot(chance, key)
        start = {
            "po_number": self.reference("P"),
            "supplier_id": self._supplier,
            "warehouse_id": key.warehouse_id,
            "line_items": [{"product_id": key.product_id, "qty": units, "unit_cost": f"{COST}"}],
            "expected_delivery_date": None,
            "requested_by": self.name,
            "reason": "there is little left",
            "approval": None,
        }
        order = PurchaseOrder(self._place, start)
        yield self._begin(order, "drafted")
        came = {"product_id": key.product_id, "quantity": units, "rejected_quantity": 0, **_named(lot)}
        yield self._tell(order, "receive", {"receipt_id": "all", "performed_by": self.name, "lines": [came]})
        self.lots.come(key, lot.number, lot.expires_on, units)
        yield Result(order.workflow_id, order.answer())

    def _carry(self, chance: random.Random) -> Script:
        """The lots that expire first go to the other warehouse, and arrive there, or come back."""
        yield from self.seen()
        source = chance.choice(self.keys)
        there = next(key for key in self.keys if key.product_id == source.product_id and key != source)
        taken = self.lots.first(source, chance.randint(1, 30))
        units = sum(taken.values())
        if not units:
            return
        start = {
            "transfer_number": self.reference("T"),
            "from_warehouse_id": source.warehouse_id,
            "to_warehouse_id": there.warehouse_id,
            "line_items": [{"product_id": source.product_id, "quantity": units}],
            "expected_transit_hours": None,
            "requested_by": self.name,
        }
        transfer = Transfer(self._place, start)
        yield self._begin(transfer, "held")
        yield self._tell(transfer, "dispatch", {"performed_by": self.name})
        if chance.random() < 0.3:
            yield self._tell(transfer, "cancel", {"performed_by": self.name, "reason": "the road is closed"})
        else:
            came = [
                {"product_id": source.product_id, "quantity": each, "damaged_quantity": 0, "lot_number": number}
                for number, each in taken.items()
            ]
            yield self._tell(transfer, "receive", {"receipt_id": "all", "performed_by": self.name, "lines": came})
            for number, each in taken.items():
                lot = self._lot(source, number)
                self.lots.come(source, number, lot.expires_on, -each)
                self.lots.come(there, number, lot.expires_on, each)
        yield Result(transfer.workflow_id, transfer.answer())

    def _adjust(self, chance: random.Random) -> Script:
        """Units of a lot are found, or missing and nobody's."""
        yield from self.seen()
        key = chance.choice(self.keys)
        lot, units = self._some_lot(chance, key), chance.randint(1, 12)
        if chance.random() < 0.5 and self.lots.free_of(key):
            lot = chance.choice(self.lots.free_of(key))
            units = -min(units, lot.free)
        number = self.reference("A")
        lines = [{"product_id": key.product_id, "quantity": units, **_named(lot)}]
        start = {
            "adjustment_number": number,
            "warehouse_id": key.warehouse_id,
            "lines": lines,
            "reason": "counted by hand",
            "performed_by": self.name,
        }
        expected = self._adjustments.submit(number, key.warehouse_id, lines, self.name)
        yield Send(Command(How.ASK, f"adjustment-{number}", "submitted", (), adjustment.KIND, start), expected)
        self.lots.come(key, lot.number, lot.expires_on, units)
        yield Result(f"adjustment-{number}", Ended())

    def _count(self, chance: random.Random) -> Script:
        """Each lot of an item is counted, also those that may not leave; one is off by as much as is tolerated."""
        yield from self.seen()
        key, number = chance.choice(self.keys), self.reference("C")
        there = [lot for lot in self.lots.shelf[key] if lot.on_hand]
        off = {chance.choice(there).number: chance.choice([0, 1, -1])}
        start = {
            "count_number": number,
            "warehouse_id": key.warehouse_id,
            "product_ids": [key.product_id],
            "requested_by": self.name,
        }
        count = CycleCount(self._place, start, self.orders, {}, lines=[CountLine(key.product_id) for _ in there])
        cast("dict[str, CycleCount]", self.model.documents.setdefault(CycleCount.kind, {}))[number] = count
        self.model.begins(count.workflow_id)
        command = Command(How.ASK, count.workflow_id, "opened", (), CycleCount.kind, start)
        yield Send(command, Answer({"status": "COUNTING"}))
        for line, lot in zip(count.lines, there, strict=True):
            delta = max(off.get(lot.number, 0), -lot.loose)
            name, counted = f"{number}-{len(self.digest.after)}", lot.on_hand + delta
            line.looks.append(Look("ann", counted, lot.on_hand, None, 0))
            line.status, line.cause = "POSTED", "UNEXPLAINED" if delta else None
            if delta:
                movement = Movement("ADJUSTMENT", delta, number, f"{count.workflow_id}/record/{name}")
                self.model.books.move(key, movement)
                self.lots.come(key, lot.number, lot.expires_on, delta)
            payload = {
                "performed_by": "ann",
                "product_id": key.product_id,
                "lot_number": lot.number,
                "counted_quantity": counted,
            }
            update = Command(How.UPDATE, count.workflow_id, "record", (payload,), key=name)
            yield Send(update, Answer({"status": count.status}))
        self.model.ends(count.workflow_id)
        yield Result(count.workflow_id, Answer({"status": "POSTED"}))

    def _block(self, chance: random.Random) -> Script:
        """A lot of which nobody holds any is stopped, in both warehouses."""
        yield from self.seen()
        product = chance.choice(self.keys).product_id
        known = {lot.number: lot for key in self._keys_of(product) for lot in self.lots.shelf[key] if lot.is_usable}
        loose = [number for number in sorted(known) if not self._held(product, number)]
        if not loose:
            return
        number, recall = chance.choice(loose), self.reference("R")
        start = {
            "recall_number": recall,
            "product_id": product,
            "lot_number": number,
            "reason": "glass in a jar",
            "performed_by": self.name,
        }
        self.model.begins(f"recall-{recall}")
        state = {"status": "BLOCKED", "product_id": product, "lot_number": number, "gave_way": []}
        # Of several databases it runs in that of the catalogue.
        queue = self.run.databases[0] if self.run.databases else ""
        command = Command(How.ASK, f"recall-{recall}", "blocked", (), _RECALL, start, task_queue=queue)
        yield Send(command, Answer(state))
        self._blocked = recall, product, number
        self._stop(product, number, blocked=True)

    def _let_go(self, recall: str, product: int, number: str) -> Script:
        """Somebody else says that the lot may leave."""
        yield from self.seen()
        self.model.ends(f"recall-{recall}")
        yield self._update(f"recall-{recall}", "release", {"performed_by": "ann", "reason": "ours"}, "RELEASED")
        self._blocked = None
        self._stop(product, number, blocked=False)
        yield Result(f"recall-{recall}", Answer({"status": "RELEASED", "released_by": "ann"}))

    def _set_aside(self, chance: random.Random) -> Script:
        """Free units of a lot are suspected."""
        yield from self.seen()
        key = chance.choice(self.keys)
        if not (free := self.lots.free_of(key)):
            return
        lot, number = chance.choice(free), self.reference("I")
        units = min(chance.randint(1, 10), lot.free)
        start = {
            "inspection_number": number,
            "warehouse_id": key.warehouse_id,
            "lines": [{"product_id": key.product_id, "quantity": units, "lot_number": lot.number}],
            "reason": "a jar was found open",
            "performed_by": self.name,
        }
        self.model.begins(f"inspection-{number}")
        expected = Answer({"status": "OPEN", "lines": [{"quantity": units, "released": 0, "scrapped": 0}]})
        yield Send(Command(How.ASK, f"inspection-{number}", "opened", (), _INSPECTION, start), expected)
        lot.aside += units
        self.lots.account(key)
        self._aside.append((number, key, lot.number, units))

    def _decide(self, chance: random.Random) -> Script:
        """Somebody else has looked at them: they are fit, or leave the books."""
        yield from self.seen()
        number, key, lot_number, units = self._aside.pop(0)
        run = f"inspection-{number}"
        self.model.ends(run)
        if chance.random() < 0.5:
            payload: Json = {"performed_by": "ann", "decision_id": "all"}
            yield self._update(run, "release", payload, "DONE")
        else:
            payload = {"performed_by": "ann", "decision_id": "all", "root_cause": "DAMAGE", "reason": "spoiled"}
            yield self._update(run, "scrap", payload, "DONE")
            self.model.books.move(key, Movement("ADJUSTMENT", -units, number, f"{run}/scrap/all"))
            self._lot(key, lot_number).on_hand -= units
        self._lot(key, lot_number).aside -= units
        self.lots.account(key)
        yield Result(run, Answer({"status": "DONE"}))

    def _begin(self, document: Document, answer: str) -> Send:
        """The start of a document, of which nothing is done yet."""
        expected = document.begin()
        return Send(Command(How.ASK, document.workflow_id, answer, (), document.kind, document.start), expected)

    def _tell(self, document: Document, name: str, payload: Json) -> Send:
        key = f"{document.number}-{len(self.digest.after)}"
        expected = document.carry_out(name, payload, key)
        return Send(Command(How.UPDATE, document.workflow_id, name, (payload,), key=key), expected)

    def _update(self, workflow_id: str, name: str, payload: Json, status: str) -> Send:
        key = f"{workflow_id}-{len(self.digest.after)}"
        return Send(Command(How.UPDATE, workflow_id, name, (payload,), key=key), Answer({"status": status}))

    def _some_lot(self, chance: random.Random, key: Key) -> Lot:
        """One that is there and may leave, or a new one, with a last day that no other one has."""
        there = [lot for lot in self.lots.shelf[key] if lot.is_usable]
        if there and (len(there) >= _LOTS_AT_MOST or chance.random() < 0.6):
            return chance.choice(there)
        self._new_lots += 1
        days = (3 + self._new_lots) * chance.choice([1, -1])
        return Lot(f"N{self._new_lots}", FAR + timedelta(days=days), 0)

    def _lot(self, key: Key, number: str) -> Lot:
        found = self.lots.lot(key, number)
        if found is None:
            raise AssertionError(f"the model itself is wrong: {key} has no lot {number}")
        return found

    def _keys_of(self, product: int) -> list[Key]:
        return [key for key in self.keys if key.product_id == product]

    def _held(self, product: int, number: str) -> int:
        found = [self.lots.lot(key, number) for key in self._keys_of(product)]
        return sum(lot.held for lot in found if lot is not None)

    def _stop(self, product: int, number: str, *, blocked: bool) -> None:
        for key in self._keys_of(product):
            if (lot := self.lots.lot(key, number)) is not None:
                lot.is_blocked = blocked
            self.lots.account(key)


def _named(lot: Lot) -> dict[str, Json]:
    """A line's lot, with what its package says."""
    return {"lot_number": lot.number, **({"expires_on": lot.expires_on.isoformat()} if lot.expires_on else {})}
