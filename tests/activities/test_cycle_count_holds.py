"""A count finds less than was promised: holds give way, the latest first, and whoever has to hear of it is named."""

from functools import partial

import pytest
from sqlalchemy import Engine

from activities.count_questions import CountQuestions
from database.sessions import Database
from stockkeeper.contracts.count_questions import ShowVariances
from stockkeeper.contracts.cycle_count import CountedLine
from stockkeeper.contracts.giving_way import PromiseState
from stockkeeper.contracts.messages import GaveWay
from stockkeeper.domain.cycle_count import CountStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import priced
from tests.support.books import level
from tests.support.corrections import held_lines
from tests.support.replenishment_rows import nothing_else_to_order, set_point
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.cycle_count import CountCalls, count_stays
from tests.support.steps.reservation import Steps

S = CountStatus
LATER = NOON + 5 * MINUTE
DEADLINE = NOON + 30 * MINUTE


@pytest.fixture
def questions(database: Database) -> CountQuestions:
    """What an approver asks."""
    return CountQuestions(database)


def _promised(steps: Steps, item: ItemKey, *units: int) -> list[str]:
    """Orders that hold so many units each, one after the other."""
    orders = [new_reference() for _ in units]
    for order, held in zip(orders, units, strict=True):
        steps.reserve(order, (item, held))
    return orders


def _status(engine: Engine, order: str) -> object:
    [(*_, status, _, _, _)] = held_lines(engine, order)
    return status


def _told(answer: CountedLine) -> list[tuple[str, int]]:
    return [(hold.reference_id, hold.quantity) for hold in answer.gave_way]


def test_a_unit_that_is_missing_within_tolerance_costs_no_hold_before_another_person_has_seen_whose_it_is(
    counting: CountCalls, questions: CountQuestions, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    first, second, third = _promised(steps, item, 5, 3, 2)
    number = counting.opened(item)
    answer = counting.record(number, item, 9, as_of=LATER, operation="1")
    assert (answer.status, answer.line.needs_approval, answer.gave_way) == (S.REVIEW, True, [])
    assert level(engine, item) == (10, 10)
    [variance] = questions.show_variances(ShowVariances(count_number=number)).variances
    at_stake = PromiseState(reference_type="ORDER", reference_id=third, **item._asdict(), quantity=2)
    assert (variance.would_end, variance.would_end_total) == ([at_stake], 1)
    with count_stays(engine, number, item):
        assert refused(partial(counting.approve, number, item, "ANN")) == ("NotPermitted", {})
    answer = counting.approve(number, item, as_of=LATER, operation="2")
    gone = GaveWay(
        workflow_id=f"reservation-{third}", reference_type="ORDER", reference_id=third, **item._asdict(), quantity=2
    )
    assert (answer.status, answer.line.needs_approval, answer.gave_way) == (S.POSTED, False, [gone])
    assert level(engine, item) == (9, 8)
    why = f"gave way, 9 on hand: DAMAGE: count {number}: counted 9 by ann; system 10, approved by cid"
    ended = ("CANCELLED", LATER, f"cycle-count-{number}/approve_variance/2", why)
    assert held_lines(engine, third) == [(*item, 2, 0, *ended)]
    assert [_status(engine, order) for order in (first, second)] == ["ACTIVE"] * 2
    # Whoever asks again may be the first to hear of it.
    with count_stays(engine, number, item):
        assert counting.approve(number, item, operation="2").gave_way == [gone]


def test_an_approval_ends_no_hold_that_was_not_shown(
    counting: CountCalls, questions: CountQuestions, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    [first] = _promised(steps, item, 8)
    number = counting.opened(item)
    counting.record(number, item, 6)
    [second] = _promised(steps, item, 1)
    unseen = {"reference_type": "ORDER", "reference_id": second, "product_id": item.product_id, "quantity": 1}
    with count_stays(engine, number, item):
        assert refused(partial(counting.approve, number, item)) == ("NotPermitted", {"ends": [unseen]})
    # The workflow has the list brought up to date, and the next look shows both.
    assert counting.review(number, item).status is S.REVIEW
    [variance] = questions.show_variances(ShowVariances(count_number=number)).variances
    assert [each.reference_id for each in variance.would_end] == [second, first]
    assert _told(counting.approve(number, item, operation="again")) == [(second, 1), (first, 8)]


def test_an_approval_that_was_refused_stays_so_when_its_worker_dies_before_anybody_hears_of_it(
    counting: CountCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """The holds are shown by then, and nobody has looked at them."""
    item = shop.item(10)
    number = counting.opened(item)
    counting.record(number, item, 6)
    [order] = _promised(steps, item, 7)
    unseen = {"reference_type": "ORDER", "reference_id": order, "product_id": item.product_id, "quantity": 7}
    refusal = ("NotPermitted", {"ends": [unseen]})
    assert refused(partial(counting.approve, number, item, operation="1")) == refusal
    counting.review(number, item, operation="1")
    with count_stays(engine, number, item):
        assert refused(partial(counting.approve, number, item, operation="1")) == refusal
    assert _told(counting.approve(number, item, operation="2")) == [(order, 7)]


def test_one_person_alone_posts_no_count_above_the_limit_of_value(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    """One percent of a thousand is within tolerance, and worth 510.00 or 500.00."""
    dear, within = shop.item(1000, product=priced(shop, "51.00")), shop.item(1000, product=priced(shop, "50.00"))
    for item, status in ((dear, S.REVIEW), (within, S.POSTED)):
        number = counting.opened(item)
        assert counting.record(number, item, 990).status is status
    assert (level(engine, dear), level(engine, within)) == ((1000, 0), (990, 0))
    number = counting.opened(dear)
    counting.record(number, dear, 1010)
    assert counting.record(number, dear, 1010, "bob").status is S.POSTED
    assert level(engine, dear) == (1010, 0)


@pytest.mark.parametrize(
    ("counted", "lost", "left"),
    [
        (11, 0, (11, 10)),
        (10, 0, (10, 10)),
        (9, 1, (9, 8)),
        (8, 1, (8, 8)),
        (7, 2, (7, 5)),
        (5, 2, (5, 5)),
        (4, 3, (4, 0)),
    ],
)
def test_a_second_count_below_what_is_promised_ends_so_many_holds_once_it_is_approved(
    counting: CountCalls, steps: Steps, shop: Shop, engine: Engine, counted: int, lost: int, left: tuple[int, int]
) -> None:
    item = shop.item(14)
    orders = _promised(steps, item, 5, 3, 2)
    number = counting.opened(item)
    # What is in doubt takes nothing from anybody.
    assert (_told(counting.record(number, item, 4)), level(engine, item)) == ([], (14, 10))
    answer = counting.record(number, item, counted, "bob")
    assert (answer.status, answer.line.needs_approval) == ((S.REVIEW, True) if lost else (S.POSTED, False))
    if lost:
        # Two have counted, and neither has seen whose holds these are.
        assert (_told(answer), level(engine, item)) == ([], (14, 10))
        answer = counting.approve(number, item, "ann")
    assert _told(answer) == [(orders[2], 2), (orders[1], 3), (orders[0], 5)][:lost]
    assert level(engine, item) == left
    assert [_status(engine, order) for order in orders] == ["ACTIVE"] * (3 - lost) + ["CANCELLED"] * lost


def test_an_approval_takes_what_was_missing_from_what_is_promised_then(
    counting: CountCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    first, second = _promised(steps, item, 5, 3)
    number = counting.opened(item)
    counting.record(number, item, 6)
    steps.fulfill(first)
    assert level(engine, item) == (5, 3)
    assert _told(counting.approve(number, item)) == [(second, 3)]
    assert level(engine, item) == (1, 0)
    assert [_status(engine, order) for order in (first, second)] == ["FULFILLED", "CANCELLED"]


def test_holds_that_are_overdue_go_first_and_nobody_has_to_be_told(
    counting: CountCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, overdue = shop.item(10), new_reference()
    steps.reserve(overdue, (item, 4))
    lasting = new_reference()
    steps.reserve(lasting, (item, 6), as_of=NOON + MINUTE)
    number = counting.opened(item)
    assert _told(counting.record(number, item, 9, as_of=DEADLINE)) == []
    assert [_status(engine, order) for order in (overdue, lasting)] == ["EXPIRED", "ACTIVE"]
    assert level(engine, item) == (9, 6)


def test_a_hold_that_gave_way_ships_nothing(counting: CountCalls, steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    [order] = _promised(steps, item, 10)
    number = counting.opened(item)
    counting.record(number, item, 9)
    counting.approve(number, item)
    state = {"status": "CANCELLED", "command": "fulfill"}
    assert refused(partial(steps.fulfill, order)) == ("InvalidState", state)
    assert level(engine, item) == (9, 0)


def test_a_count_says_whether_the_item_fell_below_its_reorder_point(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    numbers = [counting.opened(item) for _ in range(4)]
    with nothing_else_to_order(engine):
        set_point(engine, item, 9)
        first, fallen, lower, doubted = (
            partial(counting.record, number, item, units, operation="1")
            for number, units in zip(numbers, (9, 8, 7, 2), strict=True)
        )
        assert [call().fell_below for call in (first, fallen, lower, doubted)] == [False, True, False, False]
        assert [call().fell_below for call in (first, fallen, lower, doubted)] == [False, True, False, False]
        # An approval says it, too.
        set_point(engine, item, 5)
        assert counting.approve(numbers[3], item).fell_below
    assert level(engine, item) == (2, 0)
