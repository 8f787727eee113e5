"""The mirror of a transfer between two databases: each tells the other what it has booked of it itself."""

from dataclasses import replace

from temporalio import activity

from activities.document_events import document_changed
from activities.transfer_goods import stored_transfer, units_booked
from activities.writes import OnDatabase, database_errors, operation_of
from database.events import insert_events
from database.mirrored_transfer import read_end, take_over
from database.pipeline import send
from stockkeeper.contracts.transfer import PROCESS, StoredTransfer
from stockkeeper.contracts.transfer_mirror import (
    MirrorTransferStep,
    ShowTransferEnd,
    TransferEnd,
    TransferMirrorActivities,
)


class TransferMirror(OnDatabase, TransferMirrorActivities):
    """`TransferMirrorActivities` on PostgreSQL."""

    @activity.defn(name="show_transfer_end", no_thread_cancel_exception=True)
    def show_transfer_end(self, question: ShowTransferEnd) -> TransferEnd:
        """A transfer as this database has it, and what it has booked of it itself. Locks nothing.

        Raises:
            InvalidRequest: There is no such transfer.
        """
        with database_errors(), self._database.snapshot() as connection:
            return TransferEnd.model_validate(read_end(connection, question.transfer_number, question.after))

    @activity.defn(name="mirror_transfer", no_thread_cancel_exception=True)
    def mirror_transfer(self, step: MirrorTransferStep) -> StoredTransfer:
        """Take over what the other database has booked of a transfer; the first time, store the transfer.

        No stock changes. Entries are recognised by their operation, so a repeat adds none; an attempt that comes later
        than a newer one changes nothing. If it has changed something, this database tells it as a step of its own.

        Locks: the transfer.

        Raises:
            OperationConflict: This database has another transfer of that number.
            InvalidRequest: It has one whose number differs by upper and lower case alone.
            WarehouseElsewhere: Neither of its warehouses is kept here.
        """
        with database_errors(), self._database.transaction() as connection:
            taken_over = take_over(connection, step.end.model_dump(), step.as_of)
            transfer = stored_transfer(connection, step.transfer_number)
            if taken_over is not None:
                # Its entries are what happens once, so a run names all of its mirrorings alike.
                this = replace(operation_of(step), operation_id=f"{step.operation_id}/{step.as_of.isoformat()}")
                told = document_changed(this, transfer, process=PROCESS, lines=units_booked(taken_over))
                send(connection, [insert_events([told])])
            return transfer
