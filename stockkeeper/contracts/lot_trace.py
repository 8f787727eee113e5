"""The question where a lot came from and where it went: each of its movements, with what is behind it."""

from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import AwareDatetime, Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_ID, LotNumber, Message, Page, State, Timestamp
from stockkeeper.contracts.stock import Name
from stockkeeper.domain.stock import MovementType as MovementType  # noqa: PLC0414 - part of the contract

TRACED_AT_ONCE = 1_000

TracePlace = tuple[Annotated[int, Field(ge=0, le=MAX_ID)], AwareDatetime, Annotated[int, Field(ge=0, le=MAX_ID)]]
"""Where a movement stands in a trace: warehouse, instant of booking, movement."""


class Direction(StrEnum):
    """Which way a trace goes by a movement."""

    BACKWARDS = "BACKWARDS"
    """Where units came from."""
    FORWARDS = "FORWARDS"
    """Where units went."""


class TraceLot(Message):
    """All movements of a lot, page by page: by warehouse, then as they were booked."""

    product: Name
    lot_number: LotNumber
    after: TracePlace | None = Field(
        default=None, description="warehouse_id, created_at and movement_id of the last movement seen."
    )


class TracedMovement(State):
    """A movement of the lot."""

    movement_id: int
    direction: Direction = Field(description="BACKWARDS: units came in. FORWARDS: units went out.")
    warehouse_id: int
    warehouse: str
    movement_type: MovementType
    quantity: int = Field(description="Units: positive in, negative out.")
    reference_id: str = Field(description="Order, purchase order, transfer, return, adjustment or count.")
    supplier: str | None = Field(default=None, description="Of a purchase order: who supplied it.")
    order_reference: str | None = Field(default=None, description="Of a return: the order that sold the units.")
    other_warehouse_id: int | None = Field(default=None, description="Of a transfer: its other end.")
    other_warehouse: str | None = None
    performed_by: str
    reason: str
    created_at: Timestamp
    occurred_at: Timestamp | None = Field(default=None, description="When the goods moved, if it was booked later.")
    workflow_id: str

    @property
    def place(self) -> TracePlace:
        """Where it stands in the trace."""
        return self.warehouse_id, self.created_at, self.movement_id


class TracePage(Page):
    """One page of a trace."""

    movements: list[TracedMovement]


class LotTraceActivities(Protocol):
    """The question where a lot came from and went. Implemented in `activities.lot_trace`."""

    @activity.defn(name="trace_lot")
    def trace_lot(self, question: TraceLot) -> TracePage:
        """One page of a lot's movements."""
        ...
