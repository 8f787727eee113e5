"""Every field of a message with every value that is wrong for it, and the part of that which goes to a real process.

The model of a message refuses the whole matrix in `tests/domain/test_bad_messages.py`, where each of them costs
microseconds. What shows that a process refuses what its model refuses goes by way of Temporal: `dealt`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.domain.stock import ItemKey
from tests.support.bad import Json, Spoil

EVERYWHERE = frozenset(
    {
        "no argument",
        "null",
        "two arguments",
        "a list",
        "an empty object",
        "an unknown field",
        "a field name of a megabyte",
        "broken JSON",
        "an unknown encoding",
    }
)
"""What is wrong for every message, and is sent to every process as every message."""

ITEM = ItemKey(7, 42)
"""What messages are about that no process receives."""


@dataclass(frozen=True)
class Matrix:
    """What is wrong for one message of a process: its start, or a command.

    Attributes:
        model: The model by which the process reads it.
        right: A message that the model takes.
        bad: What is wrong. A name is the field and the kind of value, or only a kind if it is about no field.
        later: The names of what the model takes: only the run refuses it, by what it knows of its document.
    """

    model: type[Message]
    right: dict[str, Json]
    bad: dict[str, Spoil]
    later: frozenset[str] = frozenset()

    def field_and_kind(self, name: str) -> tuple[str, str]:
        """The field that a name is about, empty if it is about none, and the kind of value."""
        field, _, kind = name.partition(" ")
        return (field, kind) if field in self._fields else ("", name)

    def by_field(self) -> dict[str, dict[str, str]]:
        """The names of what the model refuses but for what is sent everywhere, by their fields and kinds."""
        fields: dict[str, dict[str, str]] = {}
        for name in self.bad:
            if name not in EVERYWHERE | self.later:
                field, kind = self.field_and_kind(name)
                fields.setdefault(field, {})[kind] = name
        return fields

    @cached_property
    def _fields(self) -> set[str]:
        """The fields of the message and of all that is in it."""
        schema = self.model.model_json_schema()
        parts: list[dict[str, Any]] = [schema, *schema.get("$defs", {}).values()]
        # Lines go by this name whatever the message calls them.
        return {"lines", *(field for part in parts for field in part.get("properties", {}))}


@dataclass(frozen=True)
class Sent:
    """The part of a matrix that goes to a real process.

    Attributes:
        messages: What is sent.
        signalled: The names of what is sent as a signal, too, if it is a command.
    """

    messages: dict[str, Spoil]
    signalled: frozenset[str]


def matrices_of(
    process: ProcessSpec,
    right: Mapping[str, dict[str, Json]],
    bad: Mapping[str, dict[str, Spoil]],
    later: frozenset[str] = frozenset(),
) -> dict[str, Matrix]:
    """The matrices of a process's commands, by their names."""
    models = {command.name: command.message for command in process.commands}
    return {name: Matrix(models[name], right[name], each, later & each.keys()) for name, each in bad.items()}


K = TypeVar("K")


def dealt(matrices: Mapping[K, Matrix]) -> dict[K, Sent]:
    """What of each matrix goes to a real process.

    Of each message that is what is sent everywhere, what only the run refuses, and one value for each field: the first
    of a kind that hasn't been sent yet, or else the field's next one in turn. A kind that no field's turn came to is
    sent by the first message that has it. So all kinds are sent. As a signal goes every second one, and the first of
    each kind.
    """
    seen: set[str] = set()
    names: list[list[str]] = []
    for turn, matrix in enumerate(matrices.values()):
        chosen = [name for name in matrix.bad if name in EVERYWHERE | matrix.later]
        for kinds in matrix.by_field().values():
            in_turn = list(kinds)[turn % len(kinds)]
            kind = next((kind for kind in kinds if kind not in seen), in_turn)
            seen.add(kind)
            chosen.append(kinds[kind])
        names.append(chosen)
    for matrix, chosen in zip(matrices.values(), names, strict=True):
        for kinds in matrix.by_field().values():
            left = [kind for kind in kinds if kind not in seen]
            seen.update(left)
            chosen += [kinds[kind] for kind in left]
    signalled = _signalled(list(matrices.values()), names)
    return {
        key: Sent({name: matrix.bad[name] for name in chosen}, signals)
        for (key, matrix), chosen, signals in zip(matrices.items(), names, signalled, strict=True)
    }


def _signalled(matrices: Sequence[Matrix], names: Sequence[Sequence[str]]) -> list[frozenset[str]]:
    seen: set[str] = set()
    signalled: list[frozenset[str]] = []
    for turn, (matrix, chosen) in enumerate(zip(matrices, names, strict=True)):
        signals: set[str] = set()
        for place, name in enumerate(chosen):
            _, kind = matrix.field_and_kind(name)
            if place % 2 == turn % 2 or kind not in seen:
                signals.add(name)
                seen.add(kind)
        signalled.append(frozenset(signals))
    return signalled
