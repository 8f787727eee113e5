"""Whether a step was carried out: the question for a caller whose command had no answer.

No answer isn't a no: a run may end while its step waits for a row, and the step is carried out all the same. Every
write leaves its operation in the transaction of its effect, and so the database knows.
"""

from typing import Annotated, Any, Protocol

from pydantic import BaseModel, Field, model_validator
from temporalio import activity

from stockkeeper.contracts.messages import Message, Reference, Timestamp


def operation_id(workflow_id: str, *step: str) -> str:
    """The id of a step's operation: the same for every attempt, every replay, and every run of its workflow.

    A slash within a part is escaped, so that two operations never share an id, whatever names callers choose.
    """
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (workflow_id, *step))


class FindOperation(Message):
    """Whether a step was carried out: by its operation id, or by its workflow, command and key."""

    operation_id: (
        Annotated[str, Field(min_length=1, max_length=2_000, description="Id as movements have it.")] | None
    ) = None
    workflow_id: (
        Annotated[str, Field(min_length=1, max_length=1_000, description="Workflow of the document.")] | None
    ) = None
    command: Annotated[str, Field(min_length=1, max_length=100, description="Name of the command.")] | None = None
    key: Reference | None = Field(
        default=None,
        description="The caller's own number for the command, such as a receipt_id; without one, the update id.",
    )
    kind: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Name of the step, such as receive_transfer, to compare the contents as well."
    )
    payload: dict[str, Any] | None = Field(default=None, description="Contents of the step, to be compared.")

    @model_validator(mode="after")
    def _is_one_way(self) -> "FindOperation":
        given = [part is not None for part in (self.workflow_id, self.command, self.key)]
        if any(given) if self.operation_id is not None else not all(given):
            raise ValueError("give operation_id, or workflow_id, command and key")
        if (self.kind is None) != (self.payload is None):
            raise ValueError("give kind and payload together, or neither")
        return self

    @property
    def wanted(self) -> str:
        """The operation's id."""
        return self.operation_id or operation_id(self.workflow_id or "", self.command or "", self.key or "")


class OperationFound(BaseModel):
    """A step that was carried out, or not."""

    operation_id: str
    done: bool = Field(
        description="Whether it was carried out. A step that is being carried out at this moment is waited for; one "
        "that hasn't begun isn't."
    )
    same: bool | None = Field(default=None, description="Whether it had these contents. Null: they weren't compared.")
    kind: str | None = None
    performed_by: str | None = None
    done_at: Timestamp | None = None
    result: Any = Field(default=None, description="Its answer then; the document may have gone on since.")


class OperationActivities(Protocol):
    """The question about a step. Implemented in `activities.operations`."""

    @activity.defn(name="find_operation")
    def find_operation(self, question: FindOperation) -> OperationFound:
        """Whether a step was carried out."""
        ...
