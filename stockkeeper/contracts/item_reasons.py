"""Questions about what is behind an item's numbers: who holds it, what is on its way to it, and what was set aside."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_ID, MAX_LINES, Id, Message, Page, Timestamp
from stockkeeper.contracts.order_promising import DayBasis, NotCounted, SupplySource
from stockkeeper.contracts.stock import Name

REASONS_AT_ONCE = 500

LineNumber = Annotated[int, Field(ge=0, le=MAX_ID)]


class ShowArrivals(Message):
    """What is on order and in transit of these products, page by page.

    It comes in the order of product, warehouse and document.
    """

    product_ids: list[Id] = Field(min_length=1, max_length=MAX_LINES)
    warehouse_ids: list[Id] = Field(
        default_factory=list, max_length=MAX_LINES, description="Only to these warehouses. Empty: to any."
    )
    after: tuple[Id, Id, str] | None = Field(
        default=None, description="product_id, warehouse_id and document of the last line seen."
    )


class ItemArrival(BaseModel):
    """Units of an item on a purchase order or in transit."""

    product_id: int
    warehouse_id: int
    warehouse: str
    source: SupplySource
    document: str = Field(description="Number of the purchase order or transfer.")
    quantity: int = Field(description="Units that haven't come yet.")
    expected_on: date | None = Field(
        description="The day that a promise counts on; else the one that was given. Null: not known."
    )
    basis: DayBasis | None = Field(description="What the day is known by; null: no promise counts on it.")
    not_counted: NotCounted | None = Field(description="Why no promise counts on it; null: one does.")


class ArrivalsPage(Page):
    """One page."""

    arrivals: list[ItemArrival]


class ShowItemHolds(Message):
    """Who holds units of an item, the earliest hold first; page by page."""

    product: Name
    warehouse: Name
    after: LineNumber | None = Field(default=None, description="reservation_id of the last line seen.")


class ItemHold(BaseModel):
    """Units of an item that a line of an order or a transfer holds."""

    reservation_id: int
    reference_type: str
    reference_id: str = Field(description="Number of the order or transfer.")
    quantity: int = Field(description="Units that it holds and that haven't left yet.")
    expires_at: Timestamp | None = Field(description="The hold's deadline; null: it has none.")
    held_since: Timestamp
    performed_by: str
    workflow_id: str
    run_id: str


class ItemHolds(Page):
    """One page."""

    holds: list[ItemHold]


class ShowSetAside(Message):
    """Units of an item that inspections have set aside and not decided about, the earliest first; page by page."""

    product: Name
    warehouse: Name
    after: tuple[LineNumber, LineNumber] | None = Field(
        default=None, description="inspection_id and line_number of the last line seen."
    )


class SetAsideShown(BaseModel):
    """A line of an inspection that isn't decided."""

    inspection_id: int
    line_number: int
    inspection_number: str
    state: str = Field(description="QUARANTINE, DAMAGED, QUALITY_CONTROL or SAFETY.")
    lot_number: str | None
    quantity: int = Field(description="Units that aren't decided.")
    reason: str
    requested_by: str
    since: Timestamp
    workflow_id: str
    run_id: str


class SetAsidePage(Page):
    """One page."""

    lines: list[SetAsideShown]


class ItemReasonActivities(Protocol):
    """What is behind an item's numbers. Implemented in `activities.item_reasons`."""

    @activity.defn(name="show_arrivals")
    def show_arrivals(self, question: ShowArrivals) -> ArrivalsPage:
        """What is on its way."""
        ...

    @activity.defn(name="show_item_holds")
    def show_item_holds(self, question: ShowItemHolds) -> ItemHolds:
        """Who holds units of an item."""
        ...

    @activity.defn(name="show_set_aside")
    def show_set_aside(self, question: ShowSetAside) -> SetAsidePage:
        """What was set aside of an item."""
        ...
