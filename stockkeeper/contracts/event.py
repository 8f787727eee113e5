"""Events: what has changed, as CloudEvents 1.0 in one order for each database, to be read from any number on.

The data of each type is a model here. A field may be added to one; anything else makes another version of the type.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_ID, MAX_LINES, Message
from stockkeeper.contracts.policies import EVENTS_WAIT
from stockkeeper.domain.event import HOLD_KINDS as HOLD_KINDS  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.event import EventKind as EventKind  # noqa: PLC0414 - part of the contract

PREFIX = "stockkeeper."
DATA_VERSION = "1"
SOURCE = "stockkeeper"
"""What the source of every event begins with; the task queue of its database's workers follows."""
EVENTS_A_PAGE = 1000
WAIT_AT_MOST_SECONDS = EVENTS_WAIT.total_seconds()
"""How long a question for events waits for the next one."""


def _is_left_out(value: object) -> bool:
    return not value


def _is_none(value: object) -> bool:
    return value is None


class LevelChanged(BaseModel):
    """What an item has now, in units."""

    product_id: int
    sku: str
    warehouse_id: int
    warehouse: str
    quantity_on_hand: int
    quantity_reserved: int
    quantity_buffer: int = Field(description="Units on hand that no new hold may have.")
    quantity_available: int = Field(
        description="On hand less reserved, buffer and unavailable; below zero: the buffer is promised."
    )
    quantity_unavailable: int = Field(
        default=0,
        exclude_if=_is_left_out,
        description="Units on hand that were set aside, or are free in lots that may not leave on the day of the step. "
        "Left out: none.",
    )
    below_reorder_point: bool


class StockMoved(BaseModel):
    """A movement, as the ledger has it."""

    movement_id: int
    product_id: int
    sku: str
    warehouse_id: int
    warehouse: str
    movement_type: str
    quantity: int = Field(description="Units: positive in, negative out.")
    balance_after: int = Field(description="On hand after it.")
    reference_id: str = Field(description="Number of the document behind it.")
    performed_by: str
    reason: str
    operation_id: str
    workflow_id: str
    run_id: str
    created_at: datetime
    occurred_at: datetime | None = Field(description="When the goods moved, if it was booked later.")
    lot_number: str | None = Field(
        default=None, exclude_if=_is_none, description="The lot of these units; left out: it isn't tracked."
    )
    lot_balance_after: int | None = Field(
        default=None, exclude_if=_is_none, description="On hand of that lot after it, in this warehouse."
    )


class LotThere(BaseModel):
    """Units of a lot in a warehouse."""

    warehouse_id: int
    quantity_on_hand: int


class LotChanged(BaseModel):
    """What is known of a lot now."""

    product_id: int
    sku: str
    lot_number: str
    status: str = Field(description="AVAILABLE, QUARANTINED or BLOCKED.")
    reason: str | None = Field(description="Why it has another status.")
    expires_on: date | None
    best_before: date | None
    warehouse_ids: list[int] = Field(
        description="Where it has come, where a day was learnt, or where it has units when its status changes."
    )
    on_hand: list[LotThere] = Field(
        default=[],
        exclude_if=_is_left_out,
        description="What is on hand where a log begins, from which its movements go on; left out: they tell.",
    )


class LotExpires(BaseModel):
    """A lot in one warehouse has expired, or soon will."""

    product_id: int
    sku: str
    warehouse_id: int
    warehouse: str
    lot_number: str
    expires_on: date | None
    best_before: date | None
    days_left: int = Field(description="Days until its last day there; below zero: it is over.")
    quantity_on_hand: int


class LotHeld(BaseModel):
    """Units of a lot on a line of a hold."""

    lot_number: str
    expires_on: date | None
    quantity: int = Field(description="Units that are held.")
    fulfilled: int = Field(description="Units that have left.")


class HeldLineChanged(BaseModel):
    """A line of a hold as it is now."""

    reservation_id: int | None = Field(description="Null: of an order that waits, nothing of it is held.")
    product_id: int
    sku: str
    warehouse_id: int | None
    warehouse: str | None = Field(description="Null: of an order that waits for stock in any warehouse.")
    quantity: int
    fulfilled: int
    released: int
    status: str
    expires_at: datetime | None
    lots: list[LotHeld] = Field(
        default=[], exclude_if=_is_left_out, description="Its lots as they are now; left out: it isn't tracked."
    )


class HoldChanged(BaseModel):
    """Lines of an order's or transfer's hold that have changed in the same way; the others are as they were."""

    reference_type: str = Field(description="ORDER or TRANSFER.")
    reference_id: str
    lines: list[HeldLineChanged]
    waiting_until: datetime | None = Field(default=None, description="Of an order that waits, until when.")


class DocumentLineChanged(BaseModel):
    """A product of a document's step."""

    product_id: int
    sku: str
    quantity: int | None = Field(
        description="Units by what the step does: ordered, sent, fit on arrival, restocked, lost, booked back, or the "
        "signed difference of an adjustment or a posted count. Null: of a count that isn't posted, or says none."
    )
    unfit: int = Field(default=0, description="Further units that were looked at and didn't enter stock.")
    lot_number: str | None = Field(
        default=None,
        description="The lot that the step names for these units. Left out: it names none, or names several.",
        exclude_if=lambda number: number is None,
    )


class DocumentChanged(BaseModel):
    """A step on a document was carried out."""

    number: str
    status: str
    step: str = Field(description="The step that was carried out, such as dispatch_transfer.")
    warehouse_ids: list[int] = Field(description="Of a transfer, the source and the destination.")
    booking_id: str | None = Field(
        default=None,
        description="Number of the receipt, dispatch, inspection, write-off, correction or return that was booked.",
    )
    lines: list[DocumentLineChanged] = Field(default=[], description="What the step was about; a status has none.")
    supplier_id: int | None = Field(default=None, description="Of a purchase order.")
    reference_id: str | None = Field(default=None, description="Of a customer return: the order that sold the goods.")
    due_at: datetime | None = Field(default=None, description="When goods of an order or transfer are due.")


class OrderRecalled(BaseModel):
    """An order has got units of a lot that is recalled. Of units that left in several parts there may be several."""

    reference_id: str = Field(description="The order.")
    product_id: int
    sku: str
    lot_number: str
    quantity: int = Field(description="Units of the lot that it has got.")
    recall_number: str
    reason: str


class ReorderPointChanged(BaseModel):
    """The reorder point of an item is another."""

    product_id: int
    sku: str
    warehouse_id: int
    warehouse: str
    reorder_point: int | None
    reorder_quantity: int | None


class FindingChanged(BaseModel):
    """A finding of the audit was opened, has gone, was repaired or accepted."""

    finding_id: int
    finding: str = Field(description="What was found, such as on_hand_is_not_the_last_balance.")
    status: str
    product_id: int | None
    warehouse_id: int | None
    document: str
    expected: int
    actual: int


class ProductRenamed(BaseModel):
    """A product has another SKU."""

    product_id: int
    sku: str
    former_sku: str


class WarehouseLeft(BaseModel):
    """A warehouse is in another database from now on, whose events begin with all that it has."""

    warehouse_id: int
    warehouse: str
    database: str = Field(description="Where it is: the task queue of that database's workers.")


DATA: Mapping[EventKind, type[BaseModel]] = {
    EventKind.LEVEL_CHANGED: LevelChanged,
    EventKind.STOCK_MOVED: StockMoved,
    EventKind.LOT_CHANGED: LotChanged,
    EventKind.LOT_EXPIRING: LotExpires,
    EventKind.LOT_EXPIRED: LotExpires,
    **dict.fromkeys(sorted(HOLD_KINDS), HoldChanged),
    EventKind.PURCHASE_ORDER_CHANGED: DocumentChanged,
    EventKind.TRANSFER_CHANGED: DocumentChanged,
    EventKind.CUSTOMER_RETURN_CHANGED: DocumentChanged,
    EventKind.ADJUSTMENT_CHANGED: DocumentChanged,
    EventKind.INSPECTION_CHANGED: DocumentChanged,
    EventKind.CYCLE_COUNT_CHANGED: DocumentChanged,
    EventKind.RECALL_CHANGED: DocumentChanged,
    EventKind.ORDER_RECALLED: OrderRecalled,
    EventKind.REORDER_POINT_CHANGED: ReorderPointChanged,
    EventKind.FINDING_CHANGED: FindingChanged,
    EventKind.PRODUCT_RENAMED: ProductRenamed,
    EventKind.WAREHOUSE_LEFT: WarehouseLeft,
}
"""The model of each kind's data."""


def type_of(kind: EventKind | str) -> str:
    """The type of an event: ``stockkeeper.level.changed``."""
    return f"{PREFIX}{kind}"


TYPES = {type_of(kind): kind for kind in EventKind}
"""Every type of event, and its kind."""


def subject_of(data: Mapping[str, Any], key: str) -> str:
    """What an event is about, by its data: the SKU, or else the number of its document; without both, its key."""
    names = ("sku", "number", "reference_id", "warehouse", "finding_id")
    return str(next((data[name] for name in names if data.get(name) is not None), key))


def sequence_of(number: int) -> str:
    """An event's number with leading zeros: such texts are in the order of their numbers."""
    return f"{number:019}"


class Event(BaseModel):
    """One event: CloudEvents 1.0 in its JSON format, with extensions for its number and what is behind it."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="Unique within its source: the number as text.")
    source: str = Field(description="stockkeeper; of one of several databases: stockkeeper/ and its task queue.")
    type: str
    subject: str = Field(description="What it is about: the SKU, or the number of the order or document.")
    time: AwareDatetime = Field(description="By the database's clock.")
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any] = Field(description="By the type: see events in the schema.")
    dataversion: str = Field(default=DATA_VERSION, description="Version of the data of this type.")
    sequence: str = Field(description="The number with leading zeros, so that texts are in the order of numbers.")
    partitionkey: str = Field(
        description="Of events with the same key the order counts: item/WAREHOUSE_ID/PRODUCT_ID, order/REFERENCE, ..."
    )
    database: str = Field(description="The database whose numbers they are: the task queue of its workers.")
    workflowid: str
    runid: str
    operationid: str
    performedby: str
    reason: str | None = None

    def as_json(self) -> str:
        """The event in CloudEvents' JSON format. What nobody has set is left out: some readers stumble at null."""
        return self.model_dump_json(exclude_none=True)

    @property
    def number(self) -> int:
        """Its place in the order of its database, from 1 without gaps: the cursor of whoever has read up to it."""
        return int(self.id)


class ReadEvents(Message):
    """Events after a number, as many as a page has; if there are none, the next ones within some seconds."""

    after: Annotated[str, Field(pattern=r"^[0-9]{1,19}$")] | Annotated[int, Field(ge=0, le=MAX_ID)] | None = Field(
        default="0",
        description="Id of the last event seen, or the last page's next; null: nothing of the past.",
    )
    types: Annotated[list[str], Field(max_length=100)] = Field(
        default=[], description="Only these types; empty: all of them."
    )
    products: Annotated[list[str], Field(max_length=MAX_LINES)] = Field(
        default=[], description="Only about these products, by SKU."
    )
    product_ids: Annotated[list[Annotated[int, Field(gt=0, le=MAX_ID)]], Field(max_length=MAX_LINES)] = Field(
        default=[], description="The same, by id."
    )
    keys: Annotated[list[str], Field(max_length=MAX_LINES)] = Field(
        default=[], description="Only events with these partition keys."
    )
    wait_seconds: Annotated[float, Field(ge=0, le=WAIT_AT_MOST_SECONDS)] = 0
    limit: Annotated[int, Field(gt=0, le=EVENTS_A_PAGE)] = EVENTS_A_PAGE

    @property
    def after_number(self) -> int | None:
        """The number after which to read; None: nothing of the past."""
        return None if self.after is None else int(self.after)


class EventsPage(BaseModel):
    """Events in their order."""

    events: list[Event]
    next: str = Field(description="All events up to this number were looked at: ask for what comes after it.")
    first_number: int = Field(description="Number of the first event that is kept; if none is, of the next one.")
    last_number: int = Field(description="Number of the database's latest event.")

    @property
    def cursor(self) -> int:
        """All events up to this number were looked at."""
        return int(self.next)


class EventActivities(Protocol):
    """The question for events. Implemented in `activities.event`."""

    @activity.defn(name="read_events")
    async def read_events(self, question: ReadEvents) -> EventsPage:
        """Events after a number, or the next ones."""
        ...
