"""What comes of a purchase order: movements, tolerance, rejects, and receipts that meet each other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.purchase_order import StoredPurchaseOrder
from stockkeeper.contracts.purchase_order_state import ReceiptLine
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.purchase_order import Buying, came, order_stays, papers
from tests.support.steps.reservation import Steps

S = PurchaseOrderStatus
LATER = NOON + 5 * MINUTE

_MOVEMENTS = text("""
    SELECT movement_type, warehouse_id, product_id, quantity, balance_after, performed_by, reason, operation_id,
        workflow_id, run_id
    FROM stock_movements WHERE reference_id = :po_number ORDER BY movement_id
""")


@pytest.fixture
def generous(database: Database) -> Buying:
    """The same with a tolerance of ten percent."""
    return Buying(database, over_delivery_percent="10")


def _movements(engine: Engine, po_number: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(_MOVEMENTS, {"po_number": po_number})]


def _purchase(po_number: str, item: ItemKey, receipt_id: str, units: int, balance: int) -> tuple[Any, ...]:
    """A movement as it has to be."""
    workflow = f"purchase-order-{po_number}"
    reason = f"receipt {receipt_id} of purchase order {po_number}"
    of_item = ("PURCHASE", item.warehouse_id, item.product_id, units, balance)
    return (*of_item, "wes", reason, f"{workflow}/receive/{receipt_id}", workflow, "run")


def _lines(order: StoredPurchaseOrder) -> list[tuple[int, int, int]]:
    """Of each line what was ordered, received and rejected."""
    return [(line.qty, line.quantity_received, line.quantity_rejected) for line in order.line_items]


def test_each_line_received_is_a_purchase_and_raises_on_hand(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=10)
    po_number = buying.order(shop, (tea, 5), (mug, 3))
    first = buying.receive(po_number, "1", came(mug, 1), came(tea, 2))
    assert (first.status, _lines(first)) == (S.SUBMITTED, [(5, 2, 0), (3, 1, 0)])
    last = buying.receive(po_number, "2", came(tea, 3, rejected=1), came(mug, 2), as_of=LATER)
    assert (last.status, _lines(last)) == (S.RECEIVED, [(5, 5, 1), (3, 3, 0)])
    assert _movements(engine, po_number) == [
        _purchase(po_number, tea, "1", 2, 12),
        _purchase(po_number, mug, "1", 1, 11),
        _purchase(po_number, tea, "2", 3, 15),
        _purchase(po_number, mug, "2", 2, 13),
    ]
    assert [level(engine, item) for item in (tea, mug)] == [(15, 0), (13, 0)]
    kept = papers(engine, po_number)
    assert [row[1:4] for row in kept["purchase_order_receipts"]] == [("1", NOON, "wes"), ("2", LATER, "wes")]
    booked = [("1", 1, 2, 0), ("1", 2, 1, 0), ("2", 1, 3, 1), ("2", 2, 2, 0)]
    assert [row[1:] for row in kept["purchase_order_receipt_lines"]] == booked


def test_goods_that_come_leave_what_is_reserved_alone(
    buying: Buying, database: Database, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    Steps(database).reserve(new_reference(), (item, 4))
    buying.receive(buying.order(shop, (item, 5)), "1", came(item, 5))
    assert level(engine, item) == (9, 4)


def test_what_is_rejected_does_not_enter_stock_and_is_still_owed(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    po_number = buying.order(shop, (item, 5))
    order = buying.receive(po_number, "1", came(item, 0, rejected=5))
    assert (order.status, _lines(order)) == (S.SUBMITTED, [(5, 0, 5)])
    assert (_movements(engine, po_number), level(engine, item)) == ([], (10, 0))
    assert papers(engine, po_number)["performance"] == []
    replaced = buying.receive(po_number, "2", came(item, 5))
    assert (replaced.status, _lines(replaced)) == (S.RECEIVED, [(5, 5, 5)])
    assert level(engine, item) == (15, 0)


def _reasons(order: StoredPurchaseOrder) -> list[tuple[str, int, str | None]]:
    """Of each receipt its number, its rejected units and why."""
    return [(receipt.receipt_id, receipt.unfit, receipt.unfit_reason) for receipt in order.receipts]


def test_a_receipt_has_the_reason_for_what_was_rejected(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    po_number = buying.order(shop, (item, 9))
    booked = buying.receive(po_number, "1", came(item, 2, rejected=3), unfit_reason="wrong item")
    buying.receive(po_number, "2", came(item, 0, rejected=1))
    read = buying.correct(po_number, "c-1", "1", came(item, 1, rejected=1))
    assert _reasons(booked) == [("1", 3, "wrong item")]
    assert _reasons(read) == [("1", 3, "wrong item"), ("2", 1, None), ("c-1", -1, None)]
    assert [row[-3:] for row in papers(engine, po_number)["purchase_order_receipts"]] == [
        (None, None, "wrong item"),
        (None, None, None),
        ("1", "miscounted", None),
    ]
    with order_stays(engine, po_number, item):
        again = partial(buying.receive, po_number, "1", came(item, 2, rejected=3))
        assert again(unfit_reason="wrong item").is_repeat
        for another in ("expired", None):
            assert refused(partial(again, unfit_reason=another)) == ("OperationConflict", {})
    # Once nothing but the receipt itself is known, its units are compared.
    before = papers(engine, po_number)
    forget(engine, f"purchase-order-{po_number}/receive/1")
    assert _reasons(again(unfit_reason="wrong item")) == _reasons(read)
    assert papers(engine, po_number) == before


def _rows(engine: Engine, item: ItemKey) -> int:
    count = "SELECT count(*) FROM inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
    with engine.connect() as connection:
        return int(connection.execute(text(count), item._asdict()).scalar_one())


def test_an_item_that_the_warehouse_never_held_begins_with_its_first_good_unit(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item = ItemKey(shop.warehouse(), shop.product())
    po_number = buying.order(shop, (item, 5))
    buying.receive(po_number, "1", came(item, 0, rejected=2))
    assert _rows(engine, item) == 0
    buying.receive(po_number, "2", came(item, 4))
    assert _movements(engine, po_number) == [_purchase(po_number, item, "2", 4, 4)]
    assert (_rows(engine, item), level(engine, item)) == (1, (4, 0))


def test_more_than_is_owed_is_refused_and_nothing_is_booked(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=10)
    po_number = buying.order(shop, (tea, 10), (mug, 3))
    buying.receive(po_number, "1", came(tea, 5))
    numbers = {"product_id": tea.product_id, "quantity": 10, "owed": 5, "at_most": 5}
    with order_stays(engine, po_number, tea, mug):
        both = partial(buying.receive, po_number, "2", came(mug, 3), came(tea, 10, rejected=1))
        assert refused(both) == ("InvalidRequest", numbers)
        two_lines = partial(buying.receive, po_number, "2", came(tea, 4), came(mug, 3), came(tea, 6))
        assert refused(two_lines) == ("InvalidRequest", numbers)
    # The receipt wasn't booked, so its name is still free.
    assert buying.receive(po_number, "2", came(tea, 5), came(mug, 3)).status is S.RECEIVED


def test_more_than_ordered_is_taken_within_the_tolerance_and_not_above(
    generous: Buying, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=0)
    # Ten percent of 19 units are 1, of 9 none.
    po_number = generous.order(shop, (tea, 19), (mug, 9))
    with order_stays(engine, po_number, tea, mug):
        assert refused(lambda: generous.receive(po_number, "1", came(tea, 21))) == (
            "InvalidRequest",
            {"product_id": tea.product_id, "quantity": 21, "owed": 19, "at_most": 20},
        )
        assert refused(lambda: generous.receive(po_number, "1", came(mug, 10))) == (
            "InvalidRequest",
            {"product_id": mug.product_id, "quantity": 10, "owed": 9, "at_most": 9},
        )
    order = generous.receive(po_number, "1", came(tea, 20))
    assert (order.status, _lines(order)) == (S.SUBMITTED, [(19, 20, 0), (9, 0, 0)])
    with order_stays(engine, po_number, tea, mug):
        assert refused(lambda: generous.receive(po_number, "2", came(tea, 1))) == (
            "InvalidRequest",
            {"product_id": tea.product_id, "quantity": 1, "owed": 0, "at_most": 0},
        )
    assert generous.receive(po_number, "2", came(mug, 9)).status is S.RECEIVED
    assert [level(engine, item) for item in (tea, mug)] == [(20, 0), (9, 0)]


def test_a_product_on_several_lines_fills_them_in_order(generous: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=0)
    po_number = generous.order(shop, (tea, 10), (mug, 2), (tea, 20))
    first = generous.receive(po_number, "1", came(tea, 7), came(tea, 8, rejected=1))
    assert _lines(first) == [(10, 10, 1), (2, 0, 0), (20, 5, 0)]
    # 15 are owed; the first line may take one more than ordered, the last two.
    last = generous.receive(po_number, "2", came(mug, 2), came(tea, 18, rejected=4))
    assert (last.status, _lines(last)) == (S.RECEIVED, [(10, 11, 1), (2, 2, 0), (20, 22, 4)])
    assert _movements(engine, po_number) == [
        _purchase(po_number, tea, "1", 10, 10),
        _purchase(po_number, tea, "1", 5, 15),
        _purchase(po_number, tea, "2", 1, 16),
        _purchase(po_number, mug, "2", 2, 2),
        _purchase(po_number, tea, "2", 17, 33),
    ]


def test_what_was_not_ordered_is_not_received(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=1)
    po_number = buying.order(shop, (tea, 5))
    with order_stays(engine, po_number, tea, mug):
        no = "InvalidRequest", {"product_id": mug.product_id}
        assert refused(lambda: buying.receive(po_number, "1", came(tea, 1), came(mug, 1))) == no
        assert refused(lambda: buying.receive(po_number, "1", came(mug, 0, rejected=1))) == no


DELIVERIES: dict[str, Callable[[ItemKey, ItemKey], list[ReceiptLine]]] = {
    "another quantity": lambda tea, mug: [came(tea, 3, rejected=1), came(mug, 1)],
    "rejected units more": lambda tea, mug: [came(tea, 2, rejected=2), came(mug, 1)],
    "a product less": lambda tea, _: [came(tea, 2, rejected=1)],
    "another product": lambda tea, mug: [came(mug, 2, rejected=1), came(tea, 1)],
}


@pytest.mark.parametrize("other", DELIVERIES.values(), ids=DELIVERIES)
def test_a_receipt_has_one_effect_and_one_meaning_even_when_its_operation_is_forgotten(
    buying: Buying, shop: Shop, engine: Engine, other: Callable[[ItemKey, ItemKey], list[ReceiptLine]]
) -> None:
    tea, mug = shop.items(2, units=0)
    po_number = buying.order(shop, (tea, 5), (mug, 5))
    lines = [came(tea, 2, rejected=1), came(mug, 1)]
    booked = buying.receive(po_number, "1", *lines)
    another = partial(buying.receive, po_number, "1", *other(tea, mug))
    with order_stays(engine, po_number, tea, mug):
        assert buying.receive(po_number, "1", *lines, as_of=LATER) == booked
        assert refused(another) == ("OperationConflict", {})
    forget(engine, f"purchase-order-{po_number}/receive/1")
    with order_stays(engine, po_number, tea, mug):
        assert refused(another) == ("OperationConflict", {})
    before = papers(engine, po_number)
    # Even when it is all over, and with its products told in another way.
    for _ in range(2):
        assert buying.receive(po_number, "1", *lines[::-1], as_of=LATER) == booked
    assert (papers(engine, po_number), level(engine, tea), level(engine, mug)) == (before, (2, 0), (1, 0))


def test_a_forgotten_receipt_is_known_after_the_end_too(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5))
    received = buying.receive(po_number, "1", came(item, 5))
    forget(engine, f"purchase-order-{po_number}/receive/1")
    before = papers(engine, po_number)
    assert buying.receive(po_number, "1", came(item, 2), came(item, 3), as_of=LATER) == received
    assert (papers(engine, po_number), level(engine, item)) == (before, (5, 0))


def test_a_receipts_name_is_its_orders_own(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    for balance in (5, 10):
        po_number = buying.order(shop, (item, 5))
        assert buying.receive(po_number, "1", came(item, 5)).status is S.RECEIVED
        assert _movements(engine, po_number) == [_purchase(po_number, item, "1", 5, balance)]
