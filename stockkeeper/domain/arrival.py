"""When goods that are on their way come, at a confidence: by the supplier's lead times, as far as they were measured.

A promise is a prediction of one further delivery, from few earlier ones. So it is the upper bound of a prediction
interval (Hahn and Meeker, *Statistical Intervals*, 2nd edition, 2017, 4.6): mean and deviation of n lead times are
themselves uncertain, for which Student's distribution and the factor sqrt(1 + 1/n) allow. Lead times have no negative
values and a long tail, so that is done on their logarithms, whose mean and deviation follow from those of the lead
times (Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 14.3):

    v² = ln(1 + (deviation / mean)²)    m = ln(mean) - v² / 2    days = exp(m + t · v · sqrt(1 + 1/n))

t is the quantile of Student's distribution with n - 1 degrees of freedom. A deviation that was agreed counts as known:
then it is the normal distribution's, and the factor 1. What these bounds reach is in ADR 0065.
"""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

from stockkeeper.domain.replenishment import MEASURED_LEAD_TIMES_NEEDED, LeadTime, lead_time_from, whole_units

_NORMAL = NormalDist()
_AS_NORMAL = 300
"""Degrees of freedom from which on Student's distribution is taken for the normal one."""
_LEAST_TAIL = 1e-12
"""A probability below this is the rounding of its arithmetic."""
_MOST_DAYS = 100_000.0
_LATEST = date(2199, 12, 31)
"""The last day that a message has."""
_HOURS_A_DAY = 24


class NotCounted(StrEnum):
    """Why a promise doesn't count on goods that are on order or in transit."""

    DRAFT = "DRAFT"
    """The order isn't with the supplier: it waits for approval."""
    NOT_SENT = "NOT_SENT"
    """The units of a transfer are held at its source, and haven't left."""
    NO_DAY = "NO_DAY"
    """No day is expected, and no lead time is known."""
    OVERDUE = "OVERDUE"
    """They are overdue by as long as new ones would take, or nothing says how long they may still take."""


class DayBasis(StrEnum):
    """What a day is known by."""

    CONFIRMED = "CONFIRMED"
    """The supplier has confirmed it."""
    MEASURED = "MEASURED"
    """The supplier's lead times, as they were measured."""
    EXPECTED = "EXPECTED"
    """Somebody expects the goods on it; the supplier hasn't confirmed it."""
    AGREED = "AGREED"
    """The lead time agreed with the supplier."""
    DUE = "DUE"
    """The transfer is due on it."""


class Arrival(NamedTuple):
    """The day by which goods are there, and what it is known by."""

    day: date
    basis: DayBasis


@dataclass(frozen=True)
class DeliveryTime:
    """Days that a supplier takes for a product.

    Attributes:
        days: From the order to the goods, on average.
        deviation_days: Standard deviation; None: not known, and taken as always the same.
        orders: Orders that were measured; 0: the two are as agreed.
    """

    days: float
    deviation_days: float | None = None
    orders: int = 0

    def within(self, confidence: float, waited: float = 0.0) -> float | None:
        """Days from the order by which the goods have come with this probability.

        Args:
            confidence: The probability, between 0 and 1.
            waited: Days from the order that are over by now without the goods. The longer they are overdue, the less
                the usual lead time says: it is the probability among the deliveries that take longer than that.

        Returns:
            None: No lead time that was ever measured or agreed is as long as they have taken already.
        """
        if not self.deviation_days or not self.days:
            return self.days if self.days >= waited else None
        variance = math.log1p((self.deviation_days / self.days) ** 2)
        middle = math.log(self.days) - variance / 2
        spread = math.sqrt(variance * (1 + 1 / self.orders if self.orders else 1))
        freedom = self.orders - 1 if self.orders else _AS_NORMAL
        later = _below(freedom, (middle - math.log(waited)) / spread) if waited > 0 else 1.0
        tail = min((1 - confidence) * later, 1 - _LEAST_TAIL)
        if tail < _LEAST_TAIL:
            return None
        return math.exp(min(middle + spread * _upper(freedom, tail), math.log(_MOST_DAYS)))


def delivery_time_from(
    agreed: LeadTime, measured_orders: int, measured_days: float | None, measured_deviation: float | None
) -> DeliveryTime:
    """The delivery time to promise with: the same lead time that is planned with, and how many orders it is from."""
    lead_time = lead_time_from(agreed, measured_orders, measured_days, measured_deviation)
    is_measured = measured_days is not None and measured_orders >= MEASURED_LEAD_TIMES_NEEDED
    return DeliveryTime(lead_time.days, lead_time.deviation_days, measured_orders if is_measured else 0)


@dataclass(frozen=True)
class OwedDelivery:
    """Units of a product that a supplier owes on an order that is out.

    Attributes:
        ordered_on: The day on which the order went out.
        expected_on: The day on which it is expected; None: not known.
        is_confirmed: Whether the supplier has confirmed the order, and so that day.
        delivery_time: The supplier's delivery time for the product; None: no terms are known.
        longest_days: The longest lead time agreed for the order's products: it is expected together.
        approval_days: Days that it waited for approval, after somebody had expected it for that day.
    """

    ordered_on: date
    expected_on: date | None
    is_confirmed: bool
    delivery_time: DeliveryTime | None
    longest_days: float = 0.0
    approval_days: int = 0

    def arrival(self, today: date, confidence: float) -> Arrival | NotCounted:
        """The day by which the units have come with this probability, or why nothing can be said.

        The supplier's word for a day, once it is confirmed, stands in the place of the average; before, it is the
        later one of the day expected and the measured average. A day that was expected of the draft is later by what
        the approval took. A deviation is around that day. Where no deviation is
        known, goods that are overdue are taken for those that come as late as they may: on the last day on which the
        order still covers its items (`stockkeeper.domain.reorder`, ADR 0037).
        """
        known = self._days_until_expected(today)
        if known is None:
            return NotCounted.NO_DAY
        middle, basis = known
        if self.delivery_time is None:
            return Arrival(_after(today, middle), basis) if middle >= 0 else NotCounted.OVERDUE
        last = whole_units(middle) + whole_units(max(self.delivery_time.days, self.longest_days))
        if last < 0:
            return NotCounted.OVERDUE
        began = middle - self.delivery_time.days
        takes = self.delivery_time.within(confidence, waited=-began)
        return Arrival(_after(today, last if takes is None else max(began + takes, 0)), basis)

    def _days_until_expected(self, today: date) -> tuple[float, DayBasis] | None:
        expected = None if self.expected_on is None else float((self.expected_on - today).days)
        if expected is not None and self.is_confirmed:
            return expected, DayBasis.CONFIRMED
        expected = None if expected is None else expected + self.approval_days
        usual, is_measured = None, False
        if self.delivery_time is not None:
            usual = (self.ordered_on - today).days + self.delivery_time.days
            is_measured = self.delivery_time.orders > 0
        if usual is not None and (expected is None or (is_measured and usual > expected)):
            return usual, DayBasis.MEASURED if is_measured else DayBasis.AGREED
        return None if expected is None else (expected, DayBasis.EXPECTED)


def arrival_of_transfer(due_on: date | None, transit_hours: float | None, today: date) -> Arrival | NotCounted:
    """The day by which a transfer's units are there, or why nothing can be said.

    How long transfers take isn't measured, so it is the day on which it is due, at any confidence. One that is overdue
    is taken for the latest, as an order is: overdue by as long as it takes.
    """
    if due_on is None or transit_hours is None:
        return NotCounted.NO_DAY
    if due_on >= today:
        return Arrival(due_on, DayBasis.DUE)
    last = due_on + timedelta(days=max(whole_units(transit_hours / _HOURS_A_DAY), 1))
    return Arrival(last, DayBasis.DUE) if last >= today else NotCounted.OVERDUE


def arrival_if_ordered(today: date, delivery_time: DeliveryTime, confidence: float) -> date:
    """The day by which goods that are ordered today have come with this probability."""
    return _after(today, delivery_time.within(confidence) or 0.0)


def _after(today: date, days: float) -> date:
    return min(today + timedelta(days=whole_units(min(days, _MOST_DAYS))), _LATEST)


def _below(freedom: int, value: float) -> float:
    """Probability below a value of Student's distribution (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    if freedom >= _AS_NORMAL:
        return _NORMAL.cdf(value)
    angle = math.atan(value / math.sqrt(freedom))
    square = math.cos(angle) ** 2
    term = math.cos(angle) if freedom % 2 else 1.0
    total = term if freedom > 1 else 0.0
    for step in range(2 + freedom % 2, freedom - 1, 2):
        term *= square * (step - 1) / step
        total += term
    within = math.sin(angle) * total
    return 0.5 + (((angle + within) * 2 / math.pi) if freedom % 2 else within) / 2


@lru_cache(maxsize=4096)
def _upper(freedom: int, tail: float) -> float:
    """The value of Student's distribution above which there is this probability."""
    if freedom >= _AS_NORMAL:
        return -_NORMAL.inv_cdf(tail)
    low, high = -1.0, 1.0
    while _below(freedom, -high) > tail:
        high *= 2
    while _below(freedom, -low) < tail:
        low *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(freedom, -middle) > tail else (low, middle)
    return high
