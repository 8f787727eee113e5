"""Joint orders: what is ordered together from a supplier shares the cost of the order.

If every item waits for its own point, a supplier of twenty items gets an order for one of them every few days, and each
costs as much as an order for all. So when an order has to go out, the items that are near their point join it, and all
get enough for the same time: the joint replenishment problem, with can-order points. The sources are Silver, Pyke and
Thomas, *Inventory and Production Management in Supply Chains* (4th edition, 2017), chapter 10; Silver, *A simple method
of determining order quantities in joint replenishments under deterministic demand*, Management Science 22 (1976); and
Balintfy, *On a basic class of multi-item inventory problems*, Management Science 10 (1964), for the can-order point.

Units throughout: stock in units, time in days unless said otherwise, money in whatever currency the unit costs are in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stockkeeper.domain.replenishment import DAYS_A_YEAR, whole_units


@dataclass(frozen=True)
class JointItem:
    """What the joint cycle needs to know of an item.

    Attributes:
        daily_mean: Units per day.
        holding_cost: Money per unit and year.
        line_cost: Money for its line on an order, beside the cost of the order.
    """

    daily_mean: float
    holding_cost: float
    line_cost: float = 0.0

    @property
    def holding(self) -> float:
        """Money a year for holding a year's demand."""
        return self.daily_mean * DAYS_A_YEAR * self.holding_cost

    @property
    def line_to_holding(self) -> float:
        """How dear its line is, compared with holding it: the item with the least comes with every order."""
        if self.holding == 0:
            return math.inf
        return self.line_cost / self.holding


@dataclass(frozen=True)
class JointCycle:
    """How often the items of a supplier are ordered.

    Attributes:
        days: From one order to the next.
        multiples: For each item, with every how many-th order it comes.
    """

    days: float
    multiples: tuple[int, ...]


MOST_MULTIPLE = 100
"""No item waits for more orders than this."""


def joint_cycle(order_cost: float, items: Sequence[JointItem]) -> JointCycle:
    """The cycle for which orders, their lines, and holding cost least; by Silver's rule.

    The item with the least k / H comes with every order, where k is the cost of its line and H its holding
    (`JointItem.holding`); another one with every m-th, m = sqrt(k / H · H1 / (K + k1)), rounded, where K is the cost of
    an order and the first item has k1 and H1. Then T = sqrt(2 · (K + sum(k / m)) / sum(m · H)) years. Without line
    costs every item comes with every order, and T is that of the EOQ of all items together. If nothing costs anything
    to hold, a year's demand is ordered, as by EOQ.

    Args:
        order_cost: K, money per order, whatever is on it.
        items: With demand.
    """
    dear = [item for item in items if item.holding > 0]
    if not dear:
        return JointCycle(float(DAYS_A_YEAR), (1,) * len(items))
    first = min(dear, key=lambda item: (item.line_to_holding, -item.holding))
    multiples = tuple(_multiple(order_cost, item, first) for item in items)
    cost = order_cost + sum(item.line_cost / each for item, each in zip(items, multiples, strict=True))
    holding = sum(item.holding * each for item, each in zip(items, multiples, strict=True))
    return JointCycle(DAYS_A_YEAR * math.sqrt(2 * cost / holding), multiples)


def _multiple(order_cost: float, item: JointItem, first: JointItem) -> int:
    if item == first or item.line_cost == 0:
        return 1
    if item.holding == 0:
        return MOST_MULTIPLE
    many = math.sqrt(item.line_to_holding * first.holding / (order_cost + first.line_cost))
    return min(max(round(many), 1), MOST_MULTIPLE)


def can_order_point(point: int, daily_mean: float, cycle_days: float) -> int:
    """Units below which an item joins an order: it wouldn't last above its point until the next one, a cycle later."""
    return point + whole_units(daily_mean * cycle_days)


def order_up_to(point: int, daily_mean: float, days: float) -> int:
    """Units that an item has, on order and on its way with them, after a joint order.

    Its point, and the demand until it is ordered again. That is no less than the point, as in any order by plan: there
    is one open order at a time, and it has to last for a lead time.

    Args:
        point: The reorder point.
        daily_mean: Units per day.
        days: Until it is ordered again: its multiple of the cycle.
    """
    return point + max(whole_units(daily_mean * days), point)
