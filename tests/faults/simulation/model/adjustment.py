"""Adjustments: posted, approved, rejected, withdrawn; and the orders that lose their units by them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.faults.simulation.model.books import Key, Movement
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import (
    ANYTHING,
    Answer,
    Expected,
    InAnyOrder,
    NoRun,
    Refusal,
    Such,
    naming,
    saying,
)
from tests.faults.simulation.model.reservation import Order, Orders

Json = Any
KIND = "AdjustmentWorkflow"
LIMIT, LIMIT_UNITS = Decimal("500.00"), 100


@dataclass
class Adjustment:
    """One adjustment.

    Attributes:
        lines: As asked for: each product once.
        shown: Orders that its approval would end, as they were last shown.
        gave_way: Units that orders lost, by order.
        is_stored: Whether the database has it: one that was short isn't.
    """

    number: str
    warehouse_id: int
    lines: list[Json]
    requested_by: str
    status: str
    value: Decimal = Decimal(0)
    unvalued: int = 0
    shown: list[Order] = field(default_factory=list)
    gave_way: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    approved_by: str | None = None
    is_stored: bool = True

    @property
    def workflow_id(self) -> str:
        """Its workflow's id."""
        return f"adjustment-{self.number}"

    def state(self) -> Json:
        """The state as a client has to see it."""
        value = self.value
        return {
            "adjustment_number": self.number,
            "warehouse_id": self.warehouse_id,
            "status": self.status,
            "requested_by": self.requested_by,
            "value": Such(lambda found: Decimal(found) == value, f"{value}"),
            "unvalued_units": self.unvalued,
            "approved_by": self.approved_by,
            "lines": [{"product_id": each["product_id"], "quantity": each["quantity"]} for each in self.lines],
            "would_end": InAnyOrder([{"reference_id": each.reference} for each in self.shown])
            if self.status == "PENDING"
            else ANYTHING,
            "gave_way": InAnyOrder(
                [{"reference_id": order, "quantity": units} for order, units in self.gave_way.items()]
            ),
            "notes": saying(self.notes),
        }


class Adjustments:
    """What commands on adjustments lead to. Each method changes the model, and says what has to be answered."""

    def __init__(self, model: Model, orders: Orders, costs: dict[int, Decimal | None]) -> None:
        self._model = model
        self._books = model.books
        self._orders = orders
        self.costs = costs
        self.all: dict[str, Adjustment] = {}
        model.documents[KIND] = self.all

    def pending(self) -> list[Adjustment]:
        """Those that wait for an approval."""
        return [each for each in self.all.values() if each.status == "PENDING"]

    def submit(self, number: str, warehouse_id: int, lines: Sequence[Json], by: str) -> Expected:
        """The start, or the same start again, with the update that answers it."""
        known = self.all.get(number)
        if known is not None and known.status == "PENDING":
            return Answer(known.state())
        if known is not None and known.is_stored:
            same = (known.warehouse_id, known.lines) == (warehouse_id, list(lines))
            self._model.ends(known.workflow_id, "COMPLETED" if same else "FAILED")
            return Answer(known.state() | {"notes": [], "gave_way": ANYTHING}) if same else Refusal("OperationConflict")
        new = self.all[number] = Adjustment(number, warehouse_id, list(lines), by, "PENDING")
        if short := self._short(new):
            new.status, new.is_stored = "REJECTED", False
            self._model.ends(new.workflow_id)
            return Refusal("InsufficientStock", InAnyOrder(short))
        for line in lines:
            cost = self.costs[line["product_id"]]
            new.value += abs(line["quantity"]) * (cost or 0)
            new.unvalued += 0 if cost is not None else abs(line["quantity"])
        new.shown = self._would_end(new)
        if new.shown or new.value > LIMIT or new.unvalued > LIMIT_UNITS:
            self._model.begins(new.workflow_id)
        else:
            self._post(new, f"{new.workflow_id}/submit")
        return Answer(new.state())

    def approve(self, adjustment: Adjustment, approver: str) -> Expected:
        """Another person agrees."""
        if adjustment.status != "PENDING":
            return NoRun()
        if approver.casefold() == adjustment.requested_by.casefold():
            return Refusal("NotPermitted")
        if short := self._short(adjustment):
            return Refusal("InsufficientStock", InAnyOrder(short))
        ending = self._would_end(adjustment)
        if unseen := [order for order in ending if order not in adjustment.shown]:
            adjustment.shown = ending
            ends = naming([order.reference for order in unseen], [order.reference for order in ending])
            return Refusal("NotPermitted", {"ends": ends})
        adjustment.approved_by = approver
        self._post(adjustment, f"{adjustment.workflow_id}/approve/")
        return Answer(adjustment.state())

    def end(self, adjustment: Adjustment, status: str) -> Expected:
        """It is rejected or withdrawn."""
        if adjustment.status != "PENDING":
            return NoRun()
        adjustment.status = status
        self._model.ends(adjustment.workflow_id)
        return Answer(adjustment.state())

    def _short(self, adjustment: Adjustment) -> list[Json]:
        """Items of which less is on hand than is to be taken off."""
        return [
            {**key._asdict(), "requested": -units, "available": self._books.items[key].on_hand}
            for key, units in _changes(adjustment)
            if self._books.items[key].on_hand + units < 0
        ]

    def _would_end(self, adjustment: Adjustment) -> list[Order]:
        """Orders that would lose their units: of each item the latest ones."""
        ending: list[Order] = []
        for key, units in _changes(adjustment):
            level = self._books.items[key]
            missing = level.reserved - max(level.on_hand + units, 0) if units < 0 else 0
            for order in reversed(self._orders.placed(key)):
                if missing > 0:
                    ending.append(order)
                    missing -= order.open_of(key)
        return ending

    def _post(self, adjustment: Adjustment, operation: str) -> None:
        adjustment.status = "POSTED"
        ending = self._would_end(adjustment)
        for order in ending:
            fell = next(line["product_id"] for line in adjustment.lines if line["quantity"] < 0)
            key = Key(adjustment.warehouse_id, fell)
            adjustment.gave_way[order.reference] = order.open_of(key)
            self._orders.loses(order)
        for key, units in _changes(adjustment):
            self._books.move(key, Movement("ADJUSTMENT", units, adjustment.number, operation))
        self._model.ends(adjustment.workflow_id)


def _changes(adjustment: Adjustment) -> list[tuple[Key, int]]:
    return [(Key(adjustment.warehouse_id, each["product_id"]), each["quantity"]) for each in adjustment.lines]
