"""Lots of tracked products: which of them an order holds, first expired first, and what has left of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.model.outcome import Answer, Expected
from tests.faults.simulation.model.reservation import Line, Order, Orders

Json = Any
LotUnits = dict[str, int]
"""Units by lot number."""


@dataclass
class Lot:
    """A lot in one warehouse.

    Attributes:
        number: Its number.
        expires_on: Its last day; None: it doesn't expire.
        on_hand: Units there.
        has_expired: Whether it has expired; none does during a run.
        held: Units that orders and transfers hold.
        aside: Units that are set aside.
        is_blocked: Whether a recall has blocked it.
    """

    number: str
    expires_on: date | None
    on_hand: int
    has_expired: bool = False
    held: int = 0
    aside: int = 0
    is_blocked: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether it may be promised."""
        return not self.has_expired and not self.is_blocked

    @property
    def loose(self) -> int:
        """Units that nobody holds and that aren't set aside."""
        return self.on_hand - self.held - self.aside

    @property
    def free(self) -> int:
        """Units that may be promised."""
        return self.loose if self.is_usable else 0


class LotOrders(Orders):
    """Orders of products that are tracked by lot.

    Args:
        model: What they bring about.
        shelf: The lots of each item, in the order in which they have to leave.
    """

    def __init__(self, model: Model, shelf: dict[Key, list[Lot]]) -> None:
        super().__init__(model)
        self.shelf = shelf
        model.shelf.update(shelf)
        self._held: dict[int, LotUnits] = {}
        self._left: dict[int, LotUnits] = {}

    def reserve(self, reference: str, lines: Sequence[Json], *, waits: bool = False, late: bool = False) -> Expected:
        """See `Orders`: each line gets lots."""
        return self._told(super().reserve(reference, lines, waits=waits, late=late), reference)

    def fulfill(self, order: Order, lines: Sequence[Json] | None, number: str | None, key: str) -> Expected:
        """See `Orders`: the lots that are held leave, the first to expire first, or those that were picked instead."""
        before = {id(line): line.fulfilled for line in order.lines}
        expected = super().fulfill(order, lines, number, key)
        named = {each["product_id"]: each["lots"] for each in lines or () if each.get("lots")}
        for line in order.lines:
            units = line.fulfilled - before[id(line)]
            picked = {each["lot_number"]: each["quantity"] for each in named.get(line.key.product_id, ())}
            self._ship(line, units, picked if units else {})
        return self._told(expected, order.reference)

    def release(self, order: Order, lines: Sequence[Json], number: str | None) -> Expected:
        """See `Orders`: the lots that last longest are given back first."""
        return self._told(super().release(order, lines, number), order.reference)

    def cancel(self, order: Order) -> Expected:
        """See `Orders`."""
        return self._told(super().cancel(order), order.reference)

    def free_of(self, key: Key) -> list[Lot]:
        """Lots of which something may be picked by anybody."""
        return [lot for lot in self.shelf[key] if lot.free]

    def first(self, key: Key, units: int) -> LotUnits:
        """So many free units, by lot: first expired, first out."""
        chosen: LotUnits = {}
        for lot in self.shelf[key]:
            if taken := min(lot.free, units - sum(chosen.values())):
                chosen[lot.number] = taken
        return chosen

    def lot(self, key: Key, number: str) -> Lot | None:
        """A lot of an item, if it has ever come there."""
        return next((lot for lot in self.shelf[key] if lot.number == number), None)

    def come(self, key: Key, number: str, expires_on: date | None, units: int) -> None:
        """Units of a lot come, or, negative, go; its place is by its last day, and no two of these are the same."""
        lot = self.lot(key, number)
        if lot is None:
            lot = Lot(number, expires_on, 0)
            self.shelf[key].append(lot)
            self.shelf[key].sort(key=lambda lot: lot.expires_on or date.max)
        lot.on_hand += units
        self.account(key)

    def account(self, key: Key) -> None:
        """Let an item know what of its lots may not leave, and what is set aside."""
        level, lots = self._books.items[key], self.shelf[key]
        level.unusable = sum(lot.loose for lot in lots if not lot.is_usable)
        level.aside = sum(lot.aside for lot in lots)

    def _told(self, expected: Expected, reference: str) -> Expected:
        """The same answer, with the lots of each line as they are after it."""
        order = self.all[reference]
        for line in order.lines:
            self._settle(line, line.open if order.status == "ACTIVE" and not line.ended else 0)
            line.lots = self._shown(line)
        if isinstance(expected, Answer):
            return Answer(expected.state | {"lines": order.state()["lines"]})
        return expected

    def _settle(self, line: Line, due: int) -> None:
        """Let a line hold so many units."""
        held = self._held.setdefault(id(line), {})
        missing = due - sum(held.values())
        for lot in self.shelf[line.key]:
            if missing > 0 and (units := min(lot.free, missing)):
                held[lot.number] = held.get(lot.number, 0) + units
                lot.held += units
                missing -= units
        for lot in reversed(self.shelf[line.key]):
            if missing < 0 and (units := min(held.get(lot.number, 0), -missing)):
                held[lot.number] -= units
                lot.held -= units
                missing += units
        if missing:
            raise AssertionError(f"the model itself is wrong: {missing} units of {line.key} are in no lot")

    def _ship(self, line: Line, units: int, picked: LotUnits) -> None:
        """Let units leave: those that were picked, in place of the first that were held."""
        held = self._held.setdefault(id(line), {})
        if not picked:
            for lot in self.shelf[line.key]:
                if taken := min(held.get(lot.number, 0), units - sum(picked.values())):
                    picked[lot.number] = taken
        others = 0
        for lot in self.shelf[line.key]:
            taken = picked.get(lot.number, 0)
            own = min(held.get(lot.number, 0), taken)
            if own:
                held[lot.number] -= own
            lot.held -= own
            lot.on_hand -= taken
            others += taken - own
        for lot in self.shelf[line.key]:
            if back := min(held.get(lot.number, 0), others):
                held[lot.number] -= back
                lot.held -= back
                others -= back
        left = self._left.setdefault(id(line), {})
        for number, taken in picked.items():
            left[number] = left.get(number, 0) + taken

    def _shown(self, line: Line) -> list[Json]:
        held, left = self._held.get(id(line), {}), self._left.get(id(line), {})
        return [
            {
                "lot_number": lot.number,
                "expires_on": None if lot.expires_on is None else lot.expires_on.isoformat(),
                "quantity": held.get(lot.number, 0) + left.get(lot.number, 0),
            }
            for lot in self.shelf[line.key]
            if held.get(lot.number) or left.get(lot.number)
        ]
