"""Supply of an item: the units that there are and that are on their way, in the order in which they come."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from itertools import accumulate

from stockkeeper.domain.arrival import DayBasis
from stockkeeper.domain.stock import ItemKey, Level


class SupplySource(StrEnum):
    """Where units come from."""

    STOCK = "STOCK"
    PURCHASE_ORDER = "PURCHASE_ORDER"
    TRANSFER = "TRANSFER"


@dataclass(frozen=True)
class ScheduledReceipt:
    """Units of an item that are on their way, and the day by which they are there.

    Attributes:
        source: Purchase order or transfer.
        number: The document's number.
        item: The item.
        units: Units.
        day: The day, by the calendar of the warehouse.
        begins: The beginning of that day.
        basis: What the day is known by.
    """

    source: SupplySource
    number: str
    item: ItemKey
    units: int
    day: date
    begins: datetime
    basis: DayBasis


@dataclass(frozen=True)
class Counted:
    """Units that somebody counts on.

    Attributes:
        source: Where they come from.
        number: The document's number; None: they are in stock.
        units: Units.
        day: The day by which they are there.
        basis: What the day is known by; None: they are there.
    """

    source: SupplySource
    number: str | None
    units: int
    day: date
    basis: DayBasis | None = None


class Supply:
    """The supply of one item from an instant on. What is due on the day of that instant counts as there.

    Args:
        level: Its level.
        receipts: What is on its way, the earliest first.
        as_of: The instant.
        today: The day of that instant in the warehouse.
    """

    def __init__(self, level: Level, receipts: Sequence[ScheduledReceipt], as_of: datetime, today: date) -> None:
        self.in_stock = level.on_hand - level.reserved - level.buffer - level.unavailable
        """Available units; negative as long as the buffer isn't full, which what comes fills first."""
        self._level = level
        self._units = [
            (as_of, Counted(SupplySource.STOCK, None, self.in_stock, today)),
            *(
                (max(each.begins, as_of), Counted(each.source, each.number, each.units, each.day, each.basis))
                for each in receipts
            ),
        ]
        self._totals = list(accumulate(each.units for _, each in self._units))
        self.instants = [at for at, _ in self._units]
        """The instants at which something is there, the present first."""

    def by(self, at: datetime) -> int:
        """Units that are there by an instant, those included that others have first."""
        return self._totals[bisect_right(self.instants, at) - 1]

    def level_at(self, at: datetime) -> Level:
        """The level at an instant."""
        return replace(self._level, on_hand=self._level.on_hand + self.by(at) - self.in_stock)

    def complete_at(self, at: datetime) -> datetime:
        """When the last units come that are there by an instant."""
        return self.instants[bisect_right(self.instants, at) - 1]

    def take(self, units: int, until: datetime, *, after: int) -> list[Counted]:
        """Take units that are there by an instant, or as many as there are, behind those that others have first.

        They aren't there for the next one who takes.
        """
        taken, left, others, missing = [], [], after, units
        for at, each in self._units:
            theirs = min(each.units, others)
            others -= theirs
            mine = min(each.units - theirs, missing) if at <= until else 0
            missing -= mine
            if mine:
                taken.append(replace(each, units=mine))
            left.append((at, replace(each, units=each.units - mine)))
        self._units = left
        return taken
