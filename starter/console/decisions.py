"""Decisions about documents, one by one or several at once: what is sent, and what came of each."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from starter.console.visit import Visit
from stockkeeper.contracts.errors import StockkeeperError

AT_ONCE = 5
"""Decisions that are on their way together: one person's click is not to hold up everybody else's orders."""

Decide: TypeAlias = Callable[[Visit, str, str | None], Awaitable[str]]
"""Carries a decision about one document out: the visit, its number, and the amount that was seen or the reason that was
given; what came of it."""


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
    visit: Visit, ways: Mapping[str, Decide], chosen: Sequence[tuple[str, str, str | None]]
) -> list[Outcome]:
    """Carry a decision out for each document by itself: a refusal doesn't stop the others.

    Args:
        visit: Who decides.
        ways: How it is carried out, by kind of document.
        chosen: Kind, number, and what was seen or the reason, of each.

    Returns:
        What came of each, in the same order.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def decided(kind: str, number: str, told: str | None) -> Outcome:
        if (decide := ways.get(kind)) is None:
            return Outcome(kind, number, visit.texts.say("This is decided on its own page."), is_done=False)
        try:
            async with turns:
                return Outcome(kind, number, await decide(visit, number, told), is_done=True)
        except StockkeeperError as refused:
            return Outcome(kind, number, str(refused), is_done=False)

    return list(await asyncio.gather(*(decided(*each) for each in chosen)))
