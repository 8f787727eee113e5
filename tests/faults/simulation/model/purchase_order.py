"""Purchase orders: approved, sent, amended, received, corrected, returned, as the contract says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.document import (
    LIMIT,
    LIMIT_UNITS,
    Approved,
    Document,
    Json,
    No,
    by_product,
    fill,
    lines_of,
    money,
    require_two_people,
    same_person,
    units_of,
    wrong_state,
)
from tests.faults.simulation.model.outcome import Answer, Expected

OUT = ("SUBMITTED", "CONFIRMED")
_SENT = (*OUT, "RECEIVED")
Tiers = Sequence[tuple[Decimal | None, int]]
DEFAULT_TIERS: Tiers = ((Decimal(1_000), 0), (Decimal(10_000), 1), (None, 2))


@dataclass
class Line:
    """Units of a product on order, and the most that may come."""

    product: int
    qty: int
    cost: Decimal
    most: int
    received: int = 0
    rejected: int = 0
    returned: int = 0

    @property
    def owed(self) -> int:
        """Units that the supplier still owes."""
        return max(self.qty - self.received, 0)


@dataclass
class Receipt:
    """A receipt as it was sent, and what it has brought by line, less what has been corrected since."""

    sent: Json
    accepted: list[int]
    rejected: list[int]


@dataclass
class PurchaseOrder(Document):
    """A purchase order."""

    kind: ClassVar[str] = "PurchaseOrderWorkflow"
    prefix: ClassVar[str] = "purchase-order-"
    number_field: ClassVar[str] = "po_number"
    final: ClassVar[Sequence[str]] = ("RECEIVED", "CANCELLED")

    status: str = "DRAFT"
    version: int = 1
    required: int = 0
    total: Decimal = Decimal(0)
    expected: str | None = None
    lines: list[Line] = field(default_factory=list)
    approvers: list[str] = field(default_factory=list)
    amenders: list[str] = field(default_factory=list)
    amendments: dict[str, Json] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    corrections: dict[str, Json] = field(default_factory=dict)
    returns: dict[str, Json] = field(default_factory=dict)
    differences: list[Approved] = field(default_factory=list)
    booked_back: list[int] = field(default_factory=list)

    def begins(self) -> None:
        """Draft it; without approvals it goes out at once."""
        self.expected = self.start["expected_delivery_date"]
        self._order(self.start["line_items"])
        self.status = "DRAFT" if self.required else "SUBMITTED"

    def _order(self, lines: Sequence[Mapping[str, Json]]) -> None:
        percent = 100 + self.place.over_delivery_percent
        self.lines = [
            Line(line["product_id"], line["qty"], Decimal(line["unit_cost"]), line["qty"] * percent // 100)
            for line in lines
        ]
        self.booked_back = [0] * len(self.lines)
        self.total = sum((line.qty * line.cost for line in self.lines), Decimal(0))
        self.required = max(self._approvals_by_total(), int(self._is_under_its_price()))

    def _approvals_by_total(self) -> int:
        tiers: Tiers = DEFAULT_TIERS
        if (policy := self.start["approval"]) is not None:
            tiers = [
                (None if tier["up_to"] is None else Decimal(tier["up_to"]), tier["approvals"])
                for tier in policy["tiers"]
            ]
        return next(approvals for up_to, approvals in tiers if up_to is None or self.total <= up_to)

    def _is_under_its_price(self) -> bool:
        """Whether more of the goods' worth is unpaid than one person may decide."""
        unpaid, unvalued = Decimal(0), 0
        for line in self.lines:
            known = self.cost(line.product)
            if known is None:
                unvalued += 0 if line.cost else line.qty
            elif known > line.cost:
                unpaid += line.qty * (known - line.cost)
        return unpaid > LIMIT or unvalued > LIMIT_UNITS

    # Commands.

    def approve(self, sent: Json, _key: str) -> None:
        """One approval more; the last one sends it out."""
        self._require_version(sent, "approve")
        approver = sent["approver"]
        if any(same_person(approver, each) for each in self.approvers):
            return
        self._require_status("approve", "DRAFT")
        if any(same_person(approver, each) for each in (self.start["requested_by"], *self.amenders)):
            raise No("NotPermitted")
        self.approvers.append(approver)
        if len(self.approvers) >= self.required:
            self.status = "SUBMITTED"

    def reject(self, _sent: Json, _key: str) -> None:
        """One is enough."""
        self._require_status("reject", "DRAFT")
        self._end("CANCELLED")

    def amend(self, sent: Json, _key: str) -> None:
        """Other lines, while nothing has come."""
        name, lines = sent.get("amendment_id"), sent["line_items"]
        if name is not None and name in self.amendments:
            if self.amendments[name] != lines:
                raise No("OperationConflict")
            return
        self._require_version(sent, "amend")
        self._require_status("amend", "DRAFT", "SUBMITTED")
        if self.receipts:
            raise wrong_state(self.status, "amend")
        if name is not None:
            self.amendments[name] = lines
        day = sent.get("expected_delivery_date") or self.expected
        had = [(line.product, line.qty, line.cost) for line in self.lines]
        wanted = [(line["product_id"], line["qty"], Decimal(line["unit_cost"])) for line in lines]
        if had == wanted and day == self.expected:
            return
        total, required = self.total, self.required
        self._order(lines)
        self.expected, self.version = day, self.version + 1
        self.amenders.append(sent["performed_by"])
        grows = self.total > total or self.required > required
        if self.status == "DRAFT" or grows:
            self.approvers = []
            self.status = "DRAFT" if self.required else "SUBMITTED"

    def confirm(self, sent: Json, _key: str) -> None:
        """The supplier accepts, perhaps for another day."""
        self._require_status("confirm", *OUT)
        self.status = "CONFIRMED"
        self.expected = sent.get("expected_delivery_date") or self.expected

    def receive(self, sent: Json, _key: str) -> None:
        """Goods have come: accepted ones enter stock, rejected ones are still owed."""
        name = sent["receipt_id"]
        if name in self.receipts:
            if self.receipts[name].sent != sent["lines"]:
                raise No("OperationConflict")
            return
        self._require_status("receive", *OUT)
        accepted, rejected = self._share(by_product(sent["lines"], "quantity", "rejected_quantity"))
        self._require_ordered(accepted, sent["performed_by"])
        for line, fit, unfit in zip(self.lines, accepted, rejected, strict=True):
            line.received += fit
            line.rejected += unfit
        self._move(accepted, 1, f"receive/{name}")
        self.receipts[name] = Receipt(sent["lines"], accepted, rejected)
        paid = {line.product: line.cost for line, units in zip(self.lines, accepted, strict=True) if units}
        self.place.agreed = paid | self.place.agreed
        if not any(line.owed for line in self.lines):
            self._end("RECEIVED")

    def _share(self, came: Mapping[int, Sequence[int]]) -> tuple[list[int], list[int]]:
        """Accepted and rejected units of each line: first what is owed, then what is tolerated."""
        accepted, rejected = [0] * len(self.lines), [0] * len(self.lines)
        for product, (quantity, unfit) in came.items():
            its = self._lines_of(product)
            owed = [self.lines[index].owed for index in its]
            room = [self.lines[index].most - self.lines[index].received for index in its]
            if quantity > sum(room):
                numbers = {"product_id": product, "quantity": quantity, "owed": sum(owed), "at_most": sum(room)}
                raise No("InvalidRequest", numbers)
            first = fill(owed, quantity)
            more = fill([has - took for has, took in zip(room, first, strict=True)], quantity - sum(first))
            for index, units, beyond in zip(its, first, more, strict=True):
                accepted[index] = units + beyond
            rejected[next((index for index in its if self.lines[index].owed), its[-1])] += unfit
        return accepted, rejected

    def _require_ordered(self, accepted: Sequence[int], receiver: str) -> None:
        beyond = [max(line.received + fit - line.qty, 0) for line, fit in zip(self.lines, accepted, strict=True)]
        before = [max(line.received - line.qty, 0) for line in self.lines]
        if any(now > then for now, then in zip(beyond, before, strict=True)):
            require_two_people(self._costed(beyond), receiver, self.differences)

    def _costed(self, units: Sequence[int]) -> list[tuple[int, Decimal | None]]:
        costs = [self.cost(line.product) or line.cost or None for line in self.lines]
        return [each for each in zip(units, costs, strict=True) if each[0]]

    def approve_difference(self, sent: Json, _key: str) -> None:
        """Another person allows units beyond the order, or booked back, up to a worth in all."""
        self._require_status("approve_difference", *_SENT)
        self.differences.append((sent["approver"], Decimal(sent["value"]), sent.get("unvalued_units", 0)))

    def correct_receipt(self, sent: Json, _key: str) -> None:
        """A receipt was booked too high: its units leave stock again, and are owed."""
        name, wrong = sent["correction_id"], by_product(sent["lines"], "quantity", "rejected_quantity")
        if name in self.corrections:
            if self.corrections[name] != (sent["receipt_id"], sent["lines"]):
                raise No("OperationConflict")
            return
        self._require_status("correct_receipt", *_SENT)
        receipt = self.receipts.get(sent["receipt_id"])
        if receipt is None:
            raise No("InvalidRequest")
        back, unfit = [0] * len(self.lines), [0] * len(self.lines)
        for product, (quantity, rejected) in wrong.items():
            its = [index for index in self._lines_of(product) if receipt.accepted[index] or receipt.rejected[index]]
            here = [self.lines[index].received - self.lines[index].returned for index in its]
            brought = [min(receipt.accepted[index], units) for index, units in zip(its, here, strict=True)]
            _take(product, quantity, its, brought, back)
            _take(product, rejected, its, [receipt.rejected[index] for index in its], unfit)
        booked_back = [before + units for before, units in zip(self.booked_back, back, strict=True)]
        if any(back):
            require_two_people(self._costed(booked_back), sent["performed_by"], self.differences)
            self._require_here(back)
        for index, (fit, rejected) in enumerate(zip(back, unfit, strict=True)):
            self.lines[index].received -= fit
            self.lines[index].rejected -= rejected
            receipt.accepted[index] -= fit
            receipt.rejected[index] -= rejected
        self.booked_back = booked_back
        self._move(back, -1, f"correct_receipt/{name}")
        self.corrections[name] = (sent["receipt_id"], sent["lines"])

    def return_goods(self, sent: Json, _key: str) -> None:
        """Received goods go back to the supplier, and aren't owed again."""
        name, wanted = sent["return_id"], units_of(sent["lines"]) or {}
        if name in self.returns:
            if self.returns[name] != sent["lines"]:
                raise No("OperationConflict")
            return
        self._require_status("return_goods", *_SENT)
        back = [0] * len(self.lines)
        for product, quantity in wanted.items():
            its = self._lines_of(product)
            _take(
                product, quantity, its, [self.lines[index].received - self.lines[index].returned for index in its], back
            )
        self._require_here(back)
        for line, units in zip(self.lines, back, strict=True):
            line.returned += units
        self._move(back, -1, f"return_goods/{name}")
        self.returns[name] = sent["lines"]

    def close_short(self, _sent: Json, _key: str) -> None:
        """The rest isn't expected any more."""
        self._require_status("close_short", *OUT)
        self._end("RECEIVED" if self.has_come else "CANCELLED")

    def cancel(self, _sent: Json, _key: str) -> None:
        """It isn't wanted any more, and nothing has come."""
        self._require_status("cancel", "DRAFT", *OUT)
        if self.has_come:
            raise wrong_state(self.status, "cancel")
        self._end("CANCELLED")

    def lapses(self) -> Expected:
        """The last deadline comes before the approvals: the run's result."""
        self._end("CANCELLED")
        self.place.model.ends(self.workflow_id)
        return Answer({**self.state(), "closed_reason": "not approved in time"})

    def give_up(self) -> None:
        """See `Document`: whatever has come stays."""
        if self.has_come:
            self.close_short({}, "")
        else:
            self.cancel({}, "")

    def _end(self, status: str) -> None:
        """By an order that has come the supplier is measured, once for each product of which some is here."""
        self.status = status
        for product in {line.product for line in self.lines if line.received}:
            self.place.lead_times[product] = self.place.lead_times.get(product, 0) + 1

    @property
    def has_come(self) -> bool:
        """Whether anything of it is in stock."""
        return any(line.received for line in self.lines)

    def _require_status(self, command: str, *right: str) -> None:
        if self.status not in right:
            raise wrong_state(self.status, command)

    def _require_version(self, sent: Json, command: str) -> None:
        if sent.get("version") not in (None, self.version):
            raise wrong_state(self.status, command)

    def _lines_of(self, product: int) -> list[int]:
        return lines_of([line.product for line in self.lines], product)

    def _key(self, line: Line) -> Key:
        return Key(self.start["warehouse_id"], line.product)

    def _require_here(self, units: Sequence[int]) -> None:
        wanted: dict[Key, int] = {}
        for line, each in zip(self.lines, units, strict=True):
            if each:
                wanted[self._key(line)] = wanted.get(self._key(line), 0) + each
        self.require_available(wanted)

    def _move(self, units: Sequence[int], sign: int, step: str) -> None:
        for line, each in zip(self.lines, units, strict=True):
            if each:
                self.move("PURCHASE", self._key(line), sign * each, step)

    def state(self) -> Json:
        """See `Document`."""
        return {
            "po_number": self.number,
            "supplier_id": self.start["supplier_id"],
            "warehouse_id": self.start["warehouse_id"],
            "status": self.status,
            "version": self.version,
            "total": money(self.total),
            "required_approvals": self.required,
            "approvals": [{"approver": each} for each in self.approvers],
            "expected_delivery_date": self.expected,
            "line_items": [
                {
                    "product_id": line.product,
                    "qty": line.qty,
                    "unit_cost": money(line.cost),
                    "quantity_received": line.received,
                    "quantity_rejected": line.rejected,
                    "quantity_returned": line.returned,
                }
                for line in self.lines
            ],
        }


def _take(product: int, wanted: int, its: Sequence[int], there: Sequence[int], taken: list[int]) -> None:
    """Take units back from the lines that have them."""
    if wanted > sum(there):
        # A product that the receipt hasn't brought has no numbers.
        numbers = {"quantity": wanted, "received": sum(there)} if its else {}
        raise No("InvalidRequest", {"product_id": product} | numbers)
    for index, units in zip(its, fill(there, wanted), strict=True):
        taken[index] = units
