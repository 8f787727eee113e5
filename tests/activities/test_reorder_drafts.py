"""What a reorder run has drafted: stored once, found again, and taken over by its own workflow."""

from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.purchase_order import StoredPurchaseOrder
from stockkeeper.contracts.purchase_order_state import PurchaseOrderLine, PurchaseOrderRequest
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from tests.support.books import nothing_is_stored
from tests.support.replenishment_rows import numbers_used, order_row, ordered, set_point, supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.purchase_order import Buying, papers, policy_of
from tests.support.steps.reorder import Reordering

S = PurchaseOrderStatus


pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


def test_a_repeat_is_told_what_was_drafted_and_drafts_nothing(
    reordering: Reordering, shop: Shop, engine: Engine
) -> None:
    """A worker that dies after its commit is followed by another one that asks for the same."""
    item, supplier = shop.item(4), shop.supplier()
    supply(engine, item, supplier)
    set_point(engine, item, 10)
    operation = f"{new_reference('reorder')}/run/draft/1"
    first = reordering.draft(supplier, item.warehouse_id, operation=operation)
    assert first.order is not None
    used = numbers_used(engine)
    with nothing_is_stored(engine):
        assert reordering.draft(supplier, item.warehouse_id, operation=operation, as_of=NOON + MINUTE) == first
        otherwise = partial(reordering.draft, supplier + 1, item.warehouse_id, operation=operation)
        assert refused(otherwise) == ("OperationConflict", {})
    # An operation that was forgotten finds the item covered.
    forget(engine, operation)
    assert reordering.draft(supplier, item.warehouse_id, operation=operation).order is None
    assert (len(ordered(engine, item.warehouse_id)), numbers_used(engine)) == (1, used)


def _receivable(engine: Engine, po_number: str) -> list[int]:
    with engine.connect() as connection:
        query = text("""
            SELECT quantity_receivable FROM purchase_order_lines JOIN purchase_orders USING (po_id)
            WHERE po_number = :po_number ORDER BY line_number
        """)
        return list(connection.execute(query, {"po_number": po_number}).scalars())


@pytest.mark.parametrize(("approvals", "status"), [(0, S.SUBMITTED), (1, S.DRAFT), (2, S.DRAFT)])
def test_a_draft_belongs_to_the_first_run_of_its_workflow(
    database: Database, shop: Shop, engine: Engine, approvals: int, status: PurchaseOrderStatus
) -> None:
    reordering = Reordering(database, approval=policy_of(approvals), over_delivery_percent="10")
    items, supplier = shop.items(2, units=4), shop.supplier()
    supply(engine, items, supplier, unit_cost="2.50")
    set_point(engine, items, 10, 20)
    order = reordering.order(supplier, items[0].warehouse_id)
    row = order_row(engine, order.po_number)
    assert (row.workflow_id, row.run_id, row.created_at) == (f"purchase-order-{order.po_number}", "", NOON)
    assert (row.status, row.total, row.required_approvals) == (status, Decimal(100), approvals)
    assert row.submitted_at == (NOON if status is S.SUBMITTED else None)
    assert _receivable(engine, order.po_number) == [22, 22]
    before = papers(engine, order.po_number)
    # Whatever the workers' settings are by then.
    taken = _take_over(Buying(database, approval=policy_of(3), run_id="its run"), order)
    assert (taken.status, taken.drafted_by_another_run, taken.drafted_at) == (status, False, NOON)
    assert (taken.policy, taken.required_approvals) == (policy_of(approvals), approvals)
    assert [(line.product_id, line.qty, line.note) for line in taken.line_items] == [
        (line.product_id, line.qty, line.note) for line in order.line_items
    ]
    assert order_row(engine, order.po_number).run_id == "its run"
    after = papers(engine, order.po_number)
    assert {name for name in after if after[name] != before[name]} == {"order"}
    # Another run of it hears that the first one was there.
    forget(engine, f"purchase-order-{order.po_number}/draft")
    again = _take_over(Buying(database, run_id="a later run"), order)
    assert (again.drafted_by_another_run, papers(engine, order.po_number)) == (True, after)


def test_a_number_that_somebody_has_taken_for_an_order_of_their_own_is_left_out(
    reordering: Reordering, buying: Buying, shop: Shop, engine: Engine
) -> None:
    items, supplier = [shop.item(4) for _ in range(2)], shop.supplier()
    supply(engine, items, supplier)
    set_point(engine, items, 10)
    first = int(reordering.order(supplier, items[0].warehouse_id).po_number.removeprefix("RO-"))
    for taken in (first + 1, first + 2):
        lines = [PurchaseOrderLine(product_id=items[1].product_id, qty=1, unit_cost=Decimal(1))]
        buying.draft(f"RO-{taken}", shop.supplier(), shop.warehouse(), lines)
    assert reordering.order(supplier, items[1].warehouse_id).po_number == f"RO-{first + 3}"


def test_what_no_workflow_has_taken_over_is_found_as_it_was_drafted(
    reordering: Reordering, buying: Buying, shop: Shop, engine: Engine
) -> None:
    items, suppliers = shop.items(5, units=4), [shop.supplier() for _ in range(4)]
    for item, supplier in zip(items, [*suppliers, suppliers[0]], strict=True):
        supply(engine, item, supplier, unit_cost="0.50")
    set_point(engine, items, 10)
    buying.order(shop, (shop.item(0), 1))
    orders = reordering.everything(items[0].warehouse_id)
    assert [len(order.line_items) for order in orders] == [2, 1, 1, 1]
    with nothing_is_stored(engine):
        assert reordering.unstarted() == orders
    _take_over(buying, orders[1])
    assert reordering.unstarted() == [orders[0], *orders[2:]]
    for order in (orders[0], *orders[2:]):
        _take_over(buying, order)
    assert reordering.unstarted() == []


def _take_over(buying: Buying, order: PurchaseOrderRequest) -> StoredPurchaseOrder:
    """What its workflow asks for first, when it is started with this."""
    return buying.draft(
        order.po_number,
        order.supplier_id,
        order.warehouse_id,
        order.line_items,
        approval=order.approval,
        day=order.expected_delivery_date,
        requested_by=order.requested_by,
        reason=order.reason,
        as_of=NOON + MINUTE,
    )
