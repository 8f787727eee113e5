"""A Python service and its purchase orders: typed calls, and errors of ours whatever Temporal calls them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from stockkeeper import (
    ApprovalPolicy,
    ApprovalTier,
    AwaitingApproval,
    DeliveryLine,
    InvalidRequest,
    InvalidState,
    NotFound,
    NotPermitted,
    OperationConflict,
    OrderLine,
    PurchaseOrder,
    PurchaseOrderState,
    Stockkeeper,
    UnknownSupplier,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import came as came_over_the_wire
from tests.support.purchase_order import receipt
from tests.support.purchase_order_rows import purchases
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually


def policy(approvals: int) -> ApprovalPolicy:
    return ApprovalPolicy(
        tiers=[ApprovalTier(up_to=None, approvals=approvals)],
        remind_after_hours=1,
        escalate_after_hours=2,
        cancel_after_hours=3,
    )


async def draft(
    stock: Stockkeeper, number: str, supplier: int, item: ItemKey, *, qty: int = 5, approvals: int = 1
) -> PurchaseOrder:
    return await stock.draft_purchase_order(
        number,
        [OrderLine(product_id=item.product_id, qty=qty, unit_cost=Decimal("2.50"))],
        supplier_id=supplier,
        warehouse_id=item.warehouse_id,
        requested_by="planning",
        reason="nearly out",
        approval=policy(approvals),
    )


def came(item: ItemKey, quantity: int, rejected: int = 0) -> DeliveryLine:
    return DeliveryLine(product_id=item.product_id, quantity=quantity, rejected_quantity=rejected)


def receipts_of(state: PurchaseOrderState) -> Sequence[tuple[str, str, int, int]]:
    return [(each.receipt_id, each.performed_by, each.accepted, each.unfit) for each in state.receipts]


def less_notices(state: PurchaseOrderState) -> dict[str, Any]:
    """All but what goes out in the background."""
    return state.model_dump(exclude={"notices"})


async def test_an_order_is_approved_confirmed_and_received(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(0), new_reference("po")
    order = await draft(stock, number, shop.supplier(), item)
    assert (order.po_number, order.state.status, order.state.total) == (number, "DRAFT", Decimal("12.50"))
    with pytest.raises(NotPermitted):
        await order.approve(approver="planning")
    assert (await order.approve(approver="ann", note="fine")).status == "SUBMITTED"
    confirmed = await order.confirm(performed_by="sam", expected_delivery_date=date(2030, 1, 2))
    assert (confirmed.status, confirmed.expected_delivery_date) == ("CONFIRMED", date(2030, 1, 2))
    part = await order.receive("R-1", [came(item, 2, rejected=1)], performed_by="dock")
    assert (part.line_items[0].quantity_received, part.line_items[0].quantity_rejected) == (2, 1)
    with pytest.raises(InvalidRequest, match="4 delivered, but only 3 still owed"):
        await order.receive("R-2", [came(item, 4)], performed_by="dock")
    state = await order.receive("R-3", [came(item, 3)], performed_by="dock")
    assert (state.status, order.state, level(engine, item)) == ("RECEIVED", state, (5, 0))
    assert [units for _, units, *_ in purchases(engine, number)] == [2, 3]
    assert receipts_of(state) == [("R-1", "dock", 2, 1), ("R-3", "dock", 3, 0)]


async def test_what_is_repeated_after_the_end_is_answered_as_it_was(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(0), new_reference("po")
    order = await draft(stock, number, shop.supplier(), item)
    await order.approve(approver="ann")
    received = await order.receive("R-1", [came(item, 5)], performed_by="dock")
    await stock.client.get_workflow_handle(f"purchase-order-{number}").result()
    last = await order.refresh()
    assert (last.status, less_notices(last)) == ("RECEIVED", less_notices(received))
    with nothing_is_stored(engine):
        assert await order.receive("R-1", [came(item, 5)], performed_by="the next shift") == last
        assert (await order.approve(approver="Ann")).status == "RECEIVED"
        for refused in (order.approve(approver="bob"), order.cancel(performed_by="ann", reason="no")):
            with pytest.raises(InvalidState):
                await refused
    assert level(engine, item) == (5, 0)


async def test_a_receipt_that_came_too_early_is_booked_when_it_is_sent_again(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item = shop.item(0)
    order = await draft(stock, new_reference("po"), shop.supplier(), item)
    with nothing_is_stored(engine), pytest.raises(InvalidState):
        await order.receive("R-1", [came(item, 2)], performed_by="dock")
    await order.approve(approver="ann")
    for _ in range(2):
        state = await order.receive("R-1", [came(item, 2)], performed_by="dock")
        assert (state.line_items[0].quantity_received, level(engine, item)) == (2, (2, 0))


async def test_a_receipt_sent_again_is_booked_once_and_answered_with_what_is_true_now(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item = shop.item(0)
    order = await draft(stock, new_reference("po"), shop.supplier(), item, approvals=0)
    await order.receive("R-1", [came(item, 2)], performed_by="dock")
    now = await order.receive("R-2", [came(item, 1, rejected=2)], performed_by="dock", unfit_reason="wet")
    assert [each.unfit_reason for each in now.receipts] == [None, "wet"]
    assert receipts_of(now) == [("R-1", "dock", 2, 0), ("R-2", "dock", 1, 2)]
    with nothing_is_stored(engine):
        # Temporal has kept what the first answer was; by now more is there.
        again = await order.receive("R-1", [came(item, 2)], performed_by="the next shift")
        assert less_notices(again) == less_notices(now)
        for other in ([came(item, 1)], [came(item, 1, rejected=1)]):
            with pytest.raises(OperationConflict):
                await order.receive("R-1", other, performed_by="dock")
        with pytest.raises(OperationConflict):
            await order.receive("R-2", [came(item, 1, rejected=2)], performed_by="dock", unfit_reason="dry")
    assert less_notices(order.state) == less_notices(now)


async def test_a_receipt_that_somebody_else_sent_is_known_after_the_end(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(0), new_reference("po")
    order = await draft(stock, number, shop.supplier(), item, approvals=0)
    run = stock.client.get_workflow_handle(f"purchase-order-{number}")
    await run.signal("receive", receipt("R-1", came_over_the_wire(item, 5, 1)))
    await run.result()
    with nothing_is_stored(engine):
        state = await order.receive("R-1", [came(item, 5, rejected=1)], performed_by="dock")
        assert (state.status, receipts_of(state)) == ("RECEIVED", [("R-1", "wes", 5, 1)])
        with pytest.raises(OperationConflict, match=r"delivery R-1 of .* was booked with other quantities"):
            await order.receive("R-1", [came(item, 6)], performed_by="dock")
        with pytest.raises(InvalidState):
            await order.receive("R-2", [came(item, 5, rejected=1)], performed_by="dock")


async def test_a_draft_asked_for_twice_is_one_order(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")
    first = await draft(stock, number, supplier, item)
    with nothing_is_stored(engine):
        assert (await draft(stock, number, supplier, item)).state.po_id == first.state.po_id
        with pytest.raises(OperationConflict):
            await draft(stock, number, supplier, item, qty=6)
        with pytest.raises(OperationConflict):
            await draft(stock, number, shop.supplier(), item)
    cancelled = await first.cancel(performed_by="planning", reason="not needed")
    assert (cancelled.status, cancelled.closed_reason) == ("CANCELLED", "not needed")
    assert (await first.cancel(performed_by="planning", reason="not needed")).status == "CANCELLED"
    assert (await draft(stock, number, supplier, item)).state.status == "CANCELLED"


async def test_an_order_is_found_again_and_closed_short(stock: Stockkeeper, shop: Shop) -> None:
    item, number = shop.item(0), new_reference("po")
    await draft(stock, number, shop.supplier(), item, approvals=0)
    found = await stock.purchase_order(number)
    assert found.state.status == "SUBMITTED"
    closed = await found.close_short(performed_by="ann", reason="discontinued")
    assert (closed.status, closed.closed_reason) == ("CANCELLED", "discontinued")
    again = await found.close_short(performed_by="ann", reason="discontinued")
    assert (again.status, again.closed_reason, again.po_id) == ("CANCELLED", "discontinued", closed.po_id)
    with pytest.raises(NotFound):
        await stock.purchase_order(new_reference("po"))


async def test_a_wrong_draft_stores_nothing(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    with nothing_is_stored(engine), pytest.raises(UnknownSupplier):
        await draft(stock, new_reference("po"), 10**12, item)


async def test_the_inbox_has_what_waits_the_oldest_first(stock: Stockkeeper, shop: Shop) -> None:
    item, supplier = shop.item(0), shop.supplier()
    numbers = [new_reference("po") for _ in range(3)]
    orders = [await draft(stock, number, supplier, item, approvals=2) for number in numbers]
    submitted = new_reference("po")
    await draft(stock, submitted, supplier, item, approvals=0)
    await orders[1].approve(approver="ann")
    await orders[2].reject(approver="ann", reason="no")

    async def ours() -> list[AwaitingApproval]:
        return [each for each in await stock.awaiting_approval() if each.po_number in {*numbers, submitted}]

    def is_so(found: list[AwaitingApproval]) -> bool:
        return [(each.po_number, each.approvals) for each in found] == [(numbers[0], 0), (numbers[1], 1)]

    first, second = await eventually(ours, is_so)
    assert (first.total, first.required_approvals, first.requested_by) == (Decimal("12.50"), 2, "planning")
    assert first.since < second.since
    assert first.approve_by == orders[0].state.approve_by
    assert await stock.awaiting_approval(limit=1) == (await stock.awaiting_approval())[:1]
