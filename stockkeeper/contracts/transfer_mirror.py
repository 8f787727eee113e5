"""A transfer between two databases on the wire: what one end's database has booked, told to the other's."""

from datetime import date
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.receipt import UnfitReason
from stockkeeper.contracts.transfer import StoredTransfer, TransferStep
from stockkeeper.domain.lot import LotStatus
from stockkeeper.domain.transfer import TransferStatus, TransitKind


class BookedInTransit(BaseModel):
    """Units that one command has booked in the ledger in transit."""

    kind: TransitKind
    receipt_id: str | None
    command_id: str | None
    reason: str
    at: AwareDatetime
    performed_by: str
    operation_id: str
    workflow_id: str
    run_id: str
    units: dict[int, int] = Field(description="By line number.")
    lots: dict[int, dict[str, int]] = Field(
        default_factory=dict,
        description="The units of tracked products by line number and lot.",
        exclude_if=lambda lots: not lots,
    )
    unfit_reason: UnfitReason = None


class LotTold(BaseModel):
    """A lot on its way, as the database that tells of it knows it."""

    product_id: int
    lot_number: str
    expires_on: date | None
    best_before: date | None
    made_on: date | None
    supplier_id: int | None
    receipt: str | None
    status: LotStatus
    status_reason: str | None
    status_since: AwareDatetime | None
    status_by: str | None
    created_at: AwareDatetime
    created_by: str
    operation_id: str


class LineAtAnEnd(BaseModel):
    """A line, and the units that the source still holds."""

    product_id: int
    quantity: int
    held: int


class TransferEnd(BaseModel):
    """A transfer as the database of one end has it, with what it has booked itself.

    Departures and returns are booked at the source; receipts, damaged units and write-offs at the destination.
    """

    transfer_number: str
    from_warehouse_id: int
    to_warehouse_id: int
    expected_transit_hours: float | None
    requested_by: str
    requested_at: AwareDatetime
    operation_id: str
    workflow_id: str
    run_id: str
    status: TransferStatus
    dispatched_at: AwareDatetime | None
    due_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    closed_by: str | None
    closed_reason: str | None
    lines: list[LineAtAnEnd]
    booked: list[BookedInTransit]
    lots: list[LotTold] = Field(
        default_factory=list,
        description="What is known of the lots on their way, where some of these entries have lots.",
        exclude_if=lambda lots: not lots,
    )
    latest: int = Field(description="Number of the last entry of these, by which the next page is asked for.")
    more: bool = Field(description="Entries follow.")


class ShowTransferEnd(Message):
    """What the database that is asked has booked itself of a transfer, after this entry."""

    transfer_number: str
    after: int


class MirrorTransferStep(TransferStep):
    """Bring the other database's document up to date. It is done again and again: each entry counts once."""

    end: TransferEnd


class TransferMirrorActivities(Protocol):
    """Activities of a transfer between two databases. Implemented in `activities.transfer_mirror`."""

    @activity.defn(name="show_transfer_end")
    def show_transfer_end(self, question: ShowTransferEnd) -> TransferEnd:
        """What this database has booked of a transfer."""
        ...

    @activity.defn(name="mirror_transfer")
    def mirror_transfer(self, step: MirrorTransferStep) -> StoredTransfer:
        """Take over what the other database has booked of it."""
        ...
