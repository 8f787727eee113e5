"""Who lets an item fall below its point, and who doesn't: it is told once, by whoever did."""

import pytest
from sqlalchemy import Engine

from tests.support.books import nothing_changes
from tests.support.replenishment_rows import set_point
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.reservation import Steps

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


def test_only_the_hold_that_crosses_the_point_lets_an_item_fall(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    set_point(engine, item, 5)
    # Eight, five, four and three are left.
    fell = [steps.reserve(new_reference(), (item, units)).fell_below for units in (2, 3, 1, 1)]
    assert fell == [False, False, True, False]


def test_an_item_that_has_recovered_falls_again(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    set_point(engine, item, 5)
    for _ in range(2):
        assert steps.reserve(reference, (item, 6)).fell_below
        assert not steps.cancel(reference).fell_below
        reference = new_reference()


def test_it_takes_only_one_item_to_fall(steps: Steps, shop: Shop, engine: Engine) -> None:
    at_ease, falls, below, without = shop.items(4, units=10)
    for item, point in ((at_ease, 5), (falls, 8), (below, 11)):
        set_point(engine, item, point)
    others = [(item, 3) for item in (at_ease, below, without)]
    assert not steps.reserve(new_reference(), *others).fell_below
    assert steps.reserve(new_reference(), (falls, 3), (without, 1)).fell_below


def test_lines_of_one_item_count_together(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    set_point(engine, item, 5)
    assert steps.reserve(new_reference(), *[(item, 2)] * 3).fell_below


def test_what_is_reserved_and_leaves_lets_nothing_fall_a_second_time(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    set_point(engine, item, 5)
    assert steps.reserve(reference, (item, 6)).fell_below
    assert not steps.extend(reference, 60 * MINUTE).fell_below
    assert not steps.fulfill(reference).fell_below


def test_a_deadline_lets_nothing_fall(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    set_point(engine, item, 5)
    assert steps.reserve(reference, (item, 6)).fell_below
    assert not steps.expire(reference, as_of=NOON + 60 * MINUTE).fell_below


def test_an_item_without_a_point_never_falls(steps: Steps, shop: Shop, engine: Engine) -> None:
    without, of_zero = shop.items(2, units=10)
    set_point(engine, of_zero, 0)
    assert not steps.reserve(new_reference(), (without, 10), (of_zero, 10)).fell_below


def test_a_repeat_tells_it_again_because_the_first_answer_may_not_have_arrived(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, reference, without = shop.item(10), new_reference(), new_reference()
    set_point(engine, item, 5)
    assert not steps.reserve(without, (item, 1)).fell_below
    assert steps.reserve(reference, (item, 5)).fell_below
    with nothing_changes(engine, item):
        assert steps.reserve(reference, (item, 5)).fell_below
        assert not steps.reserve(without, (item, 1)).fell_below
    # Somebody else's operation finds what is held, and has let nothing fall itself.
    elsewhere = steps.reserve(reference, (item, 5), operation=f"elsewhere/{reference}")
    assert not elsewhere.fell_below
