"""Joint orders: the cycle, against a published example and the best of all; can-order points and levels."""

import itertools
import math
import random
from collections.abc import Sequence

import pytest

from stockkeeper.domain.joint_order import (
    MOST_MULTIPLE,
    JointCycle,
    JointItem,
    can_order_point,
    joint_cycle,
    order_up_to,
)
from stockkeeper.domain.replenishment import economic_order_quantity

A_DAY = 1 / 365


def test_the_published_example() -> None:
    """Snyder and Shen's example of the joint replenishment problem, as their stockpyl 1.0.2 answers it.

    Demand is 1 a year for each, an order costs 600, its lines 120, 840 and 300, and holding a unit 160, 20 and 50.
    """
    items = [JointItem(A_DAY, 160, 120), JointItem(A_DAY, 20, 840), JointItem(A_DAY, 50, 300)]
    cycle = joint_cycle(600, items)
    assert cycle.days / 365 == pytest.approx(3.103164454170876)
    assert cycle.multiples == (1, 3, 1)
    assert _cost(600, items, cycle.multiples, cycle.days / 365) == pytest.approx(837.8544026261366)


def test_the_only_item_of_a_supplier_gets_its_eoq() -> None:
    cycle = joint_cycle(50, [JointItem(50, 0.775)])
    assert 50 * cycle.days == pytest.approx(economic_order_quantity(18_250, 50, 0.775))
    assert cycle.multiples == (1,)


def test_without_line_costs_items_together_are_ordered_oftener_than_each_alone() -> None:
    """Their frequencies squared add up: for two that alone come every 30 and 40 days, it is every 24."""

    def alone(days: float) -> JointItem:
        return JointItem(1, 2 * 50 / 365 / (days / 365) ** 2)

    cycle = joint_cycle(50, [alone(30), alone(40)])
    assert cycle.days == pytest.approx(24)
    assert cycle.multiples == (1, 1)


def test_what_costs_nothing_to_hold_is_ordered_for_a_year() -> None:
    assert joint_cycle(50, [JointItem(1, 0), JointItem(2, 0, 5)]) == JointCycle(365.0, (1, 1))
    assert joint_cycle(50, []) == JointCycle(365.0, ())
    # Beside what costs something it comes as seldom as anything may, if its line costs something.
    assert joint_cycle(50, [JointItem(1, 0, 5), JointItem(1, 1, 5), JointItem(1, 0)]).multiples == (MOST_MULTIPLE, 1, 1)


def _cost(order_cost: float, items: Sequence[JointItem], multiples: Sequence[int], years: float | None = None) -> float:
    """Money a year for the best cycle with these multiples, or for the one that is given."""
    fixed = order_cost + sum(item.line_cost / each for item, each in zip(items, multiples, strict=True))
    holding = sum(item.holding * each for item, each in zip(items, multiples, strict=True))
    if years is None:
        years = math.sqrt(2 * fixed / holding)
    return fixed / years + holding * years / 2


def test_the_rule_comes_within_a_few_percent_of_the_best_cycle() -> None:
    draw = random.Random(17)
    ratios = []
    for _ in range(25):
        items = [JointItem(draw.uniform(0.1, 20), draw.uniform(0.1, 10), draw.uniform(0, 40)) for _ in range(3)]
        cycle = joint_cycle(50, items)
        best = min(_cost(50, items, multiples) for multiples in itertools.product(range(1, 11), repeat=3))
        ratios.append(_cost(50, items, cycle.multiples, cycle.days / 365) / best)
    assert min(ratios) >= 1 - 1e-12
    assert max(ratios) < 1.05
    assert sum(ratios) / len(ratios) < 1.005


def test_an_item_joins_that_would_not_last_until_the_next_order() -> None:
    assert can_order_point(394, 50, 12) == 994
    assert can_order_point(394, 0.1, 12) == 396


def test_an_item_is_ordered_up_to_what_lasts_until_its_next_order_and_no_less_than_its_point() -> None:
    assert order_up_to(394, 50, 12) == 994
    assert order_up_to(394, 50, 2) == 788
