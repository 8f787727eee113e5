"""The transfer on the wire: its start, commands and state."""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from stockkeeper.contracts.difference import DifferenceApprovalState
from stockkeeper.contracts.lot import LotQuantities, OfLot, require_all_units
from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_UNITS,
    Actor,
    Hours,
    Id,
    Message,
    Notes,
    OccurredAt,
    ReasonedCommand,
    Reference,
    Start,
    State,
    Timestamp,
    Units,
    counted,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command
from stockkeeper.contracts.receipt import CheckedLine, ReceiptState, UnfitReason, require_unfit
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain.transfer import TransferStatus as TransferStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "TransferWorkflow"
REFERENCE_TYPE = "TRANSFER"
"""Reference type of a transfer's hold at the source; orders have another."""


class TransferLine(Message):
    """Units of a product to be moved."""

    product_id: Id
    quantity: Units


class TransferRequest(Start):
    """Start of a `TransferWorkflow`: hold all of these lines at the source, or none."""

    transfer_number: Reference = Field(description="Number of the transfer, also part of the workflow id.")
    from_warehouse_id: Id
    to_warehouse_id: Id
    line_items: Annotated[list[TransferLine], Field(min_length=1, max_length=MAX_LINES)]
    expected_transit_hours: Hours | None = Field(
        default=None, description="Hours from dispatch after which it is overdue and a notice is sent. Null: never."
    )
    requested_by: Actor

    @model_validator(mode="after")
    def _between_two_places(self) -> Self:
        if self.from_warehouse_id == self.to_warehouse_id:
            raise ValueError("to_warehouse_id: must be another warehouse than from_warehouse_id")
        return self

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        units = sum(line.quantity for line in self.line_items)
        lines = counted(len(self.line_items), "line")
        return f"transfer {self.transfer_number}: {lines}, {counted(units, 'unit')}"


class PartLine(TransferLine):
    """Units of a product that leave, or are lost."""

    lots: LotQuantities | None = Field(
        default=None,
        description="The lots of these units, of a tracked product. Null: those that are held; of lost units the only "
        "one in transit, or all that is in transit.",
        exclude_if=lambda lots: lots is None,
    )

    @model_validator(mode="after")
    def _lots_are_of_all_units(self) -> Self:
        require_all_units(self.lots, self.quantity)
        return self


PartOfIt = Annotated[list[PartLine], Field(min_length=1, max_length=MAX_LINES)]
"""Units of some of its products; the same product on two lines counts together."""


class Dispatch(Message):
    """Command ``dispatch``: goods leave the source, as TRANSFER_OUT movements."""

    performed_by: Actor
    lines: PartOfIt | None = Field(default=None, description="Null: all units still held at the source.")
    dispatch_id: Reference | None = Field(
        default=None, description="The caller's number for this departure: sent twice, it leaves once."
    )
    occurred_at: OccurredAt = None


class ArrivedLine(OfLot, CheckedLine):
    """Arrived units of one product; of a tracked one, of a lot.

    Without a lot they are of the only one in transit, or all that is in transit, and all fit or all damaged.
    """

    without_units = "quantity: a delivered line needs fit or damaged units"
    unfit_units = "damaged_quantity"

    quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units that are fit and enter stock.")]
    damaged_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Further units that arrived damaged; they don't enter stock.")
    ] = 0


class ReceiveTransferred(Message):
    """Command ``receive``: a delivery has arrived. Fit units become TRANSFER_IN movements at the destination."""

    receipt_id: Reference = Field(description="The caller's number for this delivery: sent twice, it is booked once.")
    performed_by: Actor
    lines: Annotated[list[ArrivedLine], Field(min_length=1, max_length=MAX_LINES)]
    unfit_reason: UnfitReason = None
    occurred_at: OccurredAt = None

    @model_validator(mode="after")
    def _reason_is_of_unfit_units(self) -> Self:
        require_unfit(self.unfit_reason, self.lines)
        return self


class WriteOff(ReasonedCommand):
    """Command ``write_off``: units in transit are lost."""

    lines: PartOfIt | None = Field(default=None, description="Null: all units still in transit.")
    write_off_id: Reference | None = Field(
        default=None, description="The caller's number for this write-off: sent twice, it is booked once."
    )


class CancelTransfer(ReasonedCommand):
    """Command ``cancel``: the hold is released, or units still in transit go back to the source."""


DISPATCH = Command("dispatch", Dispatch)
RECEIVE = Command("receive", ReceiveTransferred)
WRITE_OFF = Command("write_off", WriteOff)
CANCEL = Command("cancel", CancelTransfer)


class TransferLotState(State):
    """A lot of a line, in units. Always: dispatched = received + damaged + written_off + returned + in_transit."""

    lot_number: str
    expires_on: date | None = None
    quantity: int = Field(description="Units of the line that are of this lot: held, or dispatched.")
    held: int = Field(default=0, description="Units that are held at the source; 0 as another database knows it.")
    dispatched: int = 0
    received: int = 0
    damaged: int = 0
    written_off: int = 0
    returned: int = 0
    in_transit: int = 0


class TransferLineState(State):
    """One line, in units. Always: dispatched = received + damaged + written_off + returned + in_transit."""

    product_id: int
    quantity: int
    held: int = Field(default=0, description="Units that are still held at the source.")
    dispatched: int = Field(default=0, description="Units that have left the source.")
    received: int = Field(default=0, description="Units that arrived fit and are in the destination's stock.")
    damaged: int = Field(default=0, description="Units that arrived damaged and are in no stock.")
    written_off: int = Field(default=0, description="Units that never arrived.")
    returned: int = Field(
        default=0, description="Units that went back into the source's stock by a cancellation in transit."
    )
    in_transit: int = Field(default=0, description="Units that have left the source and aren't accounted for yet.")
    lots: list[TransferLotState] = Field(
        default_factory=list,
        description="Of a tracked product: its lots, the first expired first. Left out: it has none.",
        exclude_if=lambda lots: not lots,
    )


class DepartureState(State):
    """One departure from the source."""

    dispatch_id: str | None
    at: Timestamp
    performed_by: str
    quantity: int = Field(description="Units that left, of all products.")


class WriteOffState(State):
    """One write-off."""

    write_off_id: str | None
    at: Timestamp
    performed_by: str
    reason: str
    quantity: int = Field(description="Units that were given up, of all products.")


class TransferState(State):
    """State of a transfer: the answer to every command, to the query ``state``, and the workflow's result."""

    transfer_id: int | None = Field(default=None, description="Null until the stock is held.")
    transfer_number: str = ""
    from_warehouse_id: int | None = None
    to_warehouse_id: int | None = None
    status: TransferStatus = TransferStatus.PENDING
    line_items: list[TransferLineState] = Field(default_factory=list)
    requested_by: str = ""
    dispatched_at: Timestamp | None = Field(default=None, description="Instant of the first departure.")
    due_at: Timestamp | None = Field(default=None, description="Instant from which it is overdue, while in transit.")
    departures: list[DepartureState] = Field(
        default_factory=list, description="Departures from the source; the latest hundred."
    )
    receipts: list[ReceiptState] = Field(default_factory=list, description="Deliveries; the latest hundred.")
    write_offs: list[WriteOffState] = Field(default_factory=list, description="Write-offs; the latest hundred.")
    difference_approvals: list[DifferenceApprovalState] = Field(
        default_factory=list, description="Approvals of units lost or damaged, up to a worth in all."
    )
    closed_reason: str | None = Field(default=None, description="Reason of the cancellation, or of the write-off.")
    shortages: list[ShortageState] = Field(default_factory=list, description="Reason of a rejection, item by item.")
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)
