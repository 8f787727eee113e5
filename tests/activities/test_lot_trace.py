"""Where a lot came from and where it went: every movement, page by page, with what its document says."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from activities import lot_trace
from activities.lot_trace import LotTraces
from database.lot_trace import trace_of
from database.sessions import Database
from stockkeeper.contracts.lot_trace import TracedMovement, TraceLot
from stockkeeper.domain.stock import MovementType
from tests.support.lots import TODAY, bring_lots, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.steps.reservation import Steps

SOON = TODAY + timedelta(days=3)


def _traced(database: Database, product: str, lot_number: str) -> list[TracedMovement]:
    """All pages."""
    traces, found = LotTraces(database), list[TracedMovement]()
    while True:
        after = found[-1].place if found else None
        page = traces.trace_lot(TraceLot(product=product, lot_number=lot_number, after=after))
        found += page.movements
        if not page.more:
            return found


def test_a_lot_is_traced_backwards_and_forwards_over_all_warehouses(
    steps: Steps, database: Database, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lot_trace, "TRACED_AT_ONCE", 2)
    here = lot_item(shop, ("L1", SOON, 5), ("L2", None, 9))
    there = lot_item(shop, ("L1", SOON, 4), product=here.product_id)
    first, second = new_reference(), new_reference()
    for order, item, units in ((first, here, 2), (second, there, 4)):
        steps.reserve(order, (item, units))
        steps.fulfill(order)
    bring_lots(engine, here, ("L1", SOON, -1))
    with engine.connect() as connection:
        sku = connection.execute(
            text("SELECT sku FROM products WHERE product_id = :product_id"), {"product_id": here.product_id}
        ).scalar_one()
    found = _traced(database, sku, "L1")
    at_each = {
        here: [("BACKWARDS", "opening", 5), ("FORWARDS", first, -2), ("FORWARDS", "opening", -1)],
        there: [("BACKWARDS", "opening", 4), ("FORWARDS", second, -4)],
    }
    expected = [(item.warehouse_id, *row) for item, rows in sorted(at_each.items()) for row in rows]
    assert [(each.warehouse_id, each.direction, each.reference_id, each.quantity) for each in found] == expected
    assert [each.movement_type for each in found].count(MovementType.SALE) == 2
    assert _traced(database, sku, "none") == []


def test_a_purchase_a_return_and_a_transfer_say_who_is_behind_them(shop: Shop, engine: Engine) -> None:
    """The rows of their documents are enough: who writes them is tried elsewhere."""
    item = lot_item(shop, ("L1", SOON, 5))
    supplier, other = shop.supplier(), shop.warehouse()
    with engine.connect() as connection:
        # Nothing of this is committed.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        of = {**item._asdict(), "supplier": supplier, "other": other}
        for statement in _DOCUMENTS:
            connection.execute(text(statement), of)
        rows = trace_of(connection, item.product_id, "L1", None, 10)[1:]
        name = connection.execute(text("SELECT name FROM suppliers WHERE supplier_id = :supplier"), of).scalar_one()
    assert [
        (row["reference_id"], row["supplier"], row["order_reference"], row["other_warehouse_id"]) for row in rows
    ] == [
        ("PO-trace", name, None, None),
        ("R-trace", None, "1042", None),
        ("T-trace", None, None, other),
        ("T-trace", None, None, other),
    ]


_ORIGIN = "'test', 'test', 'test'"
_DOCUMENTS = (
    f"""
    INSERT INTO purchase_orders (
        po_number, supplier_id, warehouse_id, requested_by, reason, created_at, total, required_approvals,
        approval_policy, over_delivery_percent, operation_id, workflow_id, run_id)
    VALUES ('PO-trace', :supplier, :warehouse_id, 'test', 'test', now(), 1, 0, '{{}}', 0, {_ORIGIN})""",
    f"""
    INSERT INTO returns (
        return_number, warehouse_id, reference_id, requested_by, created_at, operation_id, workflow_id, run_id)
    VALUES ('R-trace', :warehouse_id, '1042', 'test', now(), {_ORIGIN})""",
    f"""
    INSERT INTO transfer_orders (
        transfer_number, from_warehouse_id, to_warehouse_id, requested_by, created_at, operation_id, workflow_id,
        run_id)
    VALUES ('T-trace', :warehouse_id, :other, 'test', now(), {_ORIGIN})""",
    f"""
    INSERT INTO stock_movements (
        warehouse_id, product_id, lot_number, movement_type, quantity, balance_after, lot_balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    SELECT :warehouse_id, :product_id, 'L1', kind, units, 99, 99, number, 'test', 'test', {_ORIGIN},
        clock_timestamp() + place * interval '1 second'
    FROM (VALUES (1, 'PURCHASE', 5, 'PO-trace'), (2, 'RETURN', 1, 'R-trace'), (3, 'TRANSFER_OUT', -2, 'T-trace'),
        (4, 'TRANSFER_IN', 2, 'T-trace')) AS moved (place, kind, units, number)""",
)
