"""Decisions about documents, one by one or several at once: what is sent, and what came of each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starter.console.visit import Visit
from stockkeeper.contracts.errors import StockkeeperError

Decide: TypeAlias = Callable[[Visit, str, str | None], Awaitable[str]]
"""Carries a decision about one document out: the visit, its number and the version that was seen; what came of it."""


@dataclass(frozen=True)
class Outcome:
    """What came of a decision.

    Attributes:
        kind: The kind of document.
        number: Its number.
        said: What came of it, or why it was refused.
        is_done: Whether it was carried out.
    """

    kind: str
    number: str
    said: str
    is_done: bool


async def decide_each(
    visit: Visit, ways: Mapping[str, Decide], chosen: list[tuple[str, str, str | None]]
) -> list[Outcome]:
    """Carry a decision out for each document by itself: a refusal doesn't stop the others.

    Args:
        visit: Who decides.
        ways: How it is carried out, by kind of document.
        chosen: Kind, number and version of each.
    """
    outcomes = []
    for kind, number, version in chosen:
        if (decide := ways.get(kind)) is None:
            outcomes.append(Outcome(kind, number, visit.texts.say("This is decided on its own page."), is_done=False))
            continue
        try:
            outcomes.append(Outcome(kind, number, await decide(visit, number, version), is_done=True))
        except StockkeeperError as refused:
            outcomes.append(Outcome(kind, number, str(refused), is_done=False))
    return outcomes
