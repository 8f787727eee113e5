"""The transfer on the wire: how it is started, commanded and read, and what its workflow asks of the database."""

from typing import Annotated, ClassVar, Protocol, Self, TypedDict

from pydantic import AwareDatetime, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.giving_way import GIVE_WAY
from stockkeeper.contracts.messages import (
    MAX_LINES,
    MAX_UNITS,
    Actor,
    Hours,
    Id,
    Message,
    Reason,
    Reference,
    State,
    Step,
    StockAnswer,
    Timestamp,
    Units,
)
from stockkeeper.contracts.notice import NoticeState
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind
from stockkeeper.domain.transfer import TRANSFER
from stockkeeper.domain.transfer import TransferStatus as TransferStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "TransferWorkflow"
REFERENCE_TYPE = "TRANSFER"
"""What its hold at the source is kept under, beside those of orders."""


def workflow_id(transfer_number: str) -> str:
    """The one workflow that may command this transfer."""
    return f"transfer-{transfer_number}"


class TransferLine(Message):
    """Units of a product that are to be moved."""

    product_id: Id
    quantity: Units


class TransferRequest(Message):
    """Start of a `TransferWorkflow`: hold all of these lines at the source, or none."""

    transfer_number: Reference = Field(description="The transfer's own name; the workflow id has it too.")
    from_warehouse_id: Id
    to_warehouse_id: Id
    line_items: Annotated[list[TransferLine], Field(min_length=1, max_length=MAX_LINES)]
    expected_transit_hours: Hours | None = Field(
        default=None, description="Hours from dispatch after which a notice says that it is overdue. Null: none does."
    )
    requested_by: Actor

    @model_validator(mode="after")
    def _between_two_places(self) -> Self:
        if self.from_warehouse_id == self.to_warehouse_id:
            raise ValueError("to_warehouse_id: must be another warehouse than from_warehouse_id")
        return self


class Dispatch(Message):
    """Command ``dispatch``: everything leaves the source, as TRANSFER_OUT movements."""

    performed_by: Actor


DISPATCH = Command("dispatch", Dispatch)


class ArrivedLine(Message):
    """What arrived of one product."""

    product_id: Id
    quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units that are fit and enter stock.")]
    damaged_quantity: Annotated[
        int, Field(ge=0, le=MAX_UNITS, description="Units on top of these that arrived damaged; not into stock.")
    ] = 0

    @model_validator(mode="after")
    def _something_came(self) -> Self:
        if self.quantity + self.damaged_quantity == 0:
            raise ValueError("quantity: a delivered line needs fit or damaged units")
        return self


class ReceiveTransferred(Message):
    """Command ``receive``: goods have arrived. Fit units become TRANSFER_IN movements at the destination."""

    receipt_id: Reference = Field(description="The caller's name for this delivery: sent twice, it is booked once.")
    performed_by: Actor
    lines: Annotated[list[ArrivedLine], Field(min_length=1, max_length=MAX_LINES)]


RECEIVE = Command("receive", ReceiveTransferred)


class WriteOff(Message):
    """Command ``write_off``: what is still missing won't come any more."""

    performed_by: Actor
    reason: Reason


WRITE_OFF = Command("write_off", WriteOff)


class CancelTransfer(Message):
    """Command ``cancel``: the hold is released, or what is still in transit goes back to the source."""

    performed_by: Actor
    reason: Reason


CANCEL = Command("cancel", CancelTransfer)


class TransferLineState(State):
    """One line as it is, in units. Always: dispatched = received + damaged + written_off + returned + in_transit."""

    product_id: int
    quantity: int
    received: int = Field(default=0, description="Arrived fit, and is in the destination's stock.")
    damaged: int = Field(default=0, description="Arrived damaged, and is in nobody's stock.")
    written_off: int = Field(default=0, description="Never arrived.")
    returned: int = Field(default=0, description="Went back into the source's stock: cancelled in transit.")
    in_transit: int = Field(default=0, description="Has left the source, and hasn't been accounted for.")


class TransferState(State):
    """What a transfer is: the answer to every command, to the query ``state``, and the workflow's result."""

    transfer_id: int | None = Field(default=None, description="Null as long as nothing is held.")
    transfer_number: str = ""
    from_warehouse_id: int | None = None
    to_warehouse_id: int | None = None
    status: TransferStatus = TransferStatus.PENDING
    line_items: list[TransferLineState] = Field(default_factory=list)
    requested_by: str = ""
    dispatched_at: Timestamp | None = None
    due_at: Timestamp | None = Field(default=None, description="From when on it is overdue, while in transit.")
    receipts: list[ReceiptState] = Field(default_factory=list, description="What arrived; the latest hundred.")
    closed_reason: str | None = Field(default=None, description="Why it was cancelled, or the rest written off.")
    shortages: list[ShortageState] = Field(default_factory=list, description="Why it was rejected, item by item.")
    notices: list[NoticeState] = Field(default_factory=list, description="What was sent to people; the latest hundred.")
    notes: list[str] = Field(
        default_factory=list, description="What was refused, or worth knowing; the latest hundred."
    )


class TransferStep(Step):
    """What is asked about one transfer."""

    transfer_number: str


class HoldTransferStep(TransferStep):
    """Store the transfer, and hold all of its lines at the source, or none."""

    from_warehouse_id: int
    to_warehouse_id: int
    line_items: list[TransferLine]
    expected_transit_hours: float | None
    requested_by: str


class DispatchTransferStep(TransferStep):
    """Everything leaves the source."""


class ReceiveTransferStep(TransferStep):
    """Goods have arrived."""

    receipt_id: str
    lines: list[ArrivedLine]


class WriteOffTransferStep(TransferStep):
    """What is still in transit won't come any more."""

    reason: str


class CancelTransferStep(TransferStep):
    """Release what is held, or bring back what is in transit."""

    # As of a reservation's release: an earlier version may have begun it.
    not_compared: ClassVar[frozenset[str]] = TransferStep.not_compared | {"gave_way"}

    reason: str
    gave_way: bool = Field(default=False, description="Only if a line of its hold has ended already.")


class StoredTransferLine(TransferLineState):
    """A line with the name that people know it by."""

    sku: str


class StoredTransfer(StockAnswer):
    """What the database says of a transfer, in answer to every step."""

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
    receipts: list[ReceiptState]
    closed_reason: str | None

    @property
    def units(self) -> int:
        """Units on all lines."""
        return sum(line.quantity for line in self.line_items)

    @property
    def in_transit(self) -> int:
        """Units in transit on all lines."""
        return sum(line.in_transit for line in self.line_items)


class TransferMemo(TypedDict):
    """What a list of runs shows of a transfer beside its search attributes, without asking each run."""

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
    """What a transfer's workflow asks of the database. Implemented in `activities.transfer`."""

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
        """Put what arrived into the destination's stock."""
        ...

    @activity.defn(name="write_off_transfer")
    def write_off_transfer(self, step: WriteOffTransferStep) -> StoredTransfer:
        """Give up what is still in transit."""
        ...

    @activity.defn(name="cancel_transfer")
    def cancel_transfer(self, step: CancelTransferStep) -> StoredTransfer:
        """Release the hold, or bring the goods back."""
        ...


PROCESS = ProcessSpec(
    kind="transfer",
    name="transfer",
    workflow_type=WORKFLOW_TYPE,
    workflow_id=workflow_id("{transfer_number}"),
    start=TransferRequest,
    commands=(DISPATCH, RECEIVE, WRITE_OFF, CANCEL, GIVE_WAY),
    answer="held",
    state=TransferState,
    memo=TransferMemo,
    activities=TransferActivities,
    table=TRANSFER,
    movement_types=frozenset({MovementType.TRANSFER_OUT, MovementType.TRANSFER_IN}),
    finding=FindingKind.MOVED_IS_NOT_TRANSFERRED,
)
