"""Orders of tracked products: waiting, sourcing, holding again, and parts in several databases, by lot."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from activities.reservation import ReservationSteps
from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine, FulfillReservationStep, Holding, SecureReservationStep
from stockkeeper.domain.order_in_parts import SECURED_UNTIL
from stockkeeper.domain.reservation import ReservationStatus
from tests.support.books import level, nothing_changes
from tests.support.lots import TODAY, bring_lots, lose, lot_books, lot_item, lots_of, of_lots
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused, run_activity
from tests.support.steps.reservation import Steps

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)


def test_an_order_that_waits_is_served_once_lots_come_that_have_the_days_left(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order = lot_item(shop, ("SOON", SOON, 2), minimum_days_left=10), new_reference()
    waits = steps.reserve(order, (item, 2), wait=MINUTE * 60)
    assert (waits.status, waits.queue[0].missing) == (ReservationStatus.WAITING, 2)
    bring_lots(engine, item, ("SOON", SOON, 5))
    assert steps.serve(order, (item, 2)).status is ReservationStatus.WAITING
    bring_lots(engine, item, ("LATER", LATER, 2))
    assert lots_of(steps.serve(order, (item, 2), look="2")) == [("LATER", 2)]
    assert lot_books(engine, item) == {"LATER": (2, 2, 0), "SOON": (7, 0, 0)}


def test_a_line_from_anywhere_comes_from_where_lots_last_long_enough(steps: Steps, shop: Shop, engine: Engine) -> None:
    first = lot_item(shop, ("SOON", SOON, 9), ("LATER", LATER, 1))
    second = lot_item(shop, ("B", LATER, 4), product=first.product_id)
    held = steps.reserve(new_reference(), (first.product_id, 4), minimum_days_left=20)
    assert [(line.warehouse_id, line.quantity) for line in held.lines] == [(second.warehouse_id, 4)]
    assert lots_of(held) == [("B", 4)]
    split = steps.reserve(new_reference(), (first.product_id, 10))
    assert [(line.warehouse_id, line.quantity) for line in split.lines] == [(first.warehouse_id, 10)]
    assert lots_of(split) == [("SOON", 9), ("LATER", 1)]
    assert refused(lambda: steps.reserve(new_reference(), (first.product_id, 1)))[0] == "InsufficientStock"
    assert (level(engine, first), level(engine, second)) == ((10, 10), (4, 4))


def test_an_order_that_gave_way_is_held_again_by_the_lots_that_are_there_then(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order = lot_item(shop, ("SOON", SOON, 4)), new_reference()
    steps.reserve(order, (item, 3), minimum_days_left=2)
    lose(engine, item, "SOON", 2, NOON)
    assert lot_books(engine, item) == {"SOON": (2, 0, 0)}
    bring_lots(engine, item, ("NEW", LATER, 3), ("OLD", TODAY + timedelta(days=1), 3))
    again = steps.hold_again(order, (item, 3))
    assert (again.status, lots_of(again)) == (ReservationStatus.ACTIVE, [("SOON", 2), ("NEW", 1)])
    assert level(engine, item) == (8, 3)


def secure(database: Database, order: str, picked: list[FulfillLine] | None, name: str) -> Holding:
    step = SecureReservationStep(
        **_same(order, f"secure/run/{name}"),
        command="fulfill",
        effect=_effect(order),
        expires_at=SECURED_UNTIL,
        picked=picked,
    )
    return run_activity("secure_reservation", ReservationSteps(database).secure_reservation, step)


def _effect(order: str) -> str:
    return f"reservation-{order}/fulfill/parcel"


def _same(order: str, operation: str, as_of: datetime = NOON) -> dict[str, Any]:
    who = {"performed_by": "picker", "as_of": as_of, "reference_type": "ORDER", "reference_id": order}
    return {"operation_id": f"reservation-{order}/{operation}", **who}


def test_a_secured_part_holds_the_lots_that_were_picked_before_they_leave(
    steps: Steps, shop: Shop, engine: Engine, database: Database
) -> None:
    item, order = lot_item(shop, ("SOON", SOON, 3), ("LATER", LATER, 3)), new_reference()
    until = steps.reserve(order, (item, 3)).expires_at
    steps.reserve(new_reference(), (item, 1))
    secure(database, order, None, "1")
    with nothing_changes(engine, item):
        taken = of_lots(item, LATER=3)
        assert refused(lambda: secure(database, order, taken, "2"))[0] == "InvalidRequest"
    picked = of_lots(item, LATER=2)
    held = secure(database, order, picked, "3")
    assert (held.expires_at, lots_of(held)) == (SECURED_UNTIL, [("SOON", 1), ("LATER", 2)])
    assert lot_books(engine, item) == {"LATER": (3, 3, 0), "SOON": (3, 1, 0)}
    # Now nobody else gets them, and a second time it changes nothing.
    assert secure(database, order, picked, "3") == held.model_copy(update={"is_repeat": True})
    step = FulfillReservationStep(**_same(order, "fulfill/parcel"), lines=picked, part=picked, put_back=until)
    shipped = run_activity("fulfill_reservation", ReservationSteps(database).fulfill_reservation, step)
    assert [(lot.lot_number, lot.quantity_fulfilled) for lot in shipped.lines[0].lots] == [("SOON", 0), ("LATER", 2)]
    assert (lot_books(engine, item), level(engine, item)) == ({"LATER": (1, 1, 0), "SOON": (3, 1, 0)}, (4, 2))
