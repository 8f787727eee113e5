"""The transfer on the wire: the steps of its workflow in the database, and the process."""

from typing import ClassVar, Protocol, TypedDict

from pydantic import AwareDatetime, Field
from temporalio import activity

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, DifferenceApprovalState, DifferenceFields
from stockkeeper.contracts.giving_way import GIVE_WAY
from stockkeeper.contracts.messages import (
    Step,
    StockAnswer,
)
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.receipt import ReceiptState, UnfitReason
from stockkeeper.contracts.transfer_state import (
    CANCEL,
    DISPATCH,
    RECEIVE,
    WORKFLOW_TYPE,
    WRITE_OFF,
    ArrivedLine,
    DepartureState,
    PartLine,
    TransferLine,
    TransferLineState,
    TransferRequest,
    TransferState,
    TransferStatus,
    WriteOffState,
)
from stockkeeper.domain import permission
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind
from stockkeeper.domain.transfer import TRANSFER


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

    lines: list[PartLine] | None = None
    dispatch_id: str | None = None


class ReceiveTransferStep(TransferStep):
    """Book a delivery."""

    added_later: ClassVar[tuple[str, ...]] = ("unfit_reason",)

    receipt_id: str
    lines: list[ArrivedLine]
    unfit_reason: UnfitReason = None


class WriteOffTransferStep(TransferStep):
    """Write off all units still in transit, or these."""

    added_later: ClassVar[tuple[str, ...]] = ("lines", "write_off_id")

    reason: str
    lines: list[PartLine] | None = None
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
    destination_at: str | None = Field(
        default=None, description="The task queue of the database that keeps the destination. Null: it is the same."
    )

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
    needs={
        permission.START: permission.Needs((permission.Role.BUY, permission.Role.RECEIVE), at="from_warehouse_id"),
        DISPATCH.name: permission.Needs((permission.Role.RECEIVE,), at="from_warehouse_id"),
        RECEIVE.name: permission.Needs((permission.Role.RECEIVE,), at="to_warehouse_id"),
        WRITE_OFF.name: permission.Needs((permission.Role.RECEIVE,), at="to_warehouse_id"),
        APPROVE_DIFFERENCE.name: permission.Needs((permission.Role.APPROVE,), at="to_warehouse_id"),
        CANCEL.name: permission.Needs((permission.Role.BUY, permission.Role.RECEIVE), at="from_warehouse_id"),
        GIVE_WAY.name: permission.ADMINISTER,
    },
    workflow_id="transfer-{transfer_number}",
    answer="held",
    memo=TransferMemo,
    stored=True,
    table=TRANSFER,
    movement_types=frozenset({MovementType.TRANSFER_OUT, MovementType.TRANSFER_IN}),
    finding=FindingKind.MOVED_IS_NOT_TRANSFERRED,
)
