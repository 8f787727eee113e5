"""The rows that a step on locked stock decides on and changes, as they are in memory (`database.locked_stock`)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from database.operations import Operation
from stockkeeper.domain.lot import HeldLot, LotOnHand, StockState, Tracking, days_needed, in_order
from stockkeeper.domain.perishing import LONGEST_DAYS, LotAhead, Perishables
from stockkeeper.domain.reservation import HeldLine
from stockkeeper.domain.sourcing import DEFAULT_PRIORITY
from stockkeeper.domain.stock import ItemKey, Level, MovementType


class PlacedMeanwhile(Exception):
    """Something was placed after the rows of its step had been looked up: the next attempt locks them all.

    What is under no lock can't be decided on, and locking it now would be out of order.
    """


class Reference(NamedTuple):
    """The holder of a reservation: an order or a transfer, and its number."""

    reference_type: str
    reference_id: str


class Changed(NamedTuple):
    """By how much the units of a lot have changed since they were read: on hand, reserved, unavailable."""

    moved: int
    held: int
    aside: int


@dataclass(slots=True)
class StockItem:
    """An inventory item under lock; quantities in units.

    Attributes:
        balance: On hand by the last movement; 0: there is none.
        priority: Priority of its warehouse, for sourcing.
        exists: Whether it has a row. One that was never stocked has none, and can't be changed.
        moved: By how much on hand has changed since it was read.
        held: By how much the reserved quantity has changed since it was read.
        told: The level that others know: as it was read, or as the latest event has it.
        unavailable: Units on hand that can't be promised for a reason of their own (`stockkeeper.domain.lot`).
        set_aside: By how much those have changed since it was read.
        is_tracked: Whether its units have lots. Only then there is something in what follows.
        tracking: How they are told apart.
        minimum_days_left: Days that a unit must have left when it is promised; None: any.
        today: The day in its warehouse's time zone.
        lots: Its lots that have units or are about to come, by number.
        lots_read: Units on hand, reserved and unavailable of each lot, as they were read.
        daily_mean: Units a day that its plan expects to sell; None: it has no plan.
        lead_time_days: Days from an order to its goods, by the plan.
    """

    key: ItemKey
    sku: str | None
    is_active: bool
    warehouse: str | None
    balance: int
    exists: bool = False
    on_hand: int = 0
    reserved: int = 0
    buffer: int = 0
    reorder_point: int | None = None
    last_moved_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY
    moved: int = 0
    held: int = 0
    has_changed: bool = False
    told: Level = field(default_factory=Level)
    unavailable: int = 0
    set_aside: int = 0
    is_tracked: bool = False
    tracking: Tracking = Tracking.NONE
    minimum_days_left: int | None = None
    today: date = date.min
    lots: dict[str, LotOnHand] = field(default_factory=dict)
    lots_read: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    daily_mean: float | None = None
    lead_time_days: float = 0.0

    @property
    def level(self) -> Level:
        """Its level as it is now."""
        return self.level_for()

    def level_for(self, minimum_days_left: int | None = None, without: Iterable[HeldLine] = ()) -> Level:
        """Its level as an order sees it.

        Args:
            minimum_days_left: Days that each unit must have left for the order; None: what the product asks for.
            without: Lines on the item that are taken for released.
        """
        if not self.is_tracked and not without:
            return Level(self.on_hand, self.reserved, self.buffer, self.unavailable)
        lines = list(without)
        reserved = self.reserved - sum(line.quantity_open for line in lines)
        if not self.is_tracked:
            return Level(self.on_hand, reserved, self.buffer, self.unavailable)
        days = days_needed(minimum_days_left, self.minimum_days_left)
        unusable = sum(lot.free for lot in self.lots.values() if not lot.is_usable(self.today, days))
        for line in lines:
            for held in line.lots:
                lot = self.lots.get(held.lot_number)
                if lot is not None and not lot.is_usable(self.today, days):
                    unusable += held.quantity_held
        return Level(self.on_hand, reserved, self.buffer, self.unavailable + unusable)

    def read_lot(self, lot: LotOnHand) -> None:
        """Take in a lot as it was read."""
        self.lots[lot.number] = lot
        self.lots_read[lot.number] = lot.on_hand, lot.reserved, lot.unavailable

    def changed_lots(self) -> Mapping[str, Changed]:
        """By how much each lot has changed since it was read, by number; those that haven't are left out."""
        changed = {}
        for number, lot in self.lots.items():
            on_hand, reserved, unavailable = self.lots_read.get(number, (0, 0, 0))
            units = Changed(lot.on_hand - on_hand, lot.reserved - reserved, lot.unavailable - unavailable)
            if any(units):
                changed[number] = units
        return changed

    def written(self) -> None:
        """Count what has changed as written."""
        self.moved, self.held, self.set_aside, self.has_changed = 0, 0, 0, False
        if self.is_tracked:
            self.lots_read = {
                number: (lot.on_hand, lot.reserved, lot.unavailable)
                for number, lot in self.lots.items()
                if number in self.lots_read or (lot.on_hand, lot.reserved, lot.unavailable) != (0, 0, 0)
            }

    @property
    def is_below(self) -> bool:
        """Whether less of it can be promised than its reorder point."""
        return self.reorder_point is not None and self._to_promise < self.reorder_point

    @property
    def is_short(self) -> bool:
        """Whether less of it can be promised and sold in time than its reorder point: what an order is decided by."""
        if self.reorder_point is None:
            return False
        over = self._to_promise - self.reorder_point
        return over < 0 or (self.is_tracked and over < self._to_expire)

    @property
    def _to_promise(self) -> int:
        """Units that can be promised; below zero more is promised, or kept as buffer, than there is."""
        level = self.level
        return level.on_hand - level.reserved - level.buffer - level.unavailable

    @property
    def _to_expire(self) -> int:
        """Units that are expected to expire within the lead time, before they can be sold."""
        if self.daily_mean is None:
            return 0
        days = self.minimum_days_left
        until = self.today + timedelta(days=min(math.floor(self.lead_time_days), LONGEST_DAYS) + (days or 0))
        usable = [lot for lot in self.lots.values() if lot.use_by <= until and lot.usable(self.today, days) > 0]
        ends = [(lot.free, lot.last_day(days)) for lot in in_order(usable)]
        lots = [LotAhead(units, None if end is None else (end - self.today).days, end) for units, end in ends]
        return Perishables(lots, self.daily_mean, self.lead_time_days).units()

    @property
    def name(self) -> str:
        """The SKU and the warehouse, for a message."""
        return f"{self.sku} in {self.warehouse}"


@dataclass(slots=True)
class StockLine:
    """A line of a reservation under the lock of its item, with what isn't in `HeldLine`."""

    held: HeldLine
    reference: Reference | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_reason: str | None = None
    placed_by: Operation | None = None
    placed_at: datetime | None = None
    has_changed: bool = False
    lots_read: tuple[HeldLot, ...] = ()

    def read_lots(self, lots: Iterable[HeldLot]) -> None:
        """Take in its lots as they were read."""
        self.lots_read = tuple(lots)
        self.held = replace(self.held, lots=self.lots_read)

    def changed_lots(self) -> Iterable[HeldLot]:
        """Its lots that aren't as they were read."""
        return () if not self.held.lots else [lot for lot in self.held.lots if lot not in self.lots_read]


class Movement(NamedTuple):
    """A movement that is to be written."""

    item: ItemKey
    movement_type: MovementType
    quantity: int
    balance_after: int
    reference_id: str
    reason: str
    operation: Operation
    created_at: datetime
    occurred_at: datetime | None
    lot_number: str | None = None
    lot_balance_after: int | None = None


class Moving(NamedTuple):
    """Units of an item that are to be moved: positive in, negative out; of a tracked product, of one lot."""

    item: ItemKey
    quantity: int
    lot_number: str | None = None


class Aside(NamedTuple):
    """Units that are set aside for a reason, or, negative, released from it; no lot number: it isn't tracked."""

    item: ItemKey
    lot_number: str
    state: StockState
    quantity: int


class GivenUp(NamedTuple):
    """Units of a line that are given up, by one operation."""

    reservation_id: int
    quantity: int
    reason: str
    operation: Operation
    at: datetime


class GivenWay(NamedTuple):
    """A line that gives way, as it was before."""

    line: HeldLine
    document: str
    operation: Operation
    at: datetime


class HeldAgain(NamedTuple):
    """A line that gave way and is held again."""

    reservation_id: int
    operation: Operation
    at: datetime
