"""The queue of waiting orders: who is served by what is there, against serving them one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.stock import ItemKey, Level
from stockkeeper.domain.waiting import Place, Queue, WaitingLine

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEA, MUG = 10, 20
BERLIN, HAMBURG = 1, 2
BERLIN_TEA, HAMBURG_TEA, BERLIN_MUG = ItemKey(BERLIN, TEA), ItemKey(HAMBURG, TEA), ItemKey(BERLIN, MUG)


def waits(wait_id: int, quantity: int, item: ItemKey = BERLIN_TEA, until: datetime = NOON + HOUR) -> WaitingLine:
    return WaitingLine(wait_id, item.product_id, item.warehouse_id, quantity, until)


def anywhere(wait_id: int, quantity: int, product_id: int = TEA) -> WaitingLine:
    return WaitingLine(wait_id, product_id, None, quantity, NOON + HOUR)


def left(queue: Queue, levels: dict[ItemKey, Level], of: int | None = None) -> dict[ItemKey, int]:
    return {item: level.available for item, level in queue.seen(levels, of).items()}


def test_the_first_is_served_first_and_the_next_with_what_is_left() -> None:
    queue = Queue([waits(7, 3), waits(3, 5), waits(9, 1)], NOON)
    assert [queue.served({BERLIN_TEA: Level(units)}) for units in (4, 5, 7, 8, 9)] == [
        [],
        [3],
        [3],
        [3, 7],
        [3, 7, 9],
    ]


def test_a_small_order_does_not_pass_a_large_one_that_came_before() -> None:
    queue = Queue([waits(1, 100), waits(2, 1)], NOON)
    assert queue.served({BERLIN_TEA: Level(99)}) == []
    assert left(queue, {BERLIN_TEA: Level(99), HAMBURG_TEA: Level(5)}) == {BERLIN_TEA: 0, HAMBURG_TEA: 5}
    assert left(queue, {BERLIN_TEA: Level(102)}) == {BERLIN_TEA: 1}
    assert left(queue, {BERLIN_TEA: Level(102)}, of=2) == {BERLIN_TEA: 2}


def test_who_waits_for_one_product_does_not_hold_up_another() -> None:
    queue = Queue([waits(1, 2), waits(1, 2, BERLIN_MUG), waits(2, 1, BERLIN_MUG), waits(3, 4, HAMBURG_TEA)], NOON)
    # The first has its tea and lacks a mug; its mug is left for it.
    levels = {BERLIN_TEA: Level(2), BERLIN_MUG: Level(1), HAMBURG_TEA: Level(4)}
    assert queue.served(levels) == [3]
    assert queue.places(1, levels) == [Place(TEA, BERLIN, 1, 0), Place(MUG, BERLIN, 1, 1)]
    assert queue.places(2, levels) == [Place(MUG, BERLIN, 2, 2)]
    assert queue.places(4, levels) == []


def test_the_same_product_on_two_lines_counts_together() -> None:
    queue = Queue([waits(1, 2), waits(1, 3)], NOON)
    assert queue.places(1, {BERLIN_TEA: Level(4)}) == [Place(TEA, BERLIN, 1, 1)]
    assert queue.served({BERLIN_TEA: Level(5)}) == [1]


def test_a_wait_that_is_over_has_no_place_even_if_nobody_has_ended_it() -> None:
    lines = [waits(1, 5, until=NOON), waits(2, 1)]
    assert Queue(lines, NOON).served({BERLIN_TEA: Level(1)}) == [2]
    assert Queue(lines, NOON - HOUR).served({BERLIN_TEA: Level(1)}) == []


def test_reserved_units_and_the_buffer_are_nobodys_turn() -> None:
    queue = Queue([waits(1, 3)], NOON)
    assert queue.served({BERLIN_TEA: Level(9, reserved=4, buffer=3)}) == []
    assert queue.served({BERLIN_TEA: Level(9, reserved=4, buffer=2)}) == [1]


def test_an_order_for_any_warehouse_is_ahead_in_each_and_takes_from_all() -> None:
    queue = Queue([anywhere(1, 3), waits(2, 1), anywhere(3, 1)], NOON)
    levels = {BERLIN_TEA: Level(2), HAMBURG_TEA: Level(0)}
    assert queue.places(1, levels) == [Place(TEA, None, 1, 1)]
    assert queue.places(2, levels) == [Place(TEA, BERLIN, 2, 2)]
    assert queue.places(3, levels) == [Place(TEA, None, 3, 1)]
    assert queue.served({BERLIN_TEA: Level(2), HAMBURG_TEA: Level(1)}) == [1]
    assert left(queue, levels) == {BERLIN_TEA: 0, HAMBURG_TEA: 0}


def test_units_that_an_order_names_a_warehouse_for_are_not_those_it_takes_from_any() -> None:
    queue = Queue([waits(1, 2), anywhere(1, 2)], NOON)
    assert queue.places(1, {BERLIN_TEA: Level(3)}) == [Place(TEA, BERLIN, 1, 0), Place(TEA, None, 1, 1)]
    assert queue.served({BERLIN_TEA: Level(3), HAMBURG_TEA: Level(1)}) == [1]


def test_a_refusal_says_that_units_are_there_for_others() -> None:
    queue = Queue([waits(1, 100)], NOON)
    levels = {BERLIN_TEA: Level(4)}
    short = queue.explained([Shortage(TEA, BERLIN, 3, 0), Shortage(MUG, BERLIN, 1, 0)], levels)
    error = InsufficientStock.of(short)
    assert error.message == (
        "product 10 in warehouse 1: requested 3, available 0 (4 more are there, for orders that wait); "
        "product 20 in warehouse 1: requested 1, available 0"
    )
    assert error.details == [
        {"product_id": TEA, "warehouse_id": BERLIN, "requested": 3, "available": 0, "waited_for": 4},
        {"product_id": MUG, "warehouse_id": BERLIN, "requested": 1, "available": 0},
    ]
    assert InsufficientStock.from_details(error.message, error.details).shortages == short


class _Case(NamedTuple):
    lines: list[WaitingLine]
    levels: dict[ItemKey, Level]


@st.composite
def _cases(draw: st.DrawFn) -> _Case:
    lines = draw(
        st.lists(
            st.tuples(
                st.integers(1, 5), st.sampled_from([TEA, MUG]), st.sampled_from([BERLIN, HAMBURG]), st.integers(1, 4)
            ),
            max_size=9,
        )
    )
    items = [ItemKey(warehouse, product) for warehouse in (BERLIN, HAMBURG) for product in (TEA, MUG)]
    units = draw(st.lists(st.integers(0, 8), min_size=4, max_size=4))
    levels = {item: Level(each) for item, each in zip(items, units, strict=True)}
    return _Case([waits(each, quantity, ItemKey(place, product)) for each, product, place, quantity in lines], levels)


@given(_cases(), st.randoms(use_true_random=False))
def test_it_does_not_matter_in_which_order_they_are_woken(case: _Case, chance: Random) -> None:
    """Those that can be served are the same ones, however they come to their turn."""
    expected = Queue(case.lines, NOON).served(case.levels)
    lines, levels, served = case.lines, dict(case.levels), []
    while ready := Queue(lines, NOON).served(levels):
        wait_id = chance.choice(ready)
        for line in lines:
            if line.wait_id == wait_id:
                item = ItemKey(line.warehouse_id or 0, line.product_id)
                levels[item] = Level(levels[item].on_hand, levels[item].reserved + line.quantity)
                assert levels[item].reserved <= levels[item].on_hand
        lines = [line for line in lines if line.wait_id != wait_id]
        served.append(wait_id)
    assert sorted(served) == sorted(expected)


@given(_cases(), st.integers(1, 6))
def test_a_single_order_has_the_places_that_all_together_have(case: _Case, wait_id: int) -> None:
    lines = [line if line.quantity % 2 else replace(line, warehouse_id=None) for line in case.lines]
    queue = Queue(lines, NOON)
    assert queue.places(wait_id, case.levels) == dict(queue.walk(case.levels)).get(wait_id, [])


@given(_cases())
def test_nobody_has_units_that_an_earlier_order_needs(case: _Case) -> None:
    """Serving all that can be leaves every earlier order, of what is there, as much as it would have had alone."""
    queue = Queue(case.lines, NOON)
    served = queue.served(case.levels)
    for first in {line.wait_id for line in case.lines} - set(served):
        for item, level in case.levels.items():
            concerned = [line for line in case.lines if (line.warehouse_id, line.product_id) == item]
            taken = sum(line.quantity for line in concerned if line.wait_id in served)
            own = sum(line.quantity for line in concerned if line.wait_id == first)
            alone = min(own, max(level.available - queue.ahead(item, first), 0))
            assert level.available - taken >= alone
