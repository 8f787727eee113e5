"""The mirror of a transfer between two databases: each tells the other what it has booked of it itself."""

from temporalio import activity

from activities.transfer_goods import stored_transfer
from activities.writes import OnDatabase, database_errors
from database.mirrored_transfer import read_end, take_over
from stockkeeper.contracts.transfer import StoredTransfer
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
        than a newer one changes nothing.

        Locks: the transfer.

        Raises:
            OperationConflict: This database has another transfer of that number.
            InvalidRequest: It has one whose number differs by upper and lower case alone.
            WarehouseElsewhere: Neither of its warehouses is kept here.
        """
        with database_errors(), self._database.transaction() as connection:
            take_over(connection, step.end.model_dump(), step.as_of)
            return stored_transfer(connection, step.transfer_number)
