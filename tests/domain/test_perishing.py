"""What is expected to expire before it can be sold, against a simulation that issues the first lot day by day."""

import math
from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.perishing import (
    LotAhead,
    Perishables,
    Wasted,
    most_to_sell_in_time,
    usual_sell_days,
    waste_of,
)

_DAYS = 12


def _simulated(lots: Sequence[LotAhead], wanted: Sequence[float]) -> list[tuple[LotAhead, float]]:
    """What is left of each lot when it ends, if customers get the first lot that is there, and wait for none."""
    left = [float(lot.units) for lot in lots]
    thrown_away = []
    for today, units in enumerate([0.0, *wanted]):
        asked = units
        for number in range(len(lots)):
            taken = min(asked, left[number])
            left[number] -= taken
            asked -= taken
        for number, lot in enumerate(lots):
            if lot.days == today and left[number] > 0:
                thrown_away.append((lot, left[number]))
                left[number] = 0.0
    return thrown_away


# Quarters, of which floats have exact sums.
_WANTED = st.lists(st.integers(0, 60).map(lambda units: units / 4), min_size=_DAYS, max_size=_DAYS)
_UNITS = st.integers(1, 40)
_PERISHING = st.lists(st.builds(LotAhead, _UNITS, st.integers(0, _DAYS)), max_size=6)
_ANY = st.lists(st.builds(LotAhead, _UNITS, st.none() | st.integers(0, _DAYS)), max_size=6)


@given(_ANY, _WANTED)
def test_as_much_is_left_of_each_lot_as_a_simulation_throws_away(lots: list[LotAhead], wanted: list[float]) -> None:
    through = [0.0, *accumulate(wanted)]
    found = [(each.lot, each.units) for each in waste_of(lots, through.__getitem__)]
    assert sorted(found) == sorted(_simulated(lots, wanted))


@given(_PERISHING, _WANTED, st.integers(0, _DAYS))
def test_the_sum_is_the_formula_where_lots_end_in_the_order_in_which_they_leave(
    lots: list[LotAhead], wanted: list[float], horizon: int
) -> None:
    lots.sort(key=_days)
    through = [0.0, *accumulate(wanted)]
    cumulated = accumulate(lot.units for lot in lots)
    missed = [have - through[_days(lot)] for lot, have in zip(lots, cumulated, strict=True) if _days(lot) <= horizon]
    wasted = [each.units for each in waste_of(lots, through.__getitem__) if _days(each.lot) <= horizon]
    assert sum(wasted) == max([*missed, 0.0])


def _days(lot: LotAhead) -> int:
    assert lot.days is not None
    return lot.days


def test_no_more_than_the_lots_have_and_none_of_what_does_not_perish() -> None:
    lots = [LotAhead(10, None), LotAhead(10, 5), LotAhead(4, 0)]
    # Five days' demand takes half of the first lot, which leaves first, so the others are wasted whole.
    assert waste_of(lots, lambda days: days) == [
        Wasted(LotAhead(10, 5), 10.0, 20, 10.0),
        Wasted(LotAhead(4, 0), 4.0, 24, 10.0),
    ]


@pytest.mark.parametrize(("more_days", "units"), [(0, 37), (3.5, 37), (4, 64)])
def test_only_what_ends_within_the_horizon_counts_and_is_rounded_up_once(more_days: float, units: int) -> None:
    # 30 leave until day 4, when 4 · 3.3 = 13.2 are sold: 16.8 are left. 9.9 more are sold until day 7: 20.1 of 30.
    # Until day 11 it is 13.2 of 40.
    item = Perishables([LotAhead(30, 4), LotAhead(30, 7), LotAhead(40, 11)], 3.3, lead_time_days=7)
    assert [round(each.units, 6) for each in item.wasted()] == [16.8, 20.1, 26.8]
    assert item.units(more_days) == units


def test_without_demand_all_that_ends_is_left() -> None:
    item = Perishables([LotAhead(5, 3), LotAhead(7, 90)], 0.0, lead_time_days=14)
    assert item.units() == 5


@given(st.integers(0, 60), st.integers(0, 24), st.integers(0, 6), st.integers(0, 8))
def test_one_unit_more_would_expire_before_it_is_sold(position: int, quarters: int, lead: int, days: int) -> None:
    """The order comes after the lead time, and is sold once what was there before is gone."""
    daily = quarters / 4

    def is_sold(units: int) -> bool:
        left = max(position - daily * lead, 0.0)
        wasted = waste_of([LotAhead(math.ceil(left * 4), None), LotAhead(units * 4, days)], lambda n: daily * 4 * n)
        return not wasted

    most = most_to_sell_in_time(position, daily, lead, days)
    assert most == max(units for units in range(60) if units == 0 or is_sold(units))


@pytest.mark.parametrize(
    ("of_lots", "usual"),
    [
        ((), None),
        ((9, 9), None),
        ((9, 30, 10), 10),
        ((9, 30, 10, 11), 10),
        ((-4, -2, -3), 0),
        ((*range(20, 10, -1), 99, 99, 99), 15),
    ],
    ids=["none", "too few", "three", "of four the lower", "expired when they came", "the latest ten"],
)
def test_how_many_days_goods_have_is_the_median_of_their_latest_lots(of_lots: Sequence[int], usual: int | None) -> None:
    assert usual_sell_days(of_lots) == usual
