"""The series behind an item's chart, however it is drawn: levels, receipts, stockouts, time below the point."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stockkeeper.contracts.ledger import Course, CoursePoint

_STEPS = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
"""A Monday: steps of days and weeks are counted from here."""


@dataclass(frozen=True)
class Period:
    """From one instant to another; with the same instant twice, a moment."""

    begins: datetime
    ends: datetime

    @property
    def length(self) -> timedelta:
        """Its length."""
        return self.ends - self.begins


@dataclass(frozen=True)
class Receipt:
    """Units received, and units on hand after them."""

    at: datetime
    units: int
    on_hand: int


@dataclass(frozen=True)
class Series:
    """An item's course between two instants.

    Attributes:
        title: What and where.
        since: The beginning.
        until: The end.
        points: Those at which something is another than before, from the first movement on; none: there was none.
        receipts: What came.
        stockouts: While nothing was on hand.
        below: While less was available than the reorder point.
    """

    title: str
    since: datetime
    until: datetime
    points: Sequence[CoursePoint]
    receipts: Sequence[Receipt]
    stockouts: Sequence[Period]
    below: Sequence[Period]

    @property
    def most(self) -> int:
        """The largest number that is drawn; at least 1."""
        return max([1, *(max(each.on_hand, each.reserved, each.reorder_point or 0) for each in self.points)])


def series_of(course: Course, since: datetime, until: datetime) -> Series:
    """The series of a chart, from an item's course."""
    points = _changes(each for each in course.points if each.lowest is not None)
    return Series(
        title=f"{course.sku} ({course.name}) in {course.warehouse}",
        since=since,
        until=until,
        points=points,
        receipts=[Receipt(each.at, each.received, each.on_hand) for each in points if each.received],
        stockouts=sorted(
            [*_periods(points, until, lambda each: each.on_hand == 0), *_dips(points)], key=lambda each: each.begins
        ),
        below=_periods(points, until, _is_below),
    )


def _changes(points: Iterable[CoursePoint]) -> list[CoursePoint]:
    """Points that differ from the one before; each holds until the next."""
    kept: list[CoursePoint] = []
    for point in points:
        repeats = kept and all(
            getattr(point, name) == getattr(kept[-1], name) for name in ("on_hand", "reserved", "reorder_point")
        )
        if not repeats or point.received or point.lowest != point.on_hand:
            kept.append(point)
    return kept


def _is_below(point: CoursePoint) -> bool:
    return point.reorder_point is not None and point.on_hand - point.reserved < point.reorder_point


def _periods(points: Sequence[CoursePoint], until: datetime, holds: Callable[[CoursePoint], bool]) -> list[Period]:
    """Periods in which a condition holds: from the first point where it does to the next where it doesn't."""
    found = []
    begins: datetime | None = None
    for point in points:
        if holds(point):
            begins = begins or point.at
        elif begins:
            found.append(Period(begins, point.at))
            begins = None
    return [*found, Period(begins, until)] if begins else found


def _dips(points: Sequence[CoursePoint]) -> Iterator[Period]:
    """Moments without stock between two points with stock."""
    for before, point in itertools.pairwise([None, *points]):
        if point and point.lowest == 0 and point.on_hand and (before is None or before.on_hand):
            yield Period(point.at, point.at)


def round_units(most: int, ticks: int) -> list[int]:
    """Round numbers from 0 to at least the maximum, for the labels of an axis."""
    step = next(
        digit * 10**power
        for power in itertools.count()
        for digit in (1, 2, 5)
        if -(-most // (digit * 10**power)) < ticks
    )
    return list(range(0, most + step, step))


def round_instants(since: datetime, until: datetime, ticks: int) -> list[datetime]:
    """Round instants between two, in UTC, for the labels of an axis."""
    for step in _STEPS:
        if (until - since) // step < ticks:
            first = _MONDAY - (_MONDAY - since) // step * step
            return list(itertools.takewhile(lambda at: at <= until, (first + n * step for n in itertools.count())))
    months = range(since.year * 12 + since.month, until.year * 12 + until.month)
    for apart in _MONTHS:
        if len(firsts := [each for each in months if each % apart == 0]) <= ticks:
            return [datetime(each // 12, each % 12 + 1, 1, tzinfo=UTC) for each in firsts]
    return []


def labels_of(instants: Sequence[datetime]) -> list[str]:
    """Labels of round instants: days by their dates, hours by the clock."""
    return [f"{at:%Y-%m-%d}" if at.hour == at.minute == 0 else f"{at:%H:%M}" for at in instants]
