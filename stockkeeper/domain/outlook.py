"""The next weeks of an item: its expected course with a band, and the day by which to order.

Demand of a number of days is taken as their mean, and its deviation grows with the square root of the days (Silver,
Pyke and Thomas, *Inventory and Production Management in Supply Chains*, 4th edition, 2017, chapter 6). What is on its
way comes on its expected day; what is overdue is expected from one day to the next, and counts from tomorrow on. Who
finds nothing on the shelf isn't served from the goods that come later. What is expected to expire unsold is gone at the
end of its lot's last day, and no order counts on it from a lead time before that (`stockkeeper.domain.perishing`).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from stockkeeper.domain.arrival import DayBasis
from stockkeeper.domain.perishing import Wasted
from stockkeeper.domain.replenishment import service_factor
from stockkeeper.domain.review_days import ReviewDays, order_day

_A_DAY = timedelta(days=1)
_FARTHEST_DAYS = 3_660
"""A day that is further away is no day to plan for."""


@dataclass(frozen=True)
class Arrival:
    """Units on their way to an item.

    Attributes:
        document: The purchase order or transfer, by its number.
        units: Units that it still brings.
        expected: The day on which they are expected; None: not known, and no day counts on them.
        waits: Whether it is a draft that waits for approval; counted, as reordering counts it.
        basis: What the day is known by; None: it is the day that was given, and no promise counts on it.
    """

    document: str
    units: int
    expected: date | None
    waits: bool = False
    basis: DayBasis | None = None


@dataclass(frozen=True)
class DayAhead:
    """An item at the end of a day: available units as expected, and the band in which they are with the confidence."""

    day: date
    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """The next days of an item.

    Attributes:
        days: Day by day, from today.
        falls_below: The day on which the expected inventory position is below the point. None: no demand is expected,
            or not within ten years.
        order_by: The day on which an order has to go out: that day, or the supplier's last review day before it; where
            that has passed, the next one, which is later than that day.
        runs_out: The first day at whose end nothing is expected to be left; None: none of these days.
    """

    days: list[DayAhead]
    falls_below: date | None
    order_by: date | None
    runs_out: date | None


def outlook(
    today: date,
    available: int,
    point: int,
    arrivals: Sequence[Arrival],
    *,
    daily_mean: float,
    daily_deviation: float,
    days: int,
    confidence: float,
    review_days: ReviewDays = (),
    wasted: Sequence[Wasted] = (),
    lead_time_days: float = 0.0,
) -> Outlook:
    """The next days of an item, if nothing more is ordered.

    Args:
        today: The warehouse's day; its demand isn't over, and counts as a whole day from tomorrow on.
        available: Units available now.
        point: The reorder point.
        arrivals: Units on order and on transfers to the warehouse.
        daily_mean: Units of demand a day.
        daily_deviation: Their standard deviation.
        days: How far to look.
        confidence: The probability that the units are above the lower edge of the band; as much for the upper one.
        review_days: The weekdays on which orders go out to its supplier.
        wasted: What is expected to be left of lots on hand when they end.
        lead_time_days: Days from an order to its goods.
    """
    factor = service_factor(confidence)
    course = []
    expected = _course(today, available, arrivals, daily_mean, wasted)
    for number, (came, left) in enumerate(itertools.islice(expected, days + 1)):
        day = today + number * _A_DAY
        band = factor * daily_deviation * math.sqrt(number)
        course.append(DayAhead(day, left, max(left - band, 0.0), min(left + band, float(available + came))))
    runs_out = next((each.day for each in course if each.expected <= 0), None) if daily_mean > 0 else None
    below = _falls_below(today, available, point, arrivals, daily_mean, wasted, lead_time_days)
    order_by = None if below is None else order_day(review_days, today, below)
    return Outlook(course, below, order_by, runs_out)


def _gone(wasted: Sequence[Wasted], days: float) -> float:
    """Units that are expected to expire unsold within a number of days."""
    return sum(each.units for each in wasted if each.lot.days is not None and each.lot.days <= days)


def _course(
    today: date, available: int, arrivals: Sequence[Arrival], daily_mean: float, wasted: Sequence[Wasted]
) -> Iterator[tuple[int, float]]:
    """For each day from today, the units that have come by then, and those that are left at its end."""
    refused = 0.0
    for number in itertools.count():
        day = today + number * _A_DAY
        came = sum(each.units for each in arrivals if number and each.expected is not None and each.expected <= day)
        left = available + came - daily_mean * number - _gone(wasted, number) + refused
        refused += max(-left, 0.0)
        yield came, max(left, 0.0)


def _falls_below(
    today: date,
    available: int,
    point: int,
    arrivals: Sequence[Arrival],
    daily_mean: float,
    wasted: Sequence[Wasted],
    lead_time_days: float,
) -> date | None:
    """The day on which the inventory position falls below the point; units that come on no known day are in it."""
    if available - _gone(wasted, lead_time_days) + sum(each.units for each in arrivals) < point:
        return today
    if daily_mean <= 0 and not wasted:
        return None
    dated = [each for each in arrivals if each.expected is not None]
    whole = available + sum(each.units for each in arrivals if each.expected is None)
    due = sum(each.units for each in dated)
    course = itertools.islice(_course(today, whole, dated, daily_mean, wasted), _FARTHEST_DAYS + 1)

    def position(number: int, came: int, left: float) -> float:
        soon = _gone(wasted, number + lead_time_days) - _gone(wasted, number)
        return due - came + left - soon

    below = (number for number, (came, left) in enumerate(course) if number and position(number, came, left) < point)
    number = next(below, None)
    return None if number is None else today + number * _A_DAY
