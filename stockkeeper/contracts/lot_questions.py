"""Questions about lots: what is on hand of each and where, and who holds units of it."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_ID, Day, LotNumber, Message, Page, Timestamp
from stockkeeper.contracts.stock import Name
from stockkeeper.domain.lot import LotStatus as LotStatus  # noqa: PLC0414 - part of the contract

LOTS_AT_ONCE = 1_000
NEVER = date(2199, 12, 31)
"""In the order of lots, the day of those without one: the last day that a message may have."""

LotPlace = tuple[str, Day, str, str]
"""Where a lot stands in the order of lots: SKU, last day, number and warehouse."""
PlaceByDay = tuple[str, Day, str, str]
"""Where a lot stands in the order of lots that expire: warehouse, last day, SKU and number."""
EXPIRING_WITHIN_DAYS = 30
"""Days left that a question about lots that expire asks for, unless it says otherwise: a month."""
LONGEST_DAYS_AHEAD = 3_650
DaysAhead = Annotated[int, Field(ge=0, le=LONGEST_DAYS_AHEAD)]
"""Days until a lot's last day."""
LotsOnPage = Annotated[int, Field(gt=0, le=LOTS_AT_ONCE, description="Lots on this page at most.")]


class ShowLots(Message):
    """Lots with their units in each warehouse: all, of one product, or in one warehouse; page by page.

    They come by SKU, then the first expired first, then by number and warehouse.
    """

    product: Name | None = None
    warehouse: Name | None = None
    lot_number: LotNumber | None = None
    status: LotStatus | None = Field(
        default=None, description="Only lots that are available, in quarantine, or blocked."
    )
    expiring_before: Day | None = Field(
        default=None, description="Only lots whose last day is before this one; those that have expired as well."
    )
    with_those_gone: bool = Field(default=False, description="With lots of which nothing is on hand any more.")
    as_of: Timestamp | None = Field(
        default=None, description="The instant that says which day it is in each warehouse; null: now."
    )
    after: LotPlace | None = Field(
        default=None,
        description="SKU, last day, number and warehouse of the last line seen; without a last day 2199-12-31.",
    )
    limit: LotsOnPage = LOTS_AT_ONCE


class LotShown(BaseModel):
    """A lot in one warehouse, in units."""

    product_id: int
    sku: str
    name: str
    warehouse_id: int
    warehouse: str
    lot_number: str = Field(description="Number of the lot, or the serial number.")
    expires_on: date | None = Field(description="The last day on which it may be used.")
    best_before: date | None
    made_on: date | None
    status: LotStatus
    quantity_on_hand: int
    quantity_reserved: int
    quantity_unavailable: int = Field(description="Units that were set aside.")
    quantity_free: int = Field(description="On hand less reserved and set aside; whether they may leave or not.")
    may_leave: bool = Field(
        description="Whether free units can be promised today: the lot is available, and has the days left that the "
        "product asks for."
    )
    days_left: int | None = Field(
        description="Days until its last day, 0 on the day itself; below zero: it is over. Null: it has none."
    )
    last_moved_at: Timestamp | None
    status_reason: str | None = Field(description="Why it has its status, if somebody changed it.")
    status_since: Timestamp | None
    status_by: str | None
    supplier_id: int | None = Field(description="The supplier with whom it came first.")
    supplier: str | None
    receipt: str | None = Field(description="The document with which it came first.")
    came_at: Timestamp = Field(description="When it came first.")

    @property
    def last_day(self) -> date | None:
        """The day that its days left are counted to."""
        return self.expires_on or self.best_before

    @property
    def place(self) -> LotPlace:
        """Where it stands in the order of lots."""
        return self.sku, self.last_day or NEVER, self.lot_number, self.warehouse

    @property
    def place_by_day(self) -> PlaceByDay:
        """Where it stands in the order of lots that expire."""
        return self.warehouse, self.last_day or NEVER, self.sku, self.lot_number


class LotsShown(Page):
    """Lots of one page."""

    lots: list[LotShown]


class ShowExpiringLots(Message):
    """Lots on hand whose last day is over or near, by the calendar of their warehouse; page by page.

    They come by warehouse, then the first expired first, then by SKU and number.
    """

    within_days: DaysAhead = Field(
        default=EXPIRING_WITHIN_DAYS,
        description="The most days left; 0: those whose last day is today. Those that have expired come as well.",
    )
    warehouse: Name | None = None
    as_of: Timestamp | None = Field(
        default=None, description="The instant that says which day it is in each warehouse; null: now."
    )
    after: PlaceByDay | None = Field(
        default=None, description="Warehouse, last day, SKU and number of the last line seen."
    )
    limit: LotsOnPage = LOTS_AT_ONCE


class ShowLotHolds(Message):
    """Who holds units of a lot, page by page in the order of warehouses and holds."""

    product: Name
    lot_number: LotNumber
    warehouse: Name | None = None
    after: tuple[str, Annotated[int, Field(ge=0, le=MAX_ID)]] | None = Field(
        default=None, description="Warehouse and reservation_id of the last line seen."
    )


class LotHold(BaseModel):
    """Units of a lot that a line of an order or a transfer holds."""

    warehouse_id: int
    warehouse: str
    reservation_id: int
    reference_type: str
    reference_id: str = Field(description="Number of the order or transfer.")
    quantity: int = Field(description="Units that it holds of this lot.")
    expires_at: Timestamp | None = Field(description="The hold's deadline.")


class LotHolds(Page):
    """Holds of one page."""

    holds: list[LotHold]


class LotQuestionActivities(Protocol):
    """Questions about lots. Implemented in `activities.lot_questions`."""

    @activity.defn(name="show_lots")
    def show_lots(self, question: ShowLots) -> LotsShown:
        """Lots with their units."""
        ...

    @activity.defn(name="show_expiring_lots")
    def show_expiring_lots(self, question: ShowExpiringLots) -> LotsShown:
        """Lots whose last day is over or near."""
        ...

    @activity.defn(name="show_lot_holds")
    def show_lot_holds(self, question: ShowLotHolds) -> LotHolds:
        """Who holds units of a lot."""
        ...
