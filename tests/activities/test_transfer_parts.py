"""A transfer that leaves, and is written off, in parts: each line's units, both ledgers, repeats and refusals."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level
from tests.support.corrections import correct_stock
from tests.support.shop import Shop
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.transfer import TransferCalls, arrived, lines_of, papers, transfer_stays
from tests.support.transfer import Units
from tests.support.transfer_rows import movements, transit

S = TransferStatus
LATER = NOON + 5 * MINUTE


def _held(moving: TransferCalls, shop: Shop, **other: float) -> tuple[str, ItemKey, ItemKey]:
    """A transfer of five of seven units, its source, and its destination, which has two."""
    item = shop.item(7)
    there = shop.item(2, product=item.product_id)
    return moving.held(there.warehouse_id, (item, 5), **other), item, there


def test_what_stays_behind_is_still_held_and_leaves_later(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=10)
    number = moving.held(shop.warehouse(), (mug, 3), (tea, 2), (mug, 4))
    first = moving.dispatch(number, (mug, 5), dispatch_id="truck-1", as_of=LATER)
    assert (first.status, first.dispatched_at) == (S.IN_TRANSIT, LATER)
    assert lines_of(first) == [Units(3, in_transit=3), Units(2), Units(4, in_transit=2)]
    assert [(line.held, line.dispatched) for line in first.line_items] == [(0, 3), (2, 0), (2, 2)]
    assert [level(engine, item) for item in (tea, mug)] == [(10, 2), (5, 2)]
    rest = moving.dispatch(number, as_of=LATER + MINUTE)
    assert (rest.status, rest.dispatched_at) == (S.IN_TRANSIT, LATER)
    assert [(line.held, line.dispatched) for line in rest.line_items] == [(0, 3), (0, 2), (0, 4)]
    assert [level(engine, item) for item in (tea, mug)] == [(8, 0), (3, 0)]
    assert [(each.dispatch_id, each.performed_by, each.quantity) for each in rest.departures] == [
        ("truck-1", "sid", 5),
        (None, "sid", 4),
    ]
    reason = f"dispatched on transfer {number}"
    assert movements(engine, number) == [
        (*mug, "TRANSFER_OUT", -3, 7, "sid", reason),
        (*mug, "TRANSFER_OUT", -2, 5, "sid", reason),
        (*tea, "TRANSFER_OUT", -2, 8, "sid", reason),
        (*mug, "TRANSFER_OUT", -2, 3, "sid", reason),
    ]
    assert transit(engine, number) == [
        (1, "DISPATCHED", 3, 3, None, "sid", reason),
        (3, "DISPATCHED", 2, 2, None, "sid", reason),
        (2, "DISPATCHED", 2, 2, None, "sid", reason),
        (3, "DISPATCHED", 2, 4, None, "sid", reason),
    ]


def test_the_transfer_goes_on_when_the_first_part_has_arrived_and_ends_with_the_last(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    number, item, there = _held(moving, shop)
    moving.dispatch(number, (item, 2))
    between = moving.receive(number, "1", arrived(item, 2))
    assert (between.status, lines_of(between)) == (S.IN_TRANSIT, [Units(5, received=2)])
    assert (level(engine, item), level(engine, there)) == ((5, 3), (4, 0))
    with transfer_stays(engine, number, item, there):
        assert refused(partial(moving.receive, number, "2", arrived(item, 1)))[0] == "InvalidRequest"
        assert refused(partial(moving.write_off, number)) == ("InvalidRequest", {})
    moving.dispatch(number)
    ended = moving.receive(number, "2", arrived(item, 2, 1))
    assert (ended.status, lines_of(ended)) == (S.RECEIVED, [Units(5, received=4, damaged=1)])
    assert (level(engine, item), level(engine, there)) == ((2, 0), (6, 0))


def test_a_cancellation_between_two_trucks_returns_the_first_and_releases_the_second(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    number, item, there = _held(moving, shop)
    moving.dispatch(number, (item, 3))
    moving.receive(number, "1", arrived(item, 1))
    ended = moving.cancel(number)
    assert (ended.status, lines_of(ended)) == (S.CANCELLED, [Units(5, received=1, returned=2)])
    assert (ended.line_items[0].held, ended.line_items[0].dispatched) == (0, 3)
    assert (level(engine, item), level(engine, there)) == ((6, 0), (3, 0))


def test_units_are_written_off_line_by_line(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=5)
    number = moving.sent(shop.warehouse(), (tea, 3), (mug, 2), (tea, 2))
    part = moving.write_off(number, "fell off", (tea, 4), write_off_id="loss-1")
    assert (part.status, part.closed_reason) == (S.IN_TRANSIT, None)
    assert lines_of(part) == [Units(3, written_off=3), Units(2, in_transit=2), Units(2, written_off=1, in_transit=1)]
    rest = moving.write_off(number, "never came")
    assert (rest.status, rest.closed_reason) == (S.RECEIVED, "never came")
    assert lines_of(rest) == [Units(3, written_off=3), Units(2, written_off=2), Units(2, written_off=2)]
    assert [(each.write_off_id, each.reason, each.quantity) for each in rest.write_offs] == [
        ("loss-1", "fell off", 4),
        (None, "never came", 3),
    ]


def test_all_in_transit_may_be_lost_while_the_rest_is_held(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    number, item, _ = _held(moving, shop)
    moving.dispatch(number, (item, 2))
    lost = moving.write_off(number)
    assert (lost.status, lost.closed_reason, lost.line_items[0].held) == (S.IN_TRANSIT, None, 3)
    assert level(engine, item) == (5, 3)


@pytest.mark.parametrize("operations_are_kept", [True, False])
def test_a_part_with_a_number_is_booked_once_for_ever(
    moving: TransferCalls, shop: Shop, engine: Engine, *, operations_are_kept: bool
) -> None:
    number, item, there = _held(moving, shop)
    moving.dispatch(number, (item, 3), dispatch_id="truck-1")
    moving.write_off(number, "fell off", (item, 1), write_off_id="loss-1")
    moving.cancel(number)
    if not operations_are_kept:
        forget(engine, f"transfer-{number}/dispatch/truck-1")
        forget(engine, f"transfer-{number}/write_off/loss-1")
    before = papers(engine, number), level(engine, item), level(engine, there)
    for _ in range(2):
        assert moving.dispatch(number, (item, 3), dispatch_id="truck-1").status is S.CANCELLED
        assert moving.write_off(number, "fell off", (item, 1), write_off_id="loss-1").status is S.CANCELLED
    assert (papers(engine, number), level(engine, item), level(engine, there)) == before
    with transfer_stays(engine, number, item, there):
        for other in (
            partial(moving.dispatch, number, (item, 2), dispatch_id="truck-1"),
            partial(moving.write_off, number, "fell off", (item, 2), write_off_id="loss-1"),
        ):
            assert refused(other) == ("OperationConflict", {})
        new = partial(moving.dispatch, number, (item, 1), dispatch_id="truck-2")
        assert refused(new) == ("InvalidState", {"status": "CANCELLED", "command": "dispatch"})


def test_more_than_is_held_or_in_transit_is_refused_whole(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    number, item, there = _held(moving, shop)
    other = shop.item(5)
    of_it = {"product_id": item.product_id}
    with transfer_stays(engine, number, item, there, other):
        assert refused(partial(moving.dispatch, number, (item, 4), (item, 2))) == (
            "InvalidRequest",
            of_it | {"quantity": 6, "held": 5},
        )
        assert refused(partial(moving.dispatch, number, (item, 1), (other, 1))) == (
            "InvalidRequest",
            {"product_id": other.product_id},
        )
    moving.dispatch(number, (item, 2))
    with transfer_stays(engine, number, item, there, other):
        assert refused(partial(moving.dispatch, number, (item, 4))) == (
            "InvalidRequest",
            of_it | {"quantity": 4, "held": 3},
        )
        assert refused(partial(moving.write_off, number, "lost", (item, 3))) == (
            "InvalidRequest",
            of_it | {"quantity": 3, "in_transit": 2},
        )
    moving.dispatch(number)
    with transfer_stays(engine, number, item, there, other):
        for again in (partial(moving.dispatch, number), partial(moving.dispatch, number, (item, 1))):
            assert refused(again) == ("InvalidState", {"status": "IN_TRANSIT", "command": "dispatch"})


def test_the_rest_gives_way_and_the_part_that_left_goes_on(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=5)
    number = moving.held(shop.warehouse(), (tea, 5), (mug, 5))
    moving.dispatch(number, (tea, 2))
    with transfer_stays(engine, number, tea, mug):
        assert refused(partial(moving.give_way, number)) == (
            "InvalidState",
            {"status": "ACTIVE", "command": "give_way"},
        )
    correct_stock(engine, {tea: -1}, NOON)
    with transfer_stays(engine, number, tea, mug):
        refusal = refused(partial(moving.dispatch, number, (mug, 1)))
        assert refusal == ("InvalidState", {"status": "CANCELLED", "command": "dispatch"})
    gone = moving.give_way(number)
    assert (gone.status, [line.held for line in gone.line_items]) == (S.IN_TRANSIT, [0, 0])
    assert [level(engine, item) for item in (tea, mug)] == [(2, 0), (5, 0)]
    ended = moving.receive(number, "1", arrived(tea, 2))
    assert (ended.status, lines_of(ended)) == (S.RECEIVED, [Units(5, received=2), Units(5)])


def test_it_is_due_by_the_truck_that_is_longest_on_its_way(moving: TransferCalls, shop: Shop) -> None:
    number, item, _ = _held(moving, shop, hours=2)
    two_hours = timedelta(hours=2)
    assert moving.dispatch(number, (item, 2), as_of=LATER).due_at == LATER + two_hours
    second = moving.dispatch(number, (item, 2), as_of=LATER + MINUTE)
    assert second.due_at == LATER + two_hours
    # The first truck has arrived: from now on the second one counts.
    arrived_first = moving.receive(number, "1", arrived(item, 2))
    assert arrived_first.due_at == arrived_first.departures[1].at + two_hours
    moving.receive(number, "2", arrived(item, 2))
    third = moving.dispatch(number, as_of=LATER + 2 * MINUTE)
    assert (third.dispatched_at, third.due_at) == (LATER, LATER + 2 * MINUTE + two_hours)
