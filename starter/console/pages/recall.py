"""A recall: what was stopped where, what has become of the lot, and how it ends."""

from starlette.responses import Response

from starter.console.named import names_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from starter.console.waiting import why_above_limit, why_not_by
from stockkeeper.contracts import recall
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role, require_limit
from stockkeeper.contracts.recall import RecallStatus

routes = Routes()

_CLOSES = recall.PROCESS.needs["close"].any_of


@routes.get("/inbox/recall/{number}")
async def show_recall(visit: Visit) -> Response:
    """One recall, with the buttons that this person may press."""
    state = (await visit.stock.recall(visit.path("number"))).state
    places = {each.from_warehouse_id for each in state.in_transit} | {each.to_warehouse_id for each in state.in_transit}
    found = await names_of(visit.stock, products=[state.product_id] if state.product_id else [], warehouses=places)
    is_open = state.status is RecallStatus.BLOCKED
    releases = is_open and visit.may(recall.PROCESS.needs["release"], state)
    hindered = (why_not_by(visit, state.requested_by) or why_above_limit(visit, None)) if releases else None
    return visit.show(
        "recall.html",
        its=state,
        found=found,
        is_open=is_open,
        hindered=hindered,
        may_release=releases and hindered is None,
        may_close=is_open and visit.may(recall.PROCESS.needs["close"], state),
    )


@routes.post("/inbox/recall/{number}/release", Role.APPROVE)
async def release_lot(visit: Visit) -> Response:
    """Let the lot leave again."""
    reason = await _reason(visit)
    found = await visit.stock.recall(visit.path("number"))
    visit.require(recall.PROCESS, "release", found.state)
    # What it is worth isn't known here.
    require_limit(visit.identity, None, "release")
    await found.release(performed_by=visit.person, reason=reason)
    return visit.go_to("/inbox", visit.texts.say("Lot {number} may leave again.", number=found.state.lot_number))


@routes.post("/inbox/recall/{number}/close", *_CLOSES)
async def close_recall(visit: Visit) -> Response:
    """Expect nothing more back; the lot stays blocked."""
    reason = await _reason(visit)
    found = await visit.stock.recall(visit.path("number"))
    visit.require(recall.PROCESS, "close", found.state)
    await found.close(performed_by=visit.person, reason=reason)
    said = visit.texts.say(
        "Recall {name} is closed. Lot {number} stays blocked.", name=found.name, number=found.state.lot_number
    )
    return visit.go_to("/inbox", said)


async def _reason(visit: Visit) -> str:
    reason = await visit.field("reason")
    if reason is None:
        raise InvalidRequest(visit.texts.say("Say why: the report has your reason."))
    return reason
