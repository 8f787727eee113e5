"""Pick: orders whose stock is held, scanned and shipped once."""

from datetime import UTC, datetime
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from starter.console.bodies import body_of
from starter.console.dock import Booking, DockLine, DockLot, booked, leaving, show_dock, wanted_lines
from starter.console.expected import SHOWN, expected_at
from starter.console.named import names_of, zone_at
from starter.console.paper import Column, Paper, pdf
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts import reservation
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role
from stockkeeper.contracts.reservation import ReservationState, ReservationStatus
from stockkeeper.contracts.stock import FoundItems

routes = Routes()


@routes.get("/pick", Role.SELL)
async def show_orders(visit: Visit) -> Response:
    """Orders whose stock is held, the first to end first; ``find`` leads to the one of that number."""
    if number := visit.query("find"):
        await visit.stock.hold(number)
        return RedirectResponse(f"/pick/{quote(number, safe='')}", status_code=303)
    held = visit.stock.holds(status=ReservationStatus.ACTIVE, limit=SHOWN)
    return visit.show(
        "expected.html",
        title=visit.texts.say("Pick"),
        heading=visit.texts.say("Held orders"),
        path="/pick",
        expected=await expected_at(visit, ("order", "/pick/{number}", None, held)),
        now=datetime.now(UTC),
        nothing=visit.texts.say("No order waits to be picked."),
    )


@routes.get("/pick/{number}", Role.SELL)
async def show_order(visit: Visit) -> Response:
    """What of an order is still to leave; one of several warehouses is chosen first."""
    state = (await visit.stock.hold(visit.path("number"))).state
    visit.require(reservation.PROCESS, "fulfill", state)
    found = await _names(visit, state)
    places = sorted({line.warehouse_id for line in state.lines if line.warehouse_id is not None})
    place = _place(visit, places)
    if place is None:
        return visit.show(
            "pick_where.html", order=state, places=[(each, found.warehouse_names[each]) for each in places]
        )
    about = found.warehouse_names.get(place, "")
    if state.expires_at and state.status is ReservationStatus.ACTIVE:
        until = visit.texts.instant(state.expires_at, zone_at(found, place))
        about += f" · {visit.texts.say('held until {when}', when=until)}"
    return show_dock(
        visit,
        title=visit.texts.say("Pick {name}", name=state.reference_id),
        about=about,
        back="/pick",
        path=f"/pick/{quote(state.reference_id, safe='')}/{place}/book",
        lines=_held(visit, state, found, place),
        button=visit.texts.say("Ship {count} units"),
        names_lots=True,
        refuses_more=True,
        paper=f"/pick/{quote(state.reference_id, safe='')}/{place}/print",
    )


@routes.post("/pick/{number}/{place:int}/book", Role.SELL)
async def ship_order(visit: Visit) -> Response:
    """Ship what was picked in a warehouse, by the number of its draft."""
    hold = await visit.stock.hold(visit.path("number"))
    visit.require(reservation.PROCESS, "fulfill", hold.state)
    place = int(visit.path("place"))
    booking = await body_of(visit, Booking)
    state = await hold.fulfill(leaving(booking, place), performed_by=visit.person, fulfillment_id=booking.number)
    said = visit.texts.counted("{number} unit has left.", "{number} units have left.", booking.units)
    return booked(said, _held(visit, state, await _names(visit, state), place))


@routes.get("/pick/{number}/{place:int}/print", Role.SELL)
async def print_list(visit: Visit) -> Response:
    """The pick list of a warehouse on paper."""
    state, found, place = await _to_print(visit)
    return visit.show(
        "pick_paper.html",
        order=state,
        place=found.warehouse_names.get(place, ""),
        rows=_rows(visit, state, found, place),
        back=f"/pick/{quote(state.reference_id, safe='')}?warehouse={place}",
    )


@routes.get("/pick/{number}/{place:int}/print.pdf", Role.SELL)
async def print_list_as_pdf(visit: Visit) -> Response:
    """The same as PDF."""
    state, found, place = await _to_print(visit)
    say = visit.texts.say
    facts = [(say("Warehouse"), found.warehouse_names.get(place, ""))]
    if state.expires_at:
        facts.append((say("Held until"), visit.texts.instant(state.expires_at, zone_at(found, place))))
    columns = [
        Column("SKU", 3),
        Column(say("Product"), 4),
        Column(say("Lot"), 3),
        Column(say("Units"), 2, is_number=True),
        Column(say("Picked"), 2),
    ]
    paper = Paper(say("Pick {name}", name=state.reference_id), facts, columns, _rows(visit, state, found, place))
    return await pdf(paper, f"pick-{state.reference_id}")


async def _to_print(visit: Visit) -> tuple[ReservationState, FoundItems, int]:
    state = (await visit.stock.hold(visit.path("number"))).state
    visit.require(reservation.PROCESS, "fulfill", state)
    return state, await _names(visit, state), int(visit.path("place"))


def _rows(visit: Visit, state: ReservationState, found: FoundItems, place: int) -> list[list[str]]:
    """A row for each lot that is to be picked, or for the units of a product without lots."""
    rows = []
    for line in _held(visit, state, found, place):
        left = line.wanted
        for lot in line.lots:
            until = f" ({visit.texts.day(lot.expires_on)})" if lot.expires_on else ""
            rows.append([line.sku, line.name, f"{lot.lot}{until}", visit.texts.number(lot.quantity), ""])
            left -= lot.quantity
        if left:
            rows.append([line.sku, line.name, "", visit.texts.number(left), ""])
    return rows


def _place(visit: Visit, places: list[int]) -> int | None:
    """The warehouse in which it is picked; None: there are several, and none was chosen."""
    chosen = visit.query("warehouse")
    if chosen is None:
        return places[0] if len(places) == 1 else None
    if not chosen.isdecimal() or int(chosen) not in places:
        raise InvalidRequest(visit.texts.say("Nothing of this order is held in that warehouse."))
    return int(chosen)


async def _names(visit: Visit, state: ReservationState) -> FoundItems:
    return await names_of(
        visit.stock,
        products=[line.product_id for line in state.lines],
        warehouses=[line.warehouse_id for line in state.lines],
    )


def _held(visit: Visit, state: ReservationState, found: FoundItems, place: int) -> list[DockLine]:
    """What is held in a warehouse, with its lots, the first expired first."""
    is_held = state.status is ReservationStatus.ACTIVE
    return wanted_lines(
        visit.texts,
        found,
        [
            (
                line.product_id,
                line.quantity - line.quantity_fulfilled - line.quantity_released if is_held else 0,
                [
                    DockLot(
                        lot=lot.lot_number, expires_on=lot.expires_on, quantity=lot.quantity - lot.quantity_fulfilled
                    )
                    for lot in line.lots
                    if is_held and lot.quantity > lot.quantity_fulfilled
                ],
            )
            for line in state.lines
            if line.warehouse_id == place
        ],
    )
