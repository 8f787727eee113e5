"""What a warehouse's past says of its plans: what is usual among its items, and how far its demand strays from a plan.

A distribution from ninety days takes the level of demand as lasting, and each item for itself. `look_back`, beside
this file, learns two things from all items of a warehouse together:

- **spread**: the variance of a day's demand that items of the same mean have, and how much it tells of an item beside
  its own. Ninety days of one item say little of its variance; thousands of items say much of what is usual.
- **widening**: the factor on the deviation with which the level asked for would have been reached.

NumPy is needed here, as in `stockkeeper.domain.lead_time_demand`.
"""

from dataclasses import dataclass, replace

import numpy as np

from stockkeeper.domain.lead_time_demand import Demand, Floats

LEAST_ITEMS = 100
"""That are needed to say what is usual."""
_TINY = 1e-9


@dataclass(frozen=True)
class Spread:
    """The variance of a day's demand that is usual for its mean: variance / mean = exp(a + b · ln d + c · ln² d).

    Attributes:
        a: A coefficient, as are ``b`` and ``c``.
        b: Of the logarithm of the mean.
        c: Of its square.
        least: The lowest mean of which it was measured, units a day; below it the ratio stays.
        most: The highest one.
        days: Days with demand that it counts for, beside the item's own.
    """

    a: float
    b: float
    c: float
    least: float
    most: float
    days: float

    def variance(self, mean: Floats) -> Floats:
        """The usual variance of a day."""
        log = np.log(np.clip(mean, self.least, self.most))
        usual: Floats = mean * np.exp(self.a + self.b * log + self.c * log**2)
        return usual

    def shared(self, demand: Demand) -> Demand:
        """The demand with (n · own + K · usual) / (n + K) for its variance: n its days with demand, K ``days``."""
        own, busy = demand.variance, demand.busy_days
        variance = (busy * own + self.days * self.variance(demand.mean)) / np.maximum(busy + self.days, _TINY)
        squares = variance * (demand.days - 1) + demand.units**2 / demand.days
        return replace(demand, squares=np.where(demand.units > 0, squares, demand.squares))


@dataclass(frozen=True)
class Hindsight:
    """What a warehouse's past says.

    Attributes:
        spread: The usual variance; None: each item's own days say more.
        widening: Factor on the deviation of what leaves until the goods are there; at least 1.
        items: Items that were looked at.
        orders: That would have gone out.
        reached: Part of these whose goods would have come in time, without the widening; 1: there were too few.
    """

    spread: Spread | None = None
    widening: float = 1.0
    items: int = 0
    orders: float = 0.0
    reached: float = 1.0


NO_HINDSIGHT = Hindsight()


def usual_spread(demand: Demand, days: float) -> Spread | None:
    """The usual variance by least squares on the logarithms, each item by its days with demand; None: too few items.

    The logarithm of a variance from few days is too low on average. So the curve is raised until the variances, and not
    their logarithms, are met on average.
    """
    known = (demand.busy_days >= 2) & (demand.variance > 0)
    if known.sum() < LEAST_ITEMS:
        return None
    weight, mean = demand.busy_days[known], demand.mean[known]
    ratio = demand.variance[known] / mean
    root = np.sqrt(weight)
    design = np.vander(np.log(mean), 3, increasing=True)
    found = np.linalg.lstsq(design * root[:, None], np.log(ratio) * root, rcond=None)[0]
    raised = np.log((weight * ratio).sum() / (weight * np.exp(design @ found)).sum())
    a, b, c = found.tolist()
    return Spread(a + float(raised), b, c, float(mean.min()), float(mean.max()), days)
