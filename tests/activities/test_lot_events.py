"""What others are told of lots: new ones, those of movements and holds, and what of a level is unavailable."""

from datetime import timedelta

from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.contracts.event import DATA
from stockkeeper.domain.event import EventKind
from tests.activities.test_buffer import Keeping
from tests.support.lots import TODAY, bring_lots, lot_item, of_lots, set_status
from tests.support.shop import Shop, new_reference
from tests.support.steps.recall import RecallCalls
from tests.support.steps.replenishment_plan import Planning, names
from tests.support.steps.reservation import Steps
from tests.support.told import Told, telling

SOON, LATER, OVER = TODAY + timedelta(days=3), TODAY + timedelta(days=900), TODAY - timedelta(days=900)


def _of(told: list[Told], kind: EventKind) -> list[Told]:
    found = [each for each in told if each.kind == kind]
    for each in found:
        assert each.data.keys() == DATA[kind].model_validate(each.data).model_dump().keys()
    return found


def test_a_lot_is_told_when_it_comes_first_and_when_a_day_is_learnt(shop: Shop, engine: Engine) -> None:
    with telling(engine) as told:
        item = lot_item(shop, ("L1", None, 5))
    [lot] = _of(told, EventKind.LOT_CHANGED)
    assert (lot.subject, lot.performed_by) == (f"lot/{item.product_id}/L1", "tests")
    assert {name: lot.data[name] for name in lot.data if name != "sku"} == {
        "product_id": item.product_id,
        "lot_number": "L1",
        "status": "AVAILABLE",
        "reason": None,
        "expires_on": None,
        "best_before": None,
        "warehouse_ids": [item.warehouse_id],
    }
    with telling(engine) as told:
        bring_lots(engine, item, ("L1", LATER, 1))
    assert [each.data["expires_on"] for each in _of(told, EventKind.LOT_CHANGED)] == [LATER.isoformat()]
    with telling(engine) as told:
        bring_lots(engine, item, ("L1", LATER, 1))
    assert _of(told, EventKind.LOT_CHANGED) == []
    [moved] = _of(told, EventKind.STOCK_MOVED)
    assert (moved.data["lot_number"], moved.data["quantity"], moved.data["lot_balance_after"]) == ("L1", 1, 7)


def test_a_hold_tells_its_lots_and_a_level_what_is_unavailable(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, order = lot_item(shop, ("OVER", OVER, 4), ("SOON", SOON, 2), ("LATER", LATER, 5)), new_reference()
    with telling(engine) as told:
        steps.reserve(order, (item, 3))
    [level], [hold] = _of(told, EventKind.LEVEL_CHANGED), _of(told, EventKind.HOLD_MADE)
    assert (level.level, level.data["quantity_unavailable"]) == ((11, 3, 4), 4)
    lots = [
        {"lot_number": "SOON", "expires_on": SOON.isoformat(), "quantity": 2, "fulfilled": 0},
        {"lot_number": "LATER", "expires_on": LATER.isoformat(), "quantity": 1, "fulfilled": 0},
    ]
    assert hold.data["lines"][0]["lots"] == lots
    with telling(engine) as told:
        steps.fulfill(order, of_lots(item, SOON=2))
    [changed] = _of(told, EventKind.HOLD_CHANGED)
    assert changed.data["lines"][0]["lots"] == [lots[0] | {"quantity": 0, "fulfilled": 2}, lots[1]]


def test_what_is_not_tracked_tells_no_lots(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(3)
    with telling(engine) as told:
        steps.reserve(new_reference(), (item, 1))
    [level], [hold] = _of(told, EventKind.LEVEL_CHANGED), _of(told, EventKind.HOLD_MADE)
    assert "quantity_unavailable" not in level.data
    assert "lots" not in hold.data["lines"][0]


def test_a_lot_that_comes_where_nothing_of_it_is_is_told_with_what_is_known_of_it(shop: Shop, engine: Engine) -> None:
    here = lot_item(shop, ("L1", LATER, 5))
    set_status(engine, here, "L1", "QUARANTINED")
    with telling(engine) as told:
        there = lot_item(shop, ("L1", None, 2), product=here.product_id)
    [lot] = _of(told, EventKind.LOT_CHANGED)
    assert {name: lot.data[name] for name in ("status", "reason", "expires_on", "warehouse_ids")} == {
        "status": "QUARANTINED",
        "reason": "test",
        "expires_on": LATER.isoformat(),
        "warehouse_ids": [there.warehouse_id],
    }
    bring_lots(engine, there, ("L1", None, -2))
    with telling(engine) as told:
        bring_lots(engine, there, ("L1", None, 1))
        bring_lots(engine, there, ("L1", None, 1))
    assert [each.data["warehouse_ids"] for each in _of(told, EventKind.LOT_CHANGED)] == [[there.warehouse_id]]


def test_a_level_that_sql_tells_is_without_lots_that_may_not_leave_on_the_day_of_the_step(
    shop: Shop, database: Database, engine: Engine
) -> None:
    item = lot_item(shop, ("OVER", TODAY - timedelta(days=1), 4), ("LAST DAY", TODAY, 5), minimum_days_left=0)
    shop.set_point(item, 5, 10)
    for buffer, available, is_below in ((1, 4, True), (0, 5, False)):
        with telling(engine) as told:
            Keeping(database).keep(item, buffer)
        [level] = _of(told, EventKind.LEVEL_CHANGED)
        assert (level.level, level.data["quantity_unavailable"]) == ((9, 0, available), 4)
        assert level.data["below_reorder_point"] is is_below


def test_a_new_point_that_is_above_what_lots_let_leave_is_told_with_the_level(
    shop: Shop, planning: Planning, engine: Engine
) -> None:
    item = lot_item(shop, ("OVER", OVER, 4), ("LATER", LATER, 5))
    with telling(engine) as told:
        planning.set(*names(engine, item), "manual", 6, 10)
    [level] = _of(told, EventKind.LEVEL_CHANGED)
    assert (level.level, level.data["below_reorder_point"]) == ((9, 0, 5), True)


def test_the_level_is_told_of_a_lot_that_is_released(shop: Shop, database: Database, engine: Engine) -> None:
    here = lot_item(shop, ("BAD", LATER, 5), ("GOOD", LATER, 1))
    there = lot_item(shop, ("BAD", LATER, 3), product=here.product_id)
    recalling = RecallCalls(database)
    with telling(engine) as told:
        number = recalling.blocked(here, "BAD")
    assert [each.level for each in _of(told, EventKind.LEVEL_CHANGED)] == [(6, 0, 1), (3, 0, 0)]
    with telling(engine) as told:
        recalling.release(number)
    levels, [lot] = _of(told, EventKind.LEVEL_CHANGED), _of(told, EventKind.LOT_CHANGED)
    assert [(each.level, "quantity_unavailable" in each.data) for each in levels] == [
        ((6, 0, 6), False),
        ((3, 0, 3), False),
    ]
    assert (lot.data["status"], lot.data["warehouse_ids"]) == ("AVAILABLE", [here.warehouse_id, there.warehouse_id])
