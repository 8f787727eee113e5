"""Price breaks and least values of orders: against published examples, and against going through everything."""

import random
from collections.abc import Sequence
from decimal import Decimal

import pytest

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.order_quantity import (
    EconomicQuantity,
    PriceBreak,
    RaisableLine,
    at_no_more,
    economic_quantity,
    raised_to_value,
    require_breaks,
    unit_cost_of,
    yearly_cost,
)
from stockkeeper.domain.replenishment import Terms, economic_order_quantity

BAGS = (PriceBreak(500, Decimal("0.29")), PriceBreak(1_000, Decimal("0.28")))
"""Nahmias and Olsen's example 4.4: a company buys trash bags, 600 a year, at 8 an order and 20 % a year."""


def _breaks(*each: tuple[int, str]) -> tuple[PriceBreak, ...]:
    return tuple(PriceBreak(units, Decimal(cost)) for units, cost in each)


@pytest.mark.parametrize(
    ("units", "cost"), [(1, "0.30"), (499, "0.30"), (500, "0.29"), (999, "0.29"), (1_000, "0.28"), (9_999, "0.28")]
)
def test_every_unit_of_a_line_costs_what_its_quantity_has_reached(units: int, cost: str) -> None:
    assert unit_cost_of(units, Decimal("0.30"), BAGS) == Decimal(cost)


def test_the_published_example_of_price_breaks() -> None:
    found = economic_quantity(600, 8, 0.2, Decimal("0.30"), Terms(), breaks=BAGS)
    assert (found.orderable, found.unit_cost) == (500, Decimal("0.29"))
    money = [
        round(yearly_cost(units, 600, 8, 0.2, float(unit_cost_of(units, Decimal("0.30"), BAGS))), 2)
        for units in (400, 500, 1_000)
    ]
    assert money == [204.00, 198.10, 200.80]


def test_snyder_and_shens_example_of_price_breaks() -> None:
    """Candy bars: 1,300 a year, 8 an order, 30 % a year; 800 are bought, as stockpyl answers, too."""
    bars = _breaks((400, "0.72"), (800, "0.68"))
    found = economic_quantity(1_300, 8, 0.3, Decimal("0.75"), Terms(), breaks=bars)
    assert found.orderable == 800
    assert round(yearly_cost(found.orderable, 1_300, 8, 0.3, float(found.unit_cost)), 1) == 978.6


def test_without_price_breaks_the_quantity_is_the_eoq_rounded_up_to_packs() -> None:
    found = economic_quantity(18_250, 50, 0.25, Decimal("3.10"), Terms(36, 6), at_least=5_000)
    assert found == EconomicQuantity(economic_order_quantity(18_250, 50, 0.25 * 3.10), 1_536, Decimal("3.10"))


def _everything(
    annual: float, order_cost: float, rate: float, cost: Decimal, terms: Terms, breaks: Sequence[PriceBreak], least: int
) -> float:
    """The least money a year of all that the supplier sells, up to where it only rises."""
    first = terms.orderable(least)
    most = max(first, breaks[-1].quantity, round(economic_order_quantity(annual, order_cost, rate / 100))) + 100
    return min(
        yearly_cost(units, annual, order_cost, rate, float(unit_cost_of(units, cost, breaks)))
        for units in range(first, most, terms.pack_size)
    )


def test_no_other_quantity_costs_less_in_a_year() -> None:
    draw = random.Random(17)
    for _ in range(250):
        annual, order_cost = draw.choice([0.0, draw.uniform(0, 900)]), draw.choice([0.0, draw.uniform(1, 60)])
        rate, cost = draw.uniform(0.1, 1), Decimal(draw.randint(100, 5_000)) / 100
        terms = Terms(draw.randint(1, 60), draw.randint(1, 13))
        units = sorted(draw.sample(range(2, 300), draw.randint(1, 3)))
        breaks = tuple(PriceBreak(each, Decimal(draw.randint(50, 5_000)) / 100) for each in units)
        least = draw.choice([0, draw.randint(0, 300)])
        found = economic_quantity(annual, order_cost, rate, cost, terms, breaks=breaks, at_least=least)
        assert found.orderable == terms.orderable(found.orderable) >= terms.orderable(least)
        assert found.unit_cost == unit_cost_of(found.orderable, cost, breaks)
        money = yearly_cost(found.orderable, annual, order_cost, rate, float(found.unit_cost))
        best = _everything(annual, order_cost, rate, cost, terms, breaks, least)
        assert money == pytest.approx(best, rel=1e-12), (annual, order_cost, rate, cost, terms, breaks, least)


@pytest.mark.parametrize(
    ("breaks", "problem"),
    [
        ([(1, "2")], "the units must rise, and begin with 2 or more"),
        ([(100, "2"), (100, "1")], "the units must rise, and begin with 2 or more"),
        ([(100, "2"), (50, "1")], "the units must rise, and begin with 2 or more"),
        ([(100, "-1")], "a unit cost must not be negative"),
    ],
)
def test_price_breaks_have_to_be_in_order(breaks: list[tuple[int, str]], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        require_breaks(_breaks(*breaks))


def test_price_breaks_in_order_may_also_become_dearer() -> None:
    require_breaks(_breaks((2, "1"), (3, "2")))
    require_breaks([])


@pytest.mark.parametrize(
    ("units", "terms", "bought"),
    [
        (93, Terms(), 93),  # 288.30, and a hundred cost 290.00
        (94, Terms(), 100),  # 291.40
        (96, Terms(), 100),
        (96, Terms(1, 12), 96),  # 297.60, and nine dozen cost 313.20
        (100, Terms(), 100),
        (400, Terms(), 400),
        (490, Terms(), 500),  # 1,421.00, and five hundred cost 1,350.00
    ],
)
def test_more_units_are_bought_where_they_cost_no_more(units: int, terms: Terms, bought: int) -> None:
    breaks = _breaks((100, "2.90"), (500, "2.70"))
    assert at_no_more(units, Decimal("3.10"), breaks, terms) == bought


def _line(units: int, daily: float, cost: str = "1", pack: int = 1, position: int = 0) -> RaisableLine:
    return RaisableLine(units, position, daily, Decimal(cost), Terms(1, pack))


def test_lines_are_raised_until_all_last_equally_long() -> None:
    fast, slow, stocked = _line(10, 5), _line(10, 1), _line(10, 1, position=40)
    assert raised_to_value([fast, slow, stocked], Decimal(30)) == [10, 10, 10]
    # The third lasts for fifty days anyway; the others last for 17 in the end.
    assert raised_to_value([fast, slow, stocked], Decimal(110)) == [83, 17, 10]
    # A thousand are some 149 days of each.
    assert raised_to_value([fast, slow, stocked], Decimal(1_000)) == [742, 149, 109]


def _packs_one_by_one(lines: Sequence[RaisableLine], least: Decimal) -> list[int] | None:
    """A pack for the line that runs out first, again and again."""
    units = [line.units for line in lines]
    while sum((line.cost(each) for line, each in zip(lines, units, strict=True)), Decimal()) < least:
        can = [
            (line.lasts(each), place)
            for place, (line, each) in enumerate(zip(lines, units, strict=True))
            if line.daily_mean > 0 and line.lasts(each) < 365
        ]
        if not can:
            return None
        place = min(can)[1]
        units[place] += lines[place].terms.pack_size
    return units


def test_raising_is_the_same_as_adding_pack_by_pack() -> None:
    draw = random.Random(17)
    unreached = 0
    for _ in range(100):
        lines = []
        for _ in range(draw.randint(1, 5)):
            pack = draw.choice([1, 2, 6, 12])
            daily = draw.choice([0.0, float(draw.randint(1, 4)), draw.uniform(0.05, 3)])
            lines.append(
                _line(pack * draw.randint(1, 5), daily, str(draw.randint(1, 9)), pack, position=draw.randint(-5, 30))
            )
        least = Decimal(draw.randint(1, 4_000))
        expected = _packs_one_by_one(lines, least)
        unreached += expected is None
        assert raised_to_value(lines, least) == expected, (lines, least)
    assert 5 < unreached < 60
