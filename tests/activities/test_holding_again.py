"""Orders whose hold gave way to a correction are offered it again, exactly as it was, when the units are back."""

from functools import partial

import pytest
from sqlalchemy import Engine

from stockkeeper.contracts.messages import HeldBefore
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import ItemBooks, books, level, nothing_changes
from tests.support.corrections import correct_stock, held_lines
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.reservation import Steps

S = ReservationStatus
LATER = NOON + 5 * MINUTE
DEADLINE = NOON + 30 * MINUTE


def _held(steps: Steps, *lines: tuple[ItemKey, int]) -> str:
    order = new_reference()
    steps.reserve(order, *lines)
    return order


def _lost(putting_right: AdjustmentCalls, item: ItemKey, units: int) -> None:
    """An approved typo."""
    putting_right.approve(putting_right.submitted((item, -units)))


def test_booking_it_back_names_the_orders_whose_holds_it_had_ended(
    putting_right: AdjustmentCalls, steps: Steps, shop: Shop
) -> None:
    item, other = shop.items(2, units=10)
    first, second = _held(steps, (item, 4), (item, 2)), _held(steps, (item, 3))
    overdue = new_reference()
    steps.reserve(overdue, (other, 5), ttl=6 * MINUTE)
    _lost(putting_right, item, 9)
    _lost(putting_right, other, 9)
    assert putting_right.submit(new_reference("a"), (other, -1)).held_before == []
    back = putting_right.submit(new_reference("a"), (item, 9), (other, 9), as_of=NOON + 6 * MINUTE)
    # The deadline of one has come meanwhile.
    assert back.held_before == [
        HeldBefore(reference_type="ORDER", reference_id=order, **item._asdict(), quantity=units, expires_at=DEADLINE)
        for order, units in sorted([(first, 6), (second, 3)])
    ]


def test_a_hold_is_placed_again_as_it_was_once(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=10)
    lines = ((item, 6), (other, 2))
    order = _held(steps, *lines)
    steps.fulfill(order, [FulfillLine(product_id=item.product_id, quantity=1)])
    correct_stock(engine, {item: -9}, LATER)
    steps.give_way(order, as_of=LATER)
    assert [each[4] for each in held_lines(engine, order)] == ["CANCELLED"] * 2
    with nothing_changes(engine, item, other):
        short = refused(partial(steps.hold_again, order, *lines, as_of=LATER))
        assert short == ("InsufficientStock", [shortage(item, 5, 0)])
    correct_stock(engine, {item: 9}, LATER)
    again = steps.hold_again(order, *lines, as_of=LATER)
    assert (again.status, again.expires_at) == (S.ACTIVE, DEADLINE)
    assert [(line.quantity, line.quantity_fulfilled) for line in again.lines] == [(6, 1), (2, 0)]
    assert (level(engine, item), level(engine, other)) == ((9, 5), (10, 2))
    with nothing_changes(engine, item, other):
        assert steps.hold_again(order, *lines, as_of=LATER) == again
    # Another run finds it held.
    assert steps.hold_again(order, *lines, as_of=LATER, run="yet-another").lines == again.lines
    assert (level(engine, item), level(engine, other)) == ((9, 5), (10, 2))
    assert steps.fulfill(order, operation="rest").status is S.FULFILLED
    assert books(engine, other).items == (ItemBooks(on_hand=8, reserved=0, held=0, open_lines=0, movements=2, moved=8),)


def test_a_hold_may_give_way_and_be_placed_again_more_than_once(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    order = _held(steps, (item, 8))
    for run in ("first", "second"):
        correct_stock(engine, {item: -9}, LATER)
        assert level(engine, item) == (1, 0)
        [offer] = correct_stock(engine, {item: 9}, LATER).held_before
        assert (offer["reference_id"], offer["quantity"]) == (order, 8)
        assert steps.hold_again(order, (item, 8), as_of=LATER, run=run).status is S.ACTIVE
        assert correct_stock(engine, {item: 1}, LATER).held_before == ()
        correct_stock(engine, {item: -1}, LATER)
    assert level(engine, item) == (10, 8)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cancelled", "hasn't given way"),
        ("expired", "hasn't given way"),
        ("overdue", "the deadline of order"),
        ("fulfilled", "hasn't given way"),
    ],
)
def test_a_hold_that_ended_otherwise_is_not_placed_again(
    steps: Steps, shop: Shop, engine: Engine, how: str, message: str
) -> None:
    item = shop.item(10)
    order, at = _held(steps, (item, 8)), LATER
    match how:
        case "cancelled":
            steps.cancel(order)
        case "expired":
            steps.expire(order, as_of=DEADLINE)
        case "fulfilled":
            steps.fulfill(order)
        case _:
            correct_stock(engine, {item: -9}, LATER)
            correct_stock(engine, {item: 9}, LATER)
            at = DEADLINE
    with nothing_changes(engine, item), pytest.raises(Exception, match=message):
        steps.hold_again(order, (item, 8), as_of=at)


def test_neither_an_unknown_order_nor_other_lines_are_placed_again(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    order = _held(steps, (item, 8))
    correct_stock(engine, {item: -9}, LATER)
    correct_stock(engine, {item: 9}, LATER)
    with nothing_changes(engine, item):
        assert refused(partial(steps.hold_again, order, (item, 7), as_of=LATER))[0] == "OperationConflict"
        assert refused(partial(steps.hold_again, new_reference(), (item, 8), as_of=LATER))[0] == "InvalidState"
