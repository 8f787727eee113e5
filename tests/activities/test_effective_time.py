"""Friday's goods, booked on Monday: which questions follow the one, and which the other."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.domain.replenishment import usage_of
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.past import A_DAY, Past, demand, usage
from tests.support.replenishment_rows import supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused
from tests.support.steps.adjustment import AdjustmentCalls, dear_item
from tests.support.steps.customer_return import ReturnCalls, found
from tests.support.steps.ledger import Asking
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.replenishment_plan import Planning
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

FRIDAY = NOON - 3 * A_DAY
"""29 May 2026: the steps are taken on Monday the 1st of June, and booked by the database's clock after it."""

_MOVED = text("""
    SELECT movement_type, quantity, occurred_at, created_at > :noon AS later FROM stock_movements
    WHERE product_id = :product_id AND reference_id <> 'opening' ORDER BY movement_id
""")


def _moved(engine: Engine, item: ItemKey) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(_MOVED, {"product_id": item.product_id, "noon": NOON}).all()
    assert all(row.later for row in rows)
    return [(row.movement_type, row.quantity, row.occurred_at) for row in rows]


def test_every_command_that_moves_stock_may_say_when_it_did(database: Database, shop: Shop, engine: Engine) -> None:
    item, elsewhere = shop.item(100), shop.warehouse()
    selling, buying, moving = Steps(database), Buying(database), TransferCalls(database)
    order = new_reference()
    selling.reserve(order, (item, 3))
    selling.fulfill(order, occurred_at=FRIDAY)
    buying.receive(buying.order(shop, (item, 50)), "1", came(item, 50), occurred_at=FRIDAY)
    transfer = moving.held(elsewhere, (item, 8))
    moving.dispatch(transfer, occurred_at=FRIDAY)
    moving.receive(transfer, "1", arrived(item, 8), occurred_at=FRIDAY + timedelta(hours=4))
    returned = ReturnCalls(database)
    number = returned.expected((item, 2), reference_id=order)
    returned.inspect(number, "1", found(item, 2), occurred_at=NOON)
    AdjustmentCalls(database).submitted((item, -1), occurred_at=FRIDAY)
    selling.reserve(again := new_reference(), (item, 1))
    selling.fulfill(again)
    assert _moved(engine, item) == [
        ("SALE", -3, FRIDAY),
        ("PURCHASE", 50, FRIDAY),
        ("TRANSFER_OUT", -8, FRIDAY),
        ("TRANSFER_IN", 8, FRIDAY + timedelta(hours=4)),
        ("RETURN", 2, NOON),
        ("ADJUSTMENT", -1, FRIDAY),
        ("SALE", -1, None),
    ]


def test_an_adjustment_that_waits_for_approval_keeps_its_time(database: Database, shop: Shop, engine: Engine) -> None:
    adjusting, item = AdjustmentCalls(database), dear_item(shop)
    number = adjusting.submitted((item, -2), occurred_at=FRIDAY)
    assert _moved(engine, item) == []
    adjusting.approve(number)
    assert _moved(engine, item) == [("ADJUSTMENT", -2, FRIDAY)]


def test_the_future_is_refused_and_nothing_moves(database: Database, shop: Shop, engine: Engine) -> None:
    item, selling, order = shop.item(10), Steps(database), new_reference()
    selling.reserve(order, (item, 3))
    tomorrow = NOON + A_DAY
    with nothing_changes(engine, item):
        assert refused(lambda: selling.fulfill(order, occurred_at=tomorrow))[0] == "InvalidRequest"
    assert selling.fulfill(order, occurred_at=FRIDAY).lines[0].quantity_fulfilled == 3


def test_a_repeat_with_another_time_is_another_operation(database: Database, shop: Shop, engine: Engine) -> None:
    item, selling, order = shop.item(10), Steps(database), new_reference()
    selling.reserve(order, (item, 3))
    selling.fulfill(order, occurred_at=FRIDAY)
    with nothing_changes(engine, item):
        selling.fulfill(order, occurred_at=FRIDAY)
        assert refused(lambda: selling.fulfill(order, occurred_at=NOON))[0] == "OperationConflict"


def test_demand_is_of_the_day_on_which_goods_left_and_the_balance_of_the_instant_of_booking(
    database: Database, shop: Shop, engine: Engine, planning: Planning, past: Past
) -> None:
    """Also if the day was summed up long before."""
    item, selling = past.seller(5, 0, 7), Steps(database)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE inventory_items SET planning = 'auto' WHERE warehouse_id = :warehouse_id"), item._asdict()
        )
    before = datetime.now(UTC)
    planning.roll_up(before)
    assert demand(engine, item) == {"2025-06-07": 5, "2025-06-09": 7}
    for units, at in ((20, datetime(2026, 5, 29, 9, tzinfo=UTC)), (1, datetime(2026, 5, 29, 18, tzinfo=UTC))):
        selling.reserve(order := new_reference(), (item, units))
        selling.fulfill(order, occurred_at=at)
    after = datetime.now(UTC)
    assert planning.roll_up(after).days_written == 1
    assert demand(engine, item) == {"2025-06-07": 5, "2025-06-09": 7, "2026-05-29": 21}
    as_of = datetime(2026, 5, 31, tzinfo=UTC)
    assert usage(database, item, as_of=as_of, history_days=2) == usage_of([21, 0])
    query = text("SELECT balance_after FROM balance_at(:warehouse_id, :product_id, :as_of)")
    with engine.connect() as connection:
        balances = [connection.execute(query, item._asdict() | {"as_of": at}).scalar_one() for at in (before, after)]
    assert balances == [99_988, 99_967]


def test_a_sale_that_was_booked_later_and_is_returned_comes_off_its_own_day(
    database: Database, shop: Shop, engine: Engine, planning: Planning
) -> None:
    item, selling, returned = shop.item(100), Steps(database), ReturnCalls(database)
    selling.reserve(order := new_reference(), (item, 30))
    selling.fulfill(order, occurred_at=FRIDAY)
    number = returned.expected((item, 12), reference_id=order)
    returned.inspect(number, "1", found(item, 10, 2))
    planning.roll_up(datetime.now(UTC) + A_DAY)
    assert demand(engine, item) == {"2026-05-29": 18}


def test_the_days_of_an_item_begin_with_the_first_goods_that_moved(
    database: Database, shop: Shop, planning: Planning
) -> None:
    item, selling = shop.item(100), Steps(database)
    now = datetime.now(UTC)
    selling.reserve(order := new_reference(), (item, 30), as_of=now)
    selling.fulfill(order, as_of=now, occurred_at=now - 3 * A_DAY)
    planning.roll_up(now + A_DAY)
    assert usage(database, item, as_of=now + A_DAY) == usage_of([30, 0, 0, 0])


@pytest.mark.parametrize("hours", [0, 49])
def test_a_truck_is_overdue_by_the_time_at_which_it_left(database: Database, shop: Shop, hours: int) -> None:
    item, moving = shop.item(10), TransferCalls(database)
    number = moving.held(shop.warehouse(), (item, 8), hours=48)
    left = NOON - timedelta(hours=hours)
    sent = moving.dispatch(number, occurred_at=left)
    assert (sent.dispatched_at, sent.due_at) == (left, left + timedelta(hours=48))


def test_the_lead_time_is_measured_to_the_day_on_which_goods_came(
    database: Database, shop: Shop, engine: Engine
) -> None:
    item, buying, supplier = shop.item(0), Buying(database), shop.supplier()
    supply(engine, item, supplier)
    number = buying.order(shop, (item, 5), supplier=supplier, as_of=NOON - 10 * A_DAY)
    buying.receive(number, "1", came(item, 5), occurred_at=FRIDAY)
    query = text("SELECT measured_lead_time_days FROM product_suppliers WHERE supplier_id = :s")
    with engine.connect() as connection:
        assert connection.execute(query, {"s": supplier}).scalar_one() == 7


def test_a_movement_says_when_the_goods_moved(database: Database, shop: Shop) -> None:
    item, selling, asking = shop.item(10), Steps(database), Asking(database)
    for occurred_at in (FRIDAY, None):
        selling.reserve(order := new_reference(), (item, 3))
        selling.fulfill(order, occurred_at=occurred_at)
    [[now, before, _]] = asking.history(item)
    assert [each.occurred_at for each in (now, before)] == [None, FRIDAY]
    assert "occurred_at" not in now.model_dump()
    plain, dated = (asking.export(warehouse=item.warehouse_id, effective_time=wanted).rows for wanted in (False, True))
    # Before the last column, the lot, which is empty.
    assert [longer.removeprefix(row) for row, longer in zip(plain, dated, strict=True)] == [
        f"{each.isoformat()}," for each in (asking.history(item)[0][2].created_at, FRIDAY, now.created_at)
    ]
