"""What others are told of steps on the stock: exactly what has changed, once, by the operation that has changed it."""

from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from database.operations import Operation
from database.sessions import Database
from database.stock_reading import Wants, lock_stock
from stockkeeper.contracts.event import DATA
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.event import EventKind
from tests.support.books import nothing_changes
from tests.support.corrections import FOUND, correct_stock
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.together import together
from tests.support.told import Told, telling

HOUR = 60 * MINUTE


def _kinds(told: list[Told]) -> list[str]:
    return [each.kind for each in told]


def _all_fit(told: list[Told]) -> bool:
    """Whether each has what its kind has, and nothing else."""
    return all(
        each.data.keys() == DATA[EventKind(each.kind)].model_validate(each.data).model_dump().keys() for each in told
    )


def test_a_hold_tells_the_level_and_the_lines(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    with telling(engine) as told:
        [line] = steps.reserve(reference, (item, 4)).lines
    level, hold = told
    with engine.connect() as connection:
        sku, warehouse = connection.execute(
            text("SELECT sku, warehouses.name FROM products, warehouses WHERE product_id = :p AND warehouse_id = :w"),
            {"p": item.product_id, "w": item.warehouse_id},
        ).one()
    named = {"product_id": item.product_id, "sku": sku, "warehouse_id": item.warehouse_id, "warehouse": warehouse}
    operation = f"reservation-{reference}/reserve"
    units = {
        "quantity_on_hand": 10,
        "quantity_reserved": 4,
        "quantity_buffer": 0,
        "quantity_available": 6,
        "below_reorder_point": False,
    }
    subject = f"item/{item.warehouse_id}/{item.product_id}"
    assert level == ("level.changed", subject, named | units, operation, "shop", f"ORDER {reference}")
    held = {
        "reservation_id": line.reservation_id,
        **named,
        "quantity": 4,
        "fulfilled": 0,
        "released": 0,
        "status": "ACTIVE",
        "expires_at": (NOON + 30 * MINUTE).isoformat(),
    }
    whole = {"reference_type": "ORDER", "reference_id": reference, "lines": [held], "waiting_until": None}
    assert hold == ("hold.made", f"order/{reference}", whole, operation, "shop", None)
    assert _all_fit(told)


def test_a_repeat_and_a_refusal_tell_nothing(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    with telling(engine) as told, nothing_changes(engine, item):
        steps.reserve(reference, (item, 4))
        assert refused(lambda: steps.reserve(new_reference(), (item, 7)))[0] == "InsufficientStock"
    assert told == []


def test_a_shipment_tells_movements_and_what_is_left(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=10)
    reference = new_reference()
    steps.reserve(reference, (item, 4), (other, 2))
    with telling(engine) as told:
        steps.fulfill(reference, [FulfillLine(product_id=item.product_id, quantity=1)])
        steps.fulfill(reference, operation="2")
    assert _kinds(told) == [
        *("stock.moved", "level.changed", "hold.changed"),
        *("stock.moved", "stock.moved", "level.changed", "level.changed", "hold.fulfilled"),
    ]
    moved = [(each.data["quantity"], each.data["balance_after"]) for each in told if each.kind == "stock.moved"]
    assert moved == [(-1, 9), (-3, 6), (-2, 8)]
    assert [each.level for each in told if each.kind == "level.changed"] == [(9, 3, 6), (6, 0, 6), (8, 0, 8)]
    assert told[2].lines == [(item.product_id, 4, 1, 0, "ACTIVE")]
    assert told[-1].lines == [(item.product_id, 4, 4, 0, "FULFILLED"), (other.product_id, 2, 2, 0, "FULFILLED")]
    assert {each.operation_id for each in told[:3]} != {each.operation_id for each in told[3:]}
    assert _all_fit(told)


def test_the_end_of_a_hold_is_told_as_what_it_is(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    first, second, third = new_reference(), new_reference(), new_reference()
    for reference in (first, second, third):
        steps.reserve(reference, (item, 3))
    with telling(engine) as told:
        steps.extend(first, HOUR)
        steps.lower(first, FulfillLine(product_id=item.product_id, quantity=1))
        steps.cancel(first)
        steps.expire(second, as_of=NOON + 30 * MINUTE)
        correct_stock(engine, {item: -8}, NOON)
    assert [(each.kind, each.subject) for each in told if each.kind.startswith("hold.")] == [
        ("hold.changed", f"order/{first}"),
        ("hold.changed", f"order/{first}"),
        ("hold.cancelled", f"order/{first}"),
        ("hold.expired", f"order/{second}"),
        ("hold.gave_way", f"order/{third}"),
    ]
    # A later deadline changes no level.
    levels = [each.level for each in told if each.kind == "level.changed"]
    assert levels == [(10, 8, 2), (10, 6, 4), (10, 3, 7), (2, 0, 2)]
    assert told[-1].lines == [(item.product_id, 3, 0, 0, "CANCELLED")]
    assert told[-1].reason == f"gave way, 2 on hand: {FOUND}"
    assert told[-1].performed_by == "carl"


def test_an_overdue_hold_ends_by_the_operation_that_needs_its_units(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, overdue, next_one = shop.item(4), new_reference(), new_reference()
    steps.reserve(overdue, (item, 4))
    with telling(engine) as told:
        steps.reserve(next_one, (item, 3), as_of=NOON + 30 * MINUTE)
    operation = f"reservation-{next_one}/reserve"
    assert [(each.kind, each.subject, each.operation_id) for each in told] == [
        ("level.changed", f"item/{item.warehouse_id}/{item.product_id}", operation),
        ("hold.expired", f"order/{overdue}", operation),
        ("hold.made", f"order/{next_one}", operation),
    ]
    assert told[0].level == (4, 3, 1)


def test_steps_of_one_transaction_tell_by_their_own_operations(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    references = [new_reference() for _ in range(3)]
    with telling(engine) as told:
        outcomes = together(
            database,
            *(
                partial(steps.reserve, reference, (item, units))
                for reference, units in zip(references, (2, 9, 3), strict=True)
            ),
        )
    assert [type(each).__name__ for each in outcomes] == ["Holding", "ApplicationError", "Holding"]
    assert [(each.operation_id, each.level) for each in told if each.kind == "level.changed"] == [
        (f"reservation-{references[0]}/reserve", (10, 2, 8)),
        (f"reservation-{references[2]}/reserve", (10, 5, 5)),
    ]
    assert [each.subject for each in told if each.kind == "hold.made"] == [
        f"order/{references[0]}",
        f"order/{references[2]}",
    ]


def test_who_waits_is_told_and_how_that_ends(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(2)
    served, late, patient = new_reference(), new_reference(), new_reference()
    with telling(engine) as told:
        for reference in (served, late, patient):
            steps.reserve(reference, (item, 3), wait=HOUR)
        steps.cancel(patient)
        steps.serve(late, (item, 3), is_last=True, as_of=NOON + HOUR)
        correct_stock(engine, {item: 1}, NOON)
        steps.serve(served, (item, 3))
    assert [(each.kind, each.subject) for each in told if each.kind.startswith("hold.")] == [
        *(("hold.waiting", f"order/{reference}") for reference in (served, late, patient)),
        ("hold.cancelled", f"order/{patient}"),
        ("hold.rejected", f"order/{late}"),
        ("hold.made", f"order/{served}"),
    ]
    assert told[0].lines == [(item.product_id, 3, 0, 0, "WAITING")]
    assert told[0].data["waiting_until"] == (NOON + HOUR).isoformat()
    assert _all_fit(told)


def test_what_is_rolled_back_tells_nothing(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE reservations ADD CONSTRAINT none_today CHECK (quantity <> 5) NOT VALID"))
    try:
        refused_by_it = pytest.raises(IntegrityError, match="none_today")
        with telling(engine) as told, nothing_changes(engine, item), refused_by_it:
            steps.reserve(new_reference(), (item, 5))
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE reservations DROP CONSTRAINT none_today"))
    assert told == []


def test_a_change_that_nobody_is_told_of_is_a_mistake_in_the_code(shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    untold = pytest.raises(RuntimeError, match="nobody is told of")
    with nothing_changes(engine, item), untold, engine.begin() as connection:
        stock = lock_stock(connection, [Wants(items=[item])])
        stock.change_item(stock.items[item])
        stock.write()
    by_hand = Operation("by hand", "test", {}, "tests", "test", "test")
    with telling(engine) as told, engine.begin() as connection:
        stock = lock_stock(connection, [Wants(items=[item])])
        stock.change_item(stock.items[item])
        stock.tell(by_hand)
        stock.write()
    # What has the level that it had is no news.
    assert told == []
