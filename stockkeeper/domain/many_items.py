"""Usage and economic quantities of many items at once: the same numbers as `stockkeeper.domain.replenishment` gives.

NumPy is needed here, as in `stockkeeper.domain.lead_time_demand`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stockkeeper.domain.lead_time_demand import Floats
from stockkeeper.domain.replenishment import ALMOST, DAYS_A_YEAR, MOST_UNITS, Terms, usage_from_sums

Units = NDArray[np.int64]

_EXACT = 2**53
"""Whole numbers up to this are exact as floats."""


def daily_deviations(days: Sequence[int], totals: Sequence[int], squares: Sequence[int]) -> Floats:
    """Sample standard deviations of the units of a day, from exact sums; 0 of a single day."""
    if max(days, default=0) * max(squares, default=0) >= _EXACT or max(totals, default=0) ** 2 >= _EXACT:
        usages = [usage_from_sums(*sums) for sums in zip(days, totals, squares, strict=True)]
        return np.array([usage.daily_deviation for usage in usages], dtype=np.float64)
    n, units = np.array(days, dtype=np.float64), np.array(totals, dtype=np.float64)
    spread = np.array(squares, dtype=np.float64) * n - units * units
    return np.sqrt(spread / np.maximum(n * (n - 1), 1))


def economic_quantities(annual: Floats, order_cost: float, holding_costs: Floats) -> Floats:
    """Units per order for which ordering and holding cost least, not rounded.

    Args:
        annual: Units per year.
        order_cost: Money per order.
        holding_costs: Money per unit and year.
    """
    costs = np.where(holding_costs > 0, holding_costs, 1.0)
    with np.errstate(over="ignore"):  # Beyond all floats it is infinite, and `orderable` bounds it.
        return np.where(holding_costs > 0, np.sqrt(2 * annual * order_cost / costs), annual)


def annual_demand(daily_means: Floats) -> Floats:
    """Units per year."""
    annual: Floats = daily_means * DAYS_A_YEAR
    return annual


def orderable(terms: Sequence[Terms], units: Floats) -> Units:
    """The fewest units that may be ordered and are as many as these; an entry for each item."""
    least = np.array([each.minimum_order_quantity for each in terms], dtype=np.int64)
    packs = np.array([each.pack_size for each in terms], dtype=np.int64)
    wanted = np.minimum(units, MOST_UNITS)
    nearest = np.rint(wanted)
    is_whole = np.abs(wanted - nearest) <= ALMOST * np.maximum(np.abs(wanted), 1)
    whole = np.maximum(np.maximum(np.where(is_whole, nearest, np.ceil(wanted)).astype(np.int64), least), 1)
    most: Units = np.maximum(np.minimum(-(-whole // packs), MOST_UNITS // packs), 1) * packs
    return most
