"""What can be promised of an item whose lots have expired or whose units were set aside, wherever that is read."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from activities.order_promising import OrderPromises
from activities.stock import StockQuestions
from database import ledger
from database.figures import ITEMS_BELOW, read_figures
from database.operations import Operation
from database.sessions import Database
from database.stock_reading import Wants, locked_stock
from database.waiting_looks import levels_at
from stockkeeper.contracts.order_promising import AskPromise, PromiseLine
from stockkeeper.contracts.stock import ShowLevels, StockLevel
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.stock import ItemKey, Level
from tests.support.lots import TODAY, lot_item, set_status
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.replenishment_plan import Planning
from tests.support.steps.reservation import Steps

OVER, LATER = date(2020, 1, 31), date(2150, 3, 31)
DAY = timedelta(days=1)


@pytest.fixture
def item(shop: Shop) -> ItemKey:
    """An item with seven units, three of which can be promised: two have expired, two are set aside."""
    item = lot_item(shop, ("OVER", OVER, 2), ("LATER", LATER, 5))
    _set_aside(shop.engine, item, "LATER", StockState.DAMAGED, 2)
    return item


def _set_aside(engine: Engine, item: ItemKey, lot_number: str | None, state: StockState, units: int) -> None:
    operation = Operation(new_reference("aside/"), "test", {}, "tests", "test", "test", as_of=datetime.now(UTC))
    with engine.begin() as connection, locked_stock(connection, Wants(items=[item]), operation) as stock:
        of = stock.items[item]
        ledger.set_aside(stock, of, ledger.lot_of(of, lot_number), state, units)


def _level(database: Database, item: ItemKey, *, at: datetime = NOON, below: bool = False) -> StockLevel | None:
    asked = ShowLevels(
        product_ids=[item.product_id], warehouse_ids=[item.warehouse_id], below_reorder_point=below, as_of=at
    )
    return next(iter(StockQuestions(database).show_levels(asked).levels), None)


def test_a_level_says_what_is_unavailable_and_why(database: Database, item: ItemKey) -> None:
    level = _level(database, item)
    assert level is not None
    assert (level.quantity_on_hand, level.quantity_reserved, level.quantity_unavailable) == (7, 0, 4)
    assert (level.quantity_available, level.unavailable) == (3, {"DAMAGED": 2, "EXPIRED": 2})


def test_a_lot_is_unavailable_for_one_reason(database: Database, shop: Shop, engine: Engine) -> None:
    soon = TODAY + 3 * DAY
    item = lot_item(
        shop, ("A", OVER, 1), ("B", soon, 2), ("C", LATER, 4), ("D", LATER, 8), ("E", LATER, 16), minimum_days_left=4
    )
    set_status(engine, item, "C", "BLOCKED")
    set_status(engine, item, "D", "QUARANTINED")
    level = _level(database, item)
    assert level is not None
    assert level.unavailable == {"BLOCKED": 4, "EXPIRED": 1, "QUARANTINE": 8, "TOO_FEW_DAYS_LEFT": 2}
    assert level.quantity_available == 16


def test_an_untracked_item_may_have_units_set_aside(database: Database, shop: Shop, engine: Engine) -> None:
    item = shop.item(9)
    level = _level(database, item)
    assert level is not None
    assert (level.quantity_unavailable, "unavailable" in level.model_dump()) == (0, False)
    _set_aside(engine, item, None, StockState.QUALITY_CONTROL, 4)
    level = _level(database, item)
    assert level is not None
    assert (level.quantity_available, level.unavailable) == (5, {"QUALITY_CONTROL": 4})


def test_units_become_unavailable_at_the_midnight_that_ends_their_day(database: Database, shop: Shop) -> None:
    item = lot_item(shop, ("TODAY", TODAY, 3), ("LATER", LATER, 1))
    midnight = datetime(2026, 6, 2, tzinfo=UTC)
    for at, units in ((midnight - MINUTE, 4), (midnight, 1)):
        level = _level(database, item, at=at)
        assert level is not None
        assert level.quantity_available == units


def test_an_item_is_below_its_point_without_lots_that_have_expired(
    database: Database, shop: Shop, item: ItemKey
) -> None:
    shop.set_point(item, 3, 10)
    assert _level(database, item, below=True) is None
    shop.set_point(item, 4, 10)
    assert _level(database, item, below=True) is not None


def test_the_gauge_counts_items_that_are_below_without_such_lots(database: Database, shop: Shop, item: ItemKey) -> None:
    def below() -> float:
        with database.snapshot() as connection:
            figures = read_figures(connection, as_of=NOON, reorder="reorder")
        return next(each.value for each in figures if each.name == ITEMS_BELOW)

    shop.set_point(item, 3, 10)
    before = below()
    shop.set_point(item, 4, 10)
    assert below() == before + 1
    shop.set_point(item, 6, 10)
    assert below() == before + 1


def test_who_waits_is_served_by_what_may_leave(database: Database, steps: Steps, shop: Shop) -> None:
    """A hold whose deadline has come frees nothing that has expired meanwhile."""
    soon = TODAY + DAY
    item = lot_item(shop, ("OVER", OVER, 2), ("SOON", soon, 3), ("LATER", LATER, 4))
    steps.reserve(new_reference(), (item, 5), ttl=MINUTE)
    with database.snapshot() as connection:
        assert levels_at(connection, [item.product_id], NOON)[item] == Level(9, 5, 0, 2)
        assert levels_at(connection, [item.product_id], NOON + 2 * DAY)[item] == Level(9, 0, 0, 5)


def test_a_promise_counts_on_what_may_leave(database: Database, item: ItemKey) -> None:
    def missing(units: int) -> int:
        line = PromiseLine(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=units)
        [promised] = OrderPromises(database).promise(AskPromise(lines=[line], as_of=NOON)).lines
        return promised.missing

    assert (missing(3), missing(5)) == (0, 2)


def test_a_plan_shows_what_may_leave(planning: Planning, shop: Shop, item: ItemKey) -> None:
    shop.set_point(item, 3, 10)
    [plan] = planning.show(product=f"id:{item.product_id}").plans
    assert plan.quantity_available == 3


def test_reports_have_what_may_leave(engine: Engine, shop: Shop, item: ItemKey) -> None:
    shop.set_point(item, 4, 10)
    statement = text("""
        SELECT quantity_on_hand, quantity_available, quantity_unavailable, is_below_reorder_point, is_tracked
        FROM reporting.levels WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
    """)
    of_lots = text("""
        SELECT lot_number, quantity_free, days_left < 0 FROM reporting.lots
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY lot_number
    """)
    with engine.connect() as connection:
        assert connection.execute(statement, item._asdict()).one() == (7, 3, 4, True, True)
        assert connection.execute(of_lots, item._asdict()).all() == [("LATER", 3, False), ("OVER", 2, True)]
