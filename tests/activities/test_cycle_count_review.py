"""A count beyond tolerance: somebody else counts again, or approves it; and what has moved meanwhile."""

from functools import partial

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.domain.cycle_count import CountStatus, RootCause
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.cycle_count import Line
from tests.support.cycle_count_rows import entries, last_count, movements
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.cycle_count import CountCalls, count_stays, line_of, papers
from tests.support.steps.reservation import Steps

S = CountStatus
LATER, LATEST = NOON + 5 * MINUTE, NOON + 10 * MINUTE


def _in_doubt(
    counting: CountCalls, shop: Shop, counted: int, units: int = 10, root_cause: RootCause | None = None
) -> tuple[str, ItemKey]:
    """A count of so many units, which ann has counted at noon, and its item."""
    item = shop.item(units)
    number = counting.opened(item)
    assert counting.record(number, item, counted, "ann", root_cause).status is S.REVIEW
    return number, item


def _sell(database: Database, item: ItemKey, units: int) -> None:
    buying, order = Steps(database), new_reference()
    buying.reserve(order, (item, units))
    buying.fulfill(order)


def test_what_is_in_doubt_is_kept_and_changes_no_stock(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    number, item = _in_doubt(counting, shop, 5, root_cause=RootCause.THEFT)
    assert entries(engine, number) == [(item.product_id, "ann", 5, 10)]
    assert (level(engine, item), movements(engine, number)) == ((10, 0), [])
    assert last_count(engine, item) == (None, False)


def test_the_second_count_is_compared_with_what_the_books_have_then(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    number, item = _in_doubt(counting, shop, 5)
    _sell(database, item, 2)
    answer = counting.record(number, item, 4, "bob", as_of=LATER)
    assert line_of(answer.line) == Line("POSTED", 4, "bob", "UNEXPLAINED", None, 8, -4)
    reason = f"UNEXPLAINED: count {number}: counted 5 by ann, 4 by bob; system 8"
    assert movements(engine, number) == [(*item, "ADJUSTMENT", -4, 4, "bob", reason)]
    assert entries(engine, number) == [(item.product_id, "ann", 5, 10), (item.product_id, "bob", 4, 8)]
    assert (level(engine, item), last_count(engine, item)) == ((4, 0), (LATER, True))


@pytest.mark.parametrize(("counted", "was_off"), [(10, False), (9, False), (11, False), (8, True), (12, True)])
def test_whether_an_item_was_off_is_said_by_the_count_that_was_posted(
    counting: CountCalls, shop: Shop, engine: Engine, counted: int, was_off: bool
) -> None:
    number, item = _in_doubt(counting, shop, 5)
    counting.record(number, item, counted, "bob", as_of=LATER)
    assert (level(engine, item), last_count(engine, item)) == ((counted, 0), (LATER, was_off))
    # A later count that is right makes up for it.
    counting.record(counting.opened(item), item, counted, as_of=LATEST)
    assert last_count(engine, item) == (LATEST, False)


@pytest.mark.parametrize(
    ("first", "second", "cause"),
    [(None, None, "UNEXPLAINED"), ("THEFT", None, "THEFT"), (None, "DAMAGE", "DAMAGE"), ("THEFT", "DAMAGE", "DAMAGE")],
)
def test_the_cause_is_what_the_second_says_or_else_the_first(
    counting: CountCalls, shop: Shop, engine: Engine, first: str | None, second: str | None, cause: str
) -> None:
    said = [RootCause(each) if each else None for each in (first, second)]
    number, item = _in_doubt(counting, shop, 5, root_cause=said[0])
    answer = counting.record(number, item, 4, "bob", said[1])
    assert line_of(answer.line) == Line("POSTED", 4, "bob", cause, None, 10, -6)
    [(*_, reason)] = movements(engine, number)
    assert reason == f"{cause}: count {number}: counted 5 by ann, 4 by bob; system 10"


@pytest.mark.parametrize("person", ["ann", "Ann", "ANN"])
@pytest.mark.parametrize("command", ["record", "approve"])
def test_nobody_looks_after_their_own_count(
    counting: CountCalls, shop: Shop, engine: Engine, command: str, person: str
) -> None:
    number, item = _in_doubt(counting, shop, 5)
    calls = {
        "record": partial(counting.record, number, item, 10, person),
        "approve": partial(counting.approve, number, item, person),
    }
    with count_stays(engine, number, item):
        assert refused(calls[command]) == ("NotPermitted", {})


def test_an_approval_posts_what_was_off_then_whatever_has_moved_since(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    number, item = _in_doubt(counting, shop, 7, root_cause=RootCause.THEFT)
    _sell(database, item, 2)
    answer = counting.approve(number, item, "cid", RootCause.DAMAGE, as_of=LATER)
    assert line_of(answer.line) == Line("POSTED", 7, "ann", "DAMAGE", "cid", 10, -3)
    reason = f"DAMAGE: count {number}: counted 7 by ann; system 10, approved by cid"
    assert movements(engine, number) == [(*item, "ADJUSTMENT", -3, 5, "cid", reason)]
    assert entries(engine, number) == [(item.product_id, "ann", 7, 10)]
    # It was counted when ann did it.
    assert (level(engine, item), last_count(engine, item)) == ((5, 0), (NOON, True))


def test_an_approval_may_find_more(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    number, item = _in_doubt(counting, shop, 14)
    assert line_of(counting.approve(number, item).line) == Line("POSTED", 14, "ann", "DAMAGE", "cid", 10, 4)
    assert level(engine, item) == (14, 0)


def test_an_approval_may_be_sent_again_by_whoever_gave_it(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    number, item = _in_doubt(counting, shop, 7)
    posted = counting.approve(number, item, "cid")
    before = papers(engine, number)
    assert counting.approve(number, item, "Cid", as_of=LATER) == posted
    # Ann wants what she has, too.
    assert counting.record(number, item, 7, "ann") == posted
    assert papers(engine, number) == before
    state = ("InvalidState", {"status": "POSTED", "command": "approve_variance"})
    for by, cause in (("dora", RootCause.DAMAGE), ("cid", RootCause.THEFT), ("ann", RootCause.DAMAGE)):
        with count_stays(engine, number, item):
            assert refused(partial(counting.approve, number, item, by, cause)) == state


def test_nobody_approves_what_a_second_count_has_settled(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    number, item = _in_doubt(counting, shop, 7)
    counting.record(number, item, 10, "bob")
    with count_stays(engine, number, item):
        call = partial(counting.approve, number, item, "bob")
        assert refused(call) == ("InvalidState", {"status": "POSTED", "command": "approve_variance"})


def test_what_was_missing_then_cannot_be_taken_off_twice_but_counting_again_settles_it(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    number, item = _in_doubt(counting, shop, 1)
    _sell(database, item, 5)
    with count_stays(engine, number, item):
        # Without the numbers: somebody is to count it again, and hasn't to know what ought to be there.
        assert refused(partial(counting.approve, number, item)) == ("InsufficientStock", [])
    answer = counting.record(number, item, 0, "bob")
    assert line_of(answer.line) == Line("POSTED", 0, "bob", "UNEXPLAINED", None, 5, -5)
    assert level(engine, item) == (0, 0)


@pytest.mark.parametrize("by", ["a second count", "an approval"])
def test_what_another_list_has_put_right_since_is_not_put_right_again(
    counting: CountCalls, shop: Shop, engine: Engine, by: str
) -> None:
    """Two lists have the same product, and on both somebody has found the same three units missing."""
    number, item = _in_doubt(counting, shop, 7)
    other = counting.opened(item)
    assert counting.record(other, item, 7, "ann", as_of=LATER).status is S.REVIEW
    settle = {
        # The one that is settled first was counted first, or last.
        "a second count": (number, partial(counting.record, other, item, 7, "bob", as_of=LATEST)),
        "an approval": (other, partial(counting.approve, number, item, "bob", as_of=LATEST)),
    }
    left, settled = settle[by]
    settled()
    assert level(engine, item) == (7, 0)
    with count_stays(engine, left, item):
        call = partial(counting.approve, left, item, as_of=LATEST)
        assert refused(call) == ("InvalidState", {"status": "REVIEW", "command": "approve_variance"})
    answer = counting.record(left, item, 7, "bob", as_of=LATEST)
    assert line_of(answer.line) == Line("POSTED", 7, "bob", None, None, 7, 0)
    assert level(engine, item) == (7, 0)


def test_what_was_adjusted_by_hand_since_is_not_put_right_again(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    number, item = _in_doubt(counting, shop, 7)
    shop.move(item, -3)
    with count_stays(engine, number, item):
        call = partial(counting.approve, number, item, as_of=LATEST)
        assert refused(call) == ("InvalidState", {"status": "REVIEW", "command": "approve_variance"})
    assert counting.record(number, item, 7, "bob", as_of=LATEST).status is S.POSTED
    assert level(engine, item) == (7, 0)
