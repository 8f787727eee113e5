"""The reservation on the wire: start, commands, state, and the steps of its workflow in the database."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import AwareDatetime, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.giving_way import GIVE_WAY
from stockkeeper.contracts.lot import HasLots, LotQuantities, require_all_units, units_of
from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_MINUTES,
    Actor,
    DaysLeft,
    Id,
    Message,
    Minutes,
    Notes,
    OccurredAt,
    ReasonedCommand,
    Reference,
    Start,
    State,
    Step,
    StockAnswer,
    Timestamp,
    Units,
    counted,
)
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain import permission
from stockkeeper.domain.reservation import RESERVATION, WantedLine
from stockkeeper.domain.reservation import ReservationStatus as ReservationStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.sourcing import Part, request_of
from stockkeeper.domain.stock import ItemKey, MovementType

WORKFLOW_TYPE = "ReservationWorkflow"


class ReservationLine(Message):
    """Units of a product that the reference needs."""

    product_id: Id
    warehouse_id: Id | None = Field(
        description="Null leaves the choice to Stockkeeper: one warehouse that has everything, or else the fewest."
    )
    quantity: Units


class ReservationRequest(Start):
    """Start of a `ReservationWorkflow`: hold all of these lines, or none."""

    reference_type: Literal["ORDER"] = "ORDER"
    reference_id: Reference = Field(description="Number of the order, also part of the workflow id.")
    lines: Annotated[list[ReservationLine], Field(min_length=1, max_length=MAX_LINES)]
    ttl_minutes: Minutes = 30
    wait_minutes: Annotated[
        float,
        Field(
            ge=0,
            le=MAX_MINUTES,
            description="How long the order waits for stock that is short, in minutes; may be a fraction. 0: it is "
            "refused at once.",
        ),
    ] = 0
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
        description="The hold of this reference gave way to a correction: hold its lines again, until the deadline "
        "that it had. `ttl_minutes` isn't looked at.",
    )

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return f"order {self.reference_id}: {counted(len(self.lines), 'line')}"


class FulfillLine(Message):
    """Units that leave now, or are given up: of a product, if given from one warehouse only, or of exactly one line."""

    product_id: Id | None = None
    warehouse_id: Id | None = None
    reservation_id: Id | None = None
    quantity: Units
    lots: LotQuantities | None = Field(
        default=None,
        description="The lots that were picked. Null: those that are held.",
        exclude_if=lambda lots: lots is None,
    )

    @model_validator(mode="after")
    def _names_something(self) -> "FulfillLine":
        if self.product_id is None and self.reservation_id is None:
            raise ValueError("give product_id or reservation_id")
        require_all_units(self.lots, self.quantity)
        return self


class Fulfill(Message):
    """Command ``fulfill``: goods leave. Held stock becomes a SALE movement."""

    performed_by: Actor
    lines: Annotated[list[FulfillLine], Field(min_length=1, max_length=MAX_LINES)] | None = Field(
        default=None, description="Null: all units still held."
    )
    fulfillment_id: Reference | None = Field(
        default=None, description="The caller's number for this shipment: sent twice, it leaves once."
    )
    occurred_at: OccurredAt = None


class Cancel(ReasonedCommand):
    """Command ``cancel``: units still held become available again."""


class Extend(Message):
    """Command ``extend``: a new deadline, counted from now."""

    performed_by: Actor
    ttl_minutes: Minutes


class Release(ReasonedCommand):
    """Command ``release``: a part of the hold is given up, and becomes available again; the rest stays held."""

    lines: Annotated[list[FulfillLine], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="Units that aren't needed any more."
    )
    release_id: Reference | None = Field(
        default=None, description="The caller's number for this release: sent twice, it is done once."
    )


FULFILL = Command("fulfill", Fulfill)
CANCEL = Command("cancel", Cancel)
EXTEND = Command("extend", Extend)
RELEASE = Command("release", Release)

RESERVED = "reserved"
"""The update without payload that answers the start when it is settled: the order is held, or nothing is."""
PLACED = "placed"
"""The update without payload that answers the start at once: the order is held, or has its place in the queue."""
UNDONE = "undone"
"""First word of the operation that releases a part of an order which couldn't be held whole: it can be held again."""
STOCK_CAME = "stock_came"
"""The signal without payload by which an order that waits looks whether it is its turn. Anybody may send it."""


class ReservationLineState(State, HasLots):
    """One line; quantities in units."""

    reservation_id: int | None = Field(description="Null until the stock is held.")
    product_id: int
    warehouse_id: int | None
    quantity: int
    quantity_fulfilled: int = 0
    quantity_released: int = Field(default=0, description="Units that were given up before they left.")
    sourced_line: int | None = Field(
        default=None,
        description="Number of the start's line, counted from 1, that left the warehouse open and that these units are "
        "of; left out: the line named it.",
        exclude_if=lambda number: number is None,
    )


class QueuePlace(State):
    """The place of a waiting order in the queue for a product, in one warehouse or in any."""

    product_id: int
    warehouse_id: int | None = Field(description="Null: any warehouse.")
    position: int = Field(description="1 is served first.")
    missing: int = Field(
        description="Units that have to come before the order can have its own, those of the orders before it included."
    )


class ReservationState(State):
    """State of a reservation: the answer to every command, to the query ``state``, and the workflow's result."""

    reference_type: str = "ORDER"
    reference_id: str = ""
    status: ReservationStatus = ReservationStatus.WAITING
    expires_at: Timestamp | None = None
    waiting_until: Timestamp | None = Field(default=None, description="End of the wait for stock; null: no wait.")
    queue: list[QueuePlace] = Field(
        default_factory=list,
        description="Places of an order that waits, as they were when it was last looked at; empty: it doesn't wait.",
    )
    available_on: date | None = Field(
        default=None,
        description="Of an order that waits: the day by which it has its turn, at 95 % confidence and by what is on "
        "its way, as it was when it was last looked at; maybe after the end of its wait. Left out: not foreseeable.",
        exclude_if=lambda day: day is None,
    )
    counts_on: list[str] = Field(
        default_factory=list,
        description="Numbers of the purchase orders and transfers on which that day counts.",
        exclude_if=lambda numbers: not numbers,
    )
    lines: list[ReservationLineState] = Field(default_factory=list)
    shortages: list[ShortageState] = Field(default_factory=list, description="Reason of a rejection, item by item.")
    notes: Notes = Field(default_factory=list)

    @property
    def is_expected_late(self) -> bool:
        """Whether the day by which its turn is expected is after the end of its wait."""
        day, until = self.available_on, self.waiting_until
        return day is not None and until is not None and day > until.date()


def requested_lines(lines: Iterable[ReservationLineState]) -> list[ReservationLine]:
    """The lines of the start by those of a state: the parts of a line that left the warehouse open are one again."""
    parts = (Part(ItemKey(each.warehouse_id or 0, each.product_id), each.quantity, each.sourced_line) for each in lines)
    return [
        ReservationLine(product_id=each.product_id, warehouse_id=each.warehouse_id or None, quantity=each.quantity)
        for each in request_of(parts)
    ]


def wanted_lines(lines: Iterable[FulfillLine]) -> list[WantedLine]:
    """Lines of a command, as the domain has them."""
    return [
        WantedLine(line.quantity, line.product_id, line.warehouse_id, line.reservation_id, units_of(line.lots))
        for line in lines
    ]


class ReserveStockStep(Step):
    """Hold every line until ``expires_at``, or none; if stock is short, wait for it until ``waiting_until``."""

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"expires_at", "waiting_until", "not_after"}

    reference_type: str
    reference_id: str
    lines: list[ReservationLine]
    expires_at: AwareDatetime
    waiting_until: AwareDatetime | None = Field(default=None, description="Null: it doesn't wait.")
    not_after: AwareDatetime | None = Field(default=None, description="Later than this nothing is held.")
    minimum_days_left: int | None = Field(default=None, exclude_if=lambda days: days is None)


class ServeWaitingStep(Step):
    """Hold every line of an order that waits until ``expires_at``, if it is its turn and all of it is there."""

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"expires_at", "not_after"}

    reference_type: str
    reference_id: str
    lines: list[ReservationLine]
    expires_at: AwareDatetime
    is_last: bool = Field(description="The time of the wait is over: if it isn't served now, it is rejected.")
    not_after: AwareDatetime | None = Field(default=None, description="Later than this nothing is held.")
    minimum_days_left: int | None = Field(default=None, exclude_if=lambda days: days is None)


class HoldAgainStep(Step):
    """Hold the lines again that gave way to a correction, until the deadline that they had."""

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"in_part"}

    reference_type: str
    reference_id: str
    lines: list[ReservationLine]
    in_part: bool = Field(
        default=False, description="Of an order in parts: a part with nothing left to hold stays as it is."
    )


PartLines = Annotated[
    list[FulfillLine] | None,
    Field(description="Of an order in parts: those of the units that this database's part gives. Null: all of them."),
]
PutBack = Annotated[
    AwareDatetime | None,
    Field(description="Of a part that was secured: the deadline that it had, and has again. Null: it has that."),
]


class FulfillReservationStep(Step):
    """Ship units: all that are still held, or these."""

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"part", "put_back"}

    reference_type: str
    reference_id: str
    lines: list[FulfillLine] | None
    part: PartLines = None
    put_back: PutBack = None


EndedStatus = Literal[ReservationStatus.CANCELLED, ReservationStatus.EXPIRED]


class ReleaseReservationStep(Step):
    """End a reservation, and make the units still held available again."""

    # The operation's id distinguishes giving way from other endings; and a release begun by an earlier version, which
    # knew no such field, is the same operation.
    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"gave_way", "is_decided", "put_back"}

    reference_type: str
    reference_id: str
    status: EndedStatus
    reason: str
    gave_way: bool = Field(default=False, description="Only if one of its lines has ended already: the others follow.")
    is_decided: bool = Field(
        default=False,
        description="It is the part of an order whose end is decided: what is still held is released, whatever has "
        "become of the rest.",
    )
    put_back: PutBack = None


class LowerReservationStep(Step):
    """Give up a part of a reservation."""

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"part", "put_back"}

    reference_type: str
    reference_id: str
    lines: list[FulfillLine]
    reason: str
    part: PartLines = None
    put_back: PutBack = None


class ExtendReservationStep(Step):
    """Give an open reservation a new deadline."""

    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"expires_at"}

    reference_type: str
    reference_id: str
    ttl_minutes: float
    expires_at: AwareDatetime


class SecureReservationStep(Step):
    """Keep the part of an order from its deadline while the databases of its other parts are asked as well."""

    reference_type: str
    reference_id: str
    command: Literal["fulfill", "release", "cancel"] = Field(description="The command that is to be decided.")
    effect: str = Field(description="Operation of its effect. If that was carried out, nothing is secured any more.")
    expires_at: AwareDatetime = Field(description="A deadline that no buyer reaches.")
    picked: list[FulfillLine] | None = Field(
        default=None,
        description="Units that are to leave, with the lots that were picked: they are held from now on. Null: none.",
        exclude_if=lambda lines: lines is None,
    )


class HeldLineState(ReservationLineState):
    """A line with its SKU and the name of its warehouse."""

    sku: str
    warehouse: str = Field(description="Empty: it waits for units in any warehouse.")


class Holding(StockAnswer):
    """A reservation as stored, held or waiting: the answer to every step."""

    status: ReservationStatus
    expires_at: datetime | None
    lines: list[HeldLineState]
    waiting_until: datetime | None = None
    queue: list[QueuePlace] = Field(default_factory=list)
    available_on: date | None = None
    counts_on: list[str] = Field(default_factory=list)
    shortages: list[ShortageState] = Field(
        default_factory=list, description="The items that were short when its wait was over."
    )
    rest_is_held: bool = Field(
        default=False, description="Whether it has ended by one of its lines, and the others have yet to be released."
    )
    is_done: bool = Field(
        default=False, description="Of a part that was to be secured: the effect of the command had been carried out."
    )


class ReservationActivities(Protocol):
    """Activities of a reservation's workflow. Implemented in `activities.reservation`."""

    @activity.defn(name="reserve_stock")
    def reserve_stock(self, step: ReserveStockStep) -> Holding:
        """Hold all lines or none, or let them wait."""
        ...

    @activity.defn(name="serve_waiting")
    def serve_waiting(self, step: ServeWaitingStep) -> Holding:
        """Hold all lines that wait, if it is their turn."""
        ...

    @activity.defn(name="hold_again")
    def hold_again(self, step: HoldAgainStep) -> Holding:
        """Hold all lines again that gave way, or none."""
        ...

    @activity.defn(name="fulfill_reservation")
    def fulfill_reservation(self, step: FulfillReservationStep) -> Holding:
        """Turn held stock into SALE movements."""
        ...

    @activity.defn(name="release_reservation")
    def release_reservation(self, step: ReleaseReservationStep) -> Holding:
        """Make the units still held available again."""
        ...

    @activity.defn(name="lower_reservation")
    def lower_reservation(self, step: LowerReservationStep) -> Holding:
        """Make a part of the units available again."""
        ...

    @activity.defn(name="extend_reservation")
    def extend_reservation(self, step: ExtendReservationStep) -> Holding:
        """Move the deadline."""
        ...

    @activity.defn(name="secure_reservation")
    def secure_reservation(self, step: SecureReservationStep) -> Holding:
        """Keep the part of an order from its deadline, until its other parts are asked as well."""
        ...


PROCESS = ProcessSpec(
    name="reservation",
    workflow_type=WORKFLOW_TYPE,
    start=ReservationRequest,
    state=ReservationState,
    activities=ReservationActivities,
    commands=(FULFILL, RELEASE, CANCEL, EXTEND, GIVE_WAY),
    needs={
        permission.START: permission.SELL,
        FULFILL.name: permission.SELL,
        RELEASE.name: permission.SELL,
        CANCEL.name: permission.SELL,
        EXTEND.name: permission.SELL,
        GIVE_WAY.name: permission.ADMINISTER,
    },
    workflow_id="reservation-{reference_id}",
    answer=RESERVED,
    answer_at_once=PLACED,
    stored=True,
    table=RESERVATION,
    movement_types=frozenset({MovementType.SALE}),
)
