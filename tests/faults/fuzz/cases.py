"""What is sent to what: cases from a seed, the same for the same seed and number.

A case names what belongs to its lane (`values.Own`) instead of having it, so that it doesn't depend on what is in the
database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.faults.fuzz.spoiled import arguments
from tests.faults.fuzz.values import SCHEMA, anything, message

STAGES = 3
"""How far a document may have come that a command is sent to: `lanes` knows what that is for each kind."""


class Way(StrEnum):
    """How a payload comes in."""

    START = "start"
    START_AND_ASK = "update with start"
    UPDATE = "update"
    SIGNAL = "signal"
    ANSWER = "update that takes no payload"
    QUERY = "query"
    STRANGE_UPDATE = "update of an unknown name"
    STRANGE_SIGNAL = "signal of an unknown name"
    ACTIVITY = "question by activity"
    WORKFLOW = "question by workflow"
    STEP = "step of another process"


@dataclass(frozen=True)
class Target:
    """What takes a payload.

    Attributes:
        way: How the payload comes in.
        workflow_type: The process; empty for a question.
        name: The update, signal, query or question; empty for a start.
        reference: The schema of its message; None: it takes none, and passes over what comes.
    """

    way: Way
    workflow_type: str
    name: str
    reference: str | None

    def __str__(self) -> str:
        return f"{self.way} {self.workflow_type} {self.name}".replace("  ", " ").strip()


@dataclass(frozen=True)
class Case:
    """A payload, and where it goes.

    Attributes:
        number: Its place in the run.
        target: What takes it.
        arguments: What is sent; JSON, or `AsBytes`.
        stage: How far the document has come, if one is opened for it.
    """

    number: int
    target: Target
    arguments: Sequence[Any]
    stage: int


_AMONG_OURSELVES = ("attempt_failed", "stock_came")
"""Signals that our own parts send; whoever can signal a run can send them, too."""
_ELSEWHERE = "MoveWarehouseWorkflow"
"""Its worker has a task queue of its own, and isn't there."""
_WITHOUT_A_KEY = "EventSubscriberWorkflow"
"""Without a key for webhooks it ends as it begins, so that there is none to command."""
STRANGE_NAMES = ("Fulfill", "cancel ", "__init__", "reserve", "x" * 200, "état", "fulfill_signal")
"""Names that no process has a command by."""


def targets(steps: Sequence[str]) -> list[Target]:
    """Everything that takes a payload.

    Args:
        steps: The activities that aren't questions.
    """
    found: list[Target] = []
    for kind, described in SCHEMA["workflows"].items():
        if kind == _ELSEWHERE:
            continue
        starts = [described[each]["$ref"] for each in ("start", "resume") if each in described]
        for start in starts:
            found.append(Target(Way.START, kind, "", start))
            found.extend(Target(Way.START_AND_ASK, kind, each, start) for each in answers_of(described))
        if kind == _WITHOUT_A_KEY:
            continue
        for name, reference in described["commands"].items():
            found.append(Target(Way.UPDATE, kind, name, reference["$ref"]))
            found.append(Target(Way.SIGNAL, kind, name, reference["$ref"]))
        found.extend(Target(Way.ANSWER, kind, name, None) for name in answers_of(described))
        if described["commands"]:
            found.append(Target(Way.QUERY, kind, "state", None))
            found.append(Target(Way.STRANGE_UPDATE, kind, "", None))
            found.append(Target(Way.STRANGE_SIGNAL, kind, "", None))
            found.extend(Target(Way.SIGNAL, kind, name, None) for name in _AMONG_OURSELVES)
    for name, question in SCHEMA["questions"].items():
        found.append(Target(Way.ACTIVITY, "", name, question["question"]["$ref"]))
        found.append(Target(Way.WORKFLOW, "", name, question["question"]["$ref"]))
    return [*found, *(Target(Way.STEP, "", name, None) for name in steps)]


def answers_of(described: Mapping[str, Any]) -> list[str]:
    """The updates that answer a start."""
    return list(described["updates_without_payload"])


@cache
def _sent_to(reference: str | None, question: str | None) -> SearchStrategy[list[Any]]:
    """What is sent to all that take this message; as the start of a workflow that asks a question, if there is one."""
    if reference is None:
        passed_over = st.dictionaries(st.sampled_from(["performed_by", "lines", "ttl_minutes"]), anything())
        return arguments(passed_over, anything())
    likely, fitting = (message(reference, likely=each) for each in (True, False))
    if question is not None:
        likely, fitting = (
            st.builds(lambda each: {"question": question, "payload": each}, right) for right in (likely, fitting)
        )
    return arguments(likely, fitting)


def cases(number_of_cases: int, at: int, every: Sequence[Target]) -> list[Case]:
    """So many cases, each target about as often as any other; the first ones are the same for any number.

    Args:
        number_of_cases: How many.
        at: The seed.
        every: The targets.
    """
    return [_case(number, at, every) for number in range(number_of_cases)]


def _case(number: int, at: int, every: Sequence[Target]) -> Case:
    """One case, by a run of Hypothesis of its own: within a run it changes what it has made already.

    Its first example is always the simplest, and the second is by chance.
    """
    target = every[Random(f"{at}/{number}").randrange(len(every))]
    question = target.name if target.way is Way.WORKFLOW else None
    drawn: list[tuple[list[Any], int]] = []

    @seed(f"{at}/{number}")
    @settings(
        max_examples=2,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(_sent_to(target.reference, question), st.integers(0, STAGES - 1)))
    def draw(each: tuple[list[Any], int]) -> None:
        drawn.append(each)

    draw()
    payload, stage = drawn[-1]
    return Case(number, target, payload, stage)


NUMBER_FIELDS: Mapping[str, tuple[str, ...]] = {
    kind: tuple(re.findall(r"\{(\w+)\}", described["workflow_id"])) for kind, described in SCHEMA["workflows"].items()
}
"""The fields of each start that its workflow id is made of; none for a run that may go by any id."""
