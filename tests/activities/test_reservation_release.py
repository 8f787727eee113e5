"""A hold that is lowered: units are given up line by line, and the rest stays held."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.corrections import correct_stock
from tests.support.guards import Guarded
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps

ACTIVE, FULFILLED, CANCELLED = ReservationStatus.ACTIVE, ReservationStatus.FULFILLED, ReservationStatus.CANCELLED
LATER = NOON + 5 * MINUTE


def _of(item: ItemKey, units: int) -> FulfillLine:
    return FulfillLine(product_id=item.product_id, quantity=units)


def _released(engine: Engine, reference: str) -> list[tuple[object, ...]]:
    query = text("""
        SELECT released.quantity, released_at, released_by, reason, released.operation_id
        FROM reservation_releases AS released JOIN reservations USING (reservation_id)
        WHERE reference_id = :reference ORDER BY released_at, reservation_id
    """)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"reference": reference})]


def test_what_is_given_up_is_available_and_the_rest_still_held(steps: Steps, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=10)
    order = new_reference()
    steps.reserve(order, (tea, 3), (mug, 4), (tea, 2))
    lowered = steps.lower(order, _of(tea, 4), _of(mug, 1), as_of=LATER, operation="less-1")
    assert lowered.status is ACTIVE
    assert [(each.quantity, each.quantity_fulfilled, each.quantity_released) for each in lowered.lines] == [
        (3, 0, 3),
        (4, 0, 1),
        (2, 0, 1),
    ]
    assert [level(engine, item) for item in (tea, mug)] == [(10, 1), (10, 3)]
    operation = f"reservation-{order}/release/less-1"
    assert _released(engine, order) == [(units, LATER, "shop", "not needed", operation) for units in (3, 1, 1)]
    # Another order may have them.
    steps.reserve(new_reference(), (tea, 9))
    shipped = steps.fulfill(order)
    assert (shipped.status, [each.quantity_fulfilled for each in shipped.lines]) == (FULFILLED, [0, 3, 1])
    assert [level(engine, item) for item in (tea, mug)] == [(9, 9), (7, 0)]


@pytest.mark.parametrize("wait", [None, 60 * MINUTE])
def test_what_was_cancelled_before_it_was_held_is_held_by_no_late_attempt(
    steps: Steps, shop: Shop, engine: Engine, wait: timedelta | None
) -> None:
    """A worker's connection stalls, its task is given up, and the next one takes the cancellation first."""
    item, order = shop.item(4), new_reference()
    assert refused(partial(steps.cancel, order)) == ("InvalidState", {"status": "REJECTED", "command": "cancel"})
    with nothing_changes(engine, item):
        late = partial(steps.reserve, order, (item, 3), wait=wait)
        assert refused(late) == ("InvalidState", {"status": "CANCELLED", "command": "reserve"})
        # Cancelled once more, as by a third task: nothing is held still.
        again = partial(steps.cancel, order)
        assert refused(again) == ("InvalidState", {"status": "REJECTED", "command": "cancel"})
    # Whoever asks for the same order again has another run.
    assert steps.reserve(order, (item, 3), run_id="another").status is ACTIVE
    assert steps.cancel(order).status is CANCELLED


@pytest.mark.parametrize(("shipped", "status"), [(0, CANCELLED), (1, FULFILLED)])
def test_with_the_last_unit_given_up_it_ends(
    steps: Steps, shop: Shop, engine: Engine, shipped: int, status: ReservationStatus
) -> None:
    item, order = shop.item(10), new_reference()
    steps.reserve(order, (item, 4))
    if shipped:
        steps.fulfill(order, [_of(item, shipped)])
    assert steps.lower(order, _of(item, 4 - shipped)).status is status
    assert level(engine, item) == (10 - shipped, 0)
    with nothing_changes(engine, item):
        assert refused(partial(steps.fulfill, order, operation="2")) == (
            "InvalidState",
            {"status": status.value, "command": "fulfill"},
        )


def test_a_repeat_gives_up_nothing_again(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, order = shop.item(10), new_reference()
    steps.reserve(order, (item, 4))
    steps.lower(order, _of(item, 1), operation="less-1")
    steps.fulfill(order)
    with nothing_changes(engine, item):
        again = steps.lower(order, _of(item, 1), as_of=LATER, operation="less-1")
        assert (again.status, again.lines[0].quantity_released) == (FULFILLED, 1)
        assert refused(partial(steps.lower, order, _of(item, 2), operation="less-1")) == ("OperationConflict", {})


def test_more_than_is_held_is_refused_and_a_warehouse_has_to_be_named(steps: Steps, shop: Shop, engine: Engine) -> None:
    here = shop.item(10)
    there = shop.item(10, product=here.product_id)
    order = new_reference()
    steps.reserve(order, (here, 2), (there, 2))
    with nothing_changes(engine, here, there):
        for line in (_of(here, 5), _of(here, 3)):
            assert refused(partial(steps.lower, order, line)) == ("InvalidRequest", {})
    steps.lower(order, FulfillLine(product_id=there.product_id, warehouse_id=there.warehouse_id, quantity=2))
    assert [level(engine, item) for item in (here, there)] == [(10, 2), (10, 0)]


def test_a_lowered_hold_gives_way_and_is_cancelled_with_what_it_still_holds(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(10), new_reference()
    steps.reserve(order, (item, 8))
    steps.lower(order, _of(item, 3))
    assert correct_stock(engine, {item: -4}, NOON).gave_way == {}
    [hold] = correct_stock(engine, {item: -2}, NOON).gave_way[item]
    assert hold.quantity_open == 5
    assert level(engine, item) == (4, 0)
    other = new_reference()
    steps.reserve(other, (item, 4))
    steps.lower(other, _of(item, 1))
    assert steps.cancel(other).status is CANCELLED
    assert level(engine, item) == (4, 0)


def test_the_database_disbelieves_what_has_no_release(
    steps: Steps, database: Database, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(10), new_reference()
    steps.reserve(order, (item, 4))
    steps.lower(order, _of(item, 1))
    hold = Guarded(order, lambda: nothing_changes(engine, item))
    of = "WHERE reference_id = :number"
    for each in (engine, database.engine):
        hold.refuses(
            each, f"UPDATE reservations SET quantity_released = 2 {of}", "has given up 2, and its releases say 1"
        )
        more = f"""
            INSERT INTO reservation_releases SELECT reservation_id, 'o', 1, created_at, 'p', 'r', 'w', 'r'
            FROM reservations {of}
        """
        hold.refuses(each, more, "has given up 1, and its releases say 2")
    for change, constraint in (
        ("quantity_released = 5", "reservations_fulfilled_within"),
        ("quantity_released = -1", "reservations_fulfilled_within"),
        ("quantity_released = 4", "reservations_fulfilled_whole"),
    ):
        hold.refuses(engine, f"UPDATE reservations SET {change} {of}", constraint)
    hold.forbids(database.engine, "DELETE FROM reservation_releases", "permission denied")
