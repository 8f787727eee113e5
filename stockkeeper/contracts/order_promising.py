"""The question when units of some items can be there, and on which documents that counts."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import ConfigDict, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.messages import MAX_LINES, Id, Message, Present, State, Units
from stockkeeper.contracts.stock import Name
from stockkeeper.domain.arrival import DayBasis as DayBasis  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.arrival import NotCounted as NotCounted  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.supply import SupplySource as SupplySource  # noqa: PLC0414 - part of the contract

DEFAULT_CONFIDENCE = 0.95
MAX_CONFIDENCE = 0.999
DOCUMENTS_SHOWN = 20
"""Documents that a line names at most; an answer of many lines has room for fewer."""
DOCUMENTS_OF_ALL = 4_000
NOT_COUNTED_SHOWN = 200

Confidence = Annotated[
    float,
    Field(
        gt=0,
        le=MAX_CONFIDENCE,
        description="The probability with which the goods of each order have come by the day that is answered.",
    ),
]


class PromiseLine(Message):
    """Units of a product that are needed: the product by its SKU or its id, the warehouse by its name or its id."""

    product: Name | None = None
    product_id: Id | None = None
    warehouse: Name | None = Field(
        default=None, description="Without one, and without warehouse_id: one warehouse for all lines without one."
    )
    warehouse_id: Id | None = None
    quantity: Units

    @model_validator(mode="after")
    def _names_each_once(self) -> "PromiseLine":
        if (self.product is None) == (self.product_id is None):
            raise ValueError("give product or product_id")
        if self.warehouse is not None and self.warehouse_id is not None:
            raise ValueError("give warehouse or warehouse_id, not both")
        return self


class AskPromise(Message):
    """When can all of these lines be there? Nothing is held by the answer."""

    lines: Annotated[list[PromiseLine], Field(min_length=1, max_length=MAX_LINES)]
    confidence: Confidence = DEFAULT_CONFIDENCE
    as_of: Present | None = Field(default=None, description="The instant from which it is counted; null: now.")


class CountedOn(State):
    """Units that a promise counts on, and the day by which they are there."""

    source: SupplySource
    number: str | None = Field(description="Number of the purchase order or transfer; null: the units are in stock.")
    quantity: int
    available_on: date
    basis: DayBasis | None = Field(
        description="What the day is known by: CONFIRMED by the supplier, MEASURED lead times, EXPECTED and not "
        "confirmed, an AGREED lead time, or the day on which a transfer is DUE; null: the units are in stock."
    )


class PromisedLine(State):
    """One line, in units, and the day by which all of it is there."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    product_id: int
    sku: str
    warehouse_id: int | None = Field(
        description="Null: the line left the warehouse open, and no warehouse has, had or expects the product."
    )
    warehouse: str | None
    quantity: int
    missing: int = Field(description="Units of it that aren't available now.")
    available_on: date | None = Field(
        description="The day by which all units are there, by the warehouse's calendar; null: it isn't foreseeable, "
        "because not enough is on its way."
    )
    counts_on: list[CountedOn] = Field(
        alias="from", description="What that counts on, by day: units in stock, purchase orders, transfers."
    )
    further_documents: int = Field(default=0, description="Documents that it counts on and that `from` doesn't name.")
    if_ordered_today: date | None = Field(
        description="The day by which the missing units are there if they are ordered today, or on the supplier's next "
        "review day; null: nothing is missing, or nobody supplies the product."
    )
    supplier_id: int | None = Field(description="The supplier with whom they would be ordered.")
    supplier: str | None


class NotCountedOn(State):
    """Units on their way that the promise doesn't count on, and why."""

    source: SupplySource
    number: str
    product_id: int
    sku: str
    warehouse_id: int
    warehouse: str
    quantity: int
    reason: NotCounted = Field(
        description="DRAFT: the order waits for approval. NOT_SENT: the units are still at the transfer's source. "
        "NO_DAY: no day is expected, and no lead time is known. OVERDUE: it is overdue by as long as a new one would "
        "take, or nothing says how long it may still take."
    )


class DeliveryPromise(State):
    """The answer: all lines, and the day by which the last of them is there."""

    available_on: date | None = Field(description="The latest day of all lines; null: one of them isn't foreseeable.")
    confidence: float
    lines: list[PromisedLine]
    not_counted: list[NotCountedOn] = Field(
        default_factory=list,
        description=f"What is on its way and isn't counted on, by number; the first {NOT_COUNTED_SHOWN}.",
    )


class OrderPromisingActivities(Protocol):
    """The question when units can be there. Implemented in `activities.order_promising`."""

    @activity.defn(name="promise")
    def promise(self, question: AskPromise) -> DeliveryPromise:
        """When units can be there."""
        ...
