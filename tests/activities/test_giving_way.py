"""What a hold does of which a line has given way: the others follow it, and nothing of it leaves."""

from functools import partial
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, text

from database.operations import Operation
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level, nothing_changes
from tests.support.corrections import FOUND, correct_stock, held_lines
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, papers, transfer_stays

S = ReservationStatus
LATER = NOON + 5 * MINUTE
DEADLINE = NOON + 30 * MINUTE


class Lost(NamedTuple):
    """Two items of ten units; four of each were promised to one order, and only three of the first are there."""

    reference: str
    gone: ItemKey
    other: ItemKey
    gone_for: tuple[Any, ...]
    """How the line ended that gave way."""


def _lose(engine: Engine, reference: str, gone: ItemKey, other: ItemKey, units: int = -7) -> Lost:
    finding = f"count-{reference}/post"
    correct_stock(engine, {gone: units}, NOON, operation_id=finding)
    return Lost(
        reference, gone, other, ("CANCELLED", NOON, finding, f"gave way, {level(engine, gone)[0]} on hand: {FOUND}")
    )


@pytest.fixture
def order(steps: Steps, shop: Shop, engine: Engine) -> Lost:
    """An order of which one line has given way, and which nobody has told."""
    gone, other = shop.items(2, units=10)
    reference = new_reference()
    steps.reserve(reference, (gone, 4), (other, 4))
    return _lose(engine, reference, gone, other)


@pytest.fixture
def transfer(moving: TransferCalls, shop: Shop, engine: Engine) -> Lost:
    """A transfer that is PENDING, likewise."""
    gone, other = shop.items(2, units=10)
    return _lose(engine, moving.held(shop.warehouse(), (gone, 4), (other, 4)), gone, other)


def _levels(engine: Engine, lost: Lost) -> list[tuple[int, int]]:
    return [level(engine, item) for item in (lost.gone, lost.other)]


def test_the_other_lines_of_an_order_follow_the_one_that_gave_way(steps: Steps, engine: Engine, order: Lost) -> None:
    assert _levels(engine, order) == [(3, 0), (10, 4)]
    holding = steps.give_way(order.reference, as_of=LATER)
    assert (holding.status, holding.rest_is_held, holding.fell_below, holding.gave_way) == (
        S.CANCELLED,
        False,
        False,
        [],
    )
    told = ("CANCELLED", LATER, f"reservation-{order.reference}/give_way/1", "because")
    assert held_lines(engine, order.reference) == [
        (*order.gone, 4, 0, *order.gone_for),
        (*order.other, 4, 0, *told),
    ]
    assert _levels(engine, order) == [(3, 0), (10, 0)]
    with nothing_changes(engine, order.gone, order.other):
        assert steps.give_way(order.reference, as_of=DEADLINE) == holding
    # Told by two counts: the second finds nothing left to do.
    assert steps.give_way(order.reference, as_of=DEADLINE, operation="2") == holding
    assert held_lines(engine, order.reference)[1] == (*order.other, 4, 0, *told)
    assert _levels(engine, order) == [(3, 0), (10, 0)]


def test_what_has_left_stays_sold(steps: Steps, shop: Shop, engine: Engine) -> None:
    gone, other, sold = shop.items(3, units=10)
    reference = new_reference()
    steps.reserve(reference, (sold, 2), (gone, 4), (other, 4), (gone, 1))
    part = [
        FulfillLine(product_id=item.product_id, quantity=units) for item, units in ((sold, 2), (gone, 1), (other, 3))
    ]
    steps.fulfill(reference, part)
    _lose(engine, reference, gone, other, -6)
    assert steps.give_way(reference, as_of=LATER).status is S.CANCELLED
    assert [line[2:5] for line in held_lines(engine, reference)] == [
        (2, 2, "FULFILLED"),
        (4, 1, "CANCELLED"),
        (4, 3, "CANCELLED"),
        (1, 0, "CANCELLED"),
    ]
    assert [level(engine, item) for item in (gone, other, sold)] == [(3, 0), (7, 0), (8, 0)]


@pytest.mark.parametrize("status", ["ACTIVE", "FULFILLED", "EXPIRED"])
def test_nobody_ends_an_order_by_saying_that_it_gave_way(steps: Steps, shop: Shop, engine: Engine, status: str) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    if status == "FULFILLED":
        steps.fulfill(reference)
    if status == "EXPIRED":
        steps.expire(reference, as_of=DEADLINE)
    before = held_lines(engine, reference)
    with nothing_changes(engine, item):
        # Not at the deadline either: that is another ending.
        told = partial(steps.give_way, reference, as_of=DEADLINE)
        assert refused(told) == ("InvalidState", {"status": status, "command": "give_way"})
    assert held_lines(engine, reference) == before


def test_an_order_that_a_buyer_has_ended_at_its_deadline_is_expired_whatever_else_was_missing(
    steps: Steps, engine: Engine, order: Lost
) -> None:
    steps.reserve(new_reference(), (order.other, 7), as_of=DEADLINE)
    with nothing_changes(engine, order.gone, order.other):
        told = partial(steps.give_way, order.reference, as_of=DEADLINE)
        assert refused(told) == ("InvalidState", {"status": "EXPIRED", "command": "give_way"})
    assert steps.expire(order.reference, as_of=DEADLINE).status is S.EXPIRED
    assert _levels(engine, order) == [(3, 0), (10, 7)]


@pytest.mark.parametrize("command", ["fulfill", "cancel", "extend"])
def test_nothing_else_is_done_with_an_order_that_gave_way_and_was_not_told(
    steps: Steps, engine: Engine, order: Lost, command: str
) -> None:
    other = [FulfillLine(product_id=order.other.product_id, quantity=1)]
    commands = {
        "fulfill": partial(steps.fulfill, order.reference, other),
        "cancel": partial(steps.cancel, order.reference),
        "extend": partial(steps.extend, order.reference, MINUTE),
    }
    before = held_lines(engine, order.reference)
    with nothing_changes(engine, order.gone, order.other):
        assert refused(commands[command]) == ("InvalidState", {"status": "CANCELLED", "command": command})
    assert held_lines(engine, order.reference) == before


def test_an_order_that_is_never_told_ends_at_its_deadline(steps: Steps, engine: Engine, order: Lost) -> None:
    holding = steps.expire(order.reference, as_of=DEADLINE)
    assert (holding.status, holding.rest_is_held) == (S.EXPIRED, False)
    assert [line[4] for line in held_lines(engine, order.reference)] == ["CANCELLED", "EXPIRED"]
    assert _levels(engine, order) == [(3, 0), (10, 0)]


def test_whoever_finds_the_order_again_is_told_that_the_rest_is_held(
    steps: Steps, shop: Shop, engine: Engine, order: Lost
) -> None:
    lines = [(order.gone, 4), (order.other, 4)]
    again = steps.reserve(order.reference, *lines)
    assert (again.status, again.rest_is_held) == (S.CANCELLED, True)
    assert steps.reserve(order.reference, *lines, operation=f"elsewhere/{order.reference}") == again
    steps.give_way(order.reference)
    assert not steps.reserve(order.reference, *lines).rest_is_held
    # One that is as it should be has no rest, and neither has one that a buyer has ended altogether.
    item, whole = shop.item(5), new_reference()
    assert not steps.reserve(whole, (item, 5)).rest_is_held
    steps.reserve(new_reference(), (item, 5), as_of=DEADLINE)
    ended = steps.reserve(whole, (item, 5))
    assert (ended.status, ended.rest_is_held) == (S.EXPIRED, False)


def test_the_other_lines_of_a_transfer_follow_and_it_is_cancelled(
    moving: TransferCalls, engine: Engine, transfer: Lost
) -> None:
    number = transfer.reference
    stored = moving.give_way(number, as_of=LATER, operation="1")
    assert (stored.status, stored.closed_reason, stored.dispatched_at) == (TransferStatus.CANCELLED, FOUND, None)
    assert held_lines(engine, number, "TRANSFER") == [
        (*transfer.gone, 4, 0, *transfer.gone_for),
        (*transfer.other, 4, 0, "CANCELLED", LATER, f"transfer-{number}/give_way/1", FOUND),
    ]
    assert (papers(engine, number)["transit"], papers(engine, number)["ledger"]) == ([], [])
    assert _levels(engine, transfer) == [(3, 0), (10, 0)]
    with transfer_stays(engine, number, transfer.gone, transfer.other):
        assert moving.give_way(number, as_of=DEADLINE, operation="1") == stored
        told_again = partial(moving.give_way, number, as_of=DEADLINE)
        assert refused(told_again) == ("InvalidState", {"status": "CANCELLED", "command": "give_way"})


def test_nobody_ends_a_transfer_by_saying_that_it_gave_way(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item, there = shop.item(10), shop.warehouse()
    for status, number in (
        ("ACTIVE", moving.held(there, (item, 4))),
        ("IN_TRANSIT", moving.sent(there, (item, 4))),
    ):
        with transfer_stays(engine, number, item):
            told = partial(moving.give_way, number)
            assert refused(told) == ("InvalidState", {"status": status, "command": "give_way"})
    assert level(engine, item) == (6, 4)


def test_a_transfer_whose_hold_gave_way_cannot_leave_and_can_be_cancelled(
    moving: TransferCalls, engine: Engine, transfer: Lost
) -> None:
    number = transfer.reference
    with transfer_stays(engine, number, transfer.gone, transfer.other):
        assert refused(partial(moving.dispatch, number)) == (
            "InvalidState",
            {"status": "CANCELLED", "command": "dispatch"},
        )
    stored = moving.cancel(number, "somebody was quicker", as_of=LATER)
    assert (stored.status, stored.closed_reason) == (TransferStatus.CANCELLED, "somebody was quicker")
    assert held_lines(engine, number, "TRANSFER")[0] == (*transfer.gone, 4, 0, *transfer.gone_for)
    assert _levels(engine, transfer) == [(3, 0), (10, 0)]


def test_what_an_earlier_version_has_ended_is_the_same_operation(
    steps: Steps, moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    """It didn't know of holds that give way, and may have been stopped before it could say what it had done."""
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    steps.cancel(reference)
    number = moving.held(shop.warehouse(), (item, 4))
    moving.cancel(number, operation="1")
    of_order = {"reference_type": "ORDER", "reference_id": reference, "status": "CANCELLED", "reason": "because"}
    of_transfer = {"transfer_number": number, "reason": "not needed"}
    query = text("SELECT fingerprint FROM operations WHERE operation_id = :operation_id")
    for operation_id, kind, payload in (
        (f"reservation-{reference}/cancel/1", "release_reservation", of_order),
        (f"transfer-{number}/cancel/1", "cancel_transfer", of_transfer),
    ):
        as_it_was = Operation(operation_id, kind, payload, "shop", "workflow", "run")
        with engine.connect() as connection:
            stored = connection.execute(query, {"operation_id": operation_id}).scalar_one()
        assert bytes(stored) == as_it_was.fingerprint
