"""Nobody gets around the limit of adjustments: what is made or lost without a counterpart needs another person."""

from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from database.sessions import Database
from stockkeeper.contracts.purchase_order_state import ReceiptLine
from stockkeeper.domain.customer_return import ReturnStatus
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.adjustment import priced
from tests.support.books import level, nothing_changes
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused
from tests.support.steps.customer_return import ReturnCalls, found, return_stays
from tests.support.steps.purchase_order import Buying, wanted
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived, transfer_stays


def _above(value: str, units: int = 0) -> tuple[str, object]:
    return "NotPermitted", {"value": value, "unvalued_units": units, "limit": "500.00", "limit_units": 100}


def _accepted(item: ItemKey, units: int) -> ReceiptLine:
    return ReceiptLine(product_id=item.product_id, quantity=units)


# Transfers.


@pytest.fixture
def moving(database: Database) -> TransferCalls:
    """Moves goods."""
    return TransferCalls(database)


def _sent(moving: TransferCalls, shop: Shop, units: int = 60, cost: str | None = "100.00") -> tuple[str, ItemKey]:
    item = shop.item(units, product=priced(shop, cost))
    return moving.sent(shop.warehouse(), (item, units)), item


def test_one_person_writes_off_no_more_than_the_limit(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    number, item = _sent(moving, shop)
    with transfer_stays(engine, number, item):
        assert refused(partial(moving.write_off, number)) == _above("6000.00")
        # In parts it is the same loss.
    assert moving.write_off(number, "lost", (item, 5), write_off_id="five").status is TransferStatus.IN_TRANSIT
    with transfer_stays(engine, number, item):
        one_more = partial(moving.write_off, number, "lost", (item, 1), write_off_id="one")
        assert refused(one_more) == _above("600.00")
        damaged = partial(moving.receive, number, "d1", arrived(item, 54, 1))
        assert refused(damaged) == _above("600.00")
    assert moving.receive(number, "d2", arrived(item, 54)).status is TransferStatus.IN_TRANSIT


def test_another_person_approves_how_much_may_be_lost_and_then_it_is_booked(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    number, item = _sent(moving, shop)
    [approval] = moving.approve_difference(number, "5999.99", operation="1").difference_approvals
    assert (approval.approver, approval.at, approval.value, approval.unvalued_units, approval.note) == (
        *("max", NOON, Decimal("5999.99")),
        *(0, "I saw it"),
    )
    with transfer_stays(engine, number, item):
        assert refused(partial(moving.write_off, number)) == _above("6000.00")
    # Who books it has approved it, under another spelling: that is one person.
    moving.approve_difference(number, "6000.00", "DORA", operation="2")
    with transfer_stays(engine, number, item):
        assert refused(partial(moving.write_off, number)) == _above("6000.00")
    moving.approve_difference(number, "6000", operation="3")
    assert moving.write_off(number).status is TransferStatus.RECEIVED
    booked = text("SELECT approver, value, performed_by FROM approved_differences WHERE operation_id LIKE :operation")
    with engine.connect() as connection:
        rows = connection.execute(booked, {"operation": f"transfer-{number}/write_off/%"}).all()
    assert rows == [("max", Decimal(6000), "dora")]


def test_units_of_unknown_cost_have_a_limit_of_their_own(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    number, item = _sent(moving, shop, 101, None)
    with transfer_stays(engine, number, item):
        assert refused(partial(moving.write_off, number)) == _above("0.00", 101)
    moving.approve_difference(number, "0", units=101)
    assert moving.write_off(number).status is TransferStatus.RECEIVED


def test_goods_that_are_not_on_their_way_have_no_difference(moving: TransferCalls, shop: Shop) -> None:
    item = shop.item(10)
    number = moving.held(shop.warehouse(), (item, 4))
    state = {"status": "PENDING", "command": "approve_difference"}
    assert refused(partial(moving.approve_difference, number, "1")) == ("InvalidState", state)


# Returns.


@pytest.fixture
def returning(database: Database) -> ReturnCalls:
    """Takes goods back."""
    return ReturnCalls(database)


def test_an_order_that_never_existed_brings_nothing_back_unseen(
    returning: ReturnCalls, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(0, product=priced(shop, "100.00")), new_reference()
    number = returning.expected((item, 50), reference_id=order)
    with return_stays(engine, number, item):
        assert refused(partial(returning.inspect, number, "all", found(item, 50))) == _above("5000.00")
    # Scrapped goods make no stock, and little is nobody's business.
    assert returning.inspect(number, "some", found(item, 5, 20)).status is ReturnStatus.EXPECTED
    with return_stays(engine, number, item):
        assert refused(partial(returning.inspect, number, "more", found(item, 1))) == _above("600.00")
    returning.approve_difference(number, "3000.00")
    with return_stays(engine, number, item):
        by_max = partial(returning.inspect, number, "more", found(item, 25), performed_by="Max")
        assert refused(by_max) == _above("3000.00")
    assert returning.inspect(number, "more", found(item, 25)).status is ReturnStatus.INSPECTED
    assert level(engine, item) == (30, 0)


def test_no_more_comes_back_than_an_order_has_shipped_less_than_came_before(
    returning: ReturnCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(100, product=priced(shop, "100.00")), new_reference()
    steps.reserve(order, (item, 40))
    # Held is not shipped.
    early = returning.expected((item, 40), reference_id=order)
    with return_stays(engine, early, item):
        assert refused(partial(returning.inspect, early, "all", found(item, 40))) == _above("4000.00")
    steps.fulfill(order)
    assert returning.inspect(early, "all", found(item, 20, 20)).status is ReturnStatus.INSPECTED
    # All of it has come back, by another return of the same order; ten more are made of nothing.
    late = returning.expected((item, 10), reference_id=order)
    with return_stays(engine, late, item):
        assert refused(partial(returning.inspect, late, "all", found(item, 10))) == _above("1000.00")
    assert returning.inspect(late, "five", found(item, 5)).status is ReturnStatus.EXPECTED
    assert level(engine, item) == (85, 0)


# Purchase orders.


@pytest.mark.parametrize(
    ("known", "paid", "units", "approvals"),
    [
        ("100.00", "0", 50, 1),
        ("100.00", "0.01", 50, 1),
        ("100.00", "0", 5, 0),
        ("100.00", "100.00", 10, 0),
        ("100.00", "95.00", 10, 0),
        (None, "0", 101, 1),
        (None, "0", 100, 0),
        (None, "0.01", 1000, 0),
    ],
)
def test_goods_that_nobody_pays_for_are_ordered_by_two(
    database: Database, shop: Shop, known: str | None, paid: str, units: int, approvals: int
) -> None:
    buying, item = Buying(database), shop.item(0, product=priced(shop, known))
    order = buying.draft(new_reference("po"), shop.supplier(), item.warehouse_id, [wanted(item, units, paid)])
    assert order.required_approvals == approvals
    assert order.status is (PurchaseOrderStatus.DRAFT if approvals else PurchaseOrderStatus.SUBMITTED)


def test_a_policy_of_ones_own_does_not_make_stock_of_nothing(database: Database, shop: Shop) -> None:
    buying, item = Buying(database), shop.item(0, product=priced(shop, "100.00"))
    number = buying.order(shop, (item, 50), unit_cost="0.00", approvals=0)
    refusal = refused(partial(buying.receive, number, "r1", _accepted(item, 50)))
    assert refusal == ("InvalidState", {"status": "DRAFT", "command": "receive"})
    assert refused(partial(buying.approve, number, "Rita"))[0] == "NotPermitted"
    assert buying.approve(number, "ann").status is PurchaseOrderStatus.SUBMITTED


def test_more_than_was_ordered_is_received_by_two(database: Database, shop: Shop, engine: Engine) -> None:
    buying = Buying(database, over_delivery_percent="20")
    item = shop.item(0, product=priced(shop, "100.00"))
    number = buying.order(shop, (item, 50), unit_cost="100.00")
    assert buying.receive(number, "r1", _accepted(item, 45)).status is PurchaseOrderStatus.SUBMITTED
    with nothing_changes(engine, item):
        assert refused(partial(buying.receive, number, "r2", _accepted(item, 15))) == _above("1000.00")
    buying.approve_difference(number, "1000.00", "wes", operation="1")
    with nothing_changes(engine, item):
        assert refused(partial(buying.receive, number, "r2", _accepted(item, 15))) == _above("1000.00")
    [_, approval] = buying.approve_difference(number, "1000.00", operation="2").difference_approvals
    assert approval.approver == "max"
    assert buying.receive(number, "r2", _accepted(item, 15)).status is PurchaseOrderStatus.RECEIVED
    assert level(engine, item) == (60, 0)


# The database.


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"performed_by": "MAX"}, "approved_differences_not_own"),
        ({"value": 1001}, "approved_differences_no_more"),
        ({"unvalued_units": 1}, "approved_differences_no_more"),
        ({"up_to_value": 2000}, "approved_differences_within"),
        ({"approver": "moritz"}, "approved_differences_within"),
    ],
)
def test_the_database_books_nothing_by_an_approval_that_does_not_hold(
    moving: TransferCalls, shop: Shop, engine: Engine, change: dict[str, object], constraint: str
) -> None:
    number, _ = _sent(moving, shop)
    moving.approve_difference(number, "1000")
    key = text("SELECT approval_id FROM difference_approvals WHERE document_number = :number")
    insert = text("""
        INSERT INTO approved_differences (operation_id, approval_id, approver, up_to_value, up_to_units, value,
            unvalued_units, performed_by, booked_at)
        VALUES (:operation_id, :approval_id, :approver, :up_to_value, 0, :value, :unvalued_units, :performed_by, :at)
    """)
    with engine.connect() as connection:
        approval_id = connection.execute(key, {"number": number}).scalar_one()
    values = {
        "operation_id": new_reference("op"),
        "approval_id": approval_id,
        "approver": "max",
        "up_to_value": 1000,
        "value": 1000,
        "unvalued_units": 0,
        "performed_by": "dora",
        "at": NOON,
    }
    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(insert, values | change)
