"""Units that are expected to expire before anybody wants them; an order doesn't count on them.

A lot's days are those on which its units can still leave, without what is left of today: 0 for a lot whose last day is
today. Units leave by first expired, first out. With C_k the free units of the first k lots, D_k the days of lot k and
M(D) the demand expected in D days, what is expected to be wasted is

    W = max over k of (C_k - M(D_k)), and at least 0,

over the lots whose last day is within the horizon: the days that the decision covers, from the order to the goods, and
in joint orders until the next one. What ends later is the next order's to replace. `waste_of` adds up lot by lot, which
is the same sum where a lot that leaves first also ends first, and is right where it doesn't: a lot with a best-before
day alone goes before one that expires later, and never perishes itself.

- Only free units count. Those that are held leave for their orders, and are no longer available; the demand expected is
  that of orders to come. Units that are set aside, and lots that may not leave today, aren't available either.
- Units on order or in transit count whole, after all that is on hand: the lots of an open order aren't known.
- Without a forecast (a point set by hand) nothing is left out: how fast the item sells isn't known.

The idea is that of the EWA policy: Broekmeulen and van Donselaar, *A heuristic to manage perishable inventory with
batch ordering, positive lead-times, and time-varying demand*, Computers & Operations Research 36 (2009). The paper's
text wasn't at hand; the formula is held against a simulation day by day instead (tests/domain/test_perishing.py).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median_low
from typing import NamedTuple

from stockkeeper.domain.replenishment import ALMOST, whole_units

LONGEST_DAYS = 36_500
"""Lots are looked at no further ahead than this, however long a lead time is."""


class LotAhead(NamedTuple):
    """Free units of a lot that may leave today.

    Attributes:
        units: How many.
        days: Days on which they can still leave, without what is left of today; None: they don't perish.
        last_day: The last of these days; None: they don't perish.
    """

    units: int
    days: int | None
    last_day: date | None = None


class Wasted(NamedTuple):
    """What is expected to be left of a lot when it may not leave any more.

    Attributes:
        lot: The lot.
        units: Units left of it, not rounded.
        through: Free units of it and of all lots that leave before it.
        sold: Units of these that are expected to be sold before they end, not rounded.
    """

    lot: LotAhead
    units: float
    through: int
    sold: float


def waste_of(lots: Iterable[LotAhead], demand: Callable[[int], float]) -> list[Wasted]:
    """What is expected to be left of each lot when it ends, lots of which nothing is left out.

    Args:
        lots: In the order in which they leave.
        demand: Units that are expected to be wanted in a number of days.
    """
    wasted, through, sold = [], 0, 0.0
    for lot in lots:
        through += lot.units
        # The lot is on sale once those before it are sold or have ended, until its last day.
        after = sold + lot.units
        if lot.days is not None:
            after = max(sold, min(after, demand(lot.days)))
        left, sold = sold + lot.units - after, after
        if lot.days is not None and left > 0:
            wasted.append(Wasted(lot, left, through, sold))
    return wasted


@dataclass(frozen=True)
class Perishables:
    """The lots of an item that may leave, and how fast it sells.

    Attributes:
        lots: In the order in which they leave; those that end after the horizon may be left out.
        daily_mean: Units of demand expected a day.
        lead_time_days: Days from an order to its goods, with the wait for the supplier's review day.
    """

    lots: Sequence[LotAhead]
    daily_mean: float
    lead_time_days: float

    def wasted(self) -> list[Wasted]:
        """What is expected to be left of each lot, however far away its end is."""
        return waste_of(self.lots, lambda days: self.daily_mean * days)

    def within(self, more_days: float = 0.0) -> list[Wasted]:
        """What is expected to be left of lots that end within the lead time.

        Args:
            more_days: Days beyond the lead time that an order is to last.
        """
        horizon = self.lead_time_days + more_days
        return [each for each in self.wasted() if each.lot.days is not None and each.lot.days <= horizon]

    def units(self, more_days: float = 0.0) -> int:
        """The same, all lots together, rounded up to whole units: what an order doesn't count on."""
        return whole_units(sum(each.units for each in self.within(more_days)))


def most_to_sell_in_time(position: int, daily_mean: float, lead_time_days: float, sell_days: int) -> int:
    """The most units of an order that are all expected to be sold before they expire, rounded down.

    When they come, what was there before is sold first: d · D - max(position - d · L, 0), with the demand d a day, the
    lead time L, and D days on which the units that come can be sold.

    Args:
        position: The inventory position, in units.
        daily_mean: Units of demand expected a day.
        lead_time_days: Days from the order to its goods.
        sell_days: Days on which goods can be sold that have just come.
    """
    left = max(position - daily_mean * lead_time_days, 0.0)
    return max(math.floor(daily_mean * sell_days - left + ALMOST), 0)


LOTS_LOOKED_AT = 10
"""The latest lots that say how many days goods have when they come."""
LOTS_NEEDED = 3
"""With fewer lots that isn't known, and bounds nothing."""


def usual_sell_days(of_lots: Sequence[int]) -> int | None:
    """The days on which goods can be sold that have just come: the median of the latest lots; None: too few are known.

    Args:
        of_lots: Of each lot, the days from the day on which it came to its last one, the latest lots first.
    """
    latest = of_lots[:LOTS_LOOKED_AT]
    return max(median_low(latest), 0) if len(latest) >= LOTS_NEEDED else None
