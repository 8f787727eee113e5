"""A purchase order: its lines, the reason for each, and the decision about it."""

from starlette.responses import Response

from starter.console.named import names_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.client.purchase_order import PurchaseOrder
from stockkeeper.contracts import purchase_order
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role, require_limit
from stockkeeper.contracts.purchase_order_state import PurchaseOrderStatus

routes = Routes()


@routes.get("/inbox/po/{number}")
async def show_purchase_order(visit: Visit) -> Response:
    """One order, with the buttons that this person may press."""
    order = await visit.stock.purchase_order(visit.path("number"))
    return await _shown(visit, order)


@routes.post("/inbox/po/{number}/approve", Role.APPROVE)
async def approve_purchase_order(visit: Visit) -> Response:
    """Approve the version that was looked at."""
    said = await approve(visit, visit.path("number"), await visit.field("version"))
    return visit.go_to("/inbox", said)


@routes.post("/inbox/po/{number}/reject", Role.APPROVE)
async def reject_purchase_order(visit: Visit) -> Response:
    """Reject it, with a reason."""
    reason = await visit.field("reason")
    if reason is None:
        raise InvalidRequest(visit.texts.say("Say why, so that whoever drafted it can mend it."))
    said = await reject(visit, visit.path("number"), reason)
    return visit.go_to("/inbox", said)


async def approve(visit: Visit, number: str, version: str | None) -> str:
    """Approve an order, and say what came of it.

    Args:
        visit: Who approves.
        number: The order's number.
        version: The version that was seen, so that an amendment since then isn't approved unseen.

    Raises:
        DomainError: See `PurchaseOrder.approve`.
    """
    order = await visit.stock.purchase_order(number)
    visit.require(purchase_order.PROCESS, "approve", order.state)
    require_limit(visit.identity, order.state.total, "approve")
    if version is not None and not version.isdecimal():
        raise InvalidRequest(f"{version!r} isn't a version")
    state = await order.approve(approver=visit.person, version=int(version) if version else None)
    if state.status is PurchaseOrderStatus.DRAFT:
        missing = state.required_approvals - len(state.approvals)
        return visit.texts.counted(
            "{name} is approved by you; {number} more approval is needed.",
            "{name} is approved by you; {number} more approvals are needed.",
            missing,
            name=number,
        )
    return visit.texts.say("{name} is approved and goes to the supplier.", name=number)


async def reject(visit: Visit, number: str, reason: str) -> str:
    """Reject an order, and say what came of it.

    Raises:
        DomainError: See `PurchaseOrder.reject`.
    """
    order = await visit.stock.purchase_order(number)
    visit.require(purchase_order.PROCESS, "reject", order.state)
    await order.reject(approver=visit.person, reason=reason)
    return visit.texts.say("{name} is rejected. Whoever drafted it sees your reason.", name=number)


async def _shown(visit: Visit, order: PurchaseOrder) -> Response:
    state = order.state
    found = await names_of(
        visit.stock,
        products=[line.product_id for line in state.line_items],
        warehouses=[state.warehouse_id],
        suppliers=[state.supplier_id],
    )
    waits = state.status is PurchaseOrderStatus.DRAFT
    return visit.show(
        "purchase_order.html",
        order=state,
        found=found,
        may_decide=waits and visit.may(purchase_order.PROCESS.needs["approve"], state),
    )
