"""Receipts that are corrected and goods that go back to the supplier, on PostgreSQL."""

from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.guards import Guarded
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import forget, refused
from tests.support.steps.purchase_order import Buying, came, order_stays, papers
from tests.support.steps.reservation import Steps

S = PurchaseOrderStatus


def _movements(engine: Engine, po: str) -> list[tuple[object, ...]]:
    query = text("""
        SELECT movement_type, quantity, balance_after, performed_by, reason FROM stock_movements
        WHERE reference_id = :po ORDER BY movement_id
    """)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"po": po})]


@pytest.mark.parametrize("ordered", [10, 8])
def test_a_correction_is_a_counter_entry_with_its_reason_and_person(
    buying: Buying, shop: Shop, engine: Engine, ordered: int
) -> None:
    item = shop.item(0)
    po = buying.order(shop, (item, ordered))
    before = buying.receive(po, "1", came(item, 8, 2))
    after = buying.correct(po, "c-1", "1", came(item, 3, 1))
    # An order that has ended stays so.
    assert (before.status, after.status) == (after.status, S.RECEIVED if ordered == 8 else S.SUBMITTED)
    [line] = after.line_items
    assert (line.quantity_received, line.quantity_rejected) == (5, 1)
    assert [(each.receipt_id, each.accepted, each.unfit) for each in after.receipts] == [("1", 8, 2), ("c-1", -3, -1)]
    [fix] = after.corrections
    assert (fix.correction_id, fix.receipt_id, fix.performed_by, fix.reason) == ("c-1", "1", "wes", "miscounted")
    assert _movements(engine, po) == [
        ("PURCHASE", 8, 8, "wes", f"receipt 1 of purchase order {po}"),
        ("PURCHASE", -3, 5, "wes", f"receipt 1 of purchase order {po} corrected: miscounted"),
    ]
    assert level(engine, item) == (5, 0)
    if ordered == 10:
        assert buying.receive(po, "2", came(item, 5)).status is S.RECEIVED


def test_no_correction_takes_back_more_than_its_receipt_has_brought(buying: Buying, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=0)
    po = buying.order(shop, (item, 9))
    buying.receive(po, "1", came(item, 4, 1))
    buying.receive(po, "2", came(item, 3))
    buying.correct(po, "c-1", "1", came(item, 1))
    of_it = {"product_id": item.product_id}
    with order_stays(engine, po, item):
        for line, details in (
            (came(item, 4), of_it | {"quantity": 4, "received": 3}),
            (came(item, 0, 2), of_it | {"quantity": 2, "received": 1}),
            (came(other, 1), {"product_id": other.product_id}),
        ):
            assert refused(partial(buying.correct, po, "c-2", "1", line)) == ("InvalidRequest", details)
        assert refused(partial(buying.correct, po, "c-2", "nothing", came(item, 1))) == ("InvalidRequest", {})
        # A correction is no receipt.
        assert refused(partial(buying.correct, po, "c-2", "c-1", came(item, 1))) == ("InvalidRequest", {})


def test_no_hold_gives_way_to_a_correction_or_a_return(
    buying: Buying, database: Database, shop: Shop, engine: Engine
) -> None:
    item = shop.item(0)
    po = buying.order(shop, (item, 5))
    buying.receive(po, "1", came(item, 5))
    Steps(database).reserve(new_reference(), (item, 3))
    with order_stays(engine, po, item):
        short = ("InsufficientStock", [shortage(item, 3, 2)])
        assert refused(partial(buying.correct, po, "c-1", "1", came(item, 3))) == short
        assert refused(partial(buying.send_back, po, "b-1", (item, 3))) == short
    buying.correct(po, "c-1", "1", came(item, 1))
    buying.send_back(po, "b-1", (item, 1))
    assert level(engine, item) == (3, 3)


def test_goods_that_went_back_are_returned_and_not_owed(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po = buying.order(shop, (item, 5), (item, 4))
    buying.receive(po, "1", came(item, 7))
    back = buying.send_back(po, "b-1", (item, 6))
    assert [(line.quantity_received, line.quantity_returned) for line in back.line_items] == [(5, 5), (2, 1)]
    [sent] = back.returns
    assert (sent.return_id, sent.performed_by, sent.reason, sent.reference, sent.quantity) == (
        "b-1",
        "wes",
        "broken",
        "RMA-1",
        6,
    )
    assert _movements(engine, po)[2:] == [
        ("PURCHASE", -5, 2, "wes", f"return b-1 of purchase order {po} to the supplier: broken"),
        ("PURCHASE", -1, 1, "wes", f"return b-1 of purchase order {po} to the supplier: broken"),
    ]
    with order_stays(engine, po, item):
        assert refused(partial(buying.send_back, po, "b-2", (item, 2))) == (
            "InvalidRequest",
            {"product_id": item.product_id, "quantity": 2, "received": 1},
        )
        # Goods that have gone back can't be corrected away.
        assert refused(partial(buying.correct, po, "c-1", "1", came(item, 2)))[0] == "InvalidRequest"
    assert buying.receive(po, "2", came(item, 2)).status is S.RECEIVED


@pytest.mark.parametrize("operations_are_kept", [True, False])
def test_a_repeat_takes_back_nothing_again(
    buying: Buying, shop: Shop, engine: Engine, *, operations_are_kept: bool
) -> None:
    item = shop.item(0)
    po = buying.order(shop, (item, 5))
    buying.receive(po, "1", came(item, 5))
    correct, back = partial(buying.correct, po, "c-1", "1"), partial(buying.send_back, po, "b-1")
    correct(came(item, 1))
    back((item, 2))
    if not operations_are_kept:
        forget(engine, f"purchase-order-{po}/correct_receipt/c-1")
        forget(engine, f"purchase-order-{po}/return_goods/b-1")
    before = papers(engine, po), level(engine, item)
    assert correct(came(item, 1)).line_items == back((item, 2)).line_items
    assert (papers(engine, po), level(engine, item)) == before
    for other in (partial(correct, came(item, 2)), partial(back, (item, 1))):
        assert refused(other) == ("OperationConflict", {})


@pytest.mark.parametrize(("approvals", "status"), [(1, S.DRAFT), (0, S.CANCELLED)])
def test_nothing_is_taken_back_where_nothing_can_have_come(
    buying: Buying, shop: Shop, engine: Engine, approvals: int, status: PurchaseOrderStatus
) -> None:
    item = shop.item(0)
    po = buying.order(shop, (item, 5), approvals=approvals)
    if not approvals:
        buying.cancel(po)
    with order_stays(engine, po, item):
        for command, call in (
            ("correct_receipt", partial(buying.correct, po, "c-1", "1", came(item, 1))),
            ("return_goods", partial(buying.send_back, po, "b-1", (item, 1))),
        ):
            assert refused(call) == ("InvalidState", {"status": status.value, "command": command})


def test_a_correction_above_the_limit_needs_another_person(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po = buying.order(shop, (item, 50), unit_cost="100.00")
    buying.receive(po, "1", came(item, 50))
    buying.correct(po, "c-1", "1", came(item, 4))
    with order_stays(engine, po, item):
        # With what was booked back before it is above the limit.
        assert refused(partial(buying.correct, po, "c-2", "1", came(item, 2)))[0] == "NotPermitted"
    buying.approve_difference(po, "600.00")
    assert buying.correct(po, "c-2", "1", came(item, 2)).line_items[0].quantity_received == 44


@pytest.fixture
def returned(buying: Buying, shop: Shop, engine: Engine) -> tuple[Guarded, ItemKey]:
    """An order of which five came, one was corrected away and one went back."""
    item = shop.item(0)
    po = buying.order(shop, (item, 9))
    buying.receive(po, "1", came(item, 5))
    buying.correct(po, "c-1", "1", came(item, 1))
    buying.send_back(po, "b-1", (item, 1))
    return Guarded(po, partial(order_stays, engine, po, item)), item


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE purchase_order_lines SET quantity_returned = 2 {}", "has returned 2, and its returns say 1"),
        ("UPDATE purchase_order_lines SET quantity_returned = 5 {}", "purchase_order_lines_returned"),
        (
            "INSERT INTO purchase_order_return_lines SELECT po_id, 'b-1', 2, 1 FROM purchase_orders {}",
            "purchase_order_return_lines_line",
        ),
        (
            "INSERT INTO purchase_order_receipt_lines SELECT po_id, '1', 1, -1, 0 FROM purchase_orders {}",
            "purchase_order_receipt_lines_pkey",
        ),
        (
            "UPDATE purchase_order_receipts SET reason = NULL {} AND receipt_id = 'c-1'",
            "purchase_order_receipts_correct",
        ),
        (
            "UPDATE purchase_order_receipts SET unfit_reason = 'wet' {} AND receipt_id = 'c-1'",
            "purchase_order_receipts_unfit_reason",
        ),
        (
            "UPDATE purchase_order_receipts SET unfit_reason = '' {} AND receipt_id = '1'",
            "purchase_order_receipts_unfit_reason",
        ),
    ],
)
def test_the_database_disbelieves_what_is_taken_back(
    returned: tuple[Guarded, ItemKey], engine: Engine, change: str, refusal: str
) -> None:
    order, _ = returned
    of = "WHERE po_id = (SELECT po_id FROM purchase_orders WHERE po_number = :number)"
    order.refuses(engine, change.format(of), refusal)


def test_the_database_books_no_purchase_back_without_the_order(
    returned: tuple[Guarded, ItemKey], engine: Engine
) -> None:
    order, item = returned
    out = """
        INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, balance_after, reference_id,
            performed_by, reason, operation_id, workflow_id, run_id, created_at)
        VALUES (:product_id, :warehouse_id, 'PURCHASE', -1, 2, :number, 'p', 'r', 'o', 'w', 'r', clock_timestamp())
    """
    less = """
        UPDATE inventory_items SET quantity_on_hand = 2, last_moved_at = clock_timestamp()
        WHERE (product_id, warehouse_id) = (:product_id, :warehouse_id)
    """
    with order.refused(engine, "is booked with 2, and its lines say 3") as connection:
        order.run(connection, less, **item._asdict())
        order.run(connection, out, **item._asdict())
