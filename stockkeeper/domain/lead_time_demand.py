"""Demand until the goods are there, as a distribution: of many items at once, from sums over their days.

What the stock at the reorder point has to last for is more than the demand over the lead time. The order goes out at
the customer who takes the item *below* its point, so the item is further below it than nothing: that is the undershoot.
And mean and deviation are estimates from some days of history, and not known.

The model is a compound Bernoulli process (Janssen, Heuts and de Kok, "On the (R, s, Q) inventory model when demand is
modelled as a compound Bernoulli process", European Journal of Operational Research 104, 1998): on a part of the days
there is demand, and its size varies, here by the inverse Gaussian distribution. Mean and variance of a day are the
measured ones; the model gives the third and the fourth moment, of which the days themselves say little.

NumPy and SciPy are needed here and in `stockkeeper.domain.planning`, and nowhere else in the domain.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaincinv, ndtr, ndtri

from stockkeeper.domain.demand_class import INTERVAL_CUT, SIZE_CUT

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_SKEWNESS = 0.05
"""Below it a distribution is taken for normal: the points of both differ by less than a hundredth of a deviation."""
_ONE_DAY_MORE = 0.5
"""Squared coefficient of variation that a day with demand is taken to have before any was seen: worth one such day."""
_WIDEST = 5.0
"""Deviation of a lead time, in its means, up to which its skewness counts."""


@dataclass(frozen=True)
class Demand:
    """Demand of items, as sums over their days; an entry for each item.

    Attributes:
        days: Days that were looked at, those without demand among them.
        busy_days: Days with demand.
        units: Units of all days.
        squares: Sum of the squares of the units of each day.
    """

    days: Floats
    busy_days: Floats
    units: Floats
    squares: Floats

    def only(self, which: Flags) -> "Demand":
        """Of these items."""
        return Demand(self.days[which], self.busy_days[which], self.units[which], self.squares[which])

    @property
    def mean(self) -> Floats:
        """Units a day."""
        return self.units / self.days

    @property
    def variance(self) -> Floats:
        """Of the units of a day, the sample's.

        Demand that is steadier than chance (Poisson) has shown it on few days only; one more day, of Poisson demand,
        is counted with it.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            sample = (self.squares - self.units**2 / self.days) / (self.days - 1)
        sample = np.where(self.days > 1, np.maximum(sample, 0.0), 0.0)
        variance: Floats = np.maximum(sample, (sample * (self.days - 1) + self.mean) / self.days)
        return variance

    @property
    def interval(self) -> Floats:
        """Days from one day with demand to the next, on average."""
        return self.days / np.maximum(self.busy_days, 1)

    @property
    def busy_variation(self) -> Floats:
        """Squared coefficient of variation of the units of a day with demand, of these days alone."""
        busy, units = np.maximum(self.busy_days, 1), np.maximum(self.units, 1)
        variation: Floats = np.maximum(self.squares * busy / units**2 - 1, 0.0)
        return variation

    @property
    def size_variation(self) -> Floats:
        """The same, as the sample's estimate: by which demand is classed."""
        return self.busy_variation * self.busy_days / np.maximum(self.busy_days - 1, 1)

    @property
    def is_smooth(self) -> Flags:
        """Whether demand comes nearly every day, about the same number of units."""
        return (self.interval < INTERVAL_CUT) & (self.size_variation < SIZE_CUT)


@dataclass(frozen=True)
class Supply:
    """Supply of items; an entry for each item.

    Attributes:
        lead_time_days: From the point to the goods, on average; with the wait for a day on which an order may go out.
        lead_time_deviation_days: Its standard deviation; 0 or NaN: not known, and taken as always the same.
        order_quantity: Units that an order brings at least.
    """

    lead_time_days: Floats
    lead_time_deviation_days: Floats
    order_quantity: Floats

    def only(self, which: Flags) -> "Supply":
        """Of these items."""
        return Supply(
            self.lead_time_days[which],
            self.lead_time_deviation_days[which],
            self.order_quantity[which],
        )


@dataclass(frozen=True)
class Outgoing:
    """Units that leave an item from its point until its goods are there, as distributions; an entry for each item.

    A whole number of units is spread over the unit below it, so that the chance of at most ``n`` units is the
    distribution's at ``n``, and its mean is half a unit less than theirs.

    Attributes:
        undershoot: Units below the point when the order goes out, on average, from 1.
        mean: Units, the undershoot with them, less a half.
        deviation: Their standard deviation, the uncertainty of the estimates with it.
        skewness: Third central moment in deviations; 0: normal.
    """

    undershoot: Floats
    mean: Floats
    deviation: Floats
    skewness: Floats

    @property
    def is_normal(self) -> Flags:
        """Whether the normal distribution is taken, rather than the gamma distribution."""
        normal: Flags = self.skewness == 0
        return normal

    def widened(self, factor: Floats | float) -> "Outgoing":
        """The same with so many times the deviation."""
        return replace(self, deviation=factor * self.deviation)

    @property
    def _shape(self) -> Floats:
        shape: Floats = 4 / np.where(self.is_normal, 1.0, self.skewness) ** 2
        return shape

    def factor(self, level: float) -> Floats:
        """Deviations above the mean that are enough with this probability: Z where the distribution is normal.

        Otherwise Pearson's type III frequency factor, (q - 4/g²) · g/2, with g the skewness and q the quantile of the
        gamma distribution whose shape is 4/g² (Chow, "A general formula for hydrologic frequency analysis",
        Transactions of the American Geophysical Union 32, 1951).
        """
        shape = self._shape
        skewed = (gammaincinv(shape, level) - shape) * self.skewness / 2
        return np.where(self.is_normal, ndtri(level), skewed)

    def _standing(self, units: Floats) -> tuple[Floats, Floats]:
        """Units as deviations above the mean, and as a value of the standard gamma distribution."""
        above = (units - self.mean) / self.deviation
        shape = self._shape
        return above, np.maximum(shape + above * np.sqrt(shape), 0.0)

    def within(self, units: Floats) -> Floats:
        """The probability that no more than these leave."""
        above, standing = self._standing(units)
        return np.where(self.is_normal, ndtr(above), gammainc(self._shape, standing))

    def beyond(self, units: Floats) -> Floats:
        """Units that leave beyond these, on average: the expected shortage."""
        above, standing = self._standing(units)
        density = np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi)
        normal = self.deviation * (density - above * ndtr(-above))
        shape = self._shape
        scale = self.deviation / np.sqrt(shape)
        gamma = scale * (shape * gammaincc(shape + 1, standing) - standing * gammaincc(shape, standing))
        least = self.mean - self.deviation * np.sqrt(shape)
        skewed = gamma + np.maximum(least - units, 0.0)
        shortage: Floats = np.maximum(np.where(self.is_normal, normal, skewed), 0.0)
        return shortage


def order_ratio(demand: Demand) -> Floats:
    """Mean square of the units of one order, in mean units: E[X²] / E[X]. At least 1.

    Single orders aren't known, only days. Smooth demand is that of many customers: with a compound Poisson process the
    ratio is the variance of a day in units of its mean. Any other day's demand is taken for one customer's.
    """
    of_days = demand.squares / np.maximum(demand.units, 1)
    return np.maximum(np.where(demand.is_smooth, demand.variance / demand.mean, of_days), 1.0)


def outgoing(demand: Demand, supply: Supply, certainty: float) -> Outgoing:
    """The units that leave from the point until the goods are there.

    With d and s² the mean and the variance of a day, L the time until the goods are there and sL² its variance:

    - over the time L: mean d · L, variance s² · L + d² · sL².
    - undershoot: one customer's order, of which the point is passed at any unit with the same chance (Tijms,
      *Stochastic Models*, 1994, on the excess of a renewal process). With many customers a day its mean is
      (s² / d + 1) / 2. With one a day it is d / 2 more, but nobody else comes on that day, which is d / 2 less over the
      time L: together it is the same.
    - uncertainty: L² times the variance of the estimate d + Z · s, for which Z is that of the level (Prak, Teunter and
      Syntetos, "On the calculation of safety stocks when demand is forecasted", European Journal of Operational
      Research 256, 2017, on the part of the mean). It falls as one over the days of history.

    Args:
        demand: Of items that have any.
        supply: Of the same items.
        certainty: The level of service for which the uncertainty counts.
    """
    time = supply.lead_time_days
    varies = np.nan_to_num(supply.lead_time_deviation_days)
    d, v, n = demand.mean, demand.variance, demand.days
    # A day has demand or has none, and its size is inverse Gaussian: skewness and kurtosis of a day are this model's.
    busy = np.maximum(demand.busy_days, 1)
    size, c = demand.units / busy, demand.busy_variation + _ONE_DAY_MORE / busy
    third_of_size, fourth_of_size = 1 + 3 * c + 3 * c**2, 1 + 6 * c + 15 * c**2 + 15 * c**3
    square, cube, fourth_power = (
        busy / n * size**power * of_size for power, of_size in ((2, 1 + c), (3, third_of_size), (4, fourth_of_size))
    )
    of_model = square - d**2
    scale = v / of_model
    third = (cube - 3 * d * square + 2 * d**3) * scale**1.5
    fourth = (fourth_power - 4 * d * cube + 6 * d**2 * square - 3 * d**4) * scale**2
    # The undershoot beyond its first unit: its mean from the days, its spread uniform on the units of one order.
    further = np.maximum(v / d - 1, 0.0) / 2
    ratio = order_ratio(demand)
    of_order, of_order_cube = ratio**2 * third_of_size / (1 + c) ** 2, ratio**3 * fourth_of_size / (1 + c) ** 3
    first, second = (ratio - 1) / 2, (2 * of_order - 3 * ratio + 1) / 6
    further_variance = np.maximum(second - first**2, 0.0)
    further_third = (of_order_cube - 2 * of_order + ratio) / 4 - 3 * first * second + 2 * first**3
    # Together.
    variance_of_time = varies**2
    third_of_time = 2 * varies**3 * np.minimum(varies / np.maximum(time, 1e-9), _WIDEST)  # of a gamma distribution
    variance = v * time + d**2 * variance_of_time + further_variance
    third_central = third * time + 3 * d * v * variance_of_time + d**3 * third_of_time + further_third
    deviation = np.sqrt(np.maximum(variance, 1e-12))
    z = max(float(ndtri(certainty)), 0.0)
    of_mean = time**2 * v / n
    of_both = of_mean + z * time**2 / n * (third / deviation + z * np.maximum(fourth - v**2, 0.0) / (4 * deviation**2))
    skewness = np.maximum(third_central, 0.0) / deviation**3
    return Outgoing(
        undershoot=further + 1,
        mean=d * time + further + 0.5,
        deviation=np.sqrt(deviation**2 + np.maximum(of_both, of_mean)),
        skewness=np.where(skewness < LEAST_SKEWNESS, 0.0, skewness),
    )
