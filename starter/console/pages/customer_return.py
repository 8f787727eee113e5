"""Inspections at the dock: what customers send back, scanned and booked once, and what is set aside elsewhere."""

from datetime import UTC, datetime
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from starter.console.bodies import body_of
from starter.console.difference import approve_difference
from starter.console.dock import Booking, DockLine, DockLot, booked, show_dock, wanted_lines
from starter.console.expected import SHOWN, expected_at
from starter.console.named import names_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.client.lines import InspectionLine
from stockkeeper.contracts import customer_return
from stockkeeper.contracts.customer_return import ReturnState, ReturnStatus
from stockkeeper.contracts.errors import NotFound
from stockkeeper.contracts.inspection import InspectionStatus
from stockkeeper.contracts.permission import Role
from stockkeeper.contracts.stock import FoundItems

routes = Routes()

_NEEDS = customer_return.PROCESS.needs
_LOOKS = (Role.RECEIVE, Role.COUNT, Role.APPROVE)


@routes.get("/inspect", *_LOOKS)
async def show_to_inspect(visit: Visit) -> Response:
    """Returns that are expected, and units that are set aside; ``find`` leads to the one of that number."""
    if number := visit.query("find"):
        return await _found(visit, number)
    returns = visit.stock.customer_returns(status=ReturnStatus.EXPECTED, limit=SHOWN)
    aside = visit.stock.inspections(status=InspectionStatus.OPEN, limit=SHOWN)
    expected = await expected_at(
        visit,
        ("return", _return_page(visit), None, returns),
        ("inspection", "/inbox/inspection/{number}", None, aside),
    )
    return visit.show(
        "expected.html",
        title=visit.texts.say("Inspections"),
        heading=visit.texts.say("To be inspected"),
        path="/inspect",
        expected=expected,
        now=datetime.now(UTC),
        nothing=visit.texts.say("Nothing is to be inspected."),
    )


@routes.get("/inspect/return/{number}", Role.RECEIVE)
async def show_return_at_dock(visit: Visit) -> Response:
    """What of a return is still to come, to be scanned."""
    state = (await visit.stock.customer_return(visit.path("number"))).state
    visit.require(customer_return.PROCESS, "inspect", state)
    found = await _names(visit, state)
    place = found.warehouse_names.get(state.warehouse_id or 0, "")
    return show_dock(
        visit,
        title=visit.texts.say("Inspect return {name}", name=state.return_number),
        about=visit.texts.say("Sold as {order}, comes back to {place}", order=state.reference_id, place=place),
        back="/inspect",
        path=f"/inspect/return/{quote(state.return_number, safe='')}/book",
        lines=_expected(visit, state, found),
        button=visit.texts.say("Book {count} units"),
        bad=visit.texts.say("Unfit"),
        refuses_more=True,
        names_lots=True,
    )


@routes.post("/inspect/return/{number}/book", Role.RECEIVE)
async def book_inspection(visit: Visit) -> Response:
    """Book what was found, by the number of its draft."""
    returned = await visit.stock.customer_return(visit.path("number"))
    visit.require(customer_return.PROCESS, "inspect", returned.state)
    booking = await body_of(visit, Booking)
    lines = [
        InspectionLine(
            product_id=each.product_id,
            restock_quantity=each.units,
            scrap_quantity=each.bad,
            lot_number=each.lot,
            expires_on=each.expires_on,
        )
        for each in booking.lines
    ]
    state = await returned.inspect(lines, performed_by=visit.person, inspection_id=booking.number)
    said = visit.texts.counted("{number} unit is booked.", "{number} units are booked.", booking.units)
    return booked(said, _expected(visit, state, await _names(visit, state)))


@routes.get("/inbox/return/{number}")
async def show_return(visit: Visit) -> Response:
    """One return for whoever looks or approves."""
    state = (await visit.stock.customer_return(visit.path("number"))).state
    expected = state.status is ReturnStatus.EXPECTED
    return visit.show(
        "customer_return.html",
        its=state,
        found=await _names(visit, state),
        may_inspect=expected and visit.may(_NEEDS["inspect"], state),
        may_approve_difference=expected and visit.may(_NEEDS["approve_difference"], state),
    )


@routes.post("/inbox/return/{number}/approve-difference", Role.APPROVE)
async def approve_return_difference(visit: Visit) -> Response:
    """Approve a difference above the limit, which somebody else books."""
    found = await visit.stock.customer_return(visit.path("number"))
    visit.require(customer_return.PROCESS, "approve_difference", found.state)
    return await approve_difference(visit, found, f"/inbox/return/{quote(found.name, safe='')}")


async def _found(visit: Visit, number: str) -> Response:
    """The page of the return or inspection of a number that was scanned or typed."""
    for page, find in (
        (_return_page(visit), visit.stock.customer_return),
        ("/inbox/inspection/{number}", visit.stock.inspection),
    ):
        try:
            await find(number)
        except NotFound:
            continue
        return RedirectResponse(page.format(number=quote(number, safe="")), status_code=303)
    raise NotFound(visit.texts.say("No return and no inspection has the number {number}.", number=number))


def _return_page(visit: Visit) -> str:
    return "/inspect/return/{number}" if Role.RECEIVE in visit.identity.roles else "/inbox/return/{number}"


def _expected(visit: Visit, state: ReturnState, found: FoundItems) -> list[DockLine]:
    """What isn't inspected yet; a lot that the customer's order names stands beside it."""
    is_open = state.status is ReturnStatus.EXPECTED
    wanted = []
    for line in state.lines:
        left = line.quantity - line.restocked - line.scrapped if is_open else 0
        lots = []
        if line.lot_number and left:
            lots.append(DockLot(lot=line.lot_number, expires_on=line.expires_on, quantity=left))
        wanted.append((line.product_id, left, lots))
    return wanted_lines(visit.texts, found, wanted)


async def _names(visit: Visit, state: ReturnState) -> FoundItems:
    return await names_of(
        visit.stock, products={line.product_id for line in state.lines}, warehouses=[state.warehouse_id]
    )
