"""An adjustment that would break a promise waits for a person who sees whose, whatever it is worth."""

from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from database.sessions import Database
from stockkeeper.contracts.giving_way import PromiseState
from stockkeeper.domain.adjustment import AdjustmentEvent, AdjustmentStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import movements, stored
from tests.support.books import level
from tests.support.corrections import held_lines
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.adjustment import AdjustmentCalls, adjustment_stays, dear_item
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls

S, E = AdjustmentStatus, AdjustmentEvent


def _held(steps: Steps, item: ItemKey, *units: int) -> list[str]:
    orders = [new_reference() for _ in units]
    for order, held in zip(orders, units, strict=True):
        steps.reserve(order, (item, held))
    return orders


def _promise(item: ItemKey, units: int, reference: str, kind: str = "ORDER") -> PromiseState:
    return PromiseState(reference_type=kind, reference_id=reference, **item._asdict(), quantity=units)


def _status(engine: Engine, order: str) -> object:
    return held_lines(engine, order)[0][4]


def test_a_typo_ends_no_hold(putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine) -> None:
    """Nine instead of one, of a product that costs next to nothing."""
    item = shop.item(10)
    [order] = _held(steps, item, 8)
    adjustment = putting_right.submit(new_reference("a"), (item, -9))
    assert (adjustment.status, adjustment.needs_approval, adjustment.gave_way) == (S.PENDING, True, [])
    assert (adjustment.would_end, adjustment.would_end_total) == ([_promise(item, 8, order)], 1)
    assert (level(engine, item), _status(engine, order)) == ((10, 8), "ACTIVE")
    number = adjustment.adjustment_number
    with adjustment_stays(engine, number, item):
        assert refused(partial(putting_right.approve, number, "Tom")) == ("NotPermitted", {})
    ended = putting_right.end(number, E.REJECT)
    assert (ended.status, ended.would_end, ended.would_end_total) == (S.REJECTED, [], 0)
    assert (level(engine, item), _status(engine, order)) == ((10, 8), "ACTIVE")


def test_what_is_free_is_taken_off_without_a_word(
    putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    [order] = _held(steps, item, 8)
    adjustment = putting_right.submit(new_reference("a"), (item, -2))
    assert (adjustment.status, adjustment.needs_approval, adjustment.would_end) == (S.POSTED, False, [])
    assert (level(engine, item), _status(engine, order)) == ((8, 8), "ACTIVE")


def test_of_holds_only_overdue_ones_need_nobody(
    putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(10), new_reference()
    steps.reserve(order, (item, 8), ttl=MINUTE)
    assert putting_right.submit(new_reference("a"), (item, -9), as_of=NOON + MINUTE).status is S.POSTED
    assert (level(engine, item), _status(engine, order)) == ((1, 0), "EXPIRED")


def test_orders_and_transfers_are_both_named_the_first_to_go_first(
    putting_right: AdjustmentCalls, database: Database, shop: Shop
) -> None:
    item, load = shop.item(10), new_reference("load")
    [order] = _held(Steps(database), item, 5)
    TransferCalls(database).hold(load, shop.warehouse(), (item, 3))
    adjustment = putting_right.submit(new_reference("a"), (item, -6))
    assert adjustment.would_end == [_promise(item, 3, load, "TRANSFER"), _promise(item, 5, order)]


@pytest.mark.parametrize("dear", [True, False])
def test_an_approval_ends_only_holds_that_were_shown(
    putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine, *, dear: bool
) -> None:
    """It waited for its value, or for the first order; meanwhile another order was promised units."""
    item = dear_item(shop)
    known = [] if dear else _held(steps, item, 8)
    adjustment = putting_right.submit(new_reference("a"), (item, -10))
    number = adjustment.adjustment_number
    assert [each.reference_id for each in adjustment.would_end] == known
    [late] = _held(steps, item, 3)
    unseen = {"reference_type": "ORDER", "reference_id": late, "product_id": item.product_id, "quantity": 3}
    with adjustment_stays(engine, number, item):
        assert refused(partial(putting_right.approve, number)) == ("NotPermitted", {"ends": [unseen]})
    shown = putting_right.review(number)
    assert [each.reference_id for each in shown.would_end] == [late, *known]
    posted = putting_right.approve(number, operation="again")
    assert [each.reference_id for each in posted.gave_way] == [late, *known]
    assert (posted.status, posted.would_end, level(engine, item)) == (S.POSTED, [], (2, 0))


def test_an_approval_that_was_refused_stays_so_when_its_worker_dies_before_anybody_hears_of_it(
    putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """The holds are shown by then, and nobody has looked at them."""
    item = dear_item(shop)
    number = putting_right.submit(new_reference("a"), (item, -10)).adjustment_number
    [late] = _held(steps, item, 3)
    unseen = {"reference_type": "ORDER", "reference_id": late, "product_id": item.product_id, "quantity": 3}
    refusal = ("NotPermitted", {"ends": [unseen]})
    assert refused(partial(putting_right.approve, number, operation="1")) == refusal
    putting_right.review(number, operation="1")
    with adjustment_stays(engine, number, item):
        assert refused(partial(putting_right.approve, number, operation="1")) == refusal
    assert putting_right.approve(number, operation="2").status is S.POSTED


def test_an_approval_may_end_fewer_holds_than_were_shown(
    putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    first, second = _held(steps, item, 4, 4)
    number = putting_right.submitted((item, -6))
    steps.cancel(second)
    posted = putting_right.approve(number)
    assert (posted.gave_way, level(engine, item), _status(engine, first)) == ([], (4, 4), "ACTIVE")


def test_the_database_has_no_hold_ended_by_one_person(
    putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    _held(steps, item, 8)
    number = putting_right.submitted((item, -9))
    putting_right.approve(number, operation="1")
    assert movements(engine, number)[0][3:5] == (-9, 1)
    alone = text("""
        UPDATE adjustments SET needs_approval = false, approved_by = NULL, approval_note = NULL, would_end = '[]'
        WHERE adjustment_number = :number
    """)
    with pytest.raises(IntegrityError, match="has ended holds without an approval"), engine.begin() as connection:
        connection.execute(alone, {"number": number})
    unseen = text("UPDATE adjustments SET needs_approval = false, approved_by = NULL WHERE adjustment_number = :number")
    with pytest.raises(IntegrityError, match="adjustments_end_holds_by_approval"), engine.begin() as connection:
        connection.execute(unseen, {"number": number})
    assert stored(engine, number).approved_by == "ann"
