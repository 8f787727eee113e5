"""Counts beyond tolerance: their numbers, for whoever decides, and for nobody who may count again."""

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from starter.console.named import names_of, zone_at
from starter.console.numbers_seen import NUMBERS_SEEN
from starter.console.paging import first
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts import cycle_count
from stockkeeper.contracts.count_questions import VARIANCES_AT_ONCE
from stockkeeper.contracts.cycle_count import RootCause, is_same_person
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role, require_limit

routes = Routes()

_NEEDS = cycle_count.PROCESS.needs


@routes.get("/inbox/count/{number}")
async def show_variances(visit: Visit) -> Response:
    """The variances of one count.

    Whoever only counts is led to the sheet, which has no numbers. Who may do both sees them only when they ask for
    them: whoever has seen them decides, and doesn't count again.
    """
    number = visit.path("number")
    state = (await visit.stock.cycle_count(number)).state
    decides = visit.may(_NEEDS["approve_variance"], state)
    counts = visit.may(_NEEDS["record"], state)
    sheet = f"/count/{quote(number, safe='')}"
    if not decides and counts:
        return RedirectResponse(sheet, status_code=303)
    shows = decides and (not counts or visit.query("numbers") == "show")
    if shows and counts:
        NUMBERS_SEEN.by(visit.person, number)
    lines, more = await first(visit.stock.variances(count_number=number), VARIANCES_AT_ONCE) if shows else ([], False)
    promised = {each.product_id for line in lines for each in line.would_end}
    found = await names_of(visit.stock, products=promised, warehouses=[state.warehouse_id])
    return visit.show(
        "count_variances.html",
        # Nothing of the state is handed on to a page without numbers: counting is blind in its source, too.
        number_of=number,
        requested_by=state.requested_by,
        warehouse=found.warehouse_names.get(state.warehouse_id or 0, ""),
        in_review=sum(line.status is cycle_count.CountStatus.REVIEW for line in state.lines),
        lines=lines,
        more=more,
        shows=shows,
        decides=decides,
        sheet=sheet if counts else None,
        zone=zone_at(found, state.warehouse_id),
        is_mine=lambda line: is_same_person(line.counted_by, visit.person),
        causes=[each.value for each in RootCause],
        found=found,
    )


@routes.post("/inbox/count/{number}/approve", Role.APPROVE)
async def approve_variance(visit: Visit) -> Response:
    """Approve that a count is right, with the cause."""
    number = visit.path("number")
    product, lot = await visit.field("product_id"), await visit.field("lot_number")
    cause = await visit.field("root_cause")
    if product is None or not (product.isascii() and product.isdecimal() and len(product) < 19):
        raise InvalidRequest(visit.texts.say("This page is too old. Load it again, and repeat what you did."))
    if cause is None or cause not in {*RootCause}:
        raise InvalidRequest(visit.texts.say("Choose why the books were wrong."))
    count = await visit.stock.cycle_count(number)
    visit.require(cycle_count.PROCESS, "approve_variance", count.state)
    # What it is worth isn't known here.
    require_limit(visit.identity, None, "approve_variance")
    state = await count.approve_variance(
        int(product), approver=visit.person, root_cause=RootCause(cause), lot_number=lot
    )
    left = sum(line.status is cycle_count.CountStatus.REVIEW for line in state.lines)
    said = visit.texts.say("The count is in the books.")
    return visit.go_to(f"/inbox/count/{quote(number, safe='')}?numbers=show" if left else "/inbox", said)
