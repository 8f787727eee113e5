"""The question who waits for stock: orders in their queues, the first first."""

from datetime import date
from typing import Protocol

from pydantic import Field
from temporalio import activity

from stockkeeper.contracts.messages import Message, Page, State, Timestamp
from stockkeeper.contracts.stock import Name

WAITING_AT_ONCE = 1_000


class ShowWaiting(Message):
    """Orders that wait for a product, in a warehouse, or all; page by page in the order in which they are served."""

    product: Name | None = None
    warehouse: Name | None = Field(default=None, description="Also those that wait for units in any warehouse.")
    after: int | None = Field(default=None, description="wait_id of the last line seen.")


class WaitingShown(State):
    """What one order waits for of one product, in one warehouse or in any; units."""

    wait_id: int = Field(description="A later order has a higher number.")
    reference_id: str
    product_id: int
    sku: str
    warehouse_id: int | None = Field(description="Null: any warehouse.")
    warehouse: str | None
    quantity: int
    position: int = Field(description="1 is served first.")
    missing: int = Field(
        description="Units that have to come before the order can have its own, those of the orders before it included."
    )
    waiting_since: Timestamp
    waiting_until: Timestamp
    available_on: date | None = Field(
        default=None,
        description="The day by which the order has its turn, with all of its lines, at 95 % confidence and by what is "
        "on its way now; maybe after the end of its wait. Null: not foreseeable.",
    )
    performed_by: str
    workflow_id: str


class WaitingPage(Page):
    """One page: all lines of some orders."""

    lines: list[WaitingShown]


class WaitingActivities(Protocol):
    """The question who waits. Implemented in `activities.waiting`."""

    @activity.defn(name="show_waiting")
    def show_waiting(self, question: ShowWaiting) -> WaitingPage:
        """Who waits for what."""
        ...
