"""A purchase order: its lines, the reason for each, the decision about it, and its paper."""

from datetime import datetime
from urllib.parse import quote

from starlette.responses import Response

from starter.console.difference import approve_difference
from starter.console.named import names_of, zone_at
from starter.console.paper import Column, Paper, pdf
from starter.console.routes import Routes
from starter.console.visit import Visit
from starter.console.waiting import why_above_limit, why_not_by
from stockkeeper.client.purchase_order import PurchaseOrder
from stockkeeper.contracts import purchase_order
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role, require_limit
from stockkeeper.contracts.purchase_order_state import PurchaseOrderState, PurchaseOrderStatus, is_same_person
from stockkeeper.contracts.stock import FoundItems

routes = Routes()

_NEEDS = purchase_order.PROCESS.needs
_COMES = (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CONFIRMED)


@routes.get("/inbox/po/{number}")
async def show_purchase_order(visit: Visit) -> Response:
    """One order, with the buttons that this person may press."""
    order = await visit.stock.purchase_order(visit.path("number"))
    state = order.state
    found = await _names(visit, state)
    waits = state.status is PurchaseOrderStatus.DRAFT
    decides = waits and visit.may(_NEEDS["approve"], state)
    hindered = _hindered(visit, state) if decides else None
    return visit.show(
        "purchase_order.html",
        order=state,
        found=found,
        zone=zone_at(found, state.warehouse_id),
        waits=waits,
        hindered=hindered,
        may_decide=decides and hindered is None,
        may_receive=state.status in _COMES and visit.may(_NEEDS["receive"], state),
        may_approve_difference=not waits
        and state.status is not PurchaseOrderStatus.CANCELLED
        and visit.may(_NEEDS["approve_difference"], state),
    )


@routes.get("/inbox/po/{number}/print")
async def print_purchase_order(visit: Visit) -> Response:
    """The order as a paper for its supplier."""
    state = (await visit.stock.purchase_order(visit.path("number"))).state
    return visit.show("purchase_order_paper.html", order=state, found=await _names(visit, state))


@routes.get("/inbox/po/{number}/print.pdf")
async def print_purchase_order_as_pdf(visit: Visit) -> Response:
    """The same as PDF."""
    state = (await visit.stock.purchase_order(visit.path("number"))).state
    found, texts = await _names(visit, state), visit.texts
    say = texts.say
    facts = [
        (say("Supplier"), found.supplier_names.get(state.supplier_id or 0, "")),
        (say("Deliver to"), found.warehouse_names.get(state.warehouse_id or 0, "")),
        (say("Status"), say(state.status.value)),
    ]
    if state.expected_delivery_date:
        facts.append((say("Expected"), texts.day(state.expected_delivery_date)))
    columns = [
        Column("SKU", 3),
        Column(say("Product"), 5),
        Column(say("Units"), 2, is_number=True),
        Column(say("Unit cost"), 2, is_number=True),
        Column(say("Worth"), 2, is_number=True),
    ]
    rows = [
        [
            found.skus.get(line.product_id, str(line.product_id)),
            found.product_names.get(line.product_id, ""),
            texts.number(line.qty),
            texts.money(line.unit_cost),
            texts.money(line.qty * line.unit_cost),
        ]
        for line in state.line_items
    ]
    rows.append([say("Total"), "", "", "", texts.money(state.total)])
    paper = Paper(say("Purchase order {name}", name=state.po_number), facts, columns, rows)
    return await pdf(paper, f"order-{state.po_number}")


@routes.post("/inbox/po/{number}/approve", Role.APPROVE)
async def approve_purchase_order(visit: Visit) -> Response:
    """Approve the version that was looked at."""
    version = await visit.field("version")
    if version is not None and not (version.isascii() and version.isdecimal()):
        raise InvalidRequest(visit.texts.say("{value} isn't a version.", value=repr(version)))
    order = await visit.stock.purchase_order(visit.path("number"))
    said = await _approve(visit, order, int(version) if version else order.state.version)
    return visit.go_to("/inbox", said)


@routes.post("/inbox/po/{number}/reject", Role.APPROVE)
async def reject_purchase_order(visit: Visit) -> Response:
    """Reject it, with a reason."""
    said = await reject(visit, visit.path("number"), await visit.field("reason"))
    return visit.go_to("/inbox", said)


@routes.post("/inbox/po/{number}/approve-difference", Role.APPROVE)
async def approve_order_difference(visit: Visit) -> Response:
    """Approve a difference above the limit, which somebody else books."""
    found = await visit.stock.purchase_order(visit.path("number"))
    visit.require(purchase_order.PROCESS, "approve_difference", found.state)
    return await approve_difference(visit, found, f"/inbox/po/{quote(found.name, safe='')}")


async def approve_listed(visit: Visit, number: str, seen: str | None) -> str:
    """Approve an order from the list, and say what came of it.

    Args:
        visit: Who approves.
        number: The order's number.
        seen: The total that the list showed, and when it was read, so that an amendment since then isn't approved
            unseen; None: it isn't known.

    Raises:
        DomainError: See `PurchaseOrder.approve`.
    """
    order = await visit.stock.purchase_order(number)
    if seen is not None and _is_changed(visit, order.state, seen):
        raise InvalidRequest(visit.texts.say("{name} has been changed meanwhile. Look at it again.", name=number))
    return await _approve(visit, order, order.state.version)


async def reject(visit: Visit, number: str, reason: str | None) -> str:
    """Reject an order, and say what came of it.

    Raises:
        DomainError: See `PurchaseOrder.reject`.
    """
    if reason is None:
        raise InvalidRequest(visit.texts.say("Say why, so that whoever drafted it can mend it."))
    order = await visit.stock.purchase_order(number)
    visit.require(purchase_order.PROCESS, "reject", order.state)
    await order.reject(approver=visit.person, reason=reason)
    return visit.texts.say("{name} is rejected. Whoever drafted it sees your reason.", name=number)


async def _approve(visit: Visit, order: PurchaseOrder, version: int) -> str:
    visit.require(purchase_order.PROCESS, "approve", order.state)
    require_limit(visit.identity, order.state.total, "approve")
    state = await order.approve(approver=visit.person, version=version)
    if state.status is PurchaseOrderStatus.DRAFT:
        missing = state.required_approvals - len(state.approvals)
        return visit.texts.counted(
            "{name} is approved by you; {number} more approval is needed.",
            "{name} is approved by you; {number} more approvals are needed.",
            missing,
            name=order.name,
        )
    return visit.texts.say("{name} is approved and goes to the supplier.", name=order.name)


def _is_changed(visit: Visit, order: PurchaseOrderState, seen: str) -> bool:
    """Whether an order was amended since a list showed it: maybe to other lines that are worth the same."""
    total, _, at = seen.partition(" ")
    try:
        read_at = datetime.fromisoformat(at)
        is_later = any(each.at >= read_at for each in order.amendments)
    except (TypeError, ValueError):
        raise InvalidRequest(visit.texts.say("This page is too old. Load it again, and repeat what you did.")) from None
    return is_later or total != str(order.total)


def _hindered(visit: Visit, order: PurchaseOrderState) -> str | None:
    """Why this person may not decide about a draft; None: they may."""
    drafted_by = [order.requested_by, *(each.amended_by for each in order.amendments)]
    if why := why_not_by(visit, *drafted_by):
        return why
    if any(is_same_person(each.approver, visit.person) for each in order.approvals):
        return visit.texts.say("You have approved it already: it waits for somebody else.")
    return why_above_limit(visit, order.total)


async def _names(visit: Visit, order: PurchaseOrderState) -> FoundItems:
    return await names_of(
        visit.stock,
        products=[line.product_id for line in order.line_items],
        warehouses=[order.warehouse_id],
        suppliers=[order.supplier_id],
    )
