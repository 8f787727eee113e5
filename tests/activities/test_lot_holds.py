"""Holds of products that are tracked: lots first expired, first out, under the lock, and what leaves of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from stockkeeper.domain.lot import Tracking
from tests.support.books import level, nothing_changes
from tests.support.lots import TODAY, bring_lots, lose, lot_books, lot_item, lots_of, of_lots, set_status, track
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)
YESTERDAY = TODAY - timedelta(days=1)


def test_a_hold_takes_the_first_expired_first(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("LATER", LATER, 5), ("SOON", SOON, 2), ("NEVER", None, 5))
    holding = steps.reserve(new_reference(), (item, 4))
    assert lots_of(holding) == [("SOON", 2), ("LATER", 2)]
    assert [lot.expires_on for lot in holding.lines[0].lots] == [SOON, LATER]
    assert lot_books(engine, item) == {"LATER": (5, 2, 0), "NEVER": (5, 0, 0), "SOON": (2, 2, 0)}
    assert level(engine, item) == (12, 4)


def test_an_expired_lot_is_never_held_from_the_midnight_that_ends_its_day(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    """In the warehouse's time zone: in Auckland that is noon in UTC."""
    item = lot_item(shop, ("TODAY", TODAY, 3))
    moved = text("UPDATE warehouses SET timezone = 'Pacific/Auckland' WHERE warehouse_id = :warehouse_id")
    with engine.begin() as connection:
        connection.execute(moved, item._asdict())
    assert lots_of(steps.reserve(new_reference(), (item, 1), as_of=NOON - MINUTE)) == [("TODAY", 1)]
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 1), as_of=NOON)) == (
            "InsufficientStock",
            [shortage(item, 1, 0, 2)],
        )


@pytest.mark.parametrize("status", ["QUARANTINED", "BLOCKED"])
def test_a_lot_that_may_not_leave_is_not_available(steps: Steps, shop: Shop, engine: Engine, status: str) -> None:
    item = lot_item(shop, ("STOPPED", SOON, 5), ("FREE", LATER, 1))
    set_status(engine, item, "STOPPED", status)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 2)))[1] == [shortage(item, 2, 1, 5)]
    assert lots_of(steps.reserve(new_reference(), (item, 1))) == [("FREE", 1)]


def test_units_have_the_days_left_that_the_product_or_the_order_asks_for(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("SOON", SOON, 5), ("LATER", LATER, 5), minimum_days_left=4)
    assert refused(lambda: steps.reserve(new_reference(), (item, 6)))[1] == [shortage(item, 6, 5, 5)]
    assert lots_of(steps.reserve(new_reference(), (item, 1))) == [("LATER", 1)]
    assert lots_of(steps.reserve(new_reference(), (item, 1), minimum_days_left=3)) == [("SOON", 1)]
    refusal = refused(lambda: steps.reserve(new_reference(), (item, 1), minimum_days_left=31))[1]
    assert refusal == [shortage(item, 1, 0, 8)]
    assert level(engine, item) == (10, 2)


def test_an_overdue_hold_frees_only_what_may_be_promised(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 2))
    steps.reserve(new_reference(), (item, 4), ttl=MINUTE)
    late = NOON + timedelta(days=4)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 3), as_of=late))[1] == [shortage(item, 3, 2, 2)]
    assert lots_of(steps.reserve(new_reference(), (item, 2), as_of=late)) == [("LATER", 2)]
    assert lot_books(engine, item) == {"LATER": (2, 2, 0), "SOON": (2, 0, 0)}


def test_an_overdue_hold_is_released_where_all_that_is_free_has_expired(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("LATER", LATER, 2))
    steps.reserve(new_reference(), (item, 2), ttl=MINUTE)
    bring_lots(engine, item, ("YESTERDAY", YESTERDAY, 9))
    assert lots_of(steps.reserve(new_reference(), (item, 2), as_of=NOON + MINUTE)) == [("LATER", 2)]
    assert lot_books(engine, item) == {"LATER": (2, 2, 0), "YESTERDAY": (9, 0, 0)}


def test_a_shipment_takes_the_lots_that_are_held(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 5)), new_reference()
    steps.reserve(reference, (item, 4))
    shipped = steps.fulfill(reference, of_lots(item, SOON=2, LATER=1))
    assert [(lot.lot_number, lot.quantity, lot.quantity_fulfilled) for lot in shipped.lines[0].lots] == [
        ("SOON", 2, 2),
        ("LATER", 2, 1),
    ]
    assert lot_books(engine, item) == {"LATER": (4, 1, 0)}
    steps.fulfill(reference, operation="2")
    assert (lot_books(engine, item), level(engine, item)) == ({"LATER": (3, 0, 0)}, (3, 0))
    assert _moved(engine, reference) == [("SOON", -2, 0), ("LATER", -1, 4), ("LATER", -1, 3)]


def test_another_lot_that_is_free_may_be_picked(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = lot_item(shop, ("SOON", SOON, 3), ("LATER", LATER, 3)), new_reference()
    steps.reserve(reference, (item, 3))
    shipped = steps.fulfill(reference, of_lots(item, LATER=2))
    assert lots_of(shipped) == [("SOON", 1), ("LATER", 2)]
    assert lot_books(engine, item) == {"LATER": (1, 0, 0), "SOON": (3, 1, 0)}
    assert level(engine, item) == (4, 1)


def test_a_lot_that_is_held_for_somebody_else_may_not_be_picked(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = lot_item(shop, ("SOON", SOON, 3), ("LATER", LATER, 3)), new_reference()
    steps.reserve(reference, (item, 3))
    steps.reserve(new_reference(), (item, 2))
    with nothing_changes(engine, item):
        assert refused(lambda: steps.fulfill(reference, of_lots(item, LATER=2)))[0] == "InvalidRequest"
        assert refused(lambda: steps.fulfill(reference, of_lots(item, OTHER=1), operation="2"))[0] == "InvalidRequest"


def test_a_held_lot_that_has_expired_is_replaced_when_it_leaves(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 1)), new_reference()
    steps.reserve(reference, (item, 2), ttl=timedelta(days=9))
    late = NOON + timedelta(days=4)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.fulfill(reference, as_of=late))[0] == "InvalidState"
    bring_lots(engine, item, ("LATER", LATER, 1))
    assert lots_of(steps.fulfill(reference, as_of=late, operation="2")) == [("LATER", 2)]
    assert (lot_books(engine, item), level(engine, item)) == ({"SOON": (2, 0, 0)}, (2, 0))


def test_what_is_given_up_is_of_the_lot_that_lasts_longest(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 5)), new_reference()
    steps.reserve(reference, (item, 5))
    [line] = of_lots(item, ANY=2)
    lowered = steps.lower(reference, line.model_copy(update={"lots": None}))
    assert lots_of(lowered) == [("SOON", 2), ("LATER", 1)]
    steps.cancel(reference)
    assert lot_books(engine, item) == {"LATER": (5, 0, 0), "SOON": (2, 0, 0)}


def test_a_serial_number_is_one_unit_wherever_it_is(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("S1", None, 1), ("S2", None, 1), tracking=Tracking.SERIAL)
    assert lots_of(steps.reserve(new_reference(), (item, 2))) == [("S1", 1), ("S2", 1)]
    elsewhere = shop.item(0, product=item.product_id)
    for place in (item, elsewhere):
        with nothing_changes(engine, place), pytest.raises(IntegrityError, match="serial S1 of product"):
            bring_lots(engine, place, ("S1", None, 1))


def test_tracking_begins_without_stock(shop: Shop, engine: Engine) -> None:
    item = shop.item(3)
    with pytest.raises(IntegrityError, match="has stock: its tracking stays NONE"):
        track(engine, item.product_id)
    shop.move(item, -3)
    track(engine, item.product_id)
    with pytest.raises(Exception, match="is tracked: name the lot number of its units"):
        shop.move(item, 1)


def test_no_more_units_of_a_lot_are_exchanged_than_are_missing(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, order = lot_item(shop, ("SOON", SOON, 5), ("LATER", LATER, 2)), new_reference()
    steps.reserve(order, (item, 4))
    lose(engine, item, "SOON", 2, NOON)
    assert lot_books(engine, item) == {"LATER": (2, 2, 0), "SOON": (3, 2, 0)}
    assert lots_of(steps.extend(order, 60 * MINUTE)) == [("SOON", 2), ("LATER", 2)]


def test_after_an_exchange_lots_come_as_they_are_read_again(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, order = lot_item(shop, ("SOON", SOON, 1), ("LATER", LATER, 1)), new_reference()
    steps.reserve(order, (item, 2))
    bring_lots(engine, item, ("BETWEEN", SOON + timedelta(days=1), 1))
    shipped = steps.fulfill(order, of_lots(item, BETWEEN=1))
    assert lots_of(shipped) == [("BETWEEN", 1), ("LATER", 1)]
    assert lots_of(steps.extend(order, 60 * MINUTE)) == lots_of(shipped)


@pytest.mark.parametrize(("tracking", "other"), [(Tracking.LOT, Tracking.SERIAL), (Tracking.SERIAL, Tracking.LOT)])
def test_tracking_with_stock_stays_as_it_is(shop: Shop, engine: Engine, tracking: Tracking, other: Tracking) -> None:
    """A lot of several units can't become a serial number."""
    item = lot_item(shop, ("L1", None, 1), tracking=tracking)
    for changed in (other, Tracking.NONE):
        with pytest.raises(IntegrityError, match=f"has stock: its tracking stays {tracking}"):
            track(engine, item.product_id, changed)
    bring_lots(engine, item, ("L1", None, -1))
    track(engine, item.product_id, other)


def test_callers_at_once_hold_each_unit_of_fifty_lots_once(steps: Steps, shop: Shop, engine: Engine) -> None:
    lots = [(f"L{n:02}", TODAY + timedelta(days=n), 2) for n in range(50)]
    item = lot_item(shop, *lots)
    with ThreadPoolExecutor(32) as callers:
        held = list(callers.map(lambda _: steps.reserve(new_reference(), (item, 3)), range(32)))
    taken = [lot for each in held for lot in lots_of(each)]
    units = {number: sum(quantity for lot, quantity in taken if lot == number) for number, _ in taken}
    # 96 units: of the first 48 lots all, and of the others none.
    assert units == {f"L{n:02}": 2 for n in range(48)}
    assert lot_books(engine, item) == {number: (2, 2 if number < "L48" else 0, 0) for number, _, _ in lots}
    assert refused(lambda: steps.reserve(new_reference(), (item, 5)))[1] == [shortage(item, 5, 4)]


def _moved(engine: Engine, reference: str) -> list[tuple[str, int, int]]:
    statement = text("""
        SELECT lot_number, quantity, lot_balance_after FROM stock_movements WHERE reference_id = :reference
        ORDER BY movement_id
    """)
    with engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(statement, {"reference": reference})]
