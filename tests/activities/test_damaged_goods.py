"""Goods of transfers and returns that wait for an inspection, if the settings say so, instead of leaving the books."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from activities import transfer_goods
from database.sessions import Database
from stockkeeper.domain.inspection import DamagedGoods, GoodsPolicy, ReturnedGoods
from stockkeeper.domain.lot import Tracking
from stockkeeper.domain.stock import ItemKey
from tests.activities.test_lot_transfers import fit
from tests.support.adjustment import priced
from tests.support.books import nothing_changes
from tests.support.lots import TODAY, lot_books, lot_item
from tests.support.shop import Shop
from tests.support.states import levels, states
from tests.support.steps.activity import refused
from tests.support.steps.customer_return import ReturnCalls, found, return_stays
from tests.support.steps.inspection import InspectionCalls
from tests.support.steps.stock_audit import Auditing
from tests.support.steps.transfer import TransferCalls, arrived

SOON, YESTERDAY = TODAY + timedelta(days=3), TODAY - timedelta(days=1)


@pytest.fixture
def moving(database: Database) -> TransferCalls:
    """The transfers of a house that inspects damaged goods."""
    return TransferCalls(database, goods=GoodsPolicy(damaged=DamagedGoods.INSPECT))


def _as_booked(database: Database, *items: ItemKey) -> bool:
    """Whether documents, ledger and stock of these warehouses agree, by the audit."""
    return not any(Auditing(database, item.warehouse_id).found() for item in items)


def test_damaged_goods_of_a_transfer_wait_at_their_destination(
    moving: TransferCalls, inspecting: InspectionCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    # Dear ones: what isn't lost yet needs no second person.
    item = shop.item(10, product=priced(shop, "400.00"))
    to = ItemKey(shop.warehouse(), item.product_id)
    number = moving.sent(to.warehouse_id, (item, 8))
    stored = moving.receive(number, "truck", arrived(item, 3, 2))
    [line] = stored.line_items
    assert (line.received, line.damaged, line.in_transit) == (3, 2, 3)
    assert (levels(engine, to), states(engine, to)) == ((5, 0, 2, 3), [("", "DAMAGED", 2)])
    [opened] = stored.opened_inspections
    assert (opened.inspection_number, opened.warehouse_id, opened.state, opened.performed_by, opened.reason) == (
        f"{number}.truck",
        to.warehouse_id,
        "DAMAGED",
        "dora",
        f"receipt truck of transfer {number}: damaged",
    )
    again = moving.receive(number, "truck", arrived(item, 3, 2))
    assert (again.opened_inspections, levels(engine, to)) == (stored.opened_inspections, (5, 0, 2, 3))
    # All of a receipt may be damaged, of an item that was never stocked there.
    moving.receive(number, "van", arrived(item, 0, 1))
    assert inspecting.release(f"{number}.van").lines[0].brought == 1
    # Scrapping them is a loss, which keeps to the limit.
    with nothing_changes(engine, to):
        assert refused(lambda: inspecting.scrap(f"{number}.truck"))[0] == "NotPermitted"
    inspecting.scrap(f"{number}.truck", (to, 1))
    assert levels(engine, to) == (5, 0, 1, 4)
    assert _as_booked(database, item, to)


def test_damaged_units_of_a_lot_wait_as_that_lot(
    moving: TransferCalls, shop: Shop, database: Database, engine: Engine
) -> None:
    item = lot_item(shop, ("A", SOON, 5))
    to = ItemKey(shop.warehouse(), item.product_id)
    number = moving.sent(to.warehouse_id, (item, 5))
    with nothing_changes(engine, item):
        wrong = fit(item, "A", 1, 2, expires_on=YESTERDAY)
        assert refused(lambda: moving.receive(number, "1", wrong))[0] == "InvalidRequest"
        other = fit(item, "A", 0, 2, expires_on=YESTERDAY)
        assert refused(lambda: moving.receive(number, "1", other))[0] == "InvalidRequest"
    moving.receive(number, "1", fit(item, None, 1, 2))
    assert lot_books(engine, to) == {"A": (3, 0, 2)}
    # Without the setting they are in no stock.
    moving_off = TransferCalls(database)
    assert moving_off.receive(number, "2", fit(item, "A", 1, 1)).opened_inspections == []
    assert lot_books(engine, to) == {"A": (4, 0, 2)}
    assert _as_booked(database, item, to)


def test_more_lots_than_an_inspection_takes_are_inspected_by_several(
    moving: TransferCalls, database: Database, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_goods, "MAX_LINES", 1)
    item = lot_item(shop, ("A", SOON, 1), ("B", SOON, 2))
    to = ItemKey(shop.warehouse(), item.product_id)
    number = moving.sent(to.warehouse_id, (item, 3))
    stored = moving.receive(number, "1", fit(item, None, 0, 3))
    assert sorted(each.inspection_number for each in stored.opened_inspections) == [f"{number}.1", f"{number}.1-2"]
    assert sorted((line.lot_number, line.quantity) for each in stored.opened_inspections for line in each.lines) == [
        ("A", 1),
        ("B", 2),
    ]
    assert lot_books(engine, to) == {"A": (1, 0, 1), "B": (2, 0, 2)}
    assert _as_booked(database, item, to)


def test_returned_goods_wait_in_quality_control_and_unfit_ones_as_damaged(
    database: Database, inspecting: InspectionCalls, shop: Shop, engine: Engine
) -> None:
    taking = ReturnCalls(database, goods=GoodsPolicy(DamagedGoods.INSPECT, ReturnedGoods.QUALITY_CONTROL))
    mug = shop.item(10)
    milk = lot_item(shop, ("A", SOON, 4), warehouse=mug.warehouse_id)
    number = taking.expected((mug, 6), (milk, 6))
    lines = [found(mug, 2, 1), found(milk, 1, 1, lot="A"), found(milk, 1, lot="OLD", expires_on=YESTERDAY)]
    # A number that can't be read any more comes onto no books.
    stored = taking.inspect(number, "slip", *lines, found(milk, 0, 1))
    assert [(each.inspection_number, each.state) for each in stored.opened_inspections] == [
        (f"{number}.slip", "QUARANTINE"),
        (f"{number}.slip-2", "QUALITY_CONTROL"),
        (f"{number}.slip.damaged", "DAMAGED"),
    ]
    assert levels(engine, mug) == (13, 0, 3, 10)
    assert states(engine, mug) == [("", "DAMAGED", 1), ("", "QUALITY_CONTROL", 2)]
    assert lot_books(engine, milk) == {"A": (6, 0, 2), "OLD": (1, 0, 1)}
    line = stored.lines[0]
    assert (line.restocked, line.scrapped) == (2, 1)
    for opened in stored.opened_inspections:
        inspecting.release(opened.inspection_number, by="ann")
    assert (levels(engine, mug), lot_books(engine, milk)) == ((13, 0, 0, 13), {"A": (6, 0, 0), "OLD": (1, 0, 0)})
    assert _as_booked(database, mug)


def test_a_unit_is_not_restocked_and_unfit_at_once(database: Database, shop: Shop, engine: Engine) -> None:
    taking = ReturnCalls(database, goods=GoodsPolicy(damaged=DamagedGoods.INSPECT))
    pump = lot_item(shop, tracking=Tracking.SERIAL)
    number = taking.expected((pump, 3))
    for lines in ([found(pump, 1, lot="S1"), found(pump, 0, 1, lot="S1")], [found(pump, 0, 1, lot="S1")] * 2):
        with return_stays(engine, number, pump):
            assert refused(partial(taking.inspect, number, "1", *lines))[0] == "InvalidRequest"
    taking.inspect(number, "1", found(pump, 1, lot="S1"), found(pump, 0, 1, lot="S2"))
    assert lot_books(engine, pump) == {"S1": (1, 0, 0), "S2": (1, 0, 1)}


def test_all_that_comes_back_waits_in_quarantine_by_one_inspection(
    database: Database, shop: Shop, engine: Engine
) -> None:
    taking = ReturnCalls(database, goods=GoodsPolicy(returned=ReturnedGoods.QUARANTINE))
    item = lot_item(shop)
    number = taking.expected((item, 3))
    lots = [found(item, 1, lot="OLD", expires_on=YESTERDAY), found(item, 2, lot="NEW", expires_on=SOON)]
    [opened] = taking.inspect(number, "1", *lots).opened_inspections
    assert (opened.state, [(line.lot_number, line.quantity) for line in opened.lines]) == (
        "QUARANTINE",
        [("OLD", 1), ("NEW", 2)],
    )
    assert lot_books(engine, item) == {"NEW": (2, 0, 2), "OLD": (1, 0, 1)}
