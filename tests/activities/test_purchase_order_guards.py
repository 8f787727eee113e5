"""What the database itself refuses of purchase orders, whatever the code thinks."""

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from database.sessions import Database
from tests.support.shop import Shop
from tests.support.steps.purchase_order import Buying, came, order_stays

_OF = "WHERE po_id = (SELECT po_id FROM purchase_orders WHERE po_number = :po_number)"
_APPROVED = f"""
    INSERT INTO purchase_order_approvals (po_id, approver, requested_by, approved_at, operation_id)
    SELECT po_id, :approver, :requested_by, created_at, 'test' FROM purchase_orders {_OF}
"""


@pytest.fixture
def buying(database: Database) -> Buying:
    """The activities, acting as the worker's role."""
    return Buying(database)


def _run(connection: Connection, statement: str, po_number: str, **values: Any) -> None:
    assert connection.execute(text(statement), {"po_number": po_number} | values).rowcount == 1


@pytest.mark.parametrize("status", ["SUBMITTED", "CONFIRMED"])
@pytest.mark.parametrize("given", [0, 1])
def test_nothing_goes_out_with_an_approval_missing(
    buying: Buying, shop: Shop, engine: Engine, database: Database, given: int, status: str
) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=2)
    for approver in ("ann", "bob")[:given]:
        buying.approve(po_number, approver)
    submit = f"UPDATE purchase_orders SET status = '{status}', submitted_at = created_at {_OF}"
    refusal = rf"purchase order {po_number} has {given} of 2 approvals"
    for opened in (engine, database.engine):
        with (
            order_stays(engine, po_number, item),
            pytest.raises(IntegrityError, match=refusal),
            opened.begin() as connection,
        ):
            _run(connection, submit, po_number)


def test_an_approval_in_the_same_transaction_is_in_time(buying: Buying, shop: Shop, engine: Engine) -> None:
    po_number = buying.order(shop, (shop.item(0), 5), approvals=1)
    with engine.begin() as connection:
        _run(connection, f"UPDATE purchase_orders SET status = 'SUBMITTED', submitted_at = created_at {_OF}", po_number)
        _run(connection, _APPROVED, po_number, approver="ann", requested_by="rita")
    assert buying.confirm(po_number).status == "CONFIRMED"


def test_what_is_out_cannot_need_more_approvals_than_it_has(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=0)
    refusal = pytest.raises(IntegrityError, match="0 of 1 approvals")
    with order_stays(engine, po_number, item), refusal, engine.begin() as connection:
        _run(connection, f"UPDATE purchase_orders SET required_approvals = 1 {_OF}", po_number)


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
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=2, requested_by="rita")
    buying.approve(po_number, "ann")
    refusal = pytest.raises(IntegrityError, match=constraint)
    with order_stays(engine, po_number, item), refusal, engine.begin() as connection:
        _run(connection, _APPROVED, po_number, approver=approver, requested_by=requested_by)


def test_the_requester_cannot_be_changed_under_an_approval(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=2)
    buying.approve(po_number, "ann")
    refusal = pytest.raises(IntegrityError, match="purchase_order_approvals_of")
    with order_stays(engine, po_number, item), refusal, engine.begin() as connection:
        _run(connection, f"UPDATE purchase_orders SET requested_by = 'ann' {_OF}", po_number)


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
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5))
    refusal = pytest.raises(IntegrityError, match=constraint)
    with order_stays(engine, po_number, item), refusal, engine.begin() as connection:
        _run(connection, f"UPDATE {change} {_OF}", po_number)


@pytest.mark.parametrize(
    "lines",
    ["(:po_id, '1', 1, 0, 0)", "(:po_id, '1', 2, 1, 0)", "(:po_id, '2', 1, 1, 0)", "(:po_id, '1', 1, 1, 0)"],
    ids=["of nothing", "of a line that isn't there", "of a receipt that isn't there", "twice"],
)
def test_no_line_of_a_receipt(buying: Buying, shop: Shop, engine: Engine, lines: str) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5))
    po_id = buying.receive(po_number, "1", came(item, 1)).po_id
    refusal = pytest.raises(IntegrityError, match="purchase_order_receipt_lines_")
    with order_stays(engine, po_number, item), refusal, engine.begin() as connection:
        connection.execute(text(f"INSERT INTO purchase_order_receipt_lines VALUES {lines}"), {"po_id": po_id})


@pytest.mark.parametrize(
    "table",
    ["purchase_order_approvals", "purchase_order_receipts", "purchase_order_receipt_lines", "supplier_lead_times"],
)
@pytest.mark.parametrize("change", ["UPDATE {} SET po_id = po_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_worker_has_no_right_to_change_who_approved_or_what_came(
    buying: Buying, shop: Shop, engine: Engine, database: Database, table: str, change: str
) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=1)
    buying.approve(po_number, "ann")
    buying.receive(po_number, "1", came(item, 5))
    refusal = pytest.raises(ProgrammingError, match=f"permission denied for table {table}")
    with order_stays(engine, po_number, item), refusal, database.transaction() as connection:
        connection.exec_driver_sql(change.format(table))


@pytest.mark.parametrize("table", ["purchase_orders", "purchase_order_lines"])
def test_the_worker_has_no_right_to_delete_an_order(
    buying: Buying, shop: Shop, engine: Engine, database: Database, table: str
) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5))
    refusal = pytest.raises(ProgrammingError, match=f"permission denied for table {table}")
    with order_stays(engine, po_number, item), refusal, database.transaction() as connection:
        connection.exec_driver_sql(f"DELETE FROM {table}")
