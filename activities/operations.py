"""The question whether a step was carried out. It changes nothing."""

from temporalio import activity

from activities.writes import OnDatabase, database_errors
from database.operations import Operation, outcome_of
from stockkeeper.contracts.operation import FindOperation, OperationActivities, OperationFound
from stockkeeper.contracts.processes import PROCESSES


class OperationQuestions(OnDatabase, OperationActivities):
    """`OperationActivities` on PostgreSQL."""

    @activity.defn(name="find_operation", no_thread_cancel_exception=True)
    def find_operation(self, question: FindOperation) -> OperationFound:
        """Whether a step was carried out. One that is being carried out at this moment is waited for.

        Locks: the operation's row, if there is none yet; it is rolled back.
        """
        wanted = question.wanted
        with database_errors(), self._database.rehearsal() as connection:
            found = outcome_of(connection, wanted, _number_of(question))
        if found is None:
            return OperationFound(operation_id=wanted, done=False)
        same = None
        if question.kind is not None and question.payload is not None and found["fingerprint"] is not None:
            asked = Operation(wanted, question.kind, question.payload, performed_by="", workflow_id="", run_id="")
            same = bytes(found["fingerprint"]) == asked.fingerprint
        return OperationFound(
            operation_id=wanted,
            done=True,
            same=same,
            kind=found["kind"],
            performed_by=found["performed_by"],
            done_at=found["created_at"],
            result=found["result"],
        )


def _number_of(question: FindOperation) -> str | None:
    """The number of the operation's document, as its movements have it; None: it belongs to no document."""
    workflow_id = question.workflow_id or question.wanted.partition("/")[0].replace("%2F", "/").replace("%25", "%")
    prefixes = [process.id_of("") for process in PROCESSES if process.number_field]
    return next((workflow_id.removeprefix(each) for each in prefixes if workflow_id.startswith(each)), None)
