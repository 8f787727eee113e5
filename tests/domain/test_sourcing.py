"""Where an order's open lines come from, against every choice that there is in small cases."""

from collections import Counter
from itertools import combinations, product
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.sourcing import SEARCH, Part, RequestedLine, parts_of, request_of, source
from stockkeeper.domain.stock import ItemKey

TEA, MUG, POT = 10, 20, 30
BERLIN, HAMBURG, MUNICH, PARIS = 1, 2, 3, 4
PRIORITIES: dict[int, int] = {}


def stock(**units: dict[int, int]) -> dict[ItemKey, int]:
    """Available units by the warehouse's name and the product."""
    ids = {"berlin": BERLIN, "hamburg": HAMBURG, "munich": MUNICH, "paris": PARIS}
    return {ItemKey(ids[name], each): count for name, of in units.items() for each, count in of.items()}


def anywhere(product_id: int, quantity: int) -> RequestedLine:
    return RequestedLine(product_id, None, quantity)


def test_one_warehouse_that_has_everything_comes_before_any_split() -> None:
    available = stock(berlin={TEA: 9}, hamburg={MUG: 9}, munich={TEA: 2, MUG: 1})
    lines = [anywhere(TEA, 2), anywhere(MUG, 1)]
    assert parts_of(lines, available, {MUNICH: 900}) == [
        Part(ItemKey(MUNICH, TEA), 2, 1),
        Part(ItemKey(MUNICH, MUG), 1, 2),
    ]


def test_of_several_that_have_everything_the_lowest_priority_number_counts_and_then_the_lowest_id() -> None:
    available = stock(berlin={TEA: 5}, hamburg={TEA: 5}, munich={TEA: 5})
    assert parts_of([anywhere(TEA, 3)], available, {MUNICH: 10}) == [Part(ItemKey(MUNICH, TEA), 3, 1)]
    assert parts_of([anywhere(TEA, 3)], available, {}) == [Part(ItemKey(BERLIN, TEA), 3, 1)]
    # One that was given none has 100.
    assert parts_of([anywhere(TEA, 3)], available, {BERLIN: 101}) == [Part(ItemKey(HAMBURG, TEA), 3, 1)]


def test_the_fewest_warehouses_come_before_the_fewest_parts_and_these_before_priority() -> None:
    # Two warehouses at least; with Berlin and Hamburg the tea is in two parts, with Munich and Paris in one.
    available = stock(berlin={TEA: 3, MUG: 4}, hamburg={TEA: 3, POT: 1}, munich={TEA: 6, MUG: 4}, paris={POT: 1})
    lines = [anywhere(TEA, 6), anywhere(MUG, 4), anywhere(POT, 1)]
    chosen = parts_of(lines, available, {MUNICH: 500, PARIS: 500})
    assert chosen == [
        Part(ItemKey(MUNICH, TEA), 6, 1),
        Part(ItemKey(MUNICH, MUG), 4, 2),
        Part(ItemKey(HAMBURG, POT), 1, 3),
    ]


def test_a_warehouse_named_on_another_line_is_used_already() -> None:
    available = stock(berlin={TEA: 5}, hamburg={TEA: 5, MUG: 5})
    lines = [RequestedLine(MUG, HAMBURG, 1), anywhere(TEA, 5)]
    assert parts_of(lines, available, {}) == [Part(ItemKey(HAMBURG, MUG), 1), Part(ItemKey(HAMBURG, TEA), 5, 2)]


def test_named_and_open_lines_of_a_product_count_together() -> None:
    available = stock(berlin={TEA: 5}, hamburg={TEA: 3})
    lines = [anywhere(TEA, 3), RequestedLine(TEA, BERLIN, 3), anywhere(TEA, 2)]
    assert parts_of(lines, available, {}) == [
        Part(ItemKey(HAMBURG, TEA), 3, 1),
        Part(ItemKey(BERLIN, TEA), 3),
        Part(ItemKey(BERLIN, TEA), 2, 3),
    ]


def test_what_is_short_is_named_with_its_warehouse_or_without_one() -> None:
    available = stock(berlin={TEA: 4, MUG: 1}, hamburg={TEA: 2})
    lines = [RequestedLine(TEA, BERLIN, 3), anywhere(TEA, 4), RequestedLine(MUG, BERLIN, 2), anywhere(POT, 1)]
    with pytest.raises(InsufficientStock) as refused:
        parts_of(lines, available, {})
    # Three of the four in Berlin are for the line that names it.
    assert refused.value.shortages == [
        Shortage(MUG, BERLIN, 2, 1),
        Shortage(TEA, None, 4, 3),
        Shortage(POT, None, 1, 0),
    ]
    of_all = InsufficientStock.of(refused.value.shortages)
    assert of_all.message == (
        "product 20 in warehouse 1: requested 2, available 1; "
        "product 10 in all warehouses: requested 4, available 3; product 30 in all warehouses: requested 1, available 0"
    )
    again = InsufficientStock.from_details(of_all.message, of_all.details)
    assert again.shortages == refused.value.shortages


def test_a_line_that_one_part_can_give_whole_is_not_cut() -> None:
    available = stock(berlin={TEA: 3}, hamburg={TEA: 5})
    assert parts_of([anywhere(TEA, 5), anywhere(TEA, 3)], available, {}) == [
        Part(ItemKey(HAMBURG, TEA), 5, 1),
        Part(ItemKey(BERLIN, TEA), 3, 2),
    ]


class Case(NamedTuple):
    """An order, and the stock there is."""

    wanted: dict[int, int]
    available: dict[ItemKey, int]
    priorities: dict[int, int]
    used: set[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    products = range(1, draw(st.integers(1, 3)) + 1)
    warehouses = range(1, draw(st.integers(1, 4)) + 1)
    available = {ItemKey(w, p): draw(st.integers(0, 4)) for w in warehouses for p in products}
    total = {p: sum(available[ItemKey(w, p)] for w in warehouses) for p in products}
    wanted = {p: draw(st.integers(1, total[p])) for p in products if total[p]}
    priorities = {w: draw(st.sampled_from([50, 100])) for w in warehouses}
    return Case(wanted, available, priorities, draw(st.sets(st.sampled_from(warehouses), max_size=2)))


Judged = tuple[int, int, list[tuple[int, int]], list[list[tuple[int, int]]]]


def judged(case: Case, places: dict[int, tuple[int, ...]]) -> Judged:
    """A choice of warehouses by product, as the rules compare it: the smaller one is better."""
    rank = {w: (case.priorities[w], w) for w in case.priorities}
    further = {w for chosen in places.values() for w in chosen} - case.used
    return (
        len(further),
        sum(map(len, places.values())),
        sorted(rank[w] for w in further),
        [sorted(rank[w] for w in places[p]) for p in case.wanted],
    )


def best_of_all(case: Case) -> Judged:
    warehouses = sorted(case.priorities)
    sets = [chosen for size in range(1, len(warehouses) + 1) for chosen in combinations(warehouses, size)]
    enough = [
        [chosen for chosen in sets if sum(case.available[ItemKey(w, p)] for w in chosen) >= units]
        for p, units in case.wanted.items()
    ]
    return min(judged(case, dict(zip(case.wanted, each, strict=True))) for each in product(*enough))


@given(cases())
def test_it_is_the_best_of_all_choices(case: Case) -> None:
    chosen = source(case.wanted, case.available, case.priorities, case.used)
    assert chosen.is_exact
    taken: Counter[int] = Counter()
    for item, units in chosen.units.items():
        assert 0 < units <= case.available[item]
        taken[item.product_id] += units
    assert taken == case.wanted
    places = {p: tuple(item.warehouse_id for item in chosen.units if item.product_id == p) for p in case.wanted}
    if case.wanted:
        assert judged(case, places) == best_of_all(case)


@given(cases(), st.integers(0, 40))
def test_a_search_that_is_cut_off_still_gives_all_units_and_keeps_its_bound(case: Case, search: int) -> None:
    chosen = source(case.wanted, case.available, case.priorities, case.used, search=search)
    taken: Counter[int] = Counter()
    for item, units in chosen.units.items():
        assert 0 < units <= case.available[item]
        taken[item.product_id] += units
    assert taken == case.wanted
    if not case.wanted:
        return
    places = {p: tuple(item.warehouse_id for item in chosen.units if item.product_id == p) for p in case.wanted}
    fewest = best_of_all(case)[0]
    # 1 + ln(12) of the fewest, rounded down: no warehouse has more than four units of each of three products.
    assert fewest <= judged(case, places)[0] <= 3.48 * fewest


@given(cases(), st.data())
def test_lines_of_a_product_count_together_and_the_request_is_read_again(case: Case, data: st.DataObject) -> None:
    lines: list[RequestedLine] = []
    free = dict(case.available)
    for p, units in case.wanted.items():
        left = units
        while left:
            quantity = data.draw(st.integers(1, left))
            holders = [w for w in case.priorities if free[ItemKey(w, p)] >= quantity]
            warehouse = data.draw(st.sampled_from([None, *holders]))
            if warehouse is not None:
                free[ItemKey(warehouse, p)] -= quantity
            lines.append(RequestedLine(p, warehouse, quantity))
            left -= quantity
    lines = data.draw(st.permutations(lines))
    parts = parts_of(lines, case.available, case.priorities)
    assert request_of(parts) == list(lines)
    held: Counter[ItemKey] = Counter()
    for part in parts:
        held[part.item] += part.quantity
    assert all(units <= case.available[item] for item, units in held.items())


def every_size(warehouses: int, products: int) -> tuple[dict[int, int], dict[ItemKey, int]]:
    """Every warehouse has one unit of every product, and all are needed: no smaller set can be left out at once."""
    wanted = dict.fromkeys(range(products), warehouses)
    return wanted, {ItemKey(w, p): 1 + (w + p) % 3 for w in range(warehouses) for p in range(products)}


@pytest.mark.parametrize(("warehouses", "products", "needed"), [(10, 20, None), (30, 10, 3), (200, 5, 2)])
def test_realistic_orders_are_exact_with_unkind_numbers(warehouses: int, products: int, needed: int | None) -> None:
    wanted, available = every_size(warehouses, products)
    if needed is not None:
        # As many as it takes have nearly all, and are the last ones that are looked at.
        for p in range(products):
            for w in range(warehouses - needed, warehouses):
                available[ItemKey(w, p)] = 1_000 + (w * p) % 7
            wanted[p] = (needed - 1) * 1_000 + 500
    chosen = source(wanted, available, {})
    assert chosen.is_exact
    if needed is not None:
        assert len({item.warehouse_id for item in chosen.units}) == needed


def test_contrived_numbers_take_the_greedy_cover_and_not_for_ever() -> None:
    # Forty warehouses with a third each of their own choice of sixty products.
    wanted = dict.fromkeys(range(60), 30)
    available = {ItemKey(w, p): 1 + (w * 7 + p * 11) % 13 for w in range(40) for p in range(60)}
    chosen = source(wanted, available, {}, search=SEARCH)
    assert not chosen.is_exact
    taken: Counter[int] = Counter()
    for item, units in chosen.units.items():
        assert 0 < units <= available[item]
        taken[item.product_id] += units
    assert taken == wanted
