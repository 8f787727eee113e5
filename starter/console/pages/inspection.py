"""An inspection: units that are set aside, and the decision about each of them."""

import secrets
from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import quote

from starlette.responses import Response

from starter.console.difference import approve_difference
from starter.console.named import names_of, zone_at
from starter.console.routes import Routes
from starter.console.visit import Visit
from starter.console.waiting import why_above_limit, why_not_by
from stockkeeper.client.inspection import Inspection
from stockkeeper.client.lines import Line, LotLine
from stockkeeper.contracts import inspection
from stockkeeper.contracts.cycle_count import RootCause
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.inspection import InspectionLineState, InspectionState, InspectionStatus
from stockkeeper.contracts.permission import Role, require_limit

routes = Routes()

_NEEDS = inspection.PROCESS.needs


@routes.get("/inbox/inspection/{number}")
async def show_inspection(visit: Visit) -> Response:
    """One inspection, with the buttons that this person may press."""
    state = (await visit.stock.inspection(visit.path("number"))).state
    found = await names_of(
        visit.stock, products={line.product_id for line in state.lines}, warehouses=[state.warehouse_id]
    )
    decides = state.status is InspectionStatus.OPEN and visit.may(_NEEDS["release"], state)
    hindered = (why_not_by(visit, state.requested_by) or why_above_limit(visit, _worth(state))) if decides else None
    return visit.show(
        "inspection.html",
        its=state,
        found=found,
        zone=zone_at(found, state.warehouse_id),
        is_open=state.status is InspectionStatus.OPEN,
        worth=_worth(state),
        hindered=hindered,
        may_decide=decides and hindered is None,
        may_approve_difference=decides,
        causes=[each.value for each in RootCause],
        draft=secrets.token_hex(16),
    )


@routes.post("/inbox/inspection/{number}/release", Role.APPROVE)
async def release_units(visit: Visit) -> Response:
    """Make units available again: once, by the number of the page on which it was decided."""
    found, lines = await _decided(visit, "release")
    note, decision_id = await visit.field("note"), await _decision_id(visit, "release")
    state = await found.release(lines, performed_by=visit.person, decision_id=decision_id, note=note)
    units = sum(line.quantity for line in lines)
    said = visit.texts.counted("{number} unit is available again.", "{number} units are available again.", units)
    return _gone_on(visit, state, said)


@routes.post("/inbox/inspection/{number}/scrap", Role.APPROVE)
async def scrap_units(visit: Visit) -> Response:
    """Take units off the books: once, by the number of the page on which it was decided."""
    found, lines = await _decided(visit, "scrap")
    cause, reason = await visit.field("root_cause"), await visit.field("reason")
    if cause is None or cause not in {*RootCause} or reason is None:
        raise InvalidRequest(visit.texts.say("Say why they are lost: choose the root cause, and write a sentence."))
    state = await found.scrap(
        lines,
        performed_by=visit.person,
        root_cause=RootCause(cause),
        reason=reason,
        decision_id=await _decision_id(visit, "scrap"),
    )
    units = sum(line.quantity for line in lines)
    said = visit.texts.counted("{number} unit is off the books.", "{number} units are off the books.", units)
    return _gone_on(visit, state, said)


@routes.post("/inbox/inspection/{number}/approve-difference", Role.APPROVE)
async def approve_inspection_difference(visit: Visit) -> Response:
    """Approve a difference above the limit, which somebody else books."""
    found = await visit.stock.inspection(visit.path("number"))
    visit.require(inspection.PROCESS, "approve_difference", found.state)
    return await approve_difference(visit, found, f"/inbox/inspection/{quote(found.name, safe='')}")


async def _decided(visit: Visit, command: str) -> tuple[Inspection, Sequence[Line]]:
    """The inspection, and the units that the person decides about."""
    found = await visit.stock.inspection(visit.path("number"))
    visit.require(inspection.PROCESS, command, found.state)
    require_limit(visit.identity, _worth(found.state), command)
    lines = [
        _line(each, units)
        for place, each in enumerate(found.state.lines)
        if (units := _units(visit, await visit.field(f"units-{place}")))
    ]
    if not lines:
        raise InvalidRequest(visit.texts.say("Write how many units you decide about."))
    return found, lines


async def _decision_id(visit: Visit, command: str) -> str | None:
    """The decision's number: that of its page, so that a second press decides nothing more."""
    draft = await visit.field("draft")
    if draft is not None and not (len(draft) == 32 and draft.isalnum()):
        raise InvalidRequest(visit.texts.say("This page is too old. Load it again, and repeat what you did."))
    return draft and f"console-{command}-{draft}"


def _gone_on(visit: Visit, state: InspectionState, said: str) -> Response:
    if state.status is InspectionStatus.OPEN:
        return visit.go_to(f"/inbox/inspection/{quote(state.inspection_number, safe='')}", said)
    return visit.go_to("/inbox", said)


def _line(line: InspectionLineState, units: int) -> Line:
    lots = [LotLine(line.lot_number, quantity=units)] if line.lot_number else None
    return Line(line.product_id, quantity=units, lots=lots)


def _units(visit: Visit, typed: str | None) -> int:
    if typed is None:
        return 0
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 10):
        raise InvalidRequest(visit.texts.say("{value} isn't a number of units.", value=typed))
    return int(typed)


def _worth(state: InspectionState) -> Decimal | None:
    """The value of all that is still set aside; None: the cost of some of it isn't known."""
    aside = [(line.aside, line.unit_cost) for line in state.lines if line.aside]
    if any(cost is None for _, cost in aside):
        return None
    return sum((units * cost for units, cost in aside if cost is not None), Decimal(0))
