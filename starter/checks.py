"""What a check of an installation has found, for people and for programs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

CLOCKS_APART = timedelta(seconds=2)
"""Clocks that keep time by a time service differ by some milliseconds."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: Its stable name.
        ok: Whether all is well.
        detail: What was found.
        advice: What to do; also with one that is well, where something could be better.
    """

    name: str
    ok: bool
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class Reading:
    """A server's clock, read between two looks at this machine's.

    Attributes:
        ahead: How much the server's is at least ahead of this machine's; negative: behind; nothing: they agree.
    """

    ahead: timedelta

    @classmethod
    def of(cls, told: datetime, *, asked: datetime, answered: datetime) -> Self:
        """The server has told this time, at some moment between question and answer."""
        if told > answered:
            return cls(told - answered)
        return cls(min(told - asked, timedelta()))

    def now(self) -> datetime:
        """The present by the server's clock."""
        return datetime.now(UTC) + self.ahead

    def check(self, name: str, server: str) -> Check:
        """Whether the clocks agree."""
        seconds = self.ahead.total_seconds()
        if abs(self.ahead) <= CLOCKS_APART:
            return Check(name, ok=True, detail=f"{server}'s clock and this machine's agree")
        how = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
        return Check(
            name,
            ok=False,
            detail=f"{server}'s clock is {how}",
            advice="let a time service set the clocks of all machines: deadlines go by Temporal's, movements by "
            "PostgreSQL's, and orders by those of the services that send them",
        )
