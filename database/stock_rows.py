"""The rows that a step on locked stock decides on and changes, as they are in memory (`database.locked_stock`)."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from database.operations import Operation
from stockkeeper.domain.reservation import HeldLine
from stockkeeper.domain.sourcing import DEFAULT_PRIORITY
from stockkeeper.domain.stock import ItemKey, Level, MovementType


class Reference(NamedTuple):
    """The holder of a reservation: an order or a transfer, and its number."""

    reference_type: str
    reference_id: str


@dataclass(slots=True)
class StockItem:
    """An inventory item under lock; quantities in units.

    Attributes:
        balance: On hand by the last movement; 0: there is none.
        priority: Priority of its warehouse, for sourcing.
        exists: Whether it has a row. One that was never stocked has none, and can't be changed.
        moved: By how much on hand has changed since it was read.
        held: By how much the reserved quantity has changed since it was read.
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

    @property
    def level(self) -> Level:
        """Its level as it is now."""
        return Level(self.on_hand, self.reserved, self.buffer)

    @property
    def is_below(self) -> bool:
        """Whether it is below its reorder point, as the database has it."""
        return self.reorder_point is not None and self.on_hand - self.reserved - self.buffer < self.reorder_point

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
