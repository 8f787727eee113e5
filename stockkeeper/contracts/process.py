"""How a process is registered: once, in its own contract module, as `PROCESS`.

Whatever is one per process follows from that: `schema.json`, the worker's workflows and activities, the command line,
the scenes of the demo, the audit's rules and the lists of the tests. `stockkeeper.contracts.processes` lists them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stockkeeper.contracts.messages import Message, Start, State
from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.permission import Needs
from stockkeeper.domain.stock import MovementType
from stockkeeper.domain.stock_audit import FindingKind
from stockkeeper.domain.transitions import TransitionTable

M_co = TypeVar("M_co", bound=Message, covariant=True)


@dataclass(frozen=True)
class Command(Generic[M_co]):
    """A command of a process: an update and a signal of one name, with one payload.

    The workflow marks the method that carries it out with it, and the client sends it: the references of the constant
    lead from one to the other, and mypy compares both with the message.
    """

    name: str
    message: type[M_co]


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """A process, as everything outside its own files knows it.

    Attributes:
        name: The name in messages to people: ``purchase order``.
        workflow_type: The name of its workflow in Temporal.
        start: The payload of the start.
        resume: The payload of the start of another run for a document that is stored already; None: the first start
            sent again is enough.
        state: The answer to every command, to the query ``state``, and the workflow's result.
        activities: The interface of the activities that only this process calls.
        commands: The updates and signals that a caller may send.
        needs: What its start and each of its commands need of an identity, where identities are required.
        workflow_id: The pattern of its workflow ids, such as ``kitting-{kitting_number}``, or the schedule that starts
            it.
        answer: The update without payload that answers the start; None: the start has no answer but the result.
        answer_at_once: The same, but it doesn't wait for the end of a wait for stock; None: there is none.
        memo: The fields by which a list of runs describes a run; None: there are none.
        movement_types: The movements that it writes to the ledger.
        stored: Whether its documents have rows of their own, which `list_documents` and `show_document` answer from.
        table: Its statuses, and the words for a command that one of them doesn't allow; None: it takes no commands.
        finding: The audit's finding when its documents and its movements differ; None: it books no documents.
        audited_since: The workflow patch with which audits began to look at its documents, such as ``audit-kitting``:
            an audit that was running before leaves them out. None: since the first audit.
    """

    name: str
    workflow_type: str
    start: type[Start]
    state: type[State]
    activities: type[Any]
    commands: tuple[Command[Message], ...] = ()
    needs: Mapping[str, Needs]
    workflow_id: str
    answer: str | None = None
    answer_at_once: str | None = None
    resume: type[Start] | None = None
    memo: type[Any] | None = None
    movement_types: frozenset[MovementType] = frozenset()
    finding: FindingKind | None = None
    audited_since: str | None = None
    stored: bool = False
    table: TransitionTable[Any, Any] | None = None

    @property
    def kind(self) -> str:
        """The name of its file in every package, as of its contract: ``workflows.{kind}``, ``activities.{kind}``."""
        return self.activities.__module__.rpartition(".")[2]

    @property
    def number_field(self) -> str:
        """The field of start and state that has the document's number: the one that the workflow id is made of."""
        return self.workflow_id.partition("{")[2].rstrip("}")

    def id_of(self, number: str) -> str:
        """The id of the only workflow that commands the document of this number."""
        return f"{self.workflow_id.partition('{')[0]}{number}"

    def is_over(self, status: str) -> bool:
        """Whether a document in this status takes no command any more."""
        return self.table is not None and self.table.is_final(status)

    def refusal(self, status: str, command: str, number: str) -> InvalidState:
        """The error for a command in a status that doesn't allow it, in words for people.

        Args:
            status: The document's present status.
            command: The command's name.
            number: The document's number.
        """
        if self.table is None:
            return InvalidState(f"{self.name} {number} has ended", status, command)
        return self.table.refusal(status, command, of=number)
