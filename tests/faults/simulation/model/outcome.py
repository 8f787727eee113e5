"""What comes of a command: seen by a client, and expected by the model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = Any


@dataclass(frozen=True)
class Answered:
    """A state, or a result."""

    state: Json


@dataclass(frozen=True)
class Refused:
    """A clear no, as a caller of any language sees it."""

    type: str
    details: Json
    message: str


@dataclass(frozen=True)
class NotRunning:
    """There is no open run under this workflow id, so nothing was done by this call."""

    reason: str


@dataclass(frozen=True)
class Sent:
    """The server has it; nobody waits for more."""


Outcome = Answered | Refused | NotRunning | Sent


class Expected(Protocol):
    """What the model says is to come out."""

    def differs(self, outcome: Outcome) -> str | None:
        """How it came out otherwise; None: it is right."""
        ...


@dataclass(frozen=True)
class InAnyOrder:
    """A list whose order the contract leaves open."""

    entries: list[Json]


@dataclass(frozen=True)
class Such:
    """A value that is right if a test says so."""

    holds: Callable[[Json], bool]
    what: str


ANYTHING = Such(lambda _: True, "anything")
"""A value that the contract leaves open, such as an id or a time."""


def difference(expected: Json, found: Json, at: str = "") -> str | None:
    """Where ``found`` isn't as expected; None: nowhere.

    Of an object only the expected fields are looked at. A list has exactly the expected entries.
    """
    if isinstance(expected, Such):
        return None if expected.holds(found) else f"{at or 'it'} is {found!r}, not {expected.what}"
    if isinstance(expected, InAnyOrder):
        return _other_entries(expected, found, at)
    if isinstance(expected, Mapping):
        return _other_fields(expected, found, at)
    if isinstance(expected, list):
        return _other_list(expected, found, at)
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return None if same else f"{at or 'it'} is {found!r}, not {expected!r}"


def _other_fields(expected: Mapping[str, Json], found: Json, at: str) -> str | None:
    if not isinstance(found, Mapping):
        return f"{at or 'it'} is {found!r}, not an object"
    for name, value in expected.items():
        if name not in found:
            return f"{at}.{name} is missing"
        if problem := difference(value, found[name], f"{at}.{name}"):
            return problem
    return None


def _other_list(expected: list[Json], found: Json, at: str) -> str | None:
    if not isinstance(found, list) or len(found) != len(expected):
        return f"{at or 'it'} is {found!r}, not {len(expected)} entries {expected!r}"
    problems = (difference(*pair, f"{at}[{number}]") for number, pair in enumerate(zip(expected, found, strict=True)))
    return next((problem for problem in problems if problem), None)


def _other_entries(expected: InAnyOrder, found: Json, at: str) -> str | None:
    left = list(found) if isinstance(found, list) else []
    for each in expected.entries:
        match = next((other for other in left if difference(each, other) is None), None)
        if match is None:
            return f"{at or 'it'} is {found!r}, without {each!r}"
        left.remove(match)
    return f"{at or 'it'} has also {left!r}" if left or not isinstance(found, list) else None


@dataclass(frozen=True)
class Answer:
    """A state with these fields."""

    state: Json

    def differs(self, outcome: Outcome) -> str | None:
        """See `Expected`."""
        return difference(self.state, outcome.state) if isinstance(outcome, Answered) else f"it was {outcome}"


@dataclass(frozen=True)
class Refusal:
    """An error of this type, with these details."""

    type: str
    details: Json = field(default=ANYTHING)

    def differs(self, outcome: Outcome) -> str | None:
        """See `Expected`."""
        if not isinstance(outcome, Refused) or outcome.type != self.type:
            return f"it was {outcome}"
        return difference(self.details, outcome.details, "details")


@dataclass(frozen=True)
class NoRun:
    """The server says that no run is open."""

    def differs(self, outcome: Outcome) -> str | None:
        """See `Expected`."""
        return None if isinstance(outcome, NotRunning) else f"it was {outcome}"


@dataclass(frozen=True)
class Taken:
    """The server takes it."""

    def differs(self, outcome: Outcome) -> str | None:
        """See `Expected`."""
        return None if isinstance(outcome, Sent) else f"it was {outcome}"


@dataclass(frozen=True)
class Ended:
    """The end of a run, however it ended: an answer may come a moment before it."""

    def differs(self, outcome: Outcome) -> str | None:
        """See `Expected`."""
        return None if isinstance(outcome, Answered | Refused) else f"it was {outcome}"


@dataclass(frozen=True)
class OneOf:
    """Any of these, where the contract leaves the choice."""

    choices: tuple[Expected, ...]

    def differs(self, outcome: Outcome) -> str | None:
        """See `Expected`."""
        problems = [choice.differs(outcome) for choice in self.choices]
        return None if None in problems else "; and ".join(str(problem) for problem in problems)


def naming(unseen: Sequence[str], ending: Sequence[str]) -> Such:
    """Holds that end: those by these references which nobody could have seen, and at most all that end.

    A worker may die with the refusal, when it has shown them: then it can't tell any more which are new.
    """

    def holds(found: Json) -> bool:
        named = {each["reference_id"] for each in found}
        return len(named) == len(found) and set(unseen) <= named <= set(ending)

    return Such(holds, f"the holds of {list(unseen)!r}, of all of {list(ending)!r}")


def saying(notes: Sequence[str]) -> Such:
    """Notes that say all of these, and nothing else.

    In any order: a signal of another name is noted at once, and a refusal when it is the command's turn.
    """

    def holds(found: Json) -> bool:
        left = list(found)
        for text in notes:
            note = next((each for each in left if text in each), None)
            if note is None:
                return False
            left.remove(note)
        return not left

    return Such(holds, f"notes that say {list(notes)!r}")
