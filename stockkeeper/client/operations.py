"""Whether a command was carried out, by the database: for commands that had no answer, or whose run has ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from stockkeeper.client.calls import checked
from stockkeeper.client.connection import Connection
from stockkeeper.client.questions import ask
from stockkeeper.contracts.errors import of_operation
from stockkeeper.contracts.messages import Message, Step
from stockkeeper.contracts.operation import FindOperation
from stockkeeper.contracts.question import FIND_OPERATION


@dataclass(frozen=True)
class Numbered:
    """A command with a number of its own, under which it is carried out once.

    Attributes:
        key: The number: a receipt's, a parcel's, an inspection's.
        activity: The step that carries it out; its model has the contents that a repeat must have in common.
    """

    key: str
    activity: Callable[..., Any]

    @property
    def kind(self) -> str:
        """The step's name."""
        return self.activity.__name__

    def contents(self, message: Message, document: BaseModel) -> dict[str, Any] | None:
        """The contents of the step, as the database compares them; None: the command alone doesn't show them all.

        Args:
            message: The command's payload.
            document: The state of its document, which has the document's number.
        """
        hints = get_type_hints(self.activity)
        model: type[Step] = next(hint for name, hint in hints.items() if name != "return")
        fields: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            if name in model.not_compared:
                continue
            source = next((each for each in (message, document) if name in type(each).model_fields), None)
            fields[name] = field.get_default() if source is None else getattr(source, name)
            if fields[name] is PydanticUndefined:
                return None
        return model.model_construct(**fields).contents()


async def was_carried_out(
    connection: Connection,
    workflow_id: str,
    command: str,
    key: str,
    *,
    kind: str | None = None,
    contents: dict[str, Any] | None = None,
) -> bool:
    """Whether a command was carried out under this key. One that is under way is waited for.

    Args:
        connection: Temporal client, task queue and patience.
        workflow_id: The workflow of its document.
        command: Its name.
        key: Its own number, or its update id.
        kind: The step's name, to compare the contents.
        contents: The contents of the step, to be compared; None: they aren't.

    Raises:
        OperationConflict: It was carried out under this key with other contents.
        Unreachable: No worker answered.
    """
    compared = {} if kind is None or contents is None else {"kind": kind, "payload": contents}
    asked = checked(FindOperation, workflow_id=workflow_id, command=command, key=key, **compared)
    found = await ask(connection, FIND_OPERATION, asked)
    if found.same is False:
        raise of_operation(found.operation_id, found.kind or command)
    return found.done
