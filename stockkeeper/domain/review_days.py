"""The weekdays on which orders go out to a supplier, and how long an item waits for the next of them.

A supplier that takes orders on Tuesdays only is reviewed on Tuesdays. An item that falls below its point on a Wednesday
is ordered six days later, and has to last for those days as well: the protection interval is the lead time and the
time until the review (Silver, Pyke and Thomas, *Inventory and Production Management in Supply Chains*, 4th edition,
2017, section 6.9).
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from math import hypot, sqrt

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.replenishment import LeadTime

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As `date.weekday` counts them."""
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BETWEEN = re.compile(r"[\s,;/]+")

ReviewDays = tuple[str, ...]
"""Weekdays in the week's order, such as ``("tue", "fri")``; none: orders go out on any day."""


def review_days_of(text: str) -> ReviewDays:
    """Read weekdays: ``tue``, ``tue,fri``, ``Tuesday and Friday``, ``Tuesdays``.

    Raises:
        InvalidRequest: There is something else among them.
    """
    found = set()
    for word in _BETWEEN.split(text.strip().lower()):
        if word in ("", "and"):
            continue
        if word in WEEKDAYS:
            found.add(word)
        elif word.removesuffix("s") in _NAMES:
            found.add(word[:3])
        else:
            raise InvalidRequest("must be weekdays, such as tue or tue,fri")
    return tuple(each for each in WEEKDAYS if each in found)


def written(days: Iterable[str]) -> str:
    """The weekdays as they are stored and shown: ``tue,fri``."""
    return ",".join(days)


def is_review_day(days: ReviewDays, today: date) -> bool:
    """Whether orders go out today."""
    return not days or WEEKDAYS[today.weekday()] in days


def next_review(days: ReviewDays, today: date) -> date:
    """The next day on which orders go out, today if it is one."""
    return today + timedelta(days=_days_until(days, today.weekday()))


def order_day(days: ReviewDays, today: date, below: date) -> date:
    """The day on which an order goes out for an item that falls below its point on a day, today or later.

    It is the last day, by then, on which orders go out; where none is left, the next one, which is too late.
    """
    last = next(
        day for day in (below - timedelta(days=ago) for ago in range(len(WEEKDAYS))) if is_review_day(days, day)
    )
    return last if last >= today else next_review(days, today)


def _days_until(days: ReviewDays, weekday: int) -> int:
    if not days:
        return 0
    return next(ahead for ahead in range(len(WEEKDAYS)) if WEEKDAYS[(weekday + ahead) % len(WEEKDAYS)] in days)


NO_WAIT = LeadTime(0.0)


def review_wait(days: ReviewDays) -> LeadTime:
    """How long an item that has just fallen below its point waits until orders go out: mean and deviation, in days.

    It falls at any time of the week alike. On a review day it is ordered at once; otherwise when the next one begins,
    which after the n-th day before it is between n - 1 and n days: n - 1/2 on average, its square n² - n + 1/3.
    """
    if not days:
        return NO_WAIT
    ahead = [_days_until(days, weekday) for weekday in range(len(WEEKDAYS))]
    mean = sum(each - 0.5 for each in ahead if each) / len(WEEKDAYS)
    square = sum(each * each - each + 1 / 3 for each in ahead if each) / len(WEEKDAYS)
    return LeadTime(mean, sqrt(square - mean * mean)) if mean else NO_WAIT


def with_wait(lead_time: LeadTime, wait: LeadTime) -> LeadTime:
    """The protection interval: a lead time that begins after a wait, each independent of the other."""
    if not wait.days:
        return lead_time
    deviation = hypot(lead_time.deviation_days or 0.0, wait.deviation_days or 0.0)
    return LeadTime(lead_time.days + wait.days, deviation)
