"""Corrections of tracked products: each lot by itself, and whoever loses a lot gets another one, or gives way."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from database.corrections import Correction, lock_changed, would_end
from database.sessions import Database
from stockkeeper.domain.correction import Change
from stockkeeper.domain.errors import InsufficientStock, InvalidRequest, Shortage
from stockkeeper.domain.lot import LotFacts, Tracking
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.corrections import correct_stock
from tests.support.lots import TODAY, lot_books, lot_item, lots_of, set_aside
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON
from tests.support.steps.reservation import Steps

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)


def _change(item: ItemKey, lot_number: str, units: int) -> Change:
    return Change(item, units, LotFacts(lot_number))


def _would_end(engine: Engine, changes: Sequence[Change]) -> list[tuple[str, int]]:
    with engine.begin() as connection:
        promises = would_end(connection, changes, lock_changed(connection, changes), NOON)
    return [(each.reference_id, each.quantity) for each in promises]


def _ended(correction: Correction) -> list[tuple[str, int]]:
    return [(hold.reference_id, hold.quantity_open) for held in correction.gave_way.values() for hold in held]


def test_each_lot_is_corrected_by_itself(database: Database, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("A", SOON, 5), ("B", LATER, 5))
    found = Change(item, 2, LotFacts("C", LATER, made_on=TODAY))
    assert correct_stock(database.engine, [_change(item, "A", -2), _change(item, "B", 1), found], NOON) == Correction()
    assert lot_books(engine, item) == {"A": (3, 0, 0), "B": (6, 0, 0), "C": (2, 0, 0)}
    assert level(engine, item) == (11, 0)
    assert correct_stock(database.engine, [_change(item, "A", -2), _change(item, "A", 2)], NOON) == Correction()


def test_more_than_there_is_of_a_lot_is_not_taken_off(database: Database, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("A", SOON, 5), ("B", LATER, 5))
    set_aside(engine, item, "B", 2)
    changes = [_change(item, "A", -6), _change(item, "B", -4), _change(item, "C", -1)]
    with nothing_changes(engine, item), pytest.raises(InsufficientStock) as caught:
        correct_stock(database.engine, changes, NOON)
    assert caught.value.shortages == [
        Shortage(item.product_id, item.warehouse_id, 6, 5, lot_number="A"),
        Shortage(item.product_id, item.warehouse_id, 4, 3, lot_number="B"),
        Shortage(item.product_id, item.warehouse_id, 1, 0, lot_number="C"),
    ]
    assert f"product {item.product_id}, lot A, in warehouse {item.warehouse_id}: requested 6" in caught.value.message
    assert lot_books(engine, item) == {"A": (5, 0, 0), "B": (5, 0, 2)}


def test_who_holds_a_lot_that_is_missing_gets_another_one(
    steps: Steps, database: Database, shop: Shop, engine: Engine
) -> None:
    item, order = lot_item(shop, ("A", SOON, 5), ("B", LATER, 5)), new_reference()
    assert lots_of(steps.reserve(order, (item, 4))) == [("A", 4)]
    changes = [_change(item, "A", -3)]
    assert _would_end(engine, changes) == []
    assert lot_books(engine, item) == {"A": (5, 4, 0), "B": (5, 0, 0)}
    assert _ended(correct_stock(database.engine, changes, NOON)) == []
    # Two of the four are still there: those alone that are missing are exchanged.
    assert lot_books(engine, item) == {"A": (2, 2, 0), "B": (5, 2, 0)}
    assert level(engine, item) == (7, 4)


def test_a_lot_that_is_found_goes_to_who_loses_another_one(
    steps: Steps, database: Database, shop: Shop, engine: Engine
) -> None:
    item, order = lot_item(shop, ("A", SOON, 5)), new_reference()
    steps.reserve(order, (item, 5))
    # The number on the package had been read wrong.
    changes = [_change(item, "A", -5), Change(item, 5, LotFacts("B", LATER))]
    assert _would_end(engine, changes) == []
    assert _ended(correct_stock(database.engine, changes, NOON)) == []
    assert lot_books(engine, item) == {"B": (5, 5, 0)}


def test_who_was_promised_last_gives_way_where_no_lot_is_free(
    steps: Steps, database: Database, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("A", SOON, 5), ("B", LATER, 3))
    first, last = new_reference(), new_reference()
    steps.reserve(first, (item, 4))
    steps.reserve(last, (item, 4))
    assert lot_books(engine, item) == {"A": (5, 5, 0), "B": (3, 3, 0)}
    # Both lots lose some: what is free of one isn't promised to who loses the other.
    changes = [_change(item, "A", -1), _change(item, "B", -2)]
    assert _would_end(engine, changes) == [(last, 4)]
    assert _ended(correct_stock(database.engine, changes, NOON)) == [(last, 4)]
    assert lot_books(engine, item) == {"A": (4, 4, 0), "B": (1, 0, 0)}
    assert level(engine, item) == (5, 4)


def test_a_serial_number_is_on_one_unit(database: Database, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("S1", None, 1), tracking=Tracking.SERIAL)
    elsewhere = shop.item(0, product=item.product_id)
    for changes, message in [
        ([_change(elsewhere, "S1", 1)], "serial number S1 is on hand in"),
        ([_change(item, "S2", 2)], "serial number S2 is of one unit"),
        ([_change(item, "s1", 1)], "differs from s1 by upper and lower case alone"),
        ([Change(item, 1)], "name the serial number of its units"),
        ([Change(shop.item(1), 1, LotFacts("A"))], "isn't tracked by lot: leave out lot A"),
        ([Change(item, 1, LotFacts("S3", SOON, made_on=LATER))], "can't be made on"),
    ]:
        with nothing_changes(engine, item), pytest.raises(InvalidRequest, match=message):
            correct_stock(database.engine, changes, NOON)
    correct_stock(database.engine, [_change(item, "S1", -1), _change(elsewhere, "S2", 1)], NOON)
    assert (lot_books(engine, item), lot_books(engine, elsewhere)) == ({}, {"S2": (1, 0, 0)})
