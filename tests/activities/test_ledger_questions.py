"""What was there at an instant: the last movement's balance, for every instant, by one look-up in an index."""

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, TextClause, text

from activities import ledger as questions
from database import history
from database.sessions import Database
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.past import A_DAY, Past
from tests.support.shop import Shop
from tests.support.steps.activity import refused
from tests.support.steps.ledger import A_MICROSECOND, Asking, ledger_of, model_at, now

LONG_AGO = datetime(2025, 6, 10, tzinfo=UTC)
IN, OUT = MovementType.ADJUSTMENT, MovementType.SALE


@pytest.fixture
def asking(database: Database) -> Asking:
    return Asking(database)


def test_the_balance_at_an_instant_is_that_of_the_last_movement_at_or_before_it(asking: Asking, shop: Shop) -> None:
    item = Past(shop).item(LONG_AGO, units=10)
    Past(shop).sold(item, (LONG_AGO + timedelta(hours=1), 4))
    here, sold = item.warehouse_id, LONG_AGO + timedelta(hours=1)
    assert asking.stock_at(LONG_AGO - A_MICROSECOND, warehouse=here) == {}
    assert asking.stock_at(LONG_AGO, warehouse=here) == {item: 10}
    assert asking.stock_at(sold - A_MICROSECOND, warehouse=here) == {item: 10}
    assert asking.stock_at(sold, warehouse=here) == {item: 6}
    assert asking.stock_at(now(), warehouse=here) == {item: 6}


def test_every_instant_agrees_with_adding_up(asking: Asking, shop: Shop, engine: Engine) -> None:
    """Four items that move at instants of their own, the same ones now and then; at, before and after each of them."""
    dice, past = random.Random(7), Past(shop)
    here = shop.warehouse()
    for _ in range(4):
        item, on_hand, moved = shop.item(0, warehouse=here), 0, []
        for second in sorted(dice.sample(range(20), 8)):
            units = dice.choice([each for each in range(-on_hand, 10) if each])
            on_hand += units
            moved.append((LONG_AGO + timedelta(seconds=second), IN, units))
        past.happened(item, *moved)
    written = ledger_of(engine, here)
    instants = {each.at + offset for each in written for offset in (-A_MICROSECOND, timedelta(), A_MICROSECOND)}
    assert len(written) == 32
    for instant in sorted(instants):
        assert asking.stock_at(instant, warehouse=here) == model_at(written, instant), instant


def test_movements_of_one_operation_are_instants_of_their_own(asking: Asking, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    shop.move(item, 5, -2, 4, -7)
    written = ledger_of(engine, item.warehouse_id)
    answers = [asking.stock_at(each.at, warehouse=item.warehouse_id)[item] for each in written]
    assert answers == [5, 3, 7, 0]
    assert written[-1].at - written[0].at == 3 * A_MICROSECOND
    assert asking.stock_at(written[0].at - A_MICROSECOND, warehouse=item.warehouse_id) == {}


def test_an_item_that_never_moved_is_left_out_and_one_that_has_run_out_is_not(asking: Asking, shop: Shop) -> None:
    gone, never = shop.item(3), shop.item(0)
    shop.move(gone, -3)
    instant = now()
    assert asking.stock_at(instant, warehouse=gone.warehouse_id) == {gone: 0}
    assert asking.stock_at(instant, product=never.product_id) == {}


def test_it_is_asked_of_a_product_a_warehouse_both_or_all(asking: Asking, shop: Shop) -> None:
    past = Past(shop)
    first = past.item(LONG_AGO, units=1)
    beside = past.item(LONG_AGO, units=2, warehouse=first.warehouse_id)
    elsewhere = past.item(LONG_AGO, units=4, product=first.product_id)
    assert asking.stock_at(LONG_AGO, warehouse=first.warehouse_id) == {first: 1, beside: 2}
    assert asking.stock_at(LONG_AGO, product=first.product_id) == {first: 1, elsewhere: 4}
    both = asking.stock_at(LONG_AGO, product=first.product_id, warehouse=first.warehouse_id)
    assert both == {first: 1}
    everything = asking.stock_at(LONG_AGO)
    assert {item: everything[item] for item in (first, beside, elsewhere)} == {first: 1, beside: 2, elsewhere: 4}


def test_an_answer_says_what_it_is_of_and_since_when(asking: Asking, shop: Shop, engine: Engine) -> None:
    item = Past(shop).item(LONG_AGO, units=10)
    with engine.connect() as connection:
        query = text("""
            SELECT sku, products.name, warehouses.name FROM products, warehouses
            WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
        """)
        sku, name, warehouse = connection.execute(query, item._asdict()).one()
    [[level]] = asking.pages_at(LONG_AGO + timedelta(days=1), warehouse=item.warehouse_id)
    assert level.model_dump() == item._asdict() | {
        "sku": sku,
        "name": name,
        "warehouse": warehouse,
        "quantity_on_hand": 10,
        "moved_at": LONG_AGO,
    }


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_pages_leave_out_nothing_and_say_nothing_twice(
    asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    past, products = Past(shop), sorted(shop.product() for _ in range(2))
    places = sorted(shop.warehouse() for _ in range(2))
    items = [past.item(LONG_AGO, units=3, product=each, warehouse=place) for each in products for place in places]
    items.append(past.item(LONG_AGO, units=3, product=products[0]))
    expected = [item for item in items if item.product_id == products[0]]
    monkeypatch.setattr(questions, "LEVELS_A_PAGE", size)
    pages = asking.pages_at(LONG_AGO, product=products[0])
    asked = [(level.sku, level.warehouse) for page in pages for level in page]
    assert asked == sorted(asked)
    assert sorted(ItemKey(level.warehouse_id, level.product_id) for page in pages for level in page) == sorted(expected)
    assert [len(page) for page in pages] == [size] * (3 // size) + [3 % size] * (3 % size > 0)


def test_an_instant_that_is_yet_to_come_is_refused(asking: Asking, shop: Shop) -> None:
    item = shop.item(3)
    told = refused(lambda: asking.stock_at(now() + timedelta(seconds=60), warehouse=item.warehouse_id))
    assert told == ("InvalidRequest", {})


def test_an_instant_that_is_just_ahead_of_the_databases_clock_is_waited_for(
    asking: Asking, shop: Shop, engine: Engine
) -> None:
    """The one who asks may have another clock."""
    item = shop.item(3)
    ahead = now() + timedelta(milliseconds=200)
    assert asking.stock_at(ahead, warehouse=item.warehouse_id) == {item: 3}
    assert now() > ahead
    shop.move(item, 1)
    assert ledger_of(engine, item.warehouse_id)[-1].at > ahead


@pytest.mark.parametrize(
    ("asked", "error", "ids"),
    [
        ({"product": 2**62}, "UnknownProduct", "product_ids"),
        ({"warehouse": 2**62}, "UnknownWarehouse", "warehouse_ids"),
    ],
)
def test_what_nobody_knows_is_refused(asking: Asking, asked: dict[str, int], error: str, ids: str) -> None:
    assert refused(lambda: asking.stock_at(LONG_AGO, **asked)) == (error, {ids: []})


_LOOK_UP = "Index Scan Backward using stock_movements_by_item on stock_movements moved"


@pytest.mark.parametrize(
    ("question", "asked", "look_ups"),
    [
        (
            history._LEVELS_THEN,
            {
                "as_of": LONG_AGO,
                "product_id": None,
                "warehouse_id": None,
                "after_sku": "",
                "after_warehouse": "",
                "most": 10,
            },
            1,
        ),
        (
            history._COURSE,
            {"since": LONG_AGO, "until": LONG_AGO + A_DAY, "steps": 9, "warehouse_id": 1, "product_id": 1},
            2,
        ),
    ],
    ids=["levels", "course"],
)
def test_an_instant_is_one_look_up_in_the_index(
    database: Database, question: TextClause, asked: dict[str, Any], look_ups: int
) -> None:
    """Sums, sorts and passes over the ledger would be slow for an item with many movements."""
    explained = text(f"EXPLAIN (COSTS OFF) {question.text}").bindparams(*question._bindparams.values())
    with database.snapshot() as connection:
        # So little is there that it may be quicker to read all of it, or to sort it.
        for way in ("seqscan", "bitmapscan", "sort"):
            connection.execute(text(f"SET LOCAL enable_{way} = off"))
        plan = [row[0].strip().removeprefix("->  ") for row in connection.execute(explained, asked)]
    found = [number for number, step in enumerate(plan) if step.startswith(_LOOK_UP)]
    assert len(found) == look_ups, plan
    for number in found:
        # The first row that the index has is the answer.
        assert plan[number - 1] == "Limit", plan
        assert re.fullmatch(
            r"Index Cond: \(\(warehouse_id = .*\) AND \(product_id = .*\) AND \(created_at <= .*\)\)", plan[number + 1]
        ), plan
    assert [step for step in plan if "balance_at" in step or step.startswith("Seq Scan on stock_movements")] == []
