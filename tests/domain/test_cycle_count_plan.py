"""Which items are counted on which day: classes, due dates, lists by hand, and what holds whatever the items are."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.cycle_count_plan import Countable, CountClass, Cycle, DayPlan, classify, due_on, plan_day

A, B, C = CountClass
TODAY = date(2026, 6, 1)
A_DAY = timedelta(days=1)
PLENTY = 10**6


def cycle(a: int = 7, b: int = 30, c: int = 30, *, at_least: int = 0, cap: int = PLENTY) -> Cycle:
    return Cycle(Decimal(80), Decimal(15), {A: a, B: b, C: c}, at_least, cap)


def item(product_id: int, days_ago: int, count_class: CountClass = C, *, off: bool = False) -> Countable:
    """Counted so many days ago."""
    return Countable(product_id, count_class, TODAY - days_ago * A_DAY, was_off=off)


def new(product_id: int, days_ago: int = 0, count_class: CountClass = C) -> Countable:
    """There since so many days, and never counted."""
    return Countable(product_id, count_class, TODAY - days_ago * A_DAY, was_counted=False)


def level(items: Iterable[Countable], today: date, policy: Cycle) -> int:
    """How many have to be counted on a day, for nothing to be late: asked of each class and of each day ahead."""
    listed, asked = list(items), 0
    for count_class, days in policy.days.items():
        due = [due_on(each, days) for each in listed if each.count_class is count_class]
        # Everything is due within a cycle.
        ends = [today + k * A_DAY for k in range(days - 1)] + [date.max]
        asked += max(-(-sum(each <= end for each in due) // (k + 1)) for k, end in enumerate(ends))
    return asked


def is_late(item: Countable, today: date, policy: Cycle) -> bool:
    """Whether it should have been counted by today."""
    return due_on(item, policy.days[item.count_class]) <= today


def _right() -> bool:
    return False


def days_of(
    items: Iterable[Countable], policy: Cycle, days: int, *, is_off: Callable[[], bool] = _right
) -> Iterator[tuple[date, dict[int, Countable], DayPlan]]:
    """Day after day, the items as they are in the morning and the list, all of which is then counted."""
    known = {each.product_id: each for each in items}
    for number in range(days):
        today = TODAY + number * A_DAY
        plan = plan_day(known.values(), today, policy)
        yield today, known, plan
        for product_id in plan.product_ids:
            known[product_id] = Countable(product_id, known[product_id].count_class, today, was_off=is_off())


# Classes.


@pytest.mark.parametrize(
    ("units", "classes"),
    [
        ([], ""),
        ([5], "A"),
        ([0], "C"),
        ([0, 0], "CC"),
        ([80, 15, 5], "ABC"),
        # The one that crosses the line still belongs to it.
        ([79, 16, 5], "AAC"),
        ([79, 15, 6], "AAB"),
        ([80, 14, 6], "ABB"),
        ([80, 14, 5, 1], "ABBC"),
        ([81, 14, 5], "ABC"),
        ([1] * 10, "AAAAAAAABB"),
        ([1] * 20, "A" * 16 + "BBBC"),
        ([95, 5, 0], "ACC"),
        ([10**15, 1], "AC"),
    ],
)
def test_a_class_is_a_share_of_the_demand(units: list[int], classes: str) -> None:
    demand = dict(enumerate(units))
    assert classify(demand, Decimal(80), Decimal(15)) == dict(enumerate(classes))


def test_the_largest_demand_comes_first_and_of_equals_the_first_product() -> None:
    demand = {4: 10, 3: 10, 2: 70, 1: 10}
    assert list(classify(demand, Decimal(80), Decimal(10)).items()) == [(2, A), (1, A), (3, B), (4, C)]


@pytest.mark.parametrize(
    ("a", "b", "classes"),
    [("100", "0", "AA"), ("0", "100", "BB"), ("0", "0", "CC"), ("50", "0", "AC"), ("0.001", "0.001", "AC")],
)
def test_the_settings_say_how_large_a_class_is(a: str, b: str, classes: str) -> None:
    assert classify({0: 50, 1: 50}, Decimal(a), Decimal(b)) == dict(enumerate(classes))


def test_a_share_is_exact_to_the_last_digit() -> None:
    # Of 90 a third, which 33.333 % isn't quite.
    for a, second in (("33.333", B), ("33.334", A)):
        classes = classify({1: 30, 2: 30, 3: 30}, Decimal(a), Decimal("33.333"))
        assert classes == {1: A, 2: second, 3: B if second is A else C}


# Due dates.


@pytest.mark.parametrize(
    ("days", "off", "due"),
    [
        (7, False, date(2026, 6, 8)),
        (30, False, date(2026, 7, 1)),
        (1, False, date(2026, 6, 2)),
        (7, True, date(2026, 6, 2)),
        (366, True, date(2026, 6, 2)),
        (366, False, date(2027, 6, 2)),
    ],
)
def test_an_item_is_due_after_its_cycle_and_one_that_was_off_the_day_after(days: int, off: bool, due: date) -> None:
    assert due_on(item(1, 0, off=off), days) == due


# Lists by hand. Class C has a cycle of three days, where nothing else is said.


@pytest.mark.parametrize(
    ("items", "listed"),
    [
        ([], []),
        # Due today, or before; and not a day too early.
        ([item(1, 3)], [1]),
        ([item(1, 9)], [1]),
        ([item(1, 2)], []),
        ([item(1, 0)], []),
        # What falls due on one day and has no place there comes before its time: the first product.
        ([item(2, 2), item(1, 2)], [1]),
        ([item(1, 3), item(2, 2), item(3, 2)], [1]),
        ([item(1, 3), item(2, 2), item(3, 2), item(4, 2)], [1, 2]),
        ([item(1, 3), item(2, 2), item(3, 1)], [1]),
        ([item(1, 1), item(2, 1), item(3, 1)], [1]),
        ([item(number, 1) for number in range(1, 7)], [1, 2]),
        # Four items in three days: no day has less than one, and none more than two.
        ([item(1, 2), item(2, 2), item(3, 1), item(4, 1)], [1]),
        # What is due for longer comes first.
        ([item(1, 3), item(2, 5), item(3, 4)], [2, 3, 1]),
        # And of equals, what has no count.
        ([item(1, 3), new(2, 3), item(3, 3)], [2, 1, 3]),
        # What was off is due the day after, and comes first.
        ([item(1, 9), item(2, 1, off=True)], [2, 1]),
        ([item(1, 9), item(2, 0, off=True)], [1]),
        ([item(1, 0, off=True)], [1]),
        # But not before what has to be counted, as long as it isn't due itself.
        ([item(1, 3), item(2, 0), item(3, 0), item(4, 0, off=True), item(5, 0)], [1, 4]),
        # What was never counted comes before its time where the level has room for it, and not where it has none.
        ([new(1)], [1]),
        ([new(1), new(2), new(3)], [1]),
        ([item(1, 2), new(2), item(3, 1)], [1]),
        ([item(1, 1), new(2)], [2]),
        # And what was off before what was never counted.
        ([new(1), item(2, 0, off=True)], [2]),
        ([item(1, 1), item(2, 1), new(3), item(4, 0, off=True)], [4, 3]),
        ([item(1, 3), item(2, 1), new(3), item(4, 0, off=True), item(5, 1), item(6, 1)], [4, 1]),
    ],
)
def test_a_days_list(items: list[Countable], listed: list[int]) -> None:
    assert plan_day(items, TODAY, cycle(c=3)) == DayPlan(listed, len(listed), 0)


def test_each_class_has_its_own_days_and_its_own_level() -> None:
    items = [item(1, 7, A), item(2, 6, A), item(3, 30, B), item(4, 29, B), item(5, 29, C), item(6, 29, C)]
    assert plan_day(items, TODAY, cycle()) == DayPlan([1, 3, 5], 3, 0)
    assert plan_day(items, TODAY, cycle(c=29)) == DayPlan([1, 3, 5, 6], 4, 0)


def test_as_long_as_some_have_no_count_a_list_has_at_least_so_many() -> None:
    items = [item(1, 30), *(new(number) for number in range(2, 9)), item(9, 1)]
    assert plan_day(items, TODAY, cycle(at_least=1)) == DayPlan([1], 1, 0)
    assert plan_day(items, TODAY, cycle(at_least=4)) == DayPlan([1, 2, 3, 4], 4, 0)
    # What has a count isn't asked for again, to fill it up.
    assert plan_day(items, TODAY, cycle(at_least=100)) == DayPlan([1, 2, 3, 4, 5, 6, 7, 8], 8, 0)


def test_the_cap_cuts_the_list_and_says_what_is_late_by_it() -> None:
    """What was off comes first, then what has been due for the longest part of its cycle."""
    items = [
        item(1, 30),
        item(2, 8, A),
        item(3, 33),
        item(4, 10, B, off=True),
        new(5, 36),
        new(6),
        item(7, 7, A),
        item(8, 1, C),
    ]
    order = [4, 5, 2, 3, 1, 7, 6]
    late = [6, 5, 4, 3, 2, 1, 0, 0]
    for cap in range(1, 8):
        assert plan_day(items, TODAY, cycle(at_least=7, cap=cap)) == DayPlan(order[:cap], 7, late[cap])


def test_a_cap_below_what_is_wanted_makes_nothing_late_that_is_not_due() -> None:
    assert plan_day([new(1), new(2), new(3)], TODAY, cycle(at_least=3, cap=2)) == DayPlan([1, 2], 3, 0)
    assert plan_day([item(1, 2), item(2, 2), item(3, 1)], TODAY, cycle(c=2, cap=1)) == DayPlan([1], 2, 1)


# Whatever the items are.


def test_a_list_has_room_for_all_lots_of_an_item_or_it_is_left_out() -> None:
    big, small, huge = (replace(item(each, 40), lines=lines) for each, lines in ((1, 1_500), (2, 500), (3, 2_001)))
    assert plan_day([big, small, item(4, 40), huge], TODAY, cycle()) == DayPlan([1, 2], 4, 2)


@st.composite
def _worlds(draw: st.DrawFn, *, at_least: int = 0) -> tuple[list[Countable], Cycle]:
    """Some items of any class and age, some of them off and some never counted; no cap."""
    days = {count_class: draw(st.integers(1, 8)) for count_class in CountClass}
    kinds = st.tuples(st.sampled_from(CountClass), st.integers(0, 12), st.sampled_from(["right", "off", "never"]))
    items = [
        Countable(number, count_class, TODAY - age * A_DAY, was_counted=kind != "never", was_off=kind == "off")
        for number, (count_class, age, kind) in enumerate(draw(st.lists(kinds, max_size=24)))
    ]
    return items, Cycle(Decimal(80), Decimal(15), days, at_least, PLENTY)


@given(_worlds())
def test_a_cap_that_holds_the_first_days_level_holds_every_days_and_nothing_is_ever_late(
    world: tuple[list[Countable], Cycle],
) -> None:
    items, policy = world
    asked = level(items, TODAY, policy)
    capped = replace(policy, cap=max(asked, 1))
    for today, known, plan in days_of(items, capped, 20):
        now = level(known.values(), today, policy)
        assert now <= asked, "the level never rises by itself"
        assert len(plan.product_ids) == plan.wanted <= now
        assert plan.late == 0
        on_list = set(plan.product_ids)
        assert not any(is_late(each, today, policy) for each in known.values() if each.product_id not in on_list)
        asked = now


@given(_worlds(), st.integers(1, 12), st.integers(0, 6))
def test_no_cap_is_exceeded_and_what_is_late_by_it_is_counted_exactly(
    world: tuple[list[Countable], Cycle], cap: int, at_least: int
) -> None:
    items, policy = world
    uncapped = plan_day(items, TODAY, replace(policy, at_least=at_least))
    plan = plan_day(items, TODAY, replace(policy, at_least=at_least, cap=cap))
    assert plan.product_ids == uncapped.product_ids[:cap]
    assert plan.wanted == uncapped.wanted == len(uncapped.product_ids)
    on_list = set(plan.product_ids)
    assert len(on_list) == len(plan.product_ids), "nothing is asked for twice"
    late = [each for each in items if each.product_id not in on_list and is_late(each, TODAY, policy)]
    assert (plan.late, uncapped.late) == (len(late), 0)


@given(_worlds(), st.integers(1, 12), st.randoms(use_true_random=False))
def test_what_was_off_is_on_the_next_days_list_before_everything_else(
    world: tuple[list[Countable], Cycle], cap: int, shuffled: random.Random
) -> None:
    items, policy = world
    plan = plan_day(items, TODAY, replace(policy, cap=cap))
    was_off = {each.product_id for each in items if each.was_off and each.since < TODAY}
    assert set(plan.product_ids[: len(was_off)]) <= was_off
    assert len(was_off & set(plan.product_ids)) == min(len(was_off), cap)
    # And the order in which they are given says nothing.
    shuffled.shuffle(items)
    assert plan_day(items, TODAY, replace(policy, cap=cap)) == plan


@given(st.integers(0, 60), st.integers(1, 10), st.booleans())
def test_items_that_begin_together_are_spread_so_that_no_two_lists_differ_by_more_than_one(
    number: int, days: int, were_counted: bool
) -> None:
    """A class by itself, counted all at once or just stocked: its list is never more than rounding off the mean."""
    items = [Countable(each, B, TODAY, was_counted=were_counted) for each in range(number)]
    seen = {len(plan.product_ids) for _, _, plan in days_of(items, cycle(b=days), 4 * days)}
    assert seen <= {number // days, -(-number // days)}


# A warehouse of a usual size.


def _warehouse(chosen: random.Random, number: int) -> list[Countable]:
    """Items as a year begins: one in ten is fast, one in ten was never counted, the others were in their last cycle."""
    classes = chosen.choices([A, B, C], [1, 3, 6], k=number)
    days = cycle().days
    items = []
    for product_id, count_class in enumerate(classes):
        was_counted = chosen.random() < 0.9
        age = chosen.randrange(days[count_class]) if was_counted else chosen.randrange(7)
        items.append(Countable(product_id, count_class, TODAY - age * A_DAY, was_counted=was_counted))
    return items


def test_a_thousand_items_make_lists_that_differ_by_one_item_for_each_class() -> None:
    items = [new(number, 0, count_class) for number, count_class in enumerate([A] * 100 + [B] * 303 + [C] * 597)]
    lengths = {len(plan.product_ids) for _, _, plan in days_of(items, cycle(at_least=10), 90)}
    # A hundred in a week, and 303 and 597 in thirty days: 14.3, 10.1 and 19.9 a day.
    assert lengths == {14 + 10 + 19, 44, 45, 15 + 11 + 20}


def test_ten_thousand_items_over_a_year_meet_every_due_date_within_the_cap() -> None:
    """One count in fifty is off, and comes again the next day: that is what the cap leaves room for."""
    chosen = random.Random(6)
    items = _warehouse(chosen, 10_000)
    asked = level(items, TODAY, cycle())
    policy = cycle(at_least=10, cap=asked * 11 // 10)
    counted: Counter[int] = Counter()
    lengths = []
    for today, known, plan in days_of(items, policy, 365, is_off=lambda: chosen.random() < 0.02):
        assert (plan.late, plan.wanted) == (0, len(plan.product_ids))
        for product_id in plan.product_ids:
            each = known[product_id]
            assert today <= due_on(each, policy.days[each.count_class])
        counted.update(plan.product_ids)
        lengths.append(len(plan.product_ids))
    assert max(lengths) <= policy.cap
    assert max(lengths) - min(lengths) <= asked // 10
    # What was never asked for would never have been late on a list.
    assert not any(is_late(each, today, policy) for each in known.values())
    assert all(counted[each.product_id] >= 364 // policy.days[each.count_class] for each in items)
