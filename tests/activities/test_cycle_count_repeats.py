"""A count is blind, and every step of it is safe to send twice."""

from functools import partial

import pytest
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError

from stockkeeper.contracts.cycle_count import CountedLine, StoredCount
from stockkeeper.domain.cycle_count import CountStatus, RootCause
from tests.support.shop import Shop
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.cycle_count import CountCalls, count_stays, papers

S = CountStatus
LATER = NOON + 5 * MINUTE


def test_nobody_is_told_what_the_system_has_before_it_is_in_the_books(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=86_420)
    number = counting.opened(item, other)
    answers: list[CountedLine | StoredCount] = [
        counting.open(number, item.warehouse_id, item.product_id, other.product_id),
        counting.record(number, item, 5, operation="1"),
        counting.record(number, item, 5, operation="1"),
        counting.cancel(number, operation="1"),
        counting.cancel(number, operation="1"),
    ]
    assert [answer.status for answer in answers] == [S.COUNTING, S.COUNTING, S.COUNTING, S.CANCELLED, S.CANCELLED]
    told = [answer.model_dump_json() for answer in answers]
    number = counting.opened(item)
    counting.record(number, item, 5)
    with count_stays(engine, number, item):
        for call in (partial(counting.record, number, item, 6), partial(counting.approve, number, item, "ann")):
            with pytest.raises(ApplicationError) as caught:
                call()
            told.append(f"{caught.value.message} {caught.value.details}")
    # It is not to be read off what is missing, either.
    assert not any(secret in each for secret in ("86420", "86415", "86414") for each in told)


def test_repeated_commands_answer_with_what_has_become_of_the_count(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=10)
    number = counting.opened(tea, mug)
    assert counting.record(number, tea, 5, operation="1").line.status is S.REVIEW
    approved = counting.approve(number, tea, operation="1")
    cancelled = counting.cancel(number, operation="1")
    products = (tea.product_id, mug.product_id)
    with count_stays(engine, number, tea, mug):
        assert counting.open(number, tea.warehouse_id, *products, as_of=LATER) == cancelled
        told = [
            counting.record(number, tea, 5, as_of=LATER, operation="1"),
            counting.approve(number, tea, as_of=LATER, operation="1"),
        ]
        assert told == [approved.model_copy(update={"status": S.CANCELLED})] * 2
        assert counting.cancel(number, as_of=LATER, operation="1") == cancelled
        for call in (
            partial(counting.open, number, tea.warehouse_id, *products[::-1]),
            partial(counting.record, number, tea, 6, operation="1"),
            partial(counting.record, number, mug, 5, operation="1"),
            partial(counting.record, number, tea, 5, "ann", RootCause.THEFT, operation="1"),
            partial(counting.approve, number, tea, "cid", RootCause.THEFT, operation="1"),
            partial(counting.cancel, number, "another reason", operation="1"),
        ):
            assert refused(call) == ("OperationConflict", {})


def test_what_is_in_the_books_may_be_sent_again_by_whoever_sent_it(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=10)
    number = counting.opened(item, other)
    counting.record(number, item, 5)
    before = papers(engine, number)
    # It waits for somebody else, and says so as often as it is asked.
    assert refused(partial(counting.record, number, item, 5)) == ("NotPermitted", {})
    assert papers(engine, number) == before
    posted = counting.record(number, item, 4, "bob")
    before = papers(engine, number)
    assert counting.record(number, item, 4, "Bob", RootCause.THEFT, as_of=LATER) == posted
    assert papers(engine, number) == before
    state = ("InvalidState", {"status": "POSTED", "command": "record"})
    for by, counted in (("bob", 5), ("ann", 5), ("cid", 4)):
        with count_stays(engine, number, item):
            assert refused(partial(counting.record, number, item, counted, by)) == state


def test_a_start_whose_operation_was_forgotten_finds_the_count_that_it_made(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=10)
    number = counting.opened(tea, mug)
    counting.record(number, tea, 10)
    opening, products = f"cycle-count-{number}/open", (tea.product_id, mug.product_id)
    forget(engine, opening)
    before = papers(engine, number)
    again = counting.open(number, tea.warehouse_id, *products, as_of=LATER)
    assert [line.status for line in again.lines] == [S.POSTED, S.COUNTING]
    assert papers(engine, number) == before
    forget(engine, opening)
    with count_stays(engine, number, tea, mug):
        for call in (
            partial(counting.open, number, tea.warehouse_id, *products[::-1]),
            partial(counting.open, number, tea.warehouse_id, tea.product_id),
            partial(counting.open, number, shop.warehouse(), *products),
            partial(counting.open, number, tea.warehouse_id, *products, requested_by="rob"),
        ):
            assert refused(call) == ("OperationConflict", {})
