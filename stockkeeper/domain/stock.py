"""Stock: an item, its level, and the types of movements that change it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.errors import Shortage


class ItemKey(NamedTuple):
    """One product in one warehouse, in the order in which items are locked."""

    warehouse_id: int
    product_id: int


@dataclass(frozen=True)
class Level:
    """Level of an item, in units.

    Attributes:
        on_hand: On hand.
        reserved: Of these, those that are promised.
        buffer: Of these, those that are kept from sale.
        unavailable: Of these, those that can't be promised: set aside, or of a lot that may not leave.
    """

    on_hand: int = 0
    reserved: int = 0
    buffer: int = 0
    unavailable: int = 0

    @property
    def not_set_aside(self) -> int:
        """Units on hand that a correction may take, or that may be set aside: those that aren't unavailable."""
        return self.on_hand - self.unavailable

    @property
    def available(self) -> int:
        """Units that can still be promised: what is left of on hand without the others; 0 if the buffer isn't full."""
        return max(self.on_hand - self.reserved - self.buffer - self.unavailable, 0)


class MovementType(StrEnum):
    """Why on hand changed. PURCHASE, RETURN and TRANSFER_IN add; SALE and TRANSFER_OUT take; ADJUSTMENT does either."""

    PURCHASE = "PURCHASE"
    SALE = "SALE"
    RETURN = "RETURN"
    ADJUSTMENT = "ADJUSTMENT"
    TRANSFER_IN = "TRANSFER_IN"
    TRANSFER_OUT = "TRANSFER_OUT"


def wanted_by_item(lines: Iterable[tuple[ItemKey, int]]) -> dict[ItemKey, int]:
    """Units wanted of each item: the same item on two lines counts together. In lock order."""
    wanted: Counter[ItemKey] = Counter()
    for item, quantity in lines:
        wanted[item] += quantity
    return dict(sorted(wanted.items()))


def shortages(wanted: Mapping[ItemKey, int], levels: Mapping[ItemKey, Level]) -> list[Shortage]:
    """The items that are short, in lock order; empty if everything can be held. An item without a row has 0."""
    return [
        Shortage(item.product_id, item.warehouse_id, quantity, level.available, unavailable=level.unavailable)
        for item, quantity in wanted.items()
        if (level := levels.get(item, Level())).available < quantity
    ]
