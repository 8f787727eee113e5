"""Usage and economic quantities of many items are those of each item by itself, to the last digit."""

import random

import numpy as np

from stockkeeper.domain.many_items import annual_demand, daily_deviations, economic_quantities, orderable
from stockkeeper.domain.replenishment import MOST_UNITS, Terms, economic_order_quantity, usage_from_sums, usage_of

CHANCE = random.Random(17)
DAYS = [[CHANCE.choice((0, 1, 3, 900)) for _ in range(CHANCE.randint(1, 120))] for _ in range(300)]
HUGE = [[10**9, 10**9 + 1, 10**9 + 3], [7, 7, 7]]
"""The squares of the first are no exact floats."""


def _sums(items: list[list[int]]) -> tuple[list[int], list[int], list[int]]:
    return [len(of) for of in items], [sum(of) for of in items], [sum(each**2 for each in of) for of in items]


def test_deviations_are_those_of_each_item() -> None:
    for items in (DAYS, HUGE, [*DAYS, *HUGE], []):
        assert daily_deviations(*_sums(items)).tolist() == [usage_of(of).daily_deviation for of in items]


def test_economic_quantities_and_packs_are_those_of_each_item() -> None:
    days, totals, squares = _sums(DAYS)
    usages = [usage_from_sums(*sums) for sums in zip(days, totals, squares, strict=True)]
    means = np.array(totals, dtype=np.float64) / np.array(days)
    annual = annual_demand(means)
    assert annual.tolist() == [each.annual for each in usages]
    costs = [CHANCE.choice((0.0, 0.25, 3.1, 1e-12)) for _ in DAYS]
    found = economic_quantities(annual, 50.0, np.array(costs))
    assert found.tolist() == [
        economic_order_quantity(each.annual, 50.0, cost) for each, cost in zip(usages, costs, strict=True)
    ]
    assert economic_quantities(annual, 1e30, np.full(len(annual), 1e-320)).tolist() == [
        economic_order_quantity(each.annual, 1e30, 1e-320) for each in usages
    ]
    terms = [Terms(CHANCE.choice((1, 10, 1_000)), CHANCE.choice((1, 6, 7, 500))) for _ in DAYS]
    assert orderable(terms, found).tolist() == [
        each.orderable(units) for each, units in zip(terms, found.tolist(), strict=True)
    ]


def test_packs_of_edges_are_those_of_each_item() -> None:
    units = [0.0, 0.5, 1.0, 350.00000000000006, 350.001, 2.5, 3.5, MOST_UNITS + 0.5, 1e30]
    for terms in (Terms(), Terms(5, 4), Terms(1, MOST_UNITS), Terms(7, 2 * MOST_UNITS)):
        assert orderable([terms] * len(units), np.array(units)).tolist() == [terms.orderable(each) for each in units]
