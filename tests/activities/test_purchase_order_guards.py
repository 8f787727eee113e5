"""What the database itself refuses of purchase orders, whatever the code thinks."""

from functools import partial

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.guards import Guarded, Roles
from tests.support.shop import Shop
from tests.support.steps.purchase_order import Buying, came, order_stays

_OF = "WHERE po_id = (SELECT po_id FROM purchase_orders WHERE po_number = :number)"
_APPROVED = f"""
    INSERT INTO purchase_order_approvals (po_id, approver, requested_by, approved_at, operation_id)
    SELECT po_id, :approver, :requested_by, created_at, 'test' FROM purchase_orders {_OF}
"""


def _ordered(buying: Buying, shop: Shop, approvals: int = 0) -> tuple[Guarded, ItemKey]:
    """An order of five units, and its item, of which there are none."""
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=approvals)
    return Guarded(po_number, partial(order_stays, shop.engine, po_number, item)), item


@pytest.mark.parametrize("status", ["SUBMITTED", "CONFIRMED"])
@pytest.mark.parametrize("given", [0, 1])
def test_nothing_goes_out_with_an_approval_missing(
    buying: Buying, shop: Shop, both_roles: Roles, given: int, status: str
) -> None:
    order, _ = _ordered(buying, shop, approvals=2)
    for approver in ("ann", "bob")[:given]:
        buying.approve(order.number, approver)
    submit = f"UPDATE purchase_orders SET status = '{status}', submitted_at = created_at {_OF}"
    order.refuses(both_roles, submit, f"purchase order {order.number} has {given} of 2 approvals")


def test_an_approval_in_the_same_transaction_is_in_time(buying: Buying, shop: Shop, engine: Engine) -> None:
    order, _ = _ordered(buying, shop, approvals=1)
    with engine.begin() as connection:
        order.run(connection, f"UPDATE purchase_orders SET status = 'SUBMITTED', submitted_at = created_at {_OF}")
        order.run(connection, _APPROVED, approver="ann", requested_by="rita")
    assert buying.confirm(order.number).status == "CONFIRMED"


def test_what_is_out_cannot_need_more_approvals_than_it_has(buying: Buying, shop: Shop, engine: Engine) -> None:
    order, _ = _ordered(buying, shop)
    order.refuses(engine, f"UPDATE purchase_orders SET required_approvals = 1 {_OF}", "0 of 1 approvals")


@pytest.mark.parametrize(
    ("approver", "requested_by", "constraint"),
    [
        ("rita", "rita", "purchase_order_approvals_not_own"),
        ("RITA", "rita", "purchase_order_approvals_not_own"),
        ("rita", "rob", "purchase_order_approvals_of"),
        ("ann", "rita", "purchase_order_approvals_pkey"),
        ("Ann", "rita", "purchase_order_approvals_distinct"),
    ],
)
def test_nobody_approves_their_own_and_nobody_twice(
    buying: Buying, shop: Shop, engine: Engine, approver: str, requested_by: str, constraint: str
) -> None:
    order, _ = _ordered(buying, shop, approvals=2)
    buying.approve(order.number, "ann")
    order.refuses(engine, _APPROVED, constraint, approver=approver, requested_by=requested_by)


def test_the_requester_cannot_be_changed_under_an_approval(buying: Buying, shop: Shop, engine: Engine) -> None:
    order, _ = _ordered(buying, shop, approvals=2)
    buying.approve(order.number, "ann")
    order.refuses(engine, f"UPDATE purchase_orders SET requested_by = 'ann' {_OF}", "purchase_order_approvals_of")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("purchase_order_lines SET quantity_received = 6", "purchase_order_lines_not_too_much"),
        ("purchase_order_lines SET quantity_received = -1", "purchase_order_lines_quantity_received_check"),
        ("purchase_order_lines SET quantity_rejected = -1", "purchase_order_lines_quantity_rejected_check"),
        ("purchase_order_lines SET quantity_receivable = 4", "purchase_order_lines_tolerance"),
        ("purchase_order_lines SET qty = 0", "purchase_order_lines_qty_check"),
        ("purchase_orders SET total = -1", "purchase_orders_total_check"),
        ("purchase_orders SET status = 'DRAFT'", "purchase_orders_submitted"),
        ("purchase_orders SET submitted_at = NULL", "purchase_orders_submitted"),
        ("purchase_orders SET status = 'RECEIVED'", "purchase_orders_closed"),
        ("purchase_orders SET status = 'CANCELLED', closed_at = created_at", "purchase_orders_closed"),
        ("purchase_orders SET status = 'LOST'", "purchase_orders_status_check"),
    ],
)
def test_an_order_cannot_be_what_makes_no_sense(
    buying: Buying, shop: Shop, engine: Engine, change: str, constraint: str
) -> None:
    order, _ = _ordered(buying, shop)
    order.refuses(engine, f"UPDATE {change} {_OF}", constraint)


@pytest.mark.parametrize(
    "lines",
    ["(:po_id, '1', 1, 0, 0)", "(:po_id, '1', 2, 1, 0)", "(:po_id, '2', 1, 1, 0)", "(:po_id, '1', 1, 1, 0)"],
    ids=["of nothing", "of a line that isn't there", "of a receipt that isn't there", "twice"],
)
def test_no_line_of_a_receipt(buying: Buying, shop: Shop, engine: Engine, lines: str) -> None:
    order, item = _ordered(buying, shop)
    po_id = buying.receive(order.number, "1", came(item, 1)).po_id
    insert = f"INSERT INTO purchase_order_receipt_lines VALUES {lines}"
    order.refuses(engine, insert, "purchase_order_receipt_lines_", po_id=po_id)


@pytest.mark.parametrize(
    "table",
    ["purchase_order_approvals", "purchase_order_receipts", "purchase_order_receipt_lines", "supplier_lead_times"],
)
@pytest.mark.parametrize("change", ["UPDATE {} SET po_id = po_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_worker_has_no_right_to_change_who_approved_or_what_came(
    buying: Buying, shop: Shop, database: Database, table: str, change: str
) -> None:
    order, item = _ordered(buying, shop, approvals=1)
    buying.approve(order.number, "ann")
    buying.receive(order.number, "1", came(item, 5))
    order.forbids(database.engine, change.format(table), f"permission denied for table {table}")


@pytest.mark.parametrize("table", ["purchase_orders", "purchase_order_lines"])
def test_the_worker_has_no_right_to_delete_an_order(buying: Buying, shop: Shop, database: Database, table: str) -> None:
    order, _ = _ordered(buying, shop)
    order.forbids(database.engine, f"DELETE FROM {table}", f"permission denied for table {table}")
