"""The transfer on the wire: start, commands, state, and the steps of its workflow in the database."""

from typing import Annotated, ClassVar, Protocol, Self, TypedDict

from pydantic import AwareDatetime, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, DifferenceApprovalState, DifferenceFields
from stockkeeper.contracts.giving_way import GIVE_WAY
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
    State,
    Step,
    StockAnswer,
    Timestamp,
    Units,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.receipt import CheckedLine, ReceiptState
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind
from stockkeeper.domain.transfer import TRANSFER
from stockkeeper.domain.transfer import TransferStatus as TransferStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "TransferWorkflow"
REFERENCE_TYPE = "TRANSFER"
"""Reference type of a transfer's hold at the source; orders have another."""


class TransferLine(Message):
    """Units of a product to be moved."""

    product_id: Id
    quantity: Units


class TransferRequest(Message):
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


PartOfIt = Annotated[list[TransferLine], Field(min_length=1, max_length=MAX_LINES)]
"""Units of some of its products; the same product on two lines counts together."""


class Dispatch(Message):
    """Command ``dispatch``: goods leave the source, as TRANSFER_OUT movements."""

    performed_by: Actor
    lines: PartOfIt | None = Field(default=None, description="Null: all units still held at the source.")
    dispatch_id: Reference | None = Field(
        default=None, description="The caller's number for this departure: sent twice, it leaves once."
    )
    occurred_at: OccurredAt = None


class ArrivedLine(CheckedLine):
    """Arrived units of one product."""

    without_units = "quantity: a delivered line needs fit or damaged units"

    quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units that are fit and enter stock.")]
    damaged_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Further units that arrived damaged; they don't enter stock.")
    ] = 0


class ReceiveTransferred(Message):
    """Command ``receive``: a delivery has arrived. Fit units become TRANSFER_IN movements at the destination."""

    receipt_id: Reference = Field(description="The caller's number for this delivery: sent twice, it is booked once.")
    performed_by: Actor
    lines: Annotated[list[ArrivedLine], Field(min_length=1, max_length=MAX_LINES)]
    occurred_at: OccurredAt = None


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


class TransferStep(Step):
    """A step of one transfer."""

    transfer_number: str


class HoldTransferStep(TransferStep):
    """Store the transfer, and hold all of its lines at the source, or none."""

    from_warehouse_id: int
    to_warehouse_id: int
    line_items: list[TransferLine]
    expected_transit_hours: float | None
    requested_by: str


class DispatchTransferStep(TransferStep):
    """Dispatch all units still held, or these."""

    added_later: ClassVar[tuple[str, ...]] = ("lines", "dispatch_id")

    lines: list[TransferLine] | None = None
    dispatch_id: str | None = None


class ReceiveTransferStep(TransferStep):
    """Book a delivery."""

    receipt_id: str
    lines: list[ArrivedLine]


class WriteOffTransferStep(TransferStep):
    """Write off all units still in transit, or these."""

    added_later: ClassVar[tuple[str, ...]] = ("lines", "write_off_id")

    reason: str
    lines: list[TransferLine] | None = None
    write_off_id: str | None = None


class ApproveTransferDifferenceStep(TransferStep, DifferenceFields):
    """Store an approval of units lost or damaged above the limit."""


class CancelTransferStep(TransferStep):
    """Release the hold, or return the units in transit to the source."""

    # As for a reservation's release: an earlier version may have begun it.
    not_compared: ClassVar[frozenset[str]] = TransferStep.not_compared | {"gave_way"}

    reason: str
    gave_way: bool = Field(default=False, description="Only if one line of its hold has ended already.")


class StoredTransferLine(TransferLineState):
    """A line with its SKU."""

    sku: str


class StoredTransfer(StockAnswer):
    """A transfer as stored: the answer to every step."""

    transfer_id: int
    transfer_number: str
    from_warehouse_id: int
    from_warehouse: str
    to_warehouse_id: int
    to_warehouse: str
    status: TransferStatus
    line_items: list[StoredTransferLine]
    expected_transit_hours: float | None
    requested_by: str
    requested_at: AwareDatetime
    dispatched_at: AwareDatetime | None
    due_at: AwareDatetime | None
    departures: list[DepartureState] = Field(default_factory=list)
    receipts: list[ReceiptState]
    write_offs: list[WriteOffState] = Field(default_factory=list)
    difference_approvals: list[DifferenceApprovalState] = Field(default_factory=list)
    closed_reason: str | None

    @property
    def units(self) -> int:
        """Units on all lines."""
        return sum(line.quantity for line in self.line_items)

    @property
    def in_transit(self) -> int:
        """Units in transit on all lines."""
        return sum(line.in_transit for line in self.line_items)

    @property
    def held(self) -> int:
        """Units still held at the source on all lines."""
        return sum(line.held for line in self.line_items)


class TransferMemo(TypedDict):
    """Memo of a transfer's run: the fields that a list of runs shows beside the search attributes."""

    from_warehouse: str
    to_warehouse: str
    units: int
    in_transit: int
    requested_by: str


def memo(transfer: StoredTransfer) -> TransferMemo:
    """The run's memo."""
    return TransferMemo(
        from_warehouse=transfer.from_warehouse,
        to_warehouse=transfer.to_warehouse,
        units=transfer.units,
        in_transit=transfer.in_transit,
        requested_by=transfer.requested_by,
    )


class TransferActivities(Protocol):
    """Activities of a transfer's workflow. Implemented in `activities.transfer`."""

    @activity.defn(name="hold_transfer")
    def hold_transfer(self, step: HoldTransferStep) -> StoredTransfer:
        """Hold all lines at the source, or none."""
        ...

    @activity.defn(name="dispatch_transfer")
    def dispatch_transfer(self, step: DispatchTransferStep) -> StoredTransfer:
        """Turn the hold into TRANSFER_OUT movements."""
        ...

    @activity.defn(name="receive_transfer")
    def receive_transfer(self, step: ReceiveTransferStep) -> StoredTransfer:
        """Put fit units into the destination's stock."""
        ...

    @activity.defn(name="write_off_transfer")
    def write_off_transfer(self, step: WriteOffTransferStep) -> StoredTransfer:
        """Write off units in transit."""
        ...

    @activity.defn(name="approve_transfer_difference")
    def approve_transfer_difference(self, step: ApproveTransferDifferenceStep) -> StoredTransfer:
        """Store an approval of units lost or damaged."""
        ...

    @activity.defn(name="cancel_transfer")
    def cancel_transfer(self, step: CancelTransferStep) -> StoredTransfer:
        """Release the hold, or return the goods to the source."""
        ...


PROCESS = ProcessSpec(
    name="transfer",
    workflow_type=WORKFLOW_TYPE,
    start=TransferRequest,
    state=TransferState,
    activities=TransferActivities,
    commands=(DISPATCH, RECEIVE, WRITE_OFF, APPROVE_DIFFERENCE, CANCEL, GIVE_WAY),
    workflow_id="transfer-{transfer_number}",
    answer="held",
    memo=TransferMemo,
    stored=True,
    table=TRANSFER,
    movement_types=frozenset({MovementType.TRANSFER_OUT, MovementType.TRANSFER_IN}),
    finding=FindingKind.MOVED_IS_NOT_TRANSFERRED,
)
