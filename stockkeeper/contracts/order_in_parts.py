"""An order with lines in several databases, on the wire: its start. Commands, state and answers are a reservation's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stockkeeper.contracts import reservation
from stockkeeper.contracts.messages import (
    MAX_LINES,
    Actor,
    DaysLeft,
    Id,
    Message,
    Minutes,
    Reference,
    Start,
    Timestamp,
    Units,
    counted,
)
from stockkeeper.contracts.reservation import Holding, ReservationLine, ReservationRequest, ReservationState
from stockkeeper.domain.order_in_parts import OrderInParts as DomainOrder
from stockkeeper.domain.order_in_parts import PartHeld
from stockkeeper.domain.reservation import HeldLine
from stockkeeper.domain.stock import ItemKey

WORKFLOW_TYPE = "OrderInPartsWorkflow"

MAX_PARTS = 20


class LineInPart(Message):
    """Units of a product that the order needs, in a warehouse of the part's database."""

    product_id: Id
    warehouse_id: Id
    quantity: Units


class PartOfOrder(Message):
    """The lines of an order that one database holds."""

    task_queue: Reference = Field(description="The task queue of the database that has the warehouses of these lines.")
    lines: Annotated[list[LineInPart], Field(min_length=1, max_length=MAX_LINES)]


class OrderInParts(Start):
    """Start of an `OrderInPartsWorkflow`: hold the lines of all parts, each in its own database, or none of them."""

    reference_type: Literal["ORDER"] = "ORDER"
    reference_id: Reference = Field(description="Number of the order, also part of the workflow id.")
    parts: Annotated[list[PartOfOrder], Field(min_length=1, max_length=MAX_PARTS)]
    ttl_minutes: Minutes = 30
    performed_by: Actor
    not_after: Timestamp | None = Field(
        default=None,
        description="Later than this the order isn't held: it is REJECTED, and `reserved` answers InvalidState. "
        "Null: however late.",
    )

    minimum_days_left: DaysLeft | None = Field(
        default=None,
        description="Days that each unit of a tracked product must have left when it is held. Null: what the product "
        "asks for.",
        exclude_if=lambda days: days is None,
    )
    hold_again: bool = Field(
        default=False,
        description="Hold the lines again that gave way to a correction, until the deadline that they had.",
    )

    @model_validator(mode="after")
    def _are_apart(self) -> "OrderInParts":
        queues = [part.task_queue for part in self.parts]
        if len({*queues}) < len(queues):
            raise ValueError("a task queue has one part")
        places = [(line.warehouse_id, part.task_queue) for part in self.parts for line in part.lines]
        if len({warehouse for warehouse, _ in places}) < len({*places}):
            raise ValueError("a warehouse is in one part")
        if len(places) > MAX_LINES:
            raise ValueError(f"at most {MAX_LINES:,} lines")
        return self

    @property
    def lines(self) -> list[ReservationLine]:
        """The lines of all parts, as of an order in one database."""
        return [ReservationLine(**line.model_dump()) for part in self.parts for line in part.lines]

    @property
    def as_one(self) -> ReservationRequest:
        """The same order, as if one database had it all."""
        return ReservationRequest(
            reference_id=self.reference_id,
            lines=self.lines,
            ttl_minutes=self.ttl_minutes,
            performed_by=self.performed_by,
            not_after=self.not_after,
            minimum_days_left=self.minimum_days_left,
            hold_again=self.hold_again,
        )

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        lines = counted(sum(len(part.lines) for part in self.parts), "line")
        return f"order {self.reference_id}: {lines} in {counted(len(self.parts), 'database')}"


PROCESS = replace(reservation.PROCESS, workflow_type=WORKFLOW_TYPE, start=OrderInParts)
"""A reservation in all but its start: the same workflow ids, commands, states and words."""


def part_of(held: Holding | ReservationState) -> PartHeld:
    """A part as the domain sees it, by an answer of its database."""
    return PartHeld(
        status=held.status,
        expires_at=held.expires_at,
        lines=[
            HeldLine(
                line.reservation_id or 0,
                ItemKey(line.warehouse_id or 0, line.product_id),
                line.quantity,
                line.quantity_fulfilled,
                held.status,
                held.expires_at,
                line.quantity_released,
            )
            for line in held.lines
        ],
        rest_is_held=isinstance(held, Holding) and held.rest_is_held,
        is_done=isinstance(held, Holding) and held.is_done,
    )


def whole_of(parts: Sequence[ReservationState]) -> ReservationState:
    """The state of an order by those of its parts, as their databases have them."""
    number = parts[0].reference_id
    order = DomainOrder(number, ["" for _ in parts], [part_of(each) for each in parts])
    return ReservationState(
        reference_id=number,
        status=order.status,
        expires_at=order.deadline,
        lines=[line for each in parts for line in each.lines],
    )
