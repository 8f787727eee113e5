"""The next weeks of an item: its expected course with a band, and the day by which to order.

Demand of a number of days is taken as their mean, and its deviation grows with the square root of the days (Silver,
Pyke and Thomas, *Inventory and Production Management in Supply Chains*, 4th edition, 2017, chapter 6). What is on its
way comes on its expected day; what is overdue is expected from one day to the next, and counts from tomorrow on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from stockkeeper.domain.replenishment import service_factor

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
    """

    document: str
    units: int
    expected: date | None


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
        order_by: The day on which an order has to go out: the expected inventory position is below the point then.
            None: no demand is expected, or not within ten years.
        runs_out: The first day at whose end nothing is expected to be left; None: none of these days.
    """

    days: list[DayAhead]
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
    """
    factor = service_factor(confidence)
    course = []
    for number in range(days + 1):
        day = today + number * _A_DAY
        came = sum(each.units for each in arrivals if number and each.expected is not None and each.expected <= day)
        left = available + came - daily_mean * number
        band = factor * daily_deviation * math.sqrt(number)
        course.append(DayAhead(day, max(left, 0.0), max(left - band, 0.0), min(left + band, float(available + came))))
    runs_out = next((each.day for each in course if each.expected <= 0), None) if daily_mean > 0 else None
    position = available + sum(each.units for each in arrivals)
    return Outlook(course, _order_by(today, position, point, daily_mean), runs_out)


def _order_by(today: date, position: int, point: int, daily_mean: float) -> date | None:
    """The day on which the inventory position falls below the point."""
    if position < point:
        return today
    if daily_mean <= 0:
        return None
    number = math.floor((position - point) / daily_mean) + 1
    return None if number > _FARTHEST_DAYS else today + number * _A_DAY
