"""Purchase orders that are approved, received, rejected, given up and forgotten."""

from datetime import date

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import ApprovalPolicy, ApprovalTier, InvalidRequest, NotPermitted, OrderLine, PurchaseOrder

_TWO_SECONDS_IN_HOURS = 2 / 3600


async def _draft(
    shop: Shop, number: str, supplier: str, *lines: OrderLine, approval: ApprovalPolicy | None = None
) -> PurchaseOrder:
    return await shop.stock.draft_purchase_order(
        number,
        lines,
        supplier_id=shop.suppliers[supplier],
        warehouse_id=shop.warehouses["Newark"],
        requested_by="planning",
        reason="the shelf in Newark is nearly empty",
        approval=approval,
    )


async def _received(shop: Shop) -> Sight:
    """PO-1 over 1,176.00: own approval, approved, received in two parts."""
    # An order is approved, confirmed and received in parts.
    order = await _draft(shop, "PO-1", "Brahmaputra Estates", shop.wanted("TEA-500", 120, "9.80"))
    drafted = order.state.status
    try:
        own = str((await order.approve(approver="planning")).status)
    except NotPermitted as refused:
        own = refused.code
    await order.approve(approver="buyer")
    await order.confirm(performed_by="supplier", expected_delivery_date=date(2030, 1, 15))
    for _ in range(2):
        await order.receive("R-1", [shop.came("TEA-500", 70, rejected=5)], performed_by="dock")
    try:
        too_many = str((await order.receive("R-2", [shop.came("TEA-500", 51)], performed_by="dock")).status)
    except InvalidRequest as refused:
        too_many = refused.code
    state = await order.receive("R-3", [shop.came("TEA-500", 50)], performed_by="dock")
    yield "DRAFT", drafted
    yield "own: NotPermitted", f"own: {own}"
    yield "51 of 50 left: InvalidRequest", f"51 of 50 left: {too_many}"
    yield "RECEIVED: 120 on hand, 0 reserved", f"{state.status}: {await shop.level('TEA-500', 'Newark')}"


async def _closed_short(shop: Shop) -> Sight:
    """PO-2 over 295.00: no approval needed, closed short."""
    # A small order needs no approval, and the supplier runs out.
    order = await _draft(shop, "PO-2", "Weser Ceramics", shop.wanted("POT-CAST", 20, "14.75"))
    submitted = order.state.status
    await order.receive("R-1", [shop.came("POT-CAST", 8)], performed_by="dock")
    state = await order.close_short(performed_by="buyer", reason="the supplier has no more")
    yield "SUBMITTED", submitted
    yield "RECEIVED: 8 on hand, 0 reserved", f"{state.status}: {await shop.level('POT-CAST', 'Newark')}"


async def _rejected(shop: Shop) -> Sight:
    """PO-3 over 10,650.00: approved once, then rejected."""
    # A large order needs two approvals, and gets one and a no.
    order = await _draft(shop, "PO-3", "Weser Ceramics", shop.wanted("KETTLE-1", 500, "21.30"))
    state = await order.approve(approver="buyer")
    approved = f"{len(state.approvals)} of {state.required_approvals}, {state.status}"
    state = await order.reject(approver="finance", reason="not this quarter")
    yield "1 of 2, DRAFT", approved
    yield "CANCELLED", f"{state.status}"


async def _lapsed(shop: Shop) -> Sight:
    """PO-4: reminded, escalated, and never decided."""
    # No approver decides, and after two seconds the draft is cancelled.
    policy = ApprovalPolicy(
        tiers=[ApprovalTier(up_to=None, approvals=1)],
        remind_after_hours=_TWO_SECONDS_IN_HOURS / 4,
        escalate_after_hours=_TWO_SECONDS_IN_HOURS / 2,
        cancel_after_hours=_TWO_SECONDS_IN_HOURS,
    )
    await _draft(shop, "PO-4", "Weser Ceramics", shop.wanted("MUG-RED", 36, "3.10"), approval=policy)
    ended = await shop.stock.client.get_workflow_handle("purchase-order-PO-4").result()
    notified = ", ".join(notice["audience"] for notice in ended["notices"])
    yield "PROCUREMENT, PROCUREMENT, ESCALATION, PROCUREMENT", notified
    yield "CANCELLED", f"{ended['status']}"


SCENES: list[Play] = [_received, _closed_short, _rejected, _lapsed]
