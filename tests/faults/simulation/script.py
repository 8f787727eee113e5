"""What a simulated client does next: commands, waits, and what an operator does."""

import hashlib
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.faults.simulation.model.outcome import Expected, Outcome

Json = Any


class How(StrEnum):
    """The way by which a message reaches a run."""

    START = "start"
    """Start it, and wait for nothing."""
    ASK = "ask"
    """Start it unless it runs, and wait for the update that answers the start."""
    UPDATE = "update"
    SIGNAL = "signal"


@dataclass(frozen=True)
class Command:
    """One message of a client.

    Attributes:
        how: The way.
        workflow_id: The run's workflow.
        name: The update or signal; of a bare start nothing.
        payload: Its arguments: none, one, or as many as somebody sends.
        workflow_type: The workflow to start, if it is to be.
        start: The start's payload.
        key: The update's id, or the signal's request id: the same whenever it is sent again. Empty: made up anew for
            each try, as for an update that answers a start.
        task_queue: Where its run is started. Empty: where its client's warehouses are kept.
    """

    how: How
    workflow_id: str
    name: str = ""
    payload: tuple[Json, ...] = ()
    workflow_type: str = ""
    start: Json = None
    key: str = ""
    task_queue: str = ""

    def text(self, names: Mapping[str, str], ids: Mapping[tuple[str, int], str]) -> str:
        """The command in one line that is the same in every run of a seed.

        Args:
            names: Texts that another run has otherwise, such as the name of the run, and what to put for them.
            ids: The same for ids: by what they are of, and the id.
        """
        message = _with_names([self.payload, self.start], "", ids)
        said = json.dumps([self.how, self.workflow_id, self.name, message, self.key], sort_keys=True)
        for text, name in names.items():
            said = said.replace(text, name)
        return said


def _with_names(value: Json, field: str, ids: Mapping[tuple[str, int], str]) -> Json:
    """A payload with names for ids, which stand in fields such as `to_warehouse_id` and `product_ids`."""
    if isinstance(value, Mapping):
        return {name: _with_names(each, name, ids) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_names(each, field, ids) for each in value]
    if not isinstance(value, int):
        return value
    kind = field.removesuffix("s").removesuffix("_id").removeprefix("from_").removeprefix("to_")
    return ids.get((kind, value), value)


@dataclass(frozen=True)
class Send:
    """Send a command, again and again until there is a definite answer, and compare that."""

    command: Command
    expected: Expected


@dataclass(frozen=True)
class Together:
    """Send several commands at once, which come out alike in any order."""

    sends: tuple[Send, ...]


@dataclass(frozen=True)
class Result:
    """Wait for the end of a run, and compare its result."""

    workflow_id: str
    expected: Expected


@dataclass(frozen=True)
class Look:
    """Ask for the state by the query, also of a closed run, and compare it.

    Attributes:
        patience: Whether to ask again until it is as expected: for what comes by itself, or by a signal.
    """

    workflow_id: str
    expected: Expected
    patience: bool = False


class Intervention(StrEnum):
    """What an operator does to a run, past the contract."""

    TERMINATE = "terminate"
    CANCEL = "cancel"
    RESET = "reset"
    """To the last workflow task, if that has brought no update and none is under way; left out otherwise. Operators are
    told so (docs/operations.md): Temporal may refuse for ever a task of a run whose updates it has applied again."""


@dataclass(frozen=True)
class Operate:
    """An operator's intervention.

    Attributes:
        key: Its own name, the same whenever it is tried again.
    """

    intervention: Intervention
    workflow_id: str
    expected: Expected
    key: str = ""


@dataclass(frozen=True)
class Wait:
    """Let time pass, in seconds: before whatever comes at a deadline is looked at."""

    seconds: float


@dataclass(frozen=True)
class Rest:
    """A point at which the model says what is so, and the client may be held up for a comparison."""


Step = Send | Together | Result | Look | Operate | Wait | Rest
Script = Generator[Step, Outcome, None]
"""Steps to carry out; each one's outcome comes back. It is as expected, or the script is over."""
Part = Generator[Step, Outcome, Outcome]
"""A part of a script that has an outcome itself."""


def send(command: Command, expected: Expected, learn: Callable[[Json], None] | None = None) -> Part:
    """Send it; the outcome. ``learn`` is given the state of an answer."""
    outcome = yield Send(command, expected)
    if learn is not None and hasattr(outcome, "state"):
        learn(outcome.state)
    return outcome


@dataclass
class Digest:
    """A fingerprint of the commands of a lane, after each of them.

    Attributes:
        names: Texts that another run of the seed has otherwise, and what to put for them.
    """

    names: dict[str, str]
    ids: dict[tuple[str, int], str] = field(default_factory=dict)
    after: list[str] = field(default_factory=list)
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, command: Command) -> None:
        """One more command."""
        self._hash.update(command.text(self.names, self.ids).encode())
        self.after.append(self._hash.hexdigest()[:16])
