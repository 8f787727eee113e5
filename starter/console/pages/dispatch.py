"""Dispatch: transfers that leave, scanned and booked once."""

from datetime import UTC, datetime
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from starter.console.bodies import body_of
from starter.console.dock import Booking, DockLine, booked, leaving, show_dock
from starter.console.expected import SHOWN, expected_at
from starter.console.pages.receive import lines_of_transfer, names_of_transfer, way_of
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts import transfer
from stockkeeper.contracts.permission import Role
from stockkeeper.contracts.stock import FoundItems
from stockkeeper.contracts.transfer_state import TransferState, TransferStatus

routes = Routes()


@routes.get("/dispatch", Role.RECEIVE)
async def show_departures(visit: Visit) -> Response:
    """Transfers of which something is still at its source; ``find`` leads to the one of that number."""
    if number := visit.query("find"):
        await visit.stock.transfer(number)
        return RedirectResponse(f"/dispatch/{quote(number, safe='')}", status_code=303)
    held = [
        ("transfer", "/dispatch/{number}", 0, visit.stock.transfers(status=status, limit=SHOWN))
        for status in (TransferStatus.PENDING, TransferStatus.IN_TRANSIT)
    ]
    return visit.show(
        "expected.html",
        title=visit.texts.say("Dispatch"),
        heading=visit.texts.say("Waiting to leave"),
        path="/dispatch",
        expected=await expected_at(visit, *held),
        now=datetime.now(UTC),
        nothing=visit.texts.say("No transfer waits to leave."),
    )


@routes.get("/dispatch/{number}", Role.RECEIVE)
async def show_departure(visit: Visit) -> Response:
    """What of a transfer is still at its source."""
    state = (await visit.stock.transfer(visit.path("number"))).state
    visit.require(transfer.PROCESS, "dispatch", state)
    found = await names_of_transfer(visit, state)
    return show_dock(
        visit,
        title=visit.texts.say("Dispatch {name}", name=state.transfer_number),
        about=way_of(state, found),
        back="/dispatch",
        path=f"/dispatch/{quote(state.transfer_number, safe='')}/book",
        lines=_held(visit, state, found),
        button=visit.texts.say("Let {count} units leave"),
        names_lots=True,
        refuses_more=True,
    )


@routes.post("/dispatch/{number}/book", Role.RECEIVE)
async def book_departure(visit: Visit) -> Response:
    """Let the goods of a draft leave, by its number."""
    leaves = await visit.stock.transfer(visit.path("number"))
    visit.require(transfer.PROCESS, "dispatch", leaves.state)
    booking = await body_of(visit, Booking)
    state = await leaves.dispatch(leaving(booking), performed_by=visit.person, dispatch_id=booking.number)
    said = visit.texts.counted("{number} unit has left.", "{number} units have left.", booking.units)
    return booked(said, _held(visit, state, await names_of_transfer(visit, state)))


def _held(visit: Visit, state: TransferState, found: FoundItems) -> list[DockLine]:
    return lines_of_transfer(visit, state, found, lambda each: each.held)
