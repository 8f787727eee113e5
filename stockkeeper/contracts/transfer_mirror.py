"""A transfer between two databases on the wire: what one end's database has booked, told to the other's."""

from typing import Protocol

from pydantic import AwareDatetime, BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.transfer import StoredTransfer, TransferStep
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
