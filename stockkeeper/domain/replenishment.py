"""Replenishment: the reorder point of an item, and the quantity of an order.

A continuous review with a reorder point and a fixed quantity, the (s, Q) policy. The sources are Silver, Pyke and
Thomas, *Inventory and Production Management in Supply Chains* (4th edition, 2017), chapters 4 (EOQ) and 6 (safety
stock), and Snyder and Shen, *Fundamentals of Supply Chain Theory* (2nd edition, 2019), chapters 3 and 5.

Units throughout: stock and demand in units, time in days, money in whatever currency the unit costs are in. A year has
365 days. Nothing is rounded on the way: a result that has to be whole is rounded once, at the end, upwards.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist, median

from stockkeeper.domain.errors import InvalidRequest

DAYS_A_YEAR = 365
ALMOST = 1e-9
"""Relative tolerance for a sum of floats that should be a whole number: 350.00000000000006 is 350."""
MOST_UNITS = 1_000_000_000
"""One line of an order has no more."""


@dataclass(frozen=True)
class Usage:
    """Daily demand of an item.

    Attributes:
        days: Days that were looked at, those without demand among them.
        daily_mean: Units per day.
        daily_deviation: Sample standard deviation of the units per day; 0 if there is only one day.
    """

    days: int
    daily_mean: float
    daily_deviation: float

    @property
    def annual(self) -> float:
        """Units per year."""
        return self.daily_mean * DAYS_A_YEAR


def usage_from_sums(days: int, total: int, total_of_squares: int) -> Usage:
    """Usage over ``days`` days from the sum of the daily units and the sum of their squares, both exact.

    The deviation is the sample's: sqrt((sum of squares - sum² / n) / (n - 1)). With whole numbers the difference is
    exact, so nothing cancels out as it would between floats.

    Raises:
        InvalidRequest: There are no days, or sums that no days could have.
    """
    if days < 1 or total < 0 or total_of_squares * days < total * total:
        raise InvalidRequest(f"no usage: {days} days, {total} units, {total_of_squares} units squared")
    deviation = 0.0
    if days > 1:
        deviation = math.sqrt((total_of_squares * days - total * total) / (days * (days - 1)))
    return Usage(days, total / days, deviation)


def usage_of(daily: Iterable[int]) -> Usage:
    """Usage from the units of each day, those without demand as zero.

    Raises:
        InvalidRequest: There are no days.
    """
    units = list(daily)
    return usage_from_sums(len(units), sum(units), sum(each * each for each in units))


BULK_DAYS_NEEDED = 5
"""Days with demand that show which demand is usual; with fewer, no day is taken for a bulk order's."""


def without_bulk(daily: Iterable[int], factor: float) -> list[int]:
    """The days of an item without those of one-off bulk orders, which won't come again.

    A day is left out if its demand is more than ``factor`` times the median of the days with demand. The median and not
    the mean, because one order of 5,000 units would move the mean towards itself.

    Args:
        daily: Units of each day, those without demand as zero.
        factor: How many times the median is still usual.
    """
    units = list(daily)
    busy = [each for each in units if each > 0]
    if len(busy) < BULK_DAYS_NEEDED:
        return units
    most = factor * median(busy)
    return [each for each in units if each <= most]


@dataclass(frozen=True)
class LeadTime:
    """Lead time of a supplier.

    Attributes:
        days: From the order to the goods, on average.
        deviation_days: Standard deviation; None: not known, and taken as always the same.
    """

    days: float
    deviation_days: float | None = None


def service_factor(service_level: float) -> float:
    """Z: how many standard deviations of the demand over the lead time are kept, 1.645 for 0.95.

    The inverse of the standard normal distribution (Silver, Pyke and Thomas, 6.7.5: the P1 measure, the probability
    that a replenishment cycle has no stockout). Below one half it is negative, which would plan for running out; it is
    0 there.

    Raises:
        InvalidRequest: The level isn't between 0 and 1.
    """
    if not 0 < service_level < 1:
        raise InvalidRequest("service_level: must be between 0 and 1")
    return max(NormalDist().inv_cdf(service_level), 0.0)


def safety_stock(usage: Usage, lead_time: LeadTime, service_level: float) -> float:
    """Units kept against what isn't average: Z · sqrt(L · sd² + d² · sL²).

    L is the lead time in days and sL its deviation, d the mean and sd the deviation of the daily usage. Where sL isn't
    known this is Z · sd · sqrt(L), as the product has it (Silver, Pyke and Thomas, 6.10; Snyder and Shen, 5.3.2).
    """
    variance = lead_time.days * usage.daily_deviation**2
    if lead_time.deviation_days:
        variance += (usage.daily_mean * lead_time.deviation_days) ** 2
    return service_factor(service_level) * math.sqrt(variance)


def reorder_point(usage: Usage, lead_time: LeadTime, service_level: float) -> int:
    """Units available below which an order has to go out: d · L + safety stock, rounded up.

    Fifty a day with a deviation of ten, over seven days at 95 %: 350 + 43.5, which is 394. With any demand it is at
    least 1, also if goods come on the day of their order: no order goes out below a point of 0.
    """
    point = whole_units(usage.daily_mean * lead_time.days + safety_stock(usage, lead_time, service_level))
    return max(point, 1) if usage.daily_mean > 0 else point


def economic_order_quantity(annual_demand: float, order_cost: float, holding_cost: float) -> float:
    """Units per order for which ordering and holding cost least: sqrt(2 · D · S / H).

    Harris's formula (Silver, Pyke and Thomas, 4.2; Snyder and Shen, 3.2). Without demand it is 0. Of goods that cost
    nothing to hold it would have no bound, and is a year's demand.

    Args:
        annual_demand: D, units per year.
        order_cost: S, money per order.
        holding_cost: H, money per unit and year.

    Raises:
        InvalidRequest: One of them is negative.
    """
    if min(annual_demand, order_cost, holding_cost) < 0:
        raise InvalidRequest("annual demand, order cost and holding cost must not be negative")
    if holding_cost == 0:
        return annual_demand
    return math.sqrt(2 * annual_demand * order_cost / holding_cost)


@dataclass(frozen=True)
class Terms:
    """Quantities that a supplier sells.

    Attributes:
        minimum_order_quantity: Units at least.
        pack_size: Units in a pack; only whole packs are ordered.
    """

    minimum_order_quantity: int = 1
    pack_size: int = 1

    def orderable(self, units: float) -> int:
        """The fewest units that may be ordered and are as many as these: at least the minimum, in whole packs.

        Goods that cost next to nothing to hold ask for more than an order can have; then it is as much as it can.
        """
        wanted = max(whole_units(min(units, MOST_UNITS)), self.minimum_order_quantity, 1)
        packs = min(-(-wanted // self.pack_size), MOST_UNITS // self.pack_size)
        return max(packs, 1) * self.pack_size

    def at_most(self, units: int) -> int:
        """The most units that may be ordered and are no more than these; or else the fewest that may be ordered."""
        return max(units // self.pack_size * self.pack_size, self.orderable(0))


def order_quantity(reorder_quantity: int, point: int, position: int, terms: Terms) -> int:
    """Units to order for an item whose position is below its point.

    The planned quantity, or more if that wouldn't bring the position back to the point; then what the supplier sells.

    Args:
        reorder_quantity: The planned quantity.
        point: The reorder point.
        position: Units available, on order and on their way here.
        terms: Quantities that the supplier sells.
    """
    return terms.orderable(max(reorder_quantity, point - position))


def whole_units(units: float) -> int:
    """Rounded up to whole units; what arithmetic has put on top of a whole number isn't a unit."""
    nearest = round(units)
    if abs(units - nearest) <= ALMOST * max(abs(units), 1):
        return nearest
    return math.ceil(units)


@dataclass(frozen=True)
class Plan:
    """Plan of one item, with every number that a person needs to check it.

    Attributes:
        usage: Its daily demand.
        lead_time: Lead time of its supplier.
        service_level: The probability wanted that a cycle has no stockout.
        safety_stock: Units, not rounded.
        economic_order_quantity: Units, not rounded.
        reorder_point: Units.
        reorder_quantity: Units that are ordered at once, as the supplier sells them.
    """

    usage: Usage
    lead_time: LeadTime
    service_level: float
    safety_stock: float
    economic_order_quantity: float
    reorder_point: int
    reorder_quantity: int


@dataclass(frozen=True)
class Policy:
    """Parameters of planning.

    Attributes:
        service_level: The probability wanted that a cycle has no stockout.
        order_cost: Money per order.
        holding_cost_rate: Money per year for each unit of money that lies on the shelf.
    """

    service_level: float
    order_cost: float
    holding_cost_rate: float


def plan_item(usage: Usage, lead_time: LeadTime, unit_cost: float, terms: Terms, policy: Policy) -> Plan:
    """Plan one item. The holding cost per unit and year is the rate times the unit cost."""
    eoq = economic_order_quantity(usage.annual, policy.order_cost, policy.holding_cost_rate * unit_cost)
    return Plan(
        usage=usage,
        lead_time=lead_time,
        service_level=policy.service_level,
        safety_stock=safety_stock(usage, lead_time, policy.service_level),
        economic_order_quantity=eoq,
        reorder_point=reorder_point(usage, lead_time, policy.service_level),
        reorder_quantity=terms.orderable(eoq),
    )


class PlanStatus(StrEnum):
    """Status of a planning run."""

    RUNNING = "RUNNING"
    DONE = "DONE"


MEASURED_LEAD_TIMES_NEEDED = 3
"""Orders that have to be measured before their lead time counts for more than the agreed one."""


def lead_time_from(
    agreed: LeadTime, measured_orders: int, measured_days: float | None, measured_deviation: float | None
) -> LeadTime:
    """The lead time to plan with: as measured, once enough orders have come in, or else as agreed.

    Args:
        agreed: The lead time agreed with the supplier.
        measured_orders: How many orders were measured.
        measured_days: Their mean.
        measured_deviation: Their sample standard deviation.
    """
    if measured_days is None or measured_orders < MEASURED_LEAD_TIMES_NEEDED:
        return agreed
    return LeadTime(measured_days, measured_deviation)
