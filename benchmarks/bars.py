"""Bars: what is to be reached against another way of doing it, and whether it is."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Round = Mapping[str, float]
"""What each side did in one round."""


@dataclass(frozen=True)
class Bar:
    """One comparison, measured in rounds.

    Attributes:
        what: What is measured, and how many do it.
        unit: Of the figures, such as ``/s``.
        ours: Our figure in each round.
        against: The other side's name.
        theirs: Its figure in each round; empty: the figure is compared with the bar itself.
        bar: What the ratio, ours to theirs, is to be.
        at_least: Whether it has to be that or more; otherwise that or less.
    """

    what: str
    unit: str
    ours: Sequence[float]
    against: str
    theirs: Sequence[float]
    bar: float
    at_least: bool = True

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs in each round, sorted. Both were measured in one round, one right after the other."""
        if not self.theirs:
            return sorted(self.ours)
        return sorted(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios)

    @property
    def is_reached(self) -> bool:
        """Whether the median keeps the bar."""
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar

    @property
    def row(self) -> str:
        """A row of `table_of`."""
        ratios = self.ratios
        between = f"{ratios[0]:.2f} to {ratios[-1]:.2f}" if len(ratios) > 1 else ""
        theirs = f"{_figure(statistics.median(self.theirs))}{self.unit}" if self.theirs else ""
        cells = [
            self.what,
            self.against,
            f"{_figure(statistics.median(self.ours))}{self.unit}",
            theirs,
            f"**{self.ratio:.2f}**",
            between,
            f"{'≥' if self.at_least else '≤'} {self.bar:g}",
            "reached" if self.is_reached else "**short**",
        ]
        return f"| {' | '.join(cells)} |"


def _figure(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 or figure == int(figure) else f"{figure:.1f}"


def table_of(bars: Sequence[Bar]) -> str:
    """A table in Markdown, a row for each bar."""
    head = "| what | against | ours | theirs | ratio | rounds | bar | |\n|---|---|---:|---:|---:|---|---:|---|"
    return "\n".join([head, *(bar.row for bar in bars)])


def alternately(
    sides: Mapping[str, Callable[[], float]], rounds: int, *, after_warm_up: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """The figures of all sides, round by round, each round in the reverse order of the one before.

    One more round goes ahead of them and isn't counted: it opens connections, and fills caches and tables.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for name in names:
        sides[name]()
    after_warm_up()
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(sides[name]())
    return found
